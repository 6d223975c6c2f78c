"""Discord's time. The machine's own clock may be wrong, or jump; a token's end is told in Discord's."""

from __future__ import annotations

import email.utils
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import discord

from bot.jobs.context import Clock

log = logging.getLogger(__name__)

TOLD_FROM_S = 30.0
"""A difference from the machine's clock that the operator is told of."""
DATE_WITHIN_S = 2.0
"""So exact is a `Date` header: whole seconds, and the answer's way here."""
ANSWER_WITHIN_S = 3.0
"""Discord takes the first answer to an interaction so long after it was made: its id tells when."""


def steady_s() -> float:
    """Seconds that nobody sets, and that go on while the machine sleeps where the system counts those."""
    counts_sleep: int | None = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if counts_sleep is None else time.clock_gettime(counts_sleep)


class DiscordClock:
    """Measured by Discord's answers, carried on by the monotonic clock; before the first one it is the machine's.

    An interaction that was just answered is believed before a `Date` header, which a proxy may have written.
    """

    def __init__(self, *, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = steady_s) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._at_zero = wall() - monotonic()
        self._believes_dates = True
        self._told_s = 0.0
        self.is_measured = False

    def now(self) -> datetime:
        """Aware UTC."""
        return datetime.fromtimestamp(self._now_s(), UTC)

    @property
    def ahead_s(self) -> float:
        """By how much the machine's clock is ahead of Discord's; negative where it is behind."""
        return self._wall() - self._now_s()

    def dated(self, header: str | None) -> None:
        """Discord has just answered, with this `Date`."""
        if header is None or not self._believes_dates:
            return
        try:
            at = email.utils.parsedate_to_datetime(header)
        except ValueError:
            return
        self._lies_between(at.timestamp() - DATE_WITHIN_S, at.timestamp() + 1 + DATE_WITHIN_S)

    def answered(self, interaction: int) -> None:
        """Discord has just taken the first answer to this interaction."""
        made_s = discord.utils.snowflake_time(interaction).timestamp()
        if self._lies_between(made_s - 1, made_s + ANSWER_WITHIN_S + DATE_WITHIN_S):
            self._believes_dates = False

    def _now_s(self) -> float:
        return self._at_zero + self._monotonic()

    def _lies_between(self, earliest: float, latest: float) -> bool:
        """Moves the clock there if it is not; returns whether it was moved."""
        self.is_measured = True
        moved = not earliest <= self._now_s() <= latest
        if moved:
            self._at_zero = (earliest + latest) / 2 - self._monotonic()
        ahead_s = self.ahead_s
        if abs(ahead_s - self._told_s) > TOLD_FROM_S:
            self._told_s = ahead_s
            log.warning("%s", told(ahead_s))
        return moved


def told(ahead_s: float) -> str:
    """What the operator reads."""
    if abs(ahead_s) <= TOLD_FROM_S:
        return "the clock of this machine agrees with Discord's again"
    way = "ahead of" if ahead_s > 0 else "behind"
    apart = timedelta(seconds=round(abs(ahead_s)))
    return f"the clock of this machine is {apart} {way} Discord's: set it, because tokens expire by Discord's clock"


class DiscordTime(Clock):
    """All times of a job are told in Discord's time: this machine's clock may be wrong, and jump."""

    def __init__(self, discord_clock: DiscordClock) -> None:
        super().__init__()
        self._discord = discord_clock
        self._is_measured = False

    def now(self) -> datetime:
        """Aware UTC. At login, before any job is looked at, it is set for the first time; that is no step."""
        now = self._discord.now()
        if self._is_measured:
            self._notice(now)
        else:
            self._is_measured = self._discord.is_measured
            self._offset_s = now.timestamp() - steady_s()
        return now
