"""What the scans report: one thing in an archive that could run code, or that they can't vouch for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that isn't allowed.

    Attributes:
        member: where it is: a member of the archive, with " > " before a member of a member.
        what: the global, opcode, operator or expression, shortened.
        why: the reason in a few words.
    """

    member: str
    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.member}: {self.what} ({self.why})"


def shortened(text: object, limit: int = 100) -> str:
    """`text` on one line and of bounded length, for messages about hostile content."""
    line = str(text).encode("unicode_escape").decode("ascii")
    return line if len(line) <= limit else line[: limit - 1] + "…"
