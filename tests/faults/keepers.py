"""The keepers of several processes, one for each, and why a command in a server of one of them had no answer."""

from __future__ import annotations

import asyncio
import math
import re
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from random import Random
from typing import TYPE_CHECKING

from tests.faults.keeper import Away, Keeper, Life
from tests.faults.place import Place

if TYPE_CHECKING:
    from sandbox.discord.world import Channel
    from tests.faults.scene import Sent

SHARD_SHIFT = 22
DOWN_S = (0.2, 2.0)
CATCHES_UP_S = 1.0
"""A process that was frozen briefly answers first what came meanwhile."""
STORED_WITHIN_S = 15.0
TELLS_S = 3.0
"""Discord waits so long for an answer."""
HEARD_IN_TIME_S = 2.0
"""What is heard so long after it was said can still be answered in time."""
STOOD_STILL = "this process stood still for too long"
PORT_TAKEN = "address already in use"
ENDS_WITHIN_S = 5.0
GAP_NOTICED_S = 0.5
NOTICED_S = 0.1
"""Whether a process hears Discord is looked at fifty times a second, on a busy machine."""


@dataclass(slots=True)
class Freeze:
    """A life of a process stood still from when until when, on the monotonic clock."""

    life: Life
    since: float
    until: float = math.inf

    def held(self, at: float) -> bool:
        """Whether a command at that moment may have had no answer because of it.

        One that stood still for long ends itself, and sends nothing until then.
        """
        ends = self.until + CATCHES_UP_S
        if (
            self.life.ended_at is not None and self.life.ended_at - self.until < ENDS_WITHIN_S
        ):  # perhaps told to as well
            ends = max(ends, self.life.ended_at)
        return self.since - TELLS_S <= at <= ends


@dataclass(slots=True)
class OneOfSeveral(Keeper):
    """Whoever told a process to stop starts the next one at once, as in a rolling restart."""

    freezes: list[Freeze] = field(default_factory=list)

    def _down_s(self, life: Life) -> float:
        return 0.0 if life.wanted is signal.SIGTERM else self.rng.uniform(*DOWN_S)


