"""How long nobody answers while a process stops and the next one takes its shard, and where that time goes."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

from sandbox.discord.messages import Interaction
from sandbox.discord.server import LocalDiscord
from sandbox.discord.world import Channel, Person
from tests.faults.keeper import Keeper
from tests.faults.place import until

EVERY_S = 0.1
BEFORE_S = 0.3
LASTS_AT_MOST_S = 40.0
TELLS_S = 3.5
"""What has no answer by then gets none."""
ENDS_S = 90.0


@dataclass(frozen=True, slots=True)
class HandOver:
    """Seconds. `gap_s`: the longest time between two answers; the rest are the parts of a hand-over, in order."""

    gap_s: float
    closing_s: float
    """From SIGTERM until the old process was no longer connected."""
    ending_s: float
    """From there until it had ended."""
    starting_s: float
    """From there until the next one was connected."""
    answering_s: float
    """From there until its first answer."""

    def __str__(self) -> str:
        return (
            f"no answer for {self.gap_s:.2f} s; closing {self.closing_s:.2f}, ending {self.ending_s:.2f},"
            f" starting {self.starting_s:.2f}, answering {self.answering_s:.2f}"
        )


class Pings:
    """Somebody uses /quota in one channel without a pause."""

    def __init__(self, discord: LocalDiscord, person: Person, channel: Channel) -> None:
        self._discord = discord
        self._person = person
        self._channel = channel
        self._sent: list[tuple[float, Interaction]] = []
        self._task: asyncio.Task[None] | None = None
        self.answers: list[float] = []
        """When there was one, on the monotonic clock."""

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._send())
        return self

    async def __aexit__(self, *_exc: object) -> None:
        """Returns when each is answered or too old for that."""
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            await until(lambda: all(used.answered.is_set() for _, used in self._sent), TELLS_S)
        offset = time.monotonic() - self._discord.clock()
        self.answers = sorted(used.answered_at + offset for _, used in self._sent if used.answered_at is not None)

    @property
    def unanswered(self) -> list[tuple[float, Interaction]]:
        """Those that have no answer, and when they were used."""
        return [(at, used) for at, used in self._sent if not used.answered.is_set()]

    def is_answered_since(self, since: float) -> bool:
        """Whether there was an answer after that moment."""
        offset = time.monotonic() - self._discord.clock()
        return any(used.answered_at is not None and used.answered_at + offset > since for _, used in self._sent)

    async def _send(self) -> None:
        while True:
            at = time.monotonic()
            self._sent.append((at, await self._discord.invoke(self._person, "quota", channel=self._channel)))
            await asyncio.sleep(EVERY_S)


async def roll(keeper: Keeper, pings: Pings) -> HandOver | None:
    """SIGTERM, and the keeper starts the next one; None where there is nothing to measure: it was not connected."""
    place, life = keeper.place, keeper.lives[-1]
    was_connected = keeper.is_up
    async with pings:
        await asyncio.sleep(BEFORE_S)
        told_at = time.monotonic()
        if not keeper.send(signal.SIGTERM):
            return None
        await until(lambda: life.ended_at is not None or not place.hears(keeper.number), ENDS_S)
        closed_at = time.monotonic()
        await until(lambda: life.ended_at is not None, ENDS_S)
        try:
            await until(lambda: keeper.is_up and keeper.lives[-1] is not life, LASTS_AT_MOST_S)
            connected_at = time.monotonic()
            await until(lambda: pings.is_answered_since(connected_at), LASTS_AT_MOST_S)
        except TimeoutError:
            return None
    ended_at = life.ended_at
    assert ended_at is not None
    after = [at for at in pings.answers if at > connected_at]
    around = [at for at in pings.answers if told_at - BEFORE_S <= at]
    if not was_connected or not after or len(around) < 2:
        return None
    gap_s = max(later - earlier for earlier, later in pairwise(around))
    return HandOver(
        gap_s, closed_at - told_at, max(0.0, ended_at - closed_at), connected_at - ended_at, after[0] - connected_at
    )
