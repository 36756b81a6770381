"""The face of a backend: what authors may do, and what becomes of their mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest
from inference_core import AutoModel, InvalidArgument, PluginError, PluginWarning, configuration
from inference_core.backend import Backend, judged_wrappers, open_backends
from inference_core.package import Artifact, Request
from inference_core.verdict import BackendReport, Reason, Verdict


def opened(name):
    ((_, backend),) = open_backends(configuration.read(), only=name)
    return backend


ARTIFACT = Artifact("any", {"model": Path("/nowhere/model.bin")})


def judged(backend, machine):
    return backend.can_load(ARTIFACT, machine, Request())


def test_hooks_get_what_they_name_in_the_order_they_name_it(fake, plain_machine):
    fake.backend(
        "odd",
        probe_environment="""
            @hookimpl
            def probe_environment(deep, environment):
                return BackendReport(devices=(environment.os, str(deep)))
        """,
        can_load="""
            @hookimpl
            def can_load(request, artifact):
                return Verdict.accept(f"{artifact.format}-{request.batch_size}")
        """,
        predict="""
            @hookimpl
            def predict(options, inputs):
                return {"inputs": inputs, "options": options}
        """,
    )
    backend = opened("odd")
    assert backend.probe(plain_machine).devices == ("linux", "False")
    assert backend.probe(plain_machine, deep=True).devices == ("linux", "True")
    verdict = backend.can_load(ARTIFACT, plain_machine, Request(batch_size=3))
    assert verdict.device == "any-3"
    assert backend.predict()("session", "in", {"a": 1}) == {"inputs": "in", "options": {"a": 1}}


def test_an_instance_may_be_the_entry_point(fake, plain_machine):
    source = """
        from inference_core import hookimpl
        from inference_core.verdict import BackendReport, Verdict

        class Plugin:
            PLUGIN_API = 1
            KIND = "task"

            def __init__(self):
                self.asked = 0

            @hookimpl
            def probe_environment(self):
                self.asked += 1
                return BackendReport(devices=(f"cpu:{self.asked}",))

            @hookimpl
            def can_load(self, artifact):
                return Verdict.accept("cpu")

            @hookimpl
            def load(self):
                return None

            @hookimpl
            def predict(self, inputs):
                return inputs

        plugin = Plugin()
    """
    fake.add("inference-own", {"backends": {"own": "own_module:plugin"}}, {"own_module": source})
    backend = opened("own")
    assert isinstance(backend, Backend)
    assert backend.kind == "task"
    # Asked once per process.
    assert backend.probe(plain_machine) is backend.probe(plain_machine)


def test_only_the_predict_of_an_unwrapped_backend_is_called_directly(linear):
    import linear_backend

    assert opened("linear").predict() is linear_backend.predict


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ("PLUGIN_API = 2", "api-version", "is written for PLUGIN_API 2; this inference-core speaks 1"),
        ("PLUGIN_API = '1'", "api-version", "is written for PLUGIN_API 1"),
        ("PLUGIN_API = None", "api-version", "states no PLUGIN_API"),
        ("del PLUGIN_API", "api-version", "states no PLUGIN_API"),
        ("del load", "error", "doesn't implement the hook load"),
        ("del load, predict", "error", "doesn't implement the hook load, predict"),
        ("def predict(): pass", "error", "predict isn't marked with @hookimpl"),
        ("KIND = 'tensors'", "error", "KIND = 'tensors'"),
        ("OPTIONS = dict", "error", "OPTIONS is no dataclass"),
        ("DEVICES = 'npu'", "error", "DEVICES are no tuple"),
        ("import dataclasses as d\n@d.dataclass\nclass OPTIONS:\n    needed: int", "error", "needed"),
        ("@hookimpl\ndef can_load(artefact): pass", "error", "artefact"),
        ("def __getattr__(name): raise ImportError(f'no {name} without the framework')",
         "error", "ImportError: no"),
    ],
)  # fmt: skip
def test_a_module_that_is_no_backend_is_a_reason(fake, change, code, message):
    fake.backend("bad", fake.healthy + change)
    fake.backend("healthy")
    reason = opened("bad")
    assert isinstance(reason, Reason)
    assert reason.code == code
    assert message in reason.message
    assert "inference-bad 1.0" in reason.message
    assert isinstance(opened("healthy"), Backend)


def test_a_class_as_entry_point_is_refused_with_a_sentence(fake):
    fake.add(
        "inference-c", {"backends": {"c": "c_module:C"}}, {"c_module": "class C: PLUGIN_API = 1"}
    )
    assert "gives the class c_module:C as its entry point" in opened("c").message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise RuntimeError('no luck')", "raised RuntimeError: no luck"),
        ("raise SystemExit(3)", "raised SystemExit: 3"),
        ("import nothing_here", "raised ModuleNotFoundError"),
        ("return None", "returned NoneType instead of a"),
        ("return 'yes'", "returned yes instead of a"),
        ("return Verdict('perhaps') if HOOK else BackendReport(devices=['cpu'])", "raised"),
        ("return Verdict.reject('no') if HOOK else BackendReport(problems=('no',))", "TypeError"),
        ("return Verdict('reject', [Reason('format', 'x')]) if HOOK else BackendReport(facts={'a': 1})",
         "raised TypeError"),
        ("return Verdict.accept(0) if HOOK else BackendReport(facts={'a': (1,)})", "raised TypeError"),
        ("return Reason('wat', 'x')", "raised ValueError: unknown reason code 'wat'"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_judging_hook_is_a_reason(fake, plain_machine, body, message):
    for hook in ("probe_environment", "can_load"):
        name = f"bad-{hook.partition('_')[0]}"
        source = f"""
            from inference_core.verdict import Reason
            HOOK = {hook == "can_load"}
            @hookimpl
            def {hook}():
                {body}
        """
        fake.backend(name, **{hook: source})
        backend = opened(name)
        if hook == "can_load":
            verdict = judged(backend, plain_machine)
            assert verdict.status == "broken"
            (reason,) = verdict.reasons
        else:
            (reason,) = backend.probe(plain_machine).problems
        assert f"{hook} of inference-{name} 1.0" in reason.message
        assert message in reason.message


def test_an_acceptance_without_a_device_is_a_mistake(fake, plain_machine):
    fake.backend("vague", can_load="@hookimpl\ndef can_load(): return Verdict('accept')\n")
    (reason,) = judged(opened("vague"), plain_machine).reasons
    assert "an acceptance without a device" in reason.message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise RuntimeError('no luck')", "'bad' .inference-bad 1.0. raised RuntimeError: no luck"),
        ("raise SystemExit(3)", "raised SystemExit: 3"),
        ("return None", "load of inference-bad 1.0 returned NoneType instead of a Session"),
        ("return object()", "it lacks inputs, outputs, metadata, task, device"),
    ],
)  # fmt: skip
def test_a_mistake_in_load_is_a_plugin_error(fake, plain_machine, body, message):
    fake.backend("bad", load=f"@hookimpl\ndef load():\n    {body}\n")
    with pytest.raises(PluginError, match=message):
        opened("bad").load(ARTIFACT, plain_machine, Request())


def test_an_error_of_ours_from_load_passes_as_it_is(fake, plain_machine):
    body = "from inference_core import InvalidModel\n    raise InvalidModel('torn')"
    fake.backend("bad", load=f"@hookimpl\ndef load():\n    {body}\n")
    with pytest.raises(Exception, match=r"^torn$"):
        opened("bad").load(ARTIFACT, plain_machine, Request())


def test_options_are_typed_by_the_backends_own_dataclass(linear):
    backend = opened("linear")
    request = backend.with_options(Request(device="cpu"), {"threads": "3"})
    assert (request.options.threads, request.device) == (3, "cpu")
    with pytest.raises(InvalidArgument, match="backend 'linear' has no argument 'thraeds'"):
        backend.with_options(Request(), {"thraeds": 3})


def test_a_backend_without_options_takes_none(fake):
    fake.backend("plain")
    backend = opened("plain")
    assert backend.with_options(Request(), {}).options is None
    with pytest.raises(InvalidArgument, match="backend 'plain' has no argument 'threads'"):
        backend.with_options(Request(), {"threads": 1})


IMPORT = "from inference_core import hookimpl\n"
WRAPPER = """
    from inference_core import hookimpl
    log = []

    @hookimpl(wrapper=True)
    def load(artifact):
        log.append("load")
        return (yield)

    @hookimpl(wrapper=True)
    def predict(session, inputs):
        log.append("predict")
        result = yield
        if hasattr(result, "__next__"):
            return told(result)
        return result

    def told(stream):
        try:
            yield from stream
        finally:
            log.append("end")
