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
EARLY_ODDS, OFTEN_ODDS, LATE_ODDS = 1 / 7, 1.5, 9.0
"""One in eight have ended; three in five, from when on it is looked often; nine in ten: whoever has not is late."""
FIRST_LOOK_PAUSES = 2.0
"""So many shortest pauses after one in eight have ended, it is looked first: the shorter the renders, the later among
them. A look that finds nothing is one of a dozen with long renders, and one of three with short ones."""
OF_THE_WAY = 0.3
"""How much of the way to the time of frequent looks a pause before it takes, beyond the shortest one."""
OF_THE_DELAY = 0.02
"""How much longer a pause is for each second that a render is late."""
FIRST_LOOK_TOOK = 0.75
"""What ended before the first look took this part of it. Few end in the first half of that time; yet a service that has
become faster is believed after a few renders."""
ANSWERED_WITHIN_S = 5.0
"""What a poll may take beyond its pause and still tell when a render ended."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Durations as a log-logistic distribution; `spread` is the standard deviation of their logarithms.

    It is near the log-normal one in the middle and has a longer tail. So what is overdue is more and more believed to
    be slow, not due at any moment.
    """

    median_s: float
    spread: float

    @property
    def late_s(self) -> float:
        """Nine in ten have ended by then."""
        return self._when(LATE_ODDS)

    def next_look_s(self, elapsed_s: float, pause_s: float) -> float:
        """The pause to the next look at a render that has not ended so far, at least `pause_s` once it was looked at.

        A look costs most where the render hardly has ended yet, since nearly all of them pay for it. So there are few
        until three in five have ended, closer and closer; then one every `pause_s`, and fewer again once it is late.
        The fastest renders wait longest (`benchmarks/pace.py` compares).
        """
        elapsed_s, often_s = max(0.0, elapsed_s), self._when(OFTEN_ODDS)
        first_s = min(self._when(EARLY_ODDS) + FIRST_LOOK_PAUSES * pause_s, often_s)
        if elapsed_s < first_s - pause_s:
            return first_s - elapsed_s
        early_s, delay_s = max(0.0, often_s - elapsed_s), max(0.0, elapsed_s - self.late_s)
        return pause_s + OF_THE_WAY * early_s + OF_THE_DELAY * delay_s

    def left_s(self, elapsed_s: float) -> float:
        """Half of those that have not ended so far end within this time."""
        elapsed_s = max(0.0, elapsed_s)
        if elapsed_s > BEYOND * self.median_s:
            return math.inf
        odds = (elapsed_s / self.median_s) ** self._steepness
        return self._when(1 + 2 * odds) - elapsed_s

    @property
    def _steepness(self) -> float:
        return STEEPNESS / self.spread

    def _when(self, odds: float) -> float:
        """When so many have ended for one that has not."""
        return float(self.median_s * odds ** (1 / self._steepness))


def observed_s(ran_s: float, done_s: float, pause_s: float) -> float | None:
    """How long a render took that still ran at `ran_s` and was found done at `done_s`, after a pause of `pause_s`.

    It ended in between: the middle is taken, or three quarters of the time to the first look, so that a service that
    has become faster is looked at sooner next time. If more lies between them than the pause, this process or its
    machine was not there, and only a bound is known: None.
    """
    if not 0.0 <= done_s - ran_s <= pause_s + ANSWERED_WITHIN_S:
        return None
    return max((ran_s + done_s) / 2, FIRST_LOOK_TOOK * done_s)


def estimate(took_s: Sequence[float]) -> Estimate | None:
    """From what renders took, in seconds above 0; None where too few are known."""
    if len(took_s) < LEAST_KNOWN:
        return None
    median_s = statistics.median(took_s)
    squares = sum(math.log(each / median_s) ** 2 for each in took_s)
    spread = math.sqrt((ITS_WEIGHT * USUAL_SPREAD**2 + squares) / (ITS_WEIGHT + len(took_s)))
    return Estimate(median_s, min(max(spread, SPREADS[0]), SPREADS[1]))
