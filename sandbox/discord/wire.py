"""What every part of the local Discord shares on the wire: JSON objects, snowflakes, times."""

import datetime as dt
from collections.abc import Callable
from typing import Any

Wire = dict[str, Any]
"""A JSON object as it goes over the wire. `Any` enters here and nowhere else."""

Clock = Callable[[], float]

DISCORD_EPOCH_MS = 1_420_070_400_000  # reference.mdx#snowflakes
_TIME_SHIFT = 22


class Snowflakes:
    """Ids that carry the clock's time, as discord.py reads `expires_at` from them; each is above the last."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = 0

    def __call__(self) -> int:
        now = (int(self._clock() * 1000) - DISCORD_EPOCH_MS) << _TIME_SHIFT
        self._last = max(self._last + 1, now)
        return self._last


def iso(at: float) -> str:
    return dt.datetime.fromtimestamp(at, dt.UTC).isoformat()
