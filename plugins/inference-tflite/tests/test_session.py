"""Running graphs: dtypes, shapes, names, signatures, closing, options."""

from __future__ import annotations

import dataclasses
import gc
import json
import shutil
import subprocess
import weakref

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from inference_core import AutoModel, InferenceError, ModelClosed, Session, TensorSpec
from inference_core.package import Request
from inference_tflite import loading, plugin
from inference_tflite.options import TfliteOptions

from .conftest import identity, layer
from .models import Graph, Operator, Tensor, add, constant, dense, mul, recurrent, reshape, tflite

WEIGHTS = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
BIAS = np.array([0.5, -1], np.float32)
X = np.array([[1, 0, 2], [0, 1, 1]], np.float32)


@pytest.fixture
def artifact(save):
    return save(layer(WEIGHTS, BIAS))


@pytest.mark.parametrize(
    "dtype",
    [
        *("float16", "float32", "float64", "complex64", "bool"),
        *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    ],
)
def test_arrays_of_every_numpy_dtype_go_through_unchanged(save, load, dtype):
    session = load(save(identity(dtype)))
    assert session.inputs == (TensorSpec("x", dtype, (2, 3)),)
    array = np.array([[0, 1, 2], [1, 0, 100]]).astype(dtype)
    result = session.run({"x": array})["y"]
    assert result.dtype == array.dtype
    assert (result == array).all()


def test_strings_go_through_unchanged(save, load):
    session = load(save(identity("str")))
    assert (session.inputs[0].dtype, session.outputs[0].dtype) == ("str", "str")
    for array in (np.array([["a", "größer", ""]] * 2, object), np.array([["a", "b", "ü"]] * 2)):
        assert session.run({"x": array})["y"].tolist() == array.tolist()


def test_a_session_keeps_the_protocol_and_says_what_the_file_says(artifact, load):
    session = load(artifact)
    assert isinstance(session, Session)
    assert session.inputs == artifact.facts["model"]["inputs"]
    assert session.inputs == (TensorSpec("x", "float32", (None, 3)),)
    assert session.outputs == (TensorSpec("y", "float32", (None, 2)),)
    assert (session.device, session.task, session.device_arrays) == ("cpu", None, None)
    assert artifact.batch == (1, None)


def several() -> bytes:
    """p = a + b, q = a * b, with a shared open axis."""
    tensors = [Tensor(name, (1, 2), signature=(-1, 2)) for name in "abpq"]
    operators = [add("a", "b", "p"), mul("a", "b", "q")]
    return tflite(Graph(tensors, ["b", "a"], ["q", "p"], operators))


def test_several_inputs_and_outputs_keep_their_names_and_order(save, load):
    session = load(save(several()))
    assert [spec.name for spec in session.inputs] == ["b", "a"]
    for size in (1, 3, 3, 2):
        a = np.arange(2 * size, dtype=np.float32).reshape(size, 2)
        result = session.run({"a": a, "b": a + 1})
        assert list(result) == ["q", "p"]
        np.testing.assert_allclose(result["p"], 2 * a + 1)
        np.testing.assert_allclose(result["q"], a * (a + 1))


def test_results_are_the_callers_own(artifact, load):
    session = load(artifact)
    first = session.run({"x": X})["y"]
    before = first.copy()
    session.run({"x": X * 2})
    session.close()
    gc.collect()
    np.testing.assert_array_equal(first, before)


def test_after_a_size_that_litert_refuses_the_next_call_is_right(save, load):
    # The sum is over a shape that is fixed inside, whatever the signature promises.
    ends = [Tensor("x", (1, 3), signature=(-1, 3)), Tensor("y", (3, 1))]
    session = load(save(tflite(Graph(ends, ["x"], ["y"], [reshape("x", "y", (3, 1))]))))
    with pytest.raises(InferenceError, match=r"LiteRT failed to run .*model\.tflite") as caught:
        session.run({"x": np.zeros((2, 3), np.float32)})
    assert caught.value.__cause__ is not None
    result = session.run({"x": X[:1]})["y"]
    np.testing.assert_array_equal(result, X[:1].T)


def two_signatures() -> bytes:
    def graph(weights, key):
        ends = [Tensor("t:0", (1, 3), signature=(-1, 3)), Tensor("t:1", (1, 2), signature=(-1, 2))]
        constants = [constant("w", np.ascontiguousarray(weights.T)), constant("b", BIAS)]
        operators = [dense(["t:0", "w", "b"], "t:1")]
        named = {key: ({"features": "t:0"}, {"scores": "t:1"})}
        return Graph([*ends, *constants], ["t:0"], ["t:1"], operators, named)

    return tflite(graph(WEIGHTS, "serving_default"), graph(-WEIGHTS, "negative"))


