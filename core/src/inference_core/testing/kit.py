"""What all checks stand on: what an author supplies, and the fixtures that open it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest

from inference_core.testing.failure import failed
from inference_core.testing.plugin import Plugin, find_plugin
from inference_core.testing.sample import Sample
from inference_core.testing.subject import Subject, find_subject

T = TypeVar("T")


class Kit:
    """A class of checks. See `BackendConformance`."""

    backend: ClassVar[str] = ""
    rounds: ClassVar[int] = 50
    timeout: ClassVar[float] = 300.0

    def make_sample(self, folder: Path) -> Sample:
        """Write a small model into the empty `folder`; say what it takes and what it answers."""
        failed(
            f"{type(self).__name__} doesn't supply a sample",
            "write the method make_sample(self, folder), which returns inference_core.testing.Sample",
        )

    @pytest.fixture
    def plugin(self, tmp_path_factory: pytest.TempPathFactory) -> Plugin:
        """The backend as it is installed; needs no sample."""
        return self._once("plugin", lambda: self._plugin(tmp_path_factory))

    @pytest.fixture
    def subject(self, plugin: Plugin, tmp_path_factory: pytest.TempPathFactory) -> Subject:
        """The backend with its sample, which it may refuse on this machine."""
        return self._once("subject", lambda: self._subject(plugin, tmp_path_factory))

    @pytest.fixture
    def runnable(self, subject: Subject) -> Subject:
        """The backend with a sample that it can run here."""
        if subject.refusal:
            pytest.skip(f"it can't run its sample on this machine: {subject.refusal}")
        return subject

    @pytest.fixture
    def graph(self, runnable: Subject) -> Subject:
        """The same, for checks of arrays."""
        if not runnable.is_tensor:
            pytest.skip("a task backend takes no arrays by name")
        return runnable

    def _plugin(self, folders: pytest.TempPathFactory) -> Plugin:
        if not self.backend:
            failed(
                f"{type(self).__name__} doesn't say which backend it is about",
                'write backend = "NAME" into the class, with the name of the entry point',
            )
        return find_plugin(self.backend, folders.mktemp("kit"), self.timeout)

    def _subject(self, plugin: Plugin, folders: pytest.TempPathFactory) -> Subject:
        return find_subject(plugin, self.make_sample(folders.mktemp("sample")), self.rounds)

    def _once(self, name: str, make: Callable[[], T]) -> T:
        """What is made once for all tests of the class. If it can't be, the first test says why and
        the others skip."""
        made: dict[str, Any] = type(self).__dict__.get("_made") or {}
        type(self)._made = made  # type: ignore[attr-defined]
        if name not in made:
            try:
                made[name] = make()
            except BaseException as error:
                made[name] = _Failed(error)
                raise
        if isinstance(made[name], _Failed):
            pytest.skip(f"there is nothing to check: {made[name]}")
        return made[name]  # type: ignore[no-any-return]


class _Failed:
    """Remembers why something could not be made."""

    def __init__(self, error: BaseException) -> None:
        message = getattr(error, "msg", None) or f"{type(error).__name__}: {error}"
        self._line = str(message).partition("\n")[0]

    def __str__(self) -> str:
        return self._line
