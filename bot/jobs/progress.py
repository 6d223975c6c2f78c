"""The bar of a render: the provider's percentage, moved on by time where that stands still. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Self

from bot.jobs.forecast import Forecast
from bot.jobs.port import Due

STEP = 5
"""Time moves the bar by so many per cent at once: each is an edit."""
FULLEST = 99


@dataclass(frozen=True, slots=True)
class Bar:
    """Never backwards, never full. Times are seconds since the render was sent.

    `said` is the highest percentage of the provider and `said_s` when it came; `least` is what was shown before.
    """

    forecast: Forecast | None
    said: int = 0
    said_s: float = 0.0
    least: int = 0

    def told(self, percent: int | None, at_s: float) -> Self:
        """The provider has said so."""
        if percent is None or percent <= self.said:
            return self
        return replace(self, said=min(percent, FULLEST), said_s=at_s, least=self.percent(at_s))

    def percent(self, at_s: float) -> int:
        """What the bar shows."""
        stepped = self.said
        if self.forecast is not None:
            stepped = int(self._moved(at_s) // STEP) * STEP
        return min(FULLEST, max(stepped, self.said, self.least))

    def due(self, at_s: float) -> Due | None:
        """How the end stands to what was expected; None where nothing is."""
        if self.forecast is None:
            return None
        if at_s < self.forecast.median_s:
            return Due.AHEAD
        return Due.NOW if at_s < self.forecast.late_s else Due.LATE

    def next_change_s(self, at_s: float) -> float:
        """How long until it shows something else, if the provider says nothing new."""
        if self.forecast is None:
            return math.inf
        changes = [self.forecast.median_s, self.forecast.late_s]
        shown = self.percent(at_s)
        if shown < FULLEST:
            changes.append(self.said_s + (shown - shown % STEP + STEP - self.said) / self._pace)
        return min((change - at_s for change in changes if change > at_s), default=math.inf)

    def _moved(self, at_s: float) -> float:
        return self.said + max(0.0, at_s - self.said_s) * self._pace

    @property
    def _pace(self) -> float:
        """Per cent a second: not faster than usual, and not full before the end is due."""
        assert self.forecast is not None
        usual = 100 / self.forecast.median_s
        left_s = self.forecast.median_s - self.said_s
        return min(usual, (FULLEST - self.said) / left_s) if left_s > 0 else usual