@pytest.mark.parametrize(
    ("signature", "sign"), [(None, 1), ("serving_default", 1), ("negative", -1)]
)
def test_signatures_name_the_tensors_and_choose_the_graph(save, load, signature, sign):
    artifact = save(two_signatures())
    session = load(artifact, signature=signature)
    assert session.inputs == (TensorSpec("features", "float32", (None, 3)),)
    assert session.outputs == artifact.facts["model"]["outputs"]
    for array in (X, X[:1], X):
        result = session.run({"features": array})["scores"]
        np.testing.assert_allclose(result, sign * array @ WEIGHTS + BIAS)


def test_inputs_of_a_signature_may_have_any_name_in_the_first_graph(save, load, machine):
    ends = [Tensor("p", (2,)), Tensor("q", (2,))]
    graph = Graph(
        ends, ["p"], ["q"], [reshape("p", "q", (2,))], {"serve": ({"self": "p"}, {"out": "q"})}
    )
    result = load(save(tflite(graph)), signature="serve").run({"self": np.float32([1, 2])})
    assert result["out"].tolist() == [1, 2]
    graph.signatures = {"serve": graph.signatures["serve"], "other": ({"self": "p"}, {"out": "q"})}
    first = dataclasses.replace(graph, signatures={})
    with pytest.raises(InferenceError, match="calls an input of the signature 'serve' 'self'"):
        load(save(tflite(first, graph)), signature="serve")


def test_a_tensor_that_is_returned_twice_has_both_its_names(save, load):
    ends = [Tensor("p", (2,)), Tensor("q", (2,))]
    named = {"serve": ({"x": "p"}, {"a": "q", "b": "q"})}
    artifact = save(tflite(Graph(ends, ["p"], ["q", "q"], [reshape("p", "q", (2,))], named)))
    for signature in (None, "serve"):
        result = load(artifact, signature=signature).run({"x": np.float32([1, 2])})
        assert {name: array.tolist() for name, array in result.items()} == {
            "a": [1, 2],
            "b": [1, 2],
        }


ONE = np.ones((1, 1, 2), np.float32)
PLAIN = Graph([Tensor("p", (1, 1, 2)), Tensor("q", (1, 1, 2))], ["p"], ["q"],
              [reshape("p", "q", (1, 1, 2))])  # fmt: skip


@pytest.mark.parametrize(
    ("graphs", "signature", "answer"),
    [
        ((recurrent("a", 1),), None, 1),
        ((recurrent("a", 1),), "a", 1),
        ((recurrent("a", 1), PLAIN), "a", 1),
        ((PLAIN, recurrent("b", 3)), "b", 3),
        ((recurrent("a", 1), recurrent("b", 3)), None, 1),
        ((recurrent("a", 1), recurrent("b", 3)), "b", 3),
    ],
)
def test_each_call_starts_from_the_initial_state(save, load, graphs, signature, answer):
    session = load(save(tflite(*graphs)), signature=signature)
    for _ in range(3):
        assert session.run({"x": ONE})["y"].tolist() == [[[answer] * 2]]


@pytest.mark.parametrize("xnnpack", [True, False])
def test_a_file_that_is_overwritten_after_loading_changes_nothing(artifact, load, xnnpack):
    session = load(artifact, xnnpack=xnnpack)
    path = artifact.path
    with path.open("r+b") as file:  # in place, as `cp` does
        file.write(bytes(path.stat().st_size))
    np.testing.assert_allclose(session.run({"x": X})["y"], X @ WEIGHTS + BIAS)


def test_names_that_come_twice_or_not_at_all_are_those_of_the_reader(save, load):
    tensors = [Tensor("same", (2,)), Tensor("", (2,)), Tensor("y", (2,))]
    graph = Graph(tensors, ["same", ""], ["y"], [add("same", "", "y")])
    artifact = save(tflite(graph))
    session = load(artifact)
    assert session.inputs == artifact.facts["model"]["inputs"]
    one, other = (spec.name for spec in session.inputs)
    result = session.run({one: np.float32([1, 2]), other: np.float32([10, 20])})
    np.testing.assert_array_equal(result["y"], [11, 22])


@pytest.mark.parametrize("options", [{}, {"threads": 2}, {"xnnpack": False}])
def test_options_change_how_but_not_what(artifact, load, options):
    result = load(artifact, **options).run({"x": X})["y"]
    np.testing.assert_allclose(result, X @ WEIGHTS + BIAS)


