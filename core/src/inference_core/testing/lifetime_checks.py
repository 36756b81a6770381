"""Checks of what stays: after close, after many models; and of the deep probe."""

from __future__ import annotations

import pytest

from inference_core.testing.failure import failed
from inference_core.testing.kit import Kit
from inference_core.testing.subject import Subject

# What may stay in the end: allocators keep some, caches fill, and torch keeps the source that
# it generates for a graph (4 KiB a round for the smallest).
_MOST_MEMORY = 16 * 2**20
_PYTHON_PER_ROUND = 8 * 2**10


class LifetimeChecks(Kit):
    """A server loads and closes models for months."""

    def test_closing_twice_does_nothing_more(self, runnable: Subject) -> None:
        with runnable.session() as session:  # which closes it once more
            try:
                session.close()
                session.close()
            except Exception as error:  # noqa: BLE001 - whatever the plugin raises
                failed(
                    f"the second close() raises {type(error).__name__}: {error}",
                    "let close() return at once if it was called before",
                )

    def test_a_closed_session_answers_no_more(self, runnable: Subject) -> None:
        steps = runnable.steps("after_close")
        if steps.ending:
            failed(
                f"{steps.at or 'a session'} ends the process: it {steps.ending}",
                "let predict() raise ModelClosed once close() was called",
            )
        step = steps.done.get("predict after close")
        if step is None:
            pytest.skip("the sample's inputs can't be passed to another process")
        if step.get("answered"):
            failed(
                "predict answers after close(), so the session still holds the model",
                "drop the runtime's objects in close(), and raise ModelClosed in predict()",
            )

    def test_what_was_loaded_is_given_back(self, runnable: Subject) -> None:
        rounds, steps = runnable.rounds, runnable.steps("rounds")
        if steps.ending:
            failed(
                f"{steps.at}, {rounds} times, fails: it {steps.ending}",
                "mend load(), predict() or close(); for a slow runtime, lower the class attribute "
                "`rounds` or raise `timeout`",
            )
        held = steps.done["rounds"]
        found = []
        if held["python"] > rounds * _PYTHON_PER_ROUND or held["memory"] > _MOST_MEMORY:
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
                f"after loading, running and closing {rounds} times there are {' and '.join(found)} "
                "more than before",
                "let close() free what load() and predict() took: memory, files, threads; keep no "
                "session in a global list or cache",
            )
        if steps.done.get("letting go of a session", {}).get("kept"):
            failed(
                "a closed session stays alive: something still refers to it",
                "keep no session in a global list or cache, nor in a callback that stays registered",
            )

    def test_the_deep_probe_tries_the_runtime(self, runnable: Subject) -> None:
        steps = runnable.steps("deep")
        if steps.ending:
            failed(
                f"`infer doctor --deep` would say: it {steps.ending}",
                "mend probe_environment(deep=True): what it finds belongs among the report's problems",
            )
        step = steps.done["deep"]
        if step["problems"]:
            failed(
                "`infer doctor --deep` reports: " + "; ".join(step["problems"]),
                "mend what it names; probe_environment(deep=True) imports the runtime and runs a tiny "
                "tensor",
            )
        if step["packages"] and not step["imported"]:
            failed(
                f"probe_environment(deep=True) reports no problem without importing {step['runtime']}",
                "import the runtime there and run a tiny tensor: the deep probe finds what metadata "
                "can't tell",
            )
