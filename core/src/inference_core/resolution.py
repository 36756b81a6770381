"""The answer to "which backend runs this model here, and why not the others": a value with a table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from inference_core.environment import Environment
from inference_core.package import Artifact, ModelPackage
from inference_core.plain import to_plain
from inference_core.tables import printable, reason_lines, table_line
from inference_core.verdict import Reason, Verdict


@dataclass(frozen=True, eq=False)
class Candidate:
    """One pair of backend and artifact, and the verdict on it.

    Attributes:
        backend: the backend's name.
        distribution: what brings it, with its version where it is installed.
        artifact: None where the backend itself can't be used, whatever the artifact.
        verdict: status, all reasons with fixes, and the device where it would run.
    """

    backend: str
    distribution: str
    artifact: Artifact | None
    verdict: Verdict

    @property
    def accepted(self) -> bool:
        """Whether it can run the model."""
        return self.verdict.status == "accept"


@dataclass(frozen=True, eq=False)
class Resolution:
    """Every candidate with every reason, best first.

    Attributes:
        reference: what the caller asked for.
        package: the model.
        environment: the machine.
        candidates: accepted ones in the order in which they would be tried, then the others.
        asked: what the request fixed ("device=cuda", …), for the table's head.
    """

    reference: str
    package: ModelPackage
    environment: Environment
    candidates: tuple[Candidate, ...]
    asked: tuple[str, ...] = ()

    @property
    def accepted(self) -> tuple[Candidate, ...]:
        """The candidates that can run the model, best first."""
        return tuple(candidate for candidate in self.candidates if candidate.accepted)

    @property
    def chosen(self) -> Candidate | None:
        """The best accepted candidate, None if there is none."""
        return next(iter(self.accepted), None)

    def failed(self, candidate: Candidate, reason: Reason) -> Resolution:
        """This resolution after `candidate` was accepted but failed to load."""
        verdict = Verdict("broken", (reason,), None)
        others = tuple(each for each in self.candidates if each is not candidate)
        last = max((i for i, each in enumerate(others) if each.accepted), default=-1) + 1
        candidates = (*others[:last], replace(candidate, verdict=verdict), *others[last:])
        return replace(self, candidates=candidates)

    def rows(self) -> list[tuple[str, str, str, str, tuple[Reason, ...]]]:
        """The table's rows: backend, device, artifact, verdict in a word, reasons."""
        rows = []
        for candidate in self.candidates:
            if candidate is self.chosen:
                word = "chosen"
            elif candidate.accepted:
                word = "could run it"
            else:
                word = "broken" if candidate.verdict.status == "broken" else "no"
            artifact = str(candidate.artifact) if candidate.artifact else "any"
            device = candidate.verdict.device or "-"
            name, device, artifact = map(printable, (candidate.backend, device, artifact))
            rows.append((name, device, artifact, word, candidate.verdict.reasons))
        return rows

    def headline(self) -> str:
        """The model in one line: name, task, labels, processor, what was asked for."""
        package = self.package
        parts = [package.name]
        if package.task:
            parts.append(package.task)
        elif not package.processor and any(artifact.is_graph for artifact in package.artifacts):
            parts.append("plain graph")
        if package.labels:
            parts.append("1 label" if len(package.labels) == 1 else f"{len(package.labels)} labels")
        if package.processor:
            parts.append(f"processor {package.processor.name}")
        return printable(" · ".join([*parts, *self.asked]))

    def __str__(self) -> str:
        head = ("backend", "device", "artifact", "verdict")
        rows = self.rows()
        widths = [max(len(row[i]) for row in [head, *rows]) for i in range(4)]
        lines = [self.headline(), table_line(head, widths)]
        for *cells, reasons in rows:
            lines += [table_line(cells, widths), *reason_lines(reasons)]
        if not rows:
            lines.append("    no backend is installed or known for this model")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """The same for machines: what `json.dumps` takes."""
        chosen = self.chosen
        return {
            "reference": self.reference,
            "asked": list(self.asked),
            "model": {
                "name": self.package.name,
                "root": str(self.package.root),
                "task": self.package.task,
                "labels": list(self.package.labels),
                "processor": self.package.processor.name if self.package.processor else None,
            },
            "chosen": chosen.backend if chosen else None,
            "candidates": [
                {
                    "backend": candidate.backend,
                    "distribution": candidate.distribution,
                    "chosen": candidate is chosen,
                    "artifact": _artifact(candidate.artifact),
                    **to_plain(candidate.verdict),
                }
                for candidate in self.candidates
            ],
            "environment": to_plain(self.environment),
        }


def _artifact(artifact: Artifact | None) -> dict[str, Any] | None:
    if artifact is None:
        return None
    return {
        "format": artifact.format,
        "parts": {role: str(path) for role, path in artifact.parts.items()},
        "precision": artifact.precision,
        "batch": list(artifact.batch) if artifact.batch else None,
        "requires": to_plain(artifact.requires),
        "facts": to_plain(artifact.facts),
    }
