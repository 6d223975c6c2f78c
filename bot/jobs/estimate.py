"""How long a render takes, judged by what recent ones took: when to look, what is left. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

LEAST_KNOWN = 3
"""Fewer durations than this tell nothing."""
USUAL_SPREAD, ITS_WEIGHT = 0.3, 2
"""What is believed of the spread before anything is known, and as how many durations it counts."""
SPREADS = (0.08, 0.8)
"""Neither ten equal durations nor one strange one are believed further than this."""
STEEPNESS = 1.7
"""Times one over the spread, a log-logistic distribution lies closest to the log-normal one in its middle."""
BEYOND = 100.0
"""So many medians on, nothing is estimated any more."""
LATE_ODDS = 9.0
"""Nine in ten have ended: whoever has not is late."""
ANSWERED_WITHIN_S = 5.0
"""What a poll may take beyond its pause and still tell when a render ended."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Durations as a log-logistic distribution; `spread` is the standard deviation of their logarithms.

    It is near the log-normal one in the middle and has a longer tail. So what is overdue is more and more believed to
    be slow, not due at any moment, and on a slow day looks grow seldom by themselves.
    """

    median_s: float
    spread: float

    @property
    def late_s(self) -> float:
        """Nine in ten have ended by then."""
        return self._when(LATE_ODDS)

    def next_look_s(self, elapsed_s: float, pause_s: float) -> float:
        """The pause to the next look at a render that has not ended so far; infinite where nothing can be told.

        The first look waits until one in four has ended. Then every pause has the same chance of an end in it, as
        `pause_s` has at the median: so it is about `pause_s` where the end is likely, and longer where it is not.
        """
        earliest_s = self.median_s * math.exp(-0.67 * self.spread)
        if elapsed_s < earliest_s - pause_s:
            return earliest_s - elapsed_s
        return self._pause(elapsed_s, min(0.5, pause_s * self._steepness / (2 * self.median_s)))

    def left_s(self, elapsed_s: float) -> float:
        """Half of those that have not ended so far end within this time."""
        return self._pause(elapsed_s, 0.5)

    @property
    def _steepness(self) -> float:
        return STEEPNESS / self.spread

    def _when(self, odds: float) -> float:
        """When so many have ended for one that has not."""
        return float(self.median_s * odds ** (1 / self._steepness))

    def _pause(self, elapsed_s: float, chance: float) -> float:
        """How long until the render has ended with this chance, given that it had not before."""
        elapsed = max(0.0, elapsed_s) / self.median_s
        if elapsed > BEYOND:
            return math.inf
        odds = elapsed**self._steepness
        return self._when((1 + odds) / (1 - chance) - 1) - max(0.0, elapsed_s)


def observed_s(ran_s: float, done_s: float, pause_s: float) -> float | None:
    """How long a render took that still ran at `ran_s` and was found done at `done_s`, after a pause of `pause_s`.

    It ended in between: the middle is taken, so that a service that has become faster is looked at sooner next time. If
    more lies between them than the pause, this process or its machine was not there, and only a bound is known: None.
    """
    if not 0.0 <= done_s - ran_s <= pause_s + ANSWERED_WITHIN_S:
        return None
    return (ran_s + done_s) / 2


def estimate(took_s: Sequence[float]) -> Estimate | None:
    """From what renders took, in seconds above 0; None where too few are known."""
    if len(took_s) < LEAST_KNOWN:
        return None
    median_s = statistics.median(took_s)
    squares = sum(math.log(each / median_s) ** 2 for each in took_s)
    spread = math.sqrt((ITS_WEIGHT * USUAL_SPREAD**2 + squares) / (ITS_WEIGHT + len(took_s)))
    return Estimate(median_s, min(max(spread, SPREADS[0]), SPREADS[1]))
