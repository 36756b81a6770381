"""Deep probes run in a child process: whatever a framework does there becomes a problem."""

from __future__ import annotations

import time

import pytest
from inference_core import discovery
from inference_core.deep_probe import deep_report
from inference_core.runtime_report import runtime_report


def report(fake, body, timeout=30.0):
    source = f"""
        import ctypes, os, subprocess, sys, time
        from inference_core.verdict import Reason

        @hookimpl
        def probe_environment(deep):
            if not deep:
                return BackendReport(runtime="rt", runtime_version="0")
            {body}
    """
    fake.backend("probed", probe_environment=source)
    (record,) = discovery.records()
    return deep_report(record, timeout)


def test_a_report_comes_back_whole(fake):
    body = (
        "return BackendReport('rt', '1.2', ('cuda:0', 'cpu'), {'rt': '1.2', 'many': ('a', 'b')},"
        " (Reason('device', 'too old', 'buy one'),))"
    )
    deep = report(fake, body)
    found = deep.report
    assert (found.runtime, found.runtime_version, found.devices) == ("rt", "1.2", ("cuda:0", "cpu"))
    assert found.facts == {"rt": "1.2", "many": ("a", "b")}
    assert [str(problem) for problem in deep.problems] == ["device: too old Fix: buy one"]
    assert deep.outcome == "failed"
    assert str(deep) == f"failed after {deep.seconds:.1f} s: too old"


def test_noise_on_stdout_and_stderr_disturbs_nothing(fake):
    body = "os.write(1, b'{noise' * 99); os.write(2, b'noise'); return BackendReport('rt', '1')"
    deep = report(fake, body)
    assert (deep.report.runtime, deep.outcome) == ("rt", "passed")
    assert str(deep) == f"passed in {deep.seconds:.1f} s"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("os.abort()", "crashed with signal 6 (SIGABRT)"),
        ("ctypes.string_at(0)", "crashed with signal 11 (SIGSEGV)"),
        ("os._exit(0)", "ended with exit status 0"),
        ("os._exit(7)", "ended with exit status 7"),
        ("os.write(2, b'a\\nb\\nlibcudnn is missing\\n'); os._exit(3)", "libcudnn is missing"),
        ("raise SystemExit(0)", "raised SystemExit: 0"),
        ("raise RuntimeError('no luck')", "raised RuntimeError: no luck"),
        ("return 5", "returned int instead of a BackendReport"),
    ],
)
def test_a_crash_is_a_problem_with_its_cause(fake, body, message):
    deep = report(fake, body)
    (problem,) = deep.problems
    assert deep.outcome == "failed"
    assert message in problem.message
    assert "inference-probed 1.0" in problem.message
    assert "INFERENCE_DISABLE=inference-probed" in problem.fix


@pytest.mark.parametrize(
    "body",
    ["time.sleep(600)", "subprocess.Popen(['sleep', '600']).wait()"],
)
def test_a_hang_ends_with_the_time_limit(fake, body):
    start = time.monotonic()
    deep = report(fake, body, timeout=1.5)
    (problem,) = deep.problems
    assert time.monotonic() - start < 30
    assert deep.outcome == "timed out"
    assert deep.seconds >= 1.5
    assert "did not finish within 1.5 seconds" in problem.message


def test_the_whole_report_survives_a_crash_beside_a_healthy_backend(fake, linear, plain_machine):
    fake.backend(
        "probed",
        probe_environment="""
            import os

            @hookimpl
            def probe_environment(deep):
                return os.abort() if deep else BackendReport("rt", "0")
        """,
    )
    plugins = runtime_report(deep=True, timeout=30).plugins
    states = {state.record.name: state for state in plugins if state.record.kind == "backends"}
    assert states["linear"].state == "ready"
    assert states["linear"].deep.outcome == "passed"
    assert states["linear"].deep.report.facts["linear.deep"] == "True"
    assert states["probed"].state == "problem"
    assert states["probed"].deep.outcome == "failed"
    assert states["probed"].found.runtime == "rt"
    assert "SIGABRT" in states["probed"].reasons[0].message