def test_options_reach_the_interpreter(artifact, load, machine, monkeypatch):
    made = []

    class Recorded(Interpreter):
        def __init__(self, **arguments):
            super().__init__(**arguments)
            made.append((self, arguments["num_threads"]))

    monkeypatch.setattr(loading, "Interpreter", Recorded)
    for options in ({}, {"threads": 3}, {"xnnpack": False}):
        load(artifact, **options).run({"x": X})
    operators = [{each["op_name"] for each in one._get_ops_details()} for one, _ in made]
    assert ["DELEGATE" in names for names in operators] == [True, True, False]
    assert [threads for _, threads in made] == [1, 3, 1]
    many = dataclasses.replace(machine, cpu=dataclasses.replace(machine.cpu, cores=5))
    plugin.load(artifact, many, Request(options=TfliteOptions())).close()
    assert made[-1][1] == 5


def test_closing_frees_the_interpreter_and_may_be_repeated(artifact, load):
    session = load(artifact)
    inner = weakref.ref(session._run)
    session.close()
    session.close()
    gc.collect()
    assert inner() is None
    with pytest.raises(ModelClosed, match=r"model\.tflite was closed"):
        session.run({"x": X})


def test_the_hook_passes_arrays_by_name(artifact, load):
    assert list(plugin.predict(load(artifact), {"x": X}, {})) == ["y"]


def test_pictures_beyond_a_fixed_batch_are_filled_up_and_trimmed_by_core(tmp_path):
    """The mean of each channel, of four pictures at a time."""
    axes = constant("axes", np.array([1, 2], np.int32))
    tensors = [Tensor("x", (4, 8, 8, 3)), axes, Tensor("y", (4, 3))]
    mean = Operator("MEAN", ["x", "axes"], ["y"], schema.ReducerOptionsT())
    (tmp_path / "m.tflite").write_bytes(tflite(Graph(tensors, ["x"], ["y"], [mean])))
    settings = {"activation": "none", "mean": [0, 0, 0], "std": [1, 1, 1]}
    manifest = {
        "schema_version": 1,
        "name": "mean",
        "labels": ["red", "green", "blue"],
        "processor": {"name": "classification", "settings": settings},
        "artifacts": [{"format": "tflite", "parts": {"model": "m.tflite"}}],
    }
    (tmp_path / "model.json").write_text(json.dumps(manifest))
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255)] * 2  # blue first
    with AutoModel.from_pretrained(tmp_path, backend="tflite") as model:
        assert model.inputs[0].shape == (4, 8, 8, 3)
        results = model([np.full((8, 8, 3), colour, np.uint8) for colour in colours])
    assert [each.top.label for each in results] == ["blue", "green", "red"] * 2


def test_a_delegate_that_is_not_there_is_named(artifact, load):
    with pytest.raises(InferenceError, match=r"delegate libmissing\.so can't be loaded"):
        load(artifact, delegate="libmissing.so")


DELEGATE = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
typedef struct { void *data; int (*prepare)(void *, void *); void *rest[13]; } Delegate;
static int prepare(void *context, void *delegate) { (void)context; (void)delegate; return 0; }
Delegate *tflite_plugin_create_delegate(char **keys, char **values, size_t count,
                                        void (*report)(const char *)) {
  if (count != 1 || strcmp(keys[0], "mode") || strcmp(values[0], "idle")) {
    report("the only option is mode=idle");
    return NULL;
  }
  Delegate *made = calloc(1, sizeof(Delegate));
  made->prepare = prepare;
  return made;
}
void tflite_plugin_destroy_delegate(Delegate *made) { free(made); }
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler, to build a delegate")
def test_a_delegate_is_loaded_with_its_options(artifact, load, tmp_path):
    source, library = tmp_path / "idle.c", tmp_path / "idle.so"
    source.write_text(DELEGATE)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    session = load(artifact, delegate=str(library), delegate_options={"mode": "idle"})
    np.testing.assert_allclose(session.run({"x": X})["y"], X @ WEIGHTS + BIAS)
    with pytest.raises(InferenceError, match="the only option is mode=idle"):
        load(artifact, delegate=str(library), delegate_options={"mode": "busy"})


def test_core_names_the_types_that_the_schema_has():
    from inference_core.readers import tflite_file

    known = [name for name in vars(schema.TensorType) if not name.startswith("_")]
    numbered = {getattr(schema.TensorType, name): name.lower() for name in known}
    ours = ["string" if name == "str" else name for name in tflite_file._DTYPES]
    assert numbered.items() <= dict(enumerate(ours)).items()
