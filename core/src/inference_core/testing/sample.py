"""What an author gives the conformance kit: a small model with a known answer."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, eq=False)
class Sample:
    """A model that the backend runs, and what it answers.

    Keep it small: it is loaded more than a hundred times.

    Attributes:
        model: what a user would give to `AutoModel.from_pretrained`: a file, or a folder with a
            model.json. For tensor backends its artifact has one part; of several the first is damaged.
        inputs: for tensor backends, arrays by input name; for task backends, the task's input.
        outputs: for tensor backends, the expected arrays by output name; for task backends the
            expected result, or a function that takes the result and raises if it is wrong.
        options: load options of the backend that this sample needs.
        parameters: per-call options that this sample needs; for task backends.
        allow_code: whether the sample loads only with `allow_code=True`.
        rtol: how far an output may be off, relative to what is expected.
        atol: how far it may be off besides, in units of the output.
        stream: whether the task session also answers `stream=True`.
        device: where to run it; None for the backend's best. A second class with another sample tests
            another device.
        loadable: what the kit does to the file that leaves a valid model of this format, in the kit's
            words: ("an empty file", "a file cut in half") for a list of words, say.
    """

    model: Path
    inputs: Any
    outputs: Any
    options: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    allow_code: bool = False
    rtol: float = 1e-4
    atol: float = 1e-5
    stream: bool = False
    device: str | None = None
    loadable: Collection[str] = ()
