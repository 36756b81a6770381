"""Checks of what stays: after close, after fifty models, after a deep probe."""

from __future__ import annotations

import pickle

import pytest

from inference_core.deep_probe import deep_report
from inference_core.testing.child import ROUNDS
from inference_core.testing.failure import failed
from inference_core.testing.kit import Kit
from inference_core.testing.steps import TIMEOUT
from inference_core.testing.subject import Subject

# What may stay of that many rounds: allocators keep some, caches fill, and torch keeps the source that
# it generates for a graph (4 KiB a round for the smallest).
_MOST_MEMORY = 16 * 2**20
_MOST_PYTHON = ROUNDS * 8 * 2**10


class LifetimeChecks(Kit):
    """A server loads and closes models for months."""

    def test_closing_twice_does_nothing_more(self, subject: Subject) -> None:
        session = subject.backend.load(subject.artifact, subject.environment, subject.request)
        session.close()
        try:
            session.close()
        except Exception as error:  # noqa: BLE001 - whatever the plugin raises
            failed(
                f"the second close() raises {type(error).__name__}: {error}",
                "let close() return at once if it was called before",
            )

    def test_a_closed_session_answers_no_more(self, subject: Subject) -> None:
        file = subject.scratch / "inputs.pickle"
        try:
            file.write_bytes(pickle.dumps(subject.sample.inputs))
        except Exception as error:  # noqa: BLE001 - pickle raises what the inputs raise
            pytest.skip(f"the sample's inputs can't be passed to another process: {error}")
        steps = subject.steps("after_close", inputs=str(file))
        if steps.ending:
            failed(
                f"{steps.at or 'a session'} ends the process: it {steps.ending}",
                "let predict() raise ModelClosed once close() was called",
            )
        if steps.done["predict after close"].get("answered"):
            failed(
                "predict answers after close(), so the session still holds the model",
                "drop the runtime's objects in close(), and raise ModelClosed in predict()",
            )

    def test_what_was_loaded_is_given_back(self, subject: Subject) -> None:
        steps = subject.steps("rounds")
        if steps.ending:
            failed(f"{steps.at} {ROUNDS} times fails: it {steps.ending}", "mend load() or close()")
        held = steps.done["rounds"]
        found = []
        if held["python"] > _MOST_PYTHON or held["memory"] > _MOST_MEMORY:
            found.append(
                f"{max(held['python'], held['memory']) / 2**20:.1f} MiB of memory "
                f"({held['python'] / 2**20:.1f} MiB of it Python's)"
            )
        if held["files"] > 0:
            found.append(f"{held['files']} open files")
        if held["threads"] > 0:
            found.append(f"{held['threads']} threads")
        if found:
            failed(
                f"after loading and closing {ROUNDS} times there are {' and '.join(found)} more than "
                "before",
                "let close() free what load() took: memory, files, threads; keep no session in a "
                "global list or cache",
            )
        if steps.done.get("letting go of a session", {}).get("kept"):
            failed(
                "a closed session stays alive: something still refers to it",
                "keep no session in a global list or cache, nor in a callback that stays registered",
            )

    def test_the_deep_probe_passes(self, subject: Subject) -> None:
        report = deep_report(subject.backend.record, TIMEOUT)
        if report.problems:
            failed(
                "`infer doctor --deep` reports: " + "; ".join(map(str, report.problems)),
                "mend what it names; probe_environment(deep=True) imports the runtime and runs a tiny "
                "tensor",
            )
