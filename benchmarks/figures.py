"""One measured figure against what the design wants it to hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """`hold` is the most it may be, or with `at_least` the least."""

    what: str
    measured: float
    unit: str
    hold: float
    digits: int = 2
    at_least: bool = False

    @property
    def is_held(self) -> bool:
        return self.measured >= self.hold if self.at_least else self.measured <= self.hold

    @property
    def verdict(self) -> str:
        """A word for the table."""
        return "ok" if self.is_held else "MISSED"


def table(figures: Sequence[Figure]) -> str:
    """In Markdown, so that it can go into README.md as it stands."""
    lines = ["| what | hold | measured | verdict |", "|---|---|---|---|"]
    for each in figures:
        sign, unit = ("≥" if each.at_least else "≤"), f" {each.unit}" if each.unit != "x" else "x"
        lines.append(
            f"| {each.what} | {sign} {each.hold:g}{unit} | {each.measured:.{each.digits}f}{unit} | {each.verdict} |"
        )
    return "\n".join(lines)