class Keepers:
    """As one keeper, for all of them. `each` has them by their number, which is that of their shard, too."""

    def __init__(self, place: Place, rng: Random, *, processes: int) -> None:
        self.each = [OneOfSeveral(place, Random(rng.random()), number) for number in range(processes)]
        self.place = place
        self.outages: list[tuple[float, float]] = []
        """From when until when the database was stopped."""

    @property
    def lives(self) -> list[Life]:
        """Of all processes, as they began."""
        return sorted(chain.from_iterable(keeper.lives for keeper in self.each), key=lambda life: life.begun_at)

    async def open(self) -> None:
        """Starts all of them and waits until they are connected."""
        await asyncio.gather(*(keeper.open() for keeper in self.each))

    async def connected(self) -> None:
        """Raises TimeoutError where one does not come up."""
        await asyncio.gather(*(keeper.connected() for keeper in self.each))

    async def close(self) -> Life:
        """SIGTERM for good; one of the last lives."""
        return (await asyncio.gather(*(keeper.close() for keeper in self.each)))[0]

    async def abandon(self) -> None:
        """No more watching and restarting."""
        await asyncio.gather(*(keeper.abandon() for keeper in self.each))

    async def restart(self, signum: signal.Signals) -> Life:
        """Ends all of them and waits until they are connected again; one of the lives that ended."""
        return (await asyncio.gather(*(keeper.restart(signum) for keeper in self.each)))[0]

    def send(self, signum: signal.Signals) -> bool:
        """To all of them; False where none is running."""
        return sum(keeper.send(signum) for keeper in self.each) > 0

    def note_away(self) -> None:
        """None of them can hear Discord now."""
        for keeper in self.each:
            keeper.note_away()

    def of(self, channel: Channel) -> OneOfSeveral:
        """Who hears what is said there; private channels are told of to the first shard."""
        return self.each[shard_of(channel.guild.id if channel.guild else 0, len(self.each))]

    async def freeze(self, keeper: OneOfSeveral, seconds: float) -> None:
        """SIGSTOP, and SIGCONT after so many seconds."""
        freeze = Freeze(keeper.lives[-1], time.monotonic())
        if not keeper.send(signal.SIGSTOP):
            return
        keeper.freezes.append(freeze)
        try:
            await asyncio.sleep(seconds)
        finally:
            keeper.send(signal.SIGCONT)
            freeze.until = time.monotonic()

    def ended_for_nothing(self) -> Iterator[str]:
        """Processes that ended by themselves, though they had not stood still and the database was there.

        A busy machine lets one stand still, too; its log says so.
        """
        for keeper in self.each:
            bot = self.place.process(keeper.number)
            says_so = bot is not None and STOOD_STILL in bot.log()
            lost_its_port = bot is not None and PORT_TAKEN in bot.log()  # while it was down, by another program
            for life in keeper.lives:
                if life.ended_at is None or life.wanted is not None:
                    continue
                stood_still = any(freeze.life is life for freeze in keeper.freezes) or (says_so and life.code == 1)
                if lost_its_port and life.code == 2:
                    continue
                was_away = any(since <= life.ended_at and life.begun_at <= until for since, until in self.outages)
                if not stood_still and not was_away:
                    yield f"process {keeper.number} ended by itself with code {life.code}"

    def why_unheard(self, channel: Channel, at: float) -> str | None:
        """Why a command there at that moment may have had no answer; None where it should have had one.

        A session at the gateway is one process's: no other one hears what is said in its servers.
        """
        keeper = self.of(channel)
        lost = next((life for life in keeper.lives if _ended_before_an_answer(life, at)), None)
        if lost is not None:
            return (
                "its process was killed before it answered"
                if lost.wanted
                else "its process ended itself after it stood still"
            )
        if any(freeze.held(at) for freeze in keeper.freezes):
            return "its process was frozen"
        gap = next((gap for gap in keeper.away if gap.since - NOTICED_S <= at <= gap.until + NOTICED_S), None)
        return None if gap is None else self._why_away(keeper, at, gap)

    def _why_away(self, keeper: OneOfSeveral, at: float, gap: Away) -> str | None:
        begun = gap.since - GAP_NOTICED_S
        ended = [life for life in keeper.lives if life.ended_at is not None and begun <= life.ended_at <= gap.until]
        if not ended:
            return None
        if any(life.wanted is not signal.SIGTERM for life in ended):  # what it had been left is lost with it
            return "its process was lost, and the next one was not connected yet"
        was_late = gap.until - at > HEARD_IN_TIME_S  # the next one hears what came before it was there
        return "its process was stopped, and the next one was connected too late" if was_late else None

    def why_create_lost(self, sent: Sent, job: int) -> str | None:
        """Why what came of this job's create may not have been stored."""
        for keeper in self.each:
            bot = self.place.process(keeper.number)
            if bot is None or not re.search(rf"job={job} .*state=submitting", bot.log()):
                continue
            if any(_ended_while(life, sent.at) for life in keeper.lives):
                return "killed before the answer was stored"
            if any(freeze.since <= sent.at + STORED_WITHIN_S <= freeze.until for freeze in keeper.freezes):
                return "frozen before the answer was stored"
        return None


def shard_of(guild: int, shards: int) -> int:
    """Which shard is told of a server; 0 of none."""
    return (guild >> SHARD_SHIFT) % shards


def _ended_before_an_answer(life: Life, at: float) -> bool:
    """Killed, or ended of itself because it had been frozen."""
    return (
        life.ended_at is not None
        and life.wanted is not signal.SIGTERM
        and at - NOTICED_S <= life.ended_at <= at + TELLS_S
    )


def _ended_while(life: Life, at: float) -> bool:
    return life.ended_at is not None and life.code != 0 and at - NOTICED_S <= life.ended_at <= at + STORED_WITHIN_S
