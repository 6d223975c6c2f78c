"""Upload limits that Discord keeps although it has announced higher ones, as its refusals show them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from datetime import datetime, timedelta

STEPS = (100_000_000, 50_000_000, 25_000_000, 20_000_000, 10_000_000, 8_000_000)
"""Limits that Discord has had, in bytes; a little below those it counts in MiB."""
LEAST = 16_000
"""A video smaller than this is worth no further try."""
HOLDS_FOR = timedelta(hours=12)
"""Then what is announced is believed again: a server may have been boosted since."""
MOST = 1_000


class KnownLimits:
    """Bounded in number and time; lost with the process, and learnt again by one refusal."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._known: OrderedDict[Hashable, tuple[int, datetime]] = OrderedDict()

    def refused(self, place: Hashable, size_bytes: int) -> bool:
        """A file of this size was refused there: from now on the next smaller limit counts. False where none is."""
        limit = next_limit(size_bytes)
        if not limit:
            return False
        self._known[place] = (limit, self._now() + HOLDS_FOR)
        self._known.move_to_end(place)
        if len(self._known) > MOST:
            self._known.popitem(last=False)
        return True

    def lower_of(self, announced: int, place: Hashable) -> int:
        """What may be sent there."""
        limit, until = self._known.get(place, (announced, self._now()))
        return min(announced, limit) if self._now() < until else announced


def next_limit(refused_bytes: int) -> int:
    """The next smaller limit that is worth a try, or 0."""
    limit = next((step for step in STEPS if step < refused_bytes), refused_bytes // 2)
    return 0 if limit < LEAST else limit
