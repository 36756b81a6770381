"""Broken plugins: every command works on, and each is named with its cause.

Seven at once that fail before a model is loaded; and, alone, those that fail while it is loaded or run.
"""

from __future__ import annotations

import pytest
from inference_core import AutoModel, BackendFallback, PluginError, discovery

GOOD = """
    import os, time
    from inference_core import hookimpl
    from inference_core.verdict import BackendReport, Reason, Verdict

    PLUGIN_API = 1

    @hookimpl
    def probe_environment(deep):
        return BackendReport(devices=("cpu",))

    @hookimpl
    def can_load():
        return Verdict.reject(Reason("format", "it runs nothing"))

    @hookimpl
    def load():
        return None

    @hookimpl
    def predict():
        return None
"""
EACH_HOOK = """
    from inference_core import hookimpl

    PLUGIN_API = 1

    @hookimpl
    def probe_environment():
        raise RuntimeError("probe fails")

    @hookimpl
    def can_load():
        raise RuntimeError("can_load fails")

    @hookimpl
    def load():
        raise RuntimeError("load fails")

    @hookimpl
    def predict():
        raise RuntimeError("predict fails")
"""


def deep(body: str) -> str:
    return GOOD.replace(
        'return BackendReport(devices=("cpu",))',
        f'return {body} if deep else BackendReport(devices=("cpu",))',
    )


BROKEN = {
    "raises": "raise RuntimeError('import fails')",
    "hooks": EACH_HOOK,
    "hangs": deep("time.sleep(600)"),
    "aborts": deep("os.abort()"),
    "exits": "raise SystemExit(3)",
    "newer": GOOD.replace("PLUGIN_API = 1", "PLUGIN_API = 99"),
}

# What the reports must say of each, and what only a deep one can.
CAUSES = {
    "bad-raises 1.0": "RuntimeError: import fails",
    "bad-hooks 1.0": "RuntimeError: probe fails",
    "bad-exits 1.0": "SystemExit: 3",
    "bad-newer 1.0": "PLUGIN_API 99",
    "bad-twin-a 1.0": "claimed by bad-twin-a 1.0 and bad-twin-b 2.0",
    "bad-twin-b 2.0": "claimed by bad-twin-a 1.0 and bad-twin-b 2.0",
}
DEEP_CAUSES = {
    "bad-hangs 1.0": "did not finish within",
    "bad-aborts 1.0": "SIGABRT",
}


@pytest.fixture
def broken(site):
    for name, source in BROKEN.items():
        module = f"bad_{name}_module"
        site.add(f"bad-{name}", {"backends": {f"b-{name}": module}}, {module: source})
    site.add("bad-twin-a", {"backends": {"b-twin": "bad_hangs_module"}})
    site.add("bad-twin-b", {"backends": {"b-twin": "bad_hangs_module"}}, version="2.0")
    return site


def check_causes(text: str, causes: dict[str, str]) -> None:
    lines = text.splitlines()
    for origin, cause in causes.items():
        assert any(origin in line and cause in line for line in lines), f"{origin}: {cause}\n{text}"


def test_backends_names_each_with_distribution_version_and_cause(broken, infer):
    ended = infer("backends")
    assert ended.code == 0, ended.err
    check_causes(ended.out, CAUSES)
    assert "onnx" in ended.out
    plugins = infer("backends", "--json").json()["plugins"]
    states = {plugin["record"]["name"]: plugin["state"] for plugin in plugins}
    assert states["onnx"] == "ready"
    assert {states[f"b-{name}"] for name in ("raises", "exits", "newer", "twin")} == {"broken"}


def test_doctor_names_each_and_ends_well(broken, infer):
    ended = infer("doctor")
    assert ended.code == 0, ended.err
    check_causes(ended.out, CAUSES)
    assert infer("doctor", "--json").json()["plugins"]


def test_deep_doctor_survives_a_hang_and_an_abort(broken, infer):
    # The healthy frameworks need seconds to start on a slow machine: only the broken are tried.
    names = ",".join(f"bad-{name}" for name in (*BROKEN, "twin-a", "twin-b"))
    ended = infer("doctor", "--deep", "--timeout", "3", INFERENCE_PLUGINS=names)
    assert ended.code == 0, ended.err
    check_causes(ended.out, {**CAUSES, **DEEP_CAUSES})


@pytest.mark.slow
def test_deep_doctor_with_all_that_is_installed(broken, infer):
    ended = infer("doctor", "--deep", "--timeout", "25", INFERENCE_DISABLE="bad-hangs")
    assert ended.code == 0, ended.err
    assert "SIGABRT" in ended.out
    plugins = infer("backends", "--json").json()["plugins"]
    assert {p["record"]["name"]: p["state"] for p in plugins}["onnx"] == "ready"


def test_demo_and_predict_and_explain_work_on(broken, infer, pictures, tmp_path):
    ended = infer("demo", "--save", "out.png", "--backend", "onnx")
    assert ended.code == 0, ended.err
    assert (tmp_path / "out.png").stat().st_size > 1000
    ended = infer("predict", "shapes", pictures[0], "--preference", "onnx", "--json")
    assert ended.code == 0, ended.err
    assert ended.json()["result"]["detections"]
    ended = infer("explain", "shapes")
    assert ended.code == 0, ended.err
    for cause in ("import fails", "can_load fails", "SystemExit", "PLUGIN_API 99", "claimed by"):
        assert cause in ended.out
    assert infer("explain", "shapes", "--json").json()["chosen"] in ("onnx", "torch")


