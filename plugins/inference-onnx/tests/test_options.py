"""Options: typed, in range, and a typo is an error with a suggestion."""

from __future__ import annotations

import pytest
from inference_core import InvalidArgument
from inference_core.arguments import build_options
from inference_onnx.options import OnnxOptions


def build(**values) -> OnnxOptions:
    return build_options(OnnxOptions, values, "backend 'onnx'")


def test_text_becomes_numbers_and_flags():
    options = build(threads="4", io_binding="true", providers="CPUExecutionProvider")
    assert (options.threads, options.io_binding) == (4, True)
    assert options.provider_list() == [("CPUExecutionProvider", {})]


def test_providers_may_carry_settings():
    options = build(providers=[("CUDAExecutionProvider", {"device_id": 1}), "CPUExecutionProvider"])
    assert options.provider_list() == [
        ("CUDAExecutionProvider", {"device_id": 1}),
        ("CPUExecutionProvider", {}),
    ]


@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ("thread", "threads"),
        ("provider", "providers"),
        ("graph_optimisation", "graph_optimization"),
    ],
)
def test_a_typo_is_an_error_that_names_what_was_meant(typo, meant):
    with pytest.raises(InvalidArgument, match=f"did you mean '{meant}'"):
        build(**{typo: 1})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"threads": 0}, "threads=0 must be 1 to 1024"),
        ({"inter_op_threads": 5000}, "inter_op_threads=5000"),
        ({"log_severity": 7}, "log_severity=7"),
        ({"free_dimensions": {"n": 0}}, r"free_dimensions\['n'\]=0"),
        ({"graph_optimization": "most"}, "graph_optimization='most'"),
        ({"providers": "CUDA"}, "names end with ExecutionProvider"),
        ({"provider_options": {"device_id": 1}}, "device='cuda:1'"),
        (
            {"providers": "CPUExecutionProvider", "provider_options": {"a": 1}},
            "settings beside the name",
        ),
    ],
)
def test_a_value_that_does_not_fit_is_an_error(values, message):
    with pytest.raises(InvalidArgument, match=message):
        build(**values)
