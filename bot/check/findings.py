"""What a check has found, and how it is printed: a line each."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass


class Level(enum.StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"  # the bot works, but perhaps not as the operator wants it to
    PROBLEM = "problem"  # it does not, or not for all


@dataclass(frozen=True, slots=True)
class Finding:
    """`text` says what is so, and where it is not well, what to do."""

    level: Level
    subject: str
    text: str

    def line(self) -> str:
        """As it is printed."""
        return f"{self.level:<8} {self.subject}: {self.text}"

    def cleaned(self, clean: Callable[[str], str]) -> Finding:
        """With whatever `clean` makes of the words."""
        return Finding(self.level, clean(self.subject), clean(self.text))


def ok(subject: str, text: str) -> Finding:
    """As it should be."""
    return Finding(Level.OK, subject, text)


def warning(subject: str, text: str) -> Finding:
    """Something to know."""
    return Finding(Level.WARNING, subject, text)


def problem(subject: str, text: str) -> Finding:
    """Something to do."""
    return Finding(Level.PROBLEM, subject, text)


def has_problem(found: Iterable[Finding]) -> bool:
    """Whether the bot would not work with this."""
    return any(finding.level is Level.PROBLEM for finding in found)


def as_lines(found: Sequence[Finding]) -> list[str]:
    """A line each, and how many of which level there are."""
    problems, warnings = (_counted(found, level) for level in (Level.PROBLEM, Level.WARNING))
    return [*(finding.line() for finding in found), f"{problems}, {warnings}.".capitalize()]


def _counted(found: Sequence[Finding], level: Level) -> str:
    count = sum(finding.level is level for finding in found)
    return f"{count or 'no'} {level}{'' if count == 1 else 's'}"


def as_json(found: Sequence[Finding]) -> str:
    """The same for programs."""
    return json.dumps([asdict(finding) for finding in found], ensure_ascii=False, indent=2)