"""


def test_a_wrapper_sees_every_load_predict_and_stream_to_its_end(linear, telling, fake):
    fake.add("inference-tap", {"wrappers": {"tap": "tap_module"}}, {"tap_module": WRAPPER})
    with AutoModel.from_pretrained(linear.package(), backend="linear") as model:
        import tap_module

        assert tap_module.log == ["load"]
        model([(0, 0)] * 9, scale=1)
        list(model.stream([(0, 0)]))
        assert tap_module.log == ["load", "predict", "predict", "predict"]
    tap_module.log.clear()
    with AutoModel.from_pretrained(telling()) as model:
        stream = model("a b", stream=True)
        assert tap_module.log == ["load", "predict"]
        assert list(stream) == ["a", "b"]
        assert tap_module.log == ["load", "predict", "end"]
        model("a b", stream=True).close()
        assert next(model("a b", stream=True)) == "a"
        assert tap_module.log[-1] == "end"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("raise RuntimeError('no luck')", "no luck"),
        ("class W: pass", "entry point gives a module or an instance"),
        (f"{IMPORT}@hookimpl\ndef load(): return 1", "implements load as a plain hook"),
        (f"{IMPORT}@hookimpl(wrapper=True)\ndef load(artefact): yield", "did you mean 'artifact'"),
        (f"{IMPORT}@hookimpl(wrapper=True)\ndef can_load(): return (yield)", "wrappers see load and"),
        ("", "wraps nothing"),
    ],
)  # fmt: skip
def test_a_wrapper_that_cannot_be_used_is_left_out_and_shown(linear, fake, source, message):
    value = "w_module:W" if "class W" in source else "w_module"
    fake.add("inference-w", {"wrappers": {"w": value}}, {"w_module": source})
    with pytest.warns(PluginWarning, match="'w' is left out") as warned:
        model = AutoModel.from_pretrained(linear.package())
    assert message in str(warned[0].message)
    with model:
        assert model((0, 0)) == [10.0, 20.0]
    states = {state.record.name: state for state in AutoModel.describe_runtime().plugins}
    assert states["w"].state == "broken"
    assert message in states["w"].reasons[0].message


def test_a_wrapper_that_raises_is_named_and_not_the_backend(linear, fake):
    source = """
        from inference_core import hookimpl

        @hookimpl(wrapper=True)
        def load():
            raise ZeroDivisionError("in the wrapper")
            yield
    """
    fake.add("inference-bad-tap", {"wrappers": {"tap": "bad_tap"}}, {"bad_tap": source})
    with pytest.raises(PluginError, match=r"wrapper 'tap' \(inference-bad-tap 1.0\) raised Zero"):
        AutoModel.from_pretrained(linear.file())


def test_a_backend_found_later_never_answers_for_a_loaded_model(linear, fake):
    with AutoModel.from_pretrained(linear.package()) as model:
        fake.backend(
            "late", predict="@hookimpl(tryfirst=True)\ndef predict(): return {'y': None}\n"
        )
        assert isinstance(opened("late"), Backend)
        assert model((0, 0)) == [10.0, 20.0]


def test_reports_and_verdicts_are_checked_where_they_are_made():
    with pytest.raises(ValueError, match="unknown status 'maybe'"):
        Verdict("maybe")
    with pytest.raises(TypeError, match="devices must be a tuple of str"):
        BackendReport(devices=["cpu"])
    with pytest.raises(ValueError, match="unknown reason code"):
        Reason("nonsense", "x")


def test_an_argument_that_a_newer_core_may_have_asks_for_that_core(fake):
    fake.backend("ahead", load="@hookimpl\ndef load(artifact, quantization): ...")
    (verdict,) = reasons("ahead")
    assert verdict.code == "api-version"
    assert "install --upgrade" in verdict.fix
    assert "inference-core" in verdict.fix
    assert "load of inference-ahead 1.0 takes the argument 'quantization'" in verdict.message


def test_a_misspelt_argument_is_no_newer_contract(fake):
    fake.backend("odd", load="@hookimpl\ndef load(artefact): ...")
    (verdict,) = reasons("odd")
    assert verdict.code == "error"
    assert "'artefact'" in verdict.message
    assert "did you mean 'artifact'?" in verdict.message


def test_a_hook_written_before_an_argument_existed_works_on(fake, plain_machine):
    """A hook that takes none of its arguments is as old as a plugin can be."""
    fake.backend("old")
    assert judged(opened("old"), plain_machine).device == "cpu"
    assert opened("old").predict()(None, {}, {}) == {}


def test_an_argument_with_a_default_is_passed_by_a_core_that_has_it(fake, plain_machine):
    fake.backend(
        "both",
        can_load="""
            @hookimpl
            def can_load(artifact, request=None, newer="none"):
                return Verdict.accept(f"{request.device}-{newer}")
        """,
        load="""
            @hookimpl
            def load(artifact, environment=None, newer="none"):
                raise RuntimeError(f"on {environment.os}, {newer}")
        """,
    )
    backend = opened("both")
    verdict = backend.can_load(ARTIFACT, plain_machine, Request(device=None))
    assert verdict.device == "None-none"
    with pytest.raises(PluginError, match="on linux, none"):
        backend.load(ARTIFACT, plain_machine, Request())


def test_a_default_that_could_not_be_reached_is_refused(fake):
    fake.backend("odd", load="@hookimpl\ndef load(artifact, newer=1, request=None): ...")
    (reason,) = reasons("odd")
    assert "its load has 'request' after an argument that the hook doesn't have" in reason.message


def reasons(name):
    reason = opened(name)
    assert isinstance(reason, Reason)
    return [reason]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("artifact, power_limit", "api-version", "takes the argument 'power_limit'"),
        ("artefact", "error", "did you mean 'artifact'?"),
        ("power_limit=1, artifact=None", "error", "has 'artifact' after an argument"),
    ],
)
def test_a_wrapper_with_unknown_arguments_is_left_out_and_spares_the_backends(
    fake, arguments, code, message
):
    source = "from inference_core import hookimpl\n@hookimpl(wrapper=True)\n"
    source += f"def load({arguments}): return (yield)"
    fake.add("inference-w", {"wrappers": {"w": "w_module"}}, {"w_module": source})
    fake.backend("healthy")
    ((_, reason),) = judged_wrappers(configuration.read())
    assert reason.code == code
    assert message in reason.message
    assert isinstance(opened("healthy"), Backend)
