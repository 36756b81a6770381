"""What a backend says about an artifact (`Verdict`) and about itself (`BackendReport`).

Plain values without behaviour: a hook returns them, reports print them, `to_json` carries them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Code = Literal[
    "format",
    "not-installed",
    "broken-install",
    "device",
    "requirement",
    "precision",
    "batch",
    "task",
    "processor",
    "option",
    "trust",
    "disabled",
    "ambiguous",
    "api-version",
    "error",
]
CODES: tuple[Code, ...] = get_args(Code)

Status = Literal["accept", "reject", "broken"]
STATUSES: tuple[Status, ...] = get_args(Status)


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason why something can't be used.

    Attributes:
        code: one of `CODES`; stable, for programs.
        message: a sentence for people.
        fix: a command or argument to paste, or None where nothing helps.
    """

    code: Code
    message: str
    fix: str | None = None

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise ValueError(f"unknown reason code {self.code!r}; the codes are {', '.join(CODES)}")

    def __str__(self) -> str:
        fix = f" Fix: {self.fix}" if self.fix else ""
        return f"{self.code}: {self.message}{fix}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A backend's answer to `can_load`: the status and *all* its reasons, not only the first.

    Attributes:
        status: "accept", "reject" (can't here, as the reasons say) or "broken" (the plugin or its
            runtime is damaged).
        reasons: empty when accepting.
        device: where the model would run ("cpu", "cuda:0", "mps"); set when accepting.
    """

    status: Status
    reasons: tuple[Reason, ...] = ()
    device: str | None = None

    def __post_init__(self) -> None:
        # Checked here, where the author's own hook is on the traceback, and not where it is used.
        if self.status not in STATUSES:
            raise ValueError(f"unknown status {self.status!r}; it is one of {', '.join(STATUSES)}")
        _check_tuple("Verdict.reasons", self.reasons, Reason)
        if self.device is not None and not isinstance(self.device, str):
            raise TypeError(f"Verdict.device must be a str, not {self.device!r}")

    @classmethod
    def accept(cls, device: str) -> Verdict:
        """Accept, and say where the model would run."""
        return cls("accept", (), device)

    @classmethod
    def reject(cls, *reasons: Reason) -> Verdict:
        """Refuse, for these reasons."""
        return cls("reject", reasons)

    @classmethod
    def broken(cls, *reasons: Reason) -> Verdict:
        """Refuse because the plugin or its runtime is damaged."""
        return cls("broken", reasons)


@dataclass(frozen=True, slots=True)
class BackendReport:
    """A backend's answer to `probe_environment`.

    Attributes:
        runtime: distribution of the framework it runs on, for example "onnxruntime"; None if none.
        runtime_version: its installed version, None if it isn't installed.
        devices: devices it could use here, best first, for example ("cuda:0", "cpu").
        facts: flat facts for `requires`, under the backend's own prefix ("onnxruntime": "1.31.1").
        problems: what keeps it from working, or from working fully, each with its fix.
    """

    runtime: str | None = None
    runtime_version: str | None = None
    devices: tuple[str, ...] = ()
    facts: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    problems: tuple[Reason, ...] = ()

    def __post_init__(self) -> None:
        _check_tuple("BackendReport.devices", self.devices, str)
        _check_tuple("BackendReport.problems", self.problems, Reason)
        for name, value in self.facts.items():
            if not isinstance(value, str):
                _check_tuple(f"BackendReport.facts[{name!r}]", value, str)


def _check_tuple(what: str, value: Any, kind: type) -> None:
    if not isinstance(value, tuple) or not all(isinstance(item, kind) for item in value):
        raise TypeError(f"{what} must be a tuple of {kind.__name__}, not {value!r:.100}")
