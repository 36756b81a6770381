"""What all checks stand on: the two things an author supplies, and the fixture that opens them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest

from inference_core.testing.failure import failed
from inference_core.testing.sample import Sample
from inference_core.testing.subject import Subject, find_subject


class Kit:
    """A class of checks. See `BackendConformance`."""

    backend: ClassVar[str] = ""
    # Of the class that inherits, not of this one: what was found, or the sentence that says why not.
    _found: ClassVar[Subject | str | None] = None

    def make_sample(self, folder: Path) -> Sample:
        """Write a small model into the empty `folder`; say what it takes and what it answers."""
        failed(
            f"{type(self).__name__} doesn't supply a sample",
            "write the method make_sample(self, folder), which returns inference_core.testing.Sample",
        )

    @pytest.fixture
    def subject(self, tmp_path_factory: pytest.TempPathFactory) -> Subject:
        """The backend with its sample, made once per class."""
        cls = type(self)
        found: Any = cls.__dict__.get("_found")
        if isinstance(found, str):
            pytest.skip(f"there is nothing to check: {found}")
        if found is None:
            try:
                found = self._find(tmp_path_factory)
            except pytest.fail.Exception as failure:
                cls._found = str(failure.msg).partition("\n")[0]
                raise
            cls._found = found
        return found  # type: ignore[no-any-return]

    def _find(self, folders: pytest.TempPathFactory) -> Subject:
        if not self.backend:
            failed(
                f"{type(self).__name__} doesn't say which backend it is about",
                'write backend = "NAME" into the class, with the name of the entry point',
            )
        sample = self.make_sample(folders.mktemp("sample"))
        return find_subject(self.backend, sample, folders.mktemp("kit"))
