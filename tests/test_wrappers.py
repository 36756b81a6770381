"""A wrapper that counts and times sees every load and predict; a later backend answers for nobody."""

from __future__ import annotations

import json

import numpy as np
import pytest
from inference_core import AutoModel

METER = """
    import time
    from inference_core import hookimpl

    calls = []          # (what, seconds)

    @hookimpl(wrapper=True)
    def load(artifact):
        start = time.perf_counter()
        session = yield
        calls.append(("load " + artifact.format, time.perf_counter() - start))
        return session

    @hookimpl(wrapper=True)
    def predict(options):
        start = time.perf_counter()
        result = yield
        if options.get("stream"):
            return _metered(result, start)
        calls.append(("predict", time.perf_counter() - start))
        return result

    def _metered(stream, start):
        pieces = 0
        try:
            for piece in stream:
                pieces += 1
                yield piece
        finally:
            calls.append((f"stream of {pieces}", time.perf_counter() - start))
"""

TELLER = """
    from inference_core import hookimpl
    from inference_core.verdict import BackendReport, Reason, Verdict

    PLUGIN_API = 1
    KIND = "task"

    class Session:
        inputs = outputs = ()
        metadata = {}
        task = "telling"
        device = "cpu"
        thread_safe = False
        device_arrays = None

        def close(self):
            pass

    @hookimpl
    def probe_environment():
        return BackendReport(devices=("cpu",))

    @hookimpl
    def can_load(artifact):
        if artifact.format != "story":
            return Verdict.reject(Reason("format", "only stories"))
        return Verdict.accept("cpu")

    @hookimpl
    def load():
        return Session()

    @hookimpl
    def predict(inputs, options):
        return (word for word in inputs.split()) if options.get("stream") else inputs
"""


@pytest.fixture
def meter(site):
    site.add("test-meter", {"wrappers": {"meter": "meter_module"}}, {"meter_module": METER})
    import meter_module

    return meter_module


def told(meter):
    calls = [what for what, seconds in meter.calls if seconds >= 0]
    assert len(calls) == len(meter.calls)
    meter.calls.clear()
    return calls


@pytest.mark.parametrize(
    ("arguments", "loaded"),
    [({"preference": ["onnx"]}, "load onnx"), ({"backend": "onnx"}, "load onnx"),
     ({"backend": "torch"}, "load torch-export")],
)  # fmt: skip
def test_every_call_is_seen_also_of_a_forced_backend(meter, pictures, arguments, loaded):
    if "torch" in loaded:
        pytest.importorskip("torch")
    with AutoModel.from_pretrained("shapes", **arguments) as model:
        assert told(meter) == [loaded]
        model(pictures[0])
        assert told(meter) == ["predict"]
        model(list(pictures[:2]))
        assert told(meter) == ["predict"]
        spec = model.inputs[0]
        model.predict_tensors({spec.name: np.zeros([axis or 1 for axis in spec.shape], np.float32)})
        assert told(meter) == ["predict"]
        assert len(list(model.stream(pictures[:3]))) == len(pictures[:3])
        assert told(meter) == ["predict"] * len(pictures[:3])


def test_a_streamed_answer_is_seen_to_its_end(meter, site, tmp_path):
    site.add("test-teller", {"backends": {"teller": "teller_module"}}, {"teller_module": TELLER})
    (tmp_path / "story.txt").write_text("once")
    artifact = {"format": "story", "parts": {"model": "story.txt"}}
    manifest = {"schema_version": 1, "name": "story", "artifacts": [artifact]}
    (tmp_path / "model.json").write_text(json.dumps(manifest))
    with AutoModel.from_pretrained(tmp_path, backend="teller") as model:
        assert told(meter) == ["load story"]
        stream = model("once upon a time", stream=True)
        assert next(stream) == "once"
        assert told(meter) == []
        assert list(stream) == ["upon", "a", "time"]
        assert told(meter) == ["stream of 4"]
        with model("once upon", stream=True) as stream:
            next(stream)
        assert told(meter) == ["stream of 1"]


def test_a_backend_discovered_later_never_answers_for_a_loaded_model(site, pictures):
    usurper = TELLER.replace('"story"', '"onnx"').replace('KIND = "task"', 'KIND = "tensor"')
    usurper = usurper.replace("@hookimpl", "@hookimpl(tryfirst=True)")
    with AutoModel.from_pretrained("shapes", backend="onnx") as model:
        before = model(pictures[0])
        site.add("test-usurper", {"backends": {"aaa": "usurper"}}, {"usurper": usurper})
        states = AutoModel.describe_runtime().plugins
        assert "ready" in [state.state for state in states if state.record.name == "aaa"]
        accepted = {c.backend for c in AutoModel.resolve("shapes").accepted}
        assert {"aaa", "onnx"} <= accepted
        after = model(pictures[0])
        assert np.array_equal(before.xyxy, after.xyxy)
        assert model.backend == "onnx"
