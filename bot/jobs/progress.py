"""The bar of a render: the provider's percentage while that moves, moved on by time where it stands still. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Self

from bot.jobs.chat_protocol import Due
from bot.jobs.estimate import Estimate

STEP = 5
"""Time moves the bar by so many per cent at once: each is an edit."""
FULLEST = 99
NEARLY = 90
"""Less than this, and nobody says that the end is due at any moment. A multiple of STEP."""
PATIENCE = 2.0
"""A provider stands still once it says nothing new for so many times the pause before its last word."""
TELLING = 20
"""From this percentage on, the provider's own pace tells when it ends."""


@dataclass(frozen=True, slots=True)
class ProgressBar:
    """Never backwards, never full. Times are seconds since the render was sent.

    `said` is the highest percentage of the provider and `said_s` when it came; `patience_s` is how long it is then
    believed to move on by itself; `least` is what was shown before.
    """

    estimate: Estimate | None
    said: int = 0
    said_s: float = 0.0
    patience_s: float = 0.0
    least: int = 0

    def told(self, percent: int | None, at_s: float) -> Self:
        """The provider has said so."""
        if percent is None or percent <= self.said:
            return self
        patience_s = PATIENCE * (at_s - self.said_s)
        return replace(self, said=min(percent, FULLEST), said_s=at_s, patience_s=patience_s, least=self.percent(at_s))

    def percent(self, at_s: float) -> int:
        """What the bar shows."""
        moved = self._moved(at_s)
        stepped = FULLEST if moved >= FULLEST else int(moved // STEP) * STEP
        return max(stepped, self.said, self.least)

    def due(self, at_s: float) -> Due | None:
        """How the end stands to what was expected; None where nothing is. Never NOW under a bar that is half full."""
        expected_s = self.expected_s(at_s)
        if self.estimate is None or expected_s is None:
            return None
        if at_s < expected_s:
            return Due.AHEAD
        return Due.NOW if at_s < self.estimate.late_s and self.percent(at_s) >= NEARLY else Due.LATE

    def expected_s(self, at_s: float) -> float | None:
        """When it is expected to end: by the provider's pace while that moves, else as recent ones did."""
        if self.estimate is None:
            return None
        return self._pace_s if self._moves_itself(at_s) else self.estimate.median_s

    def next_change_s(self, at_s: float) -> float:
        """How long until it shows something else, if the provider says nothing new."""
        if self.estimate is None:
            return math.inf
        changes = [self.estimate.median_s, self.estimate.late_s, self._still_s]
        if self._moves_itself(at_s):
            changes.append(self._pace_s)
        shown = self.percent(at_s)
        if shown < FULLEST:
            changes.append(self._reached_s(min(shown - shown % STEP + STEP, FULLEST)))
        return min((change - at_s for change in changes if change > at_s), default=math.inf)

    @property
    def _still_s(self) -> float:
        """From when on the provider stands still, if it says nothing new."""
        return self.said_s + self.patience_s

    @property
    def _pace_s(self) -> float:
        return self.said_s * 100 / max(self.said, 1)

    def _moves_itself(self, at_s: float) -> bool:
        return self.patience_s > 0 and self.said >= TELLING and at_s < self._still_s

    def _moved(self, at_s: float) -> float:
        """By time: only where the provider stands still, not faster than usual, and not full before the end is due."""
        if self.estimate is None:
            return self.said
        since_s, left_s = max(0.0, at_s - self._still_s), self.estimate.median_s - self._still_s
        to_the_end = (FULLEST - self.said) * (min(1.0, since_s / left_s) if left_s > 0 else 1.0)
        return self.said + min(since_s * 100 / self.estimate.median_s, to_the_end)

    def _reached_s(self, percent: int) -> float:
        """When time has moved it so far."""
        assert self.estimate is not None
        left_s = max(0.0, self.estimate.median_s - self._still_s)
        share = (percent - self.said) / (FULLEST - self.said)
        return self._still_s + max((percent - self.said) * self.estimate.median_s / 100, left_s * share)