def test_demo_prints_the_table_with_the_broken_in_it(broken, infer):
    ended = infer("demo", "--preference", "onnx")
    assert ended.code == 0, ended.err
    assert "chosen" in ended.out
    assert "can_load fails" in ended.out
    assert " on cpu" in ended.out


def test_forcing_a_broken_backend_fails_with_its_cause_and_code_1(broken, infer, pictures):
    for name, cause in (("b-raises", "import fails"), ("b-hooks", "can_load fails"),
                        ("b-exits", "SystemExit"), ("b-newer", "PLUGIN_API 99"),
                        ("b-twin", "claimed by")):  # fmt: skip
        ended = infer("predict", "shapes", pictures[0], "--backend", name)
        assert ended.code == 1
        assert cause in ended.err
        assert "Traceback" not in ended.err


def test_the_library_works_on_too(broken, pictures):
    discovery.refresh()
    with AutoModel.from_pretrained("shapes", preference=["b-hooks", "onnx"]) as model:
        assert model.backend == "onnx"
        assert len(model(pictures[0])) > 0


ACCEPTS = """
    from inference_core import hookimpl
    from inference_core.verdict import BackendReport, Reason, Verdict

    PLUGIN_API = 1

    class Session:
        metadata = {}
        task = device_arrays = None
        device = "cpu"
        thread_safe = True
        closed = 0

        def __init__(self, artifact):
            facts = artifact.facts["model"]
            self.inputs, self.outputs = facts["inputs"], facts["outputs"]

        def close(self):
            Session.closed += 1

    @hookimpl
    def probe_environment():
        return BackendReport(devices=("cpu",))

    @hookimpl
    def can_load(artifact):
        if artifact.format == "onnx":
            return Verdict.accept("cpu")
        return Verdict.reject(Reason("format", "it accepts onnx files"))

    @hookimpl
    def load(artifact):
        LOAD

    @hookimpl
    def predict(session, inputs):
        raise RuntimeError("predict fails")
"""
LOAD_CAUSE = "load of backend 'late' (bad-late 3.4) raised RuntimeError: load fails"
PREDICT_CAUSE = "predict of backend 'late' (bad-late 3.4) raised RuntimeError: predict fails"

FIRST = {"preference": ["late", "onnx"], "device": "cpu"}


@pytest.fixture
def fails_in_load(site):
    source = ACCEPTS.replace("LOAD", "raise RuntimeError('load fails')")
    site.add("bad-late", {"backends": {"late": "bad_late"}}, {"bad_late": source}, version="3.4")


@pytest.fixture
def fails_in_predict(site):
    source = ACCEPTS.replace("LOAD", "return Session(artifact)")
    site.add("bad-late", {"backends": {"late": "bad_late"}}, {"bad_late": source}, version="3.4")


def test_a_load_that_raises_gives_way_to_the_next_with_a_warning(fails_in_load, pictures):
    with pytest.warns(BackendFallback) as caught:
        model = AutoModel.from_pretrained("shapes", **FIRST)
    with model:
        (warning,) = [each for each in caught if each.category is BackendFallback]
        assert LOAD_CAUSE in str(warning.message)
        assert "taking onnx instead" in str(warning.message)
        assert model.backend == "onnx"
        assert len(model(pictures[0])) > 0
        assert model.resolution.chosen.backend == "onnx"
        late = [each for each in model.resolution.candidates if each.backend == "late"]
        assert not any(each.accepted for each in late)
        reasons = [str(reason) for each in late for reason in each.verdict.reasons]
        assert any(LOAD_CAUSE in reason for reason in reasons)
        assert LOAD_CAUSE in " ".join(str(model.resolution).split())


@pytest.mark.parametrize("how", [{"strict": True, **FIRST}, {"backend": "late"}])
def test_strict_or_forced_a_load_that_raises_is_raised(fails_in_load, how):
    with pytest.raises(PluginError) as raised:
        AutoModel.from_pretrained("shapes", **how)
    assert LOAD_CAUSE in str(raised.value)
    assert isinstance(raised.value.__cause__, RuntimeError)


def test_a_predict_that_raises_names_its_plugin(fails_in_predict, pictures):
    model = AutoModel.from_pretrained("shapes", **FIRST)
    assert model.backend == "late"
    for _ in range(2):  # the failure of one call doesn't block the next
        with pytest.raises(PluginError) as raised:
            model(pictures[0])
        assert PREDICT_CAUSE in str(raised.value)
        assert isinstance(raised.value.__cause__, RuntimeError)
    session = model._single.session
    model.close()
    assert type(session).closed == 1


def test_predict_of_the_command_line_falls_back_from_a_load_that_raises(
    fails_in_load, infer, pictures
):
    arguments = ("predict", "shapes", pictures[0], "--preference", "late,onnx", "--device", "cpu")
    ended = infer(*arguments, "--json")
    assert ended.code == 0, ended.err
    assert ended.json()["result"]["detections"]
    assert LOAD_CAUSE in " ".join(ended.err.split())
    ended = infer(*arguments[:3], "--backend", "late")
    assert ended.code == 1
    assert LOAD_CAUSE in " ".join(ended.err.split())
    assert "Traceback" not in ended.err


def test_predict_of_the_command_line_ends_with_1_where_predict_raises(
    fails_in_predict, infer, pictures
):
    ended = infer("predict", "shapes", pictures[0], "--backend", "late")
    assert ended.code == 1
    assert PREDICT_CAUSE in " ".join(ended.err.split())
    assert "Traceback" not in ended.err
