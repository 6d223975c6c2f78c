"""Whether a figure that was read again and again grows: its slope, how sure that is, and a verdict."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

_Z = statistics.NormalDist().inv_cdf(0.975)

Reading = tuple[float, float]
"""After how much of whatever makes it grow, time or work, and how much there was then."""


class Verdict(StrEnum):
    FLAT = "flat"
    GROWS = "GROWS"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Slope:
    """For each unit of x; the true one is within `low` to `high` with 95%, as far as readings are independent."""

    mean: float
    each: float
    low: float
    high: float

    def verdict(self, allowed: float) -> Verdict:
        """Flat where even `high` is allowed; growing where the slope is surely above nothing, and too great."""
        if self.high <= allowed:
            return Verdict.FLAT
        if self.low > 0 and self.each > allowed:
            return Verdict.GROWS
        return Verdict.UNDECIDED


def slope_of(lives: Sequence[Sequence[Reading]]) -> Slope:
    """One slope of all lives of the process; each life has a level of its own. Raises ValueError for too few."""
    lives = [life for life in lives if len(life) > 1]
    points = [point for life in lives for point in _centered(life)]
    free = len(points) - len(lives) - 1
    if free < 5:
        raise ValueError("too few readings for a slope")
    squares = sum(x * x for x, _ in points)
    slope = sum(x * y for x, y in points) / squares
    error = math.sqrt(sum((y - slope * x) ** 2 for x, y in points) / free / squares)
    margin = _quantile(free) * error
    mean = statistics.fmean(y for life in lives for _, y in life)
    return Slope(mean, slope, slope - margin, slope + margin)


def _centered(life: Sequence[Reading]) -> list[Reading]:
    middle, level = (statistics.fmean(values) for values in zip(*life, strict=True))
    return [(x - middle, y - level) for x, y in life]


def _quantile(free: int) -> float:
    """97.5% of Student's t, by its expansion around the normal distribution's; good from 5 degrees of freedom on."""
    first = (_Z**3 + _Z) / (4 * free)
    return _Z + first + (5 * _Z**5 + 16 * _Z**3 + 3 * _Z) / (96 * free**2)
