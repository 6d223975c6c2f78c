"""Whoever starts the bot again when it has ended, and remembers its lives and when it heard nothing of Discord."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from tests.faults.place import until

if TYPE_CHECKING:
    from sandbox.discord.world import Channel
    from sandbox.process import BotProcess
    from tests.faults.place import Place
    from tests.faults.scene import Sent

STOPS_WITHIN_S = 90.0
STARTS_WITHIN_S = 30.0
ANSWERS_WITHIN_S = 4.0
"""Discord's three seconds, and some for the way."""


@dataclass(slots=True)
class Life:
    """One process of the bot. `wanted` is the signal it was sent by us, None where it ended by itself."""

    begun_at: float
    first_request: int
    ended_at: float | None = None
    code: int | None = None
    wanted: signal.Signals | None = None
    asked_at: float | None = None
    is_asleep: bool = False


@dataclass(slots=True)
class Away:
    """The bot could not hear Discord from `since` until `until`, in seconds of the monotonic clock."""

    since: float
    until: float


@dataclass(slots=True)
class Keeper:
    """Starts the bot again whenever it has ended, as a container's restart policy does, and keeps its lives.

    Of several processes it keeps the one with this `number`.
    """

    place: Place
    rng: Random
    number: int = 0
    lives: list[Life] = field(default_factory=list)
    away: list[Away] = field(default_factory=list)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _is_closing: bool = False

    async def open(self) -> None:
        """Starts the bot and waits until it is connected."""
        self._tasks = [asyncio.create_task(self._keep(), name="keep"), asyncio.create_task(self._watch(), name="watch")]
        await self.connected()

    async def connected(self) -> None:
        """Raises TimeoutError where the bot does not come up."""

        def stays_up() -> bool:
            return self.is_up and self.lives[-1].wanted is None

        await self.place.discord.wait_for(stays_up, STARTS_WITHIN_S, f"process {self.number} to connect")

    def send(self, signum: signal.Signals) -> bool:
        """A signal to the bot; False where none is running."""
        bot, life = self._bot, self.lives[-1] if self.lives else None
        if bot is None or not bot.is_running or life is None or life.ended_at is not None:
            return False
        if signum is signal.SIGHUP:
            os.kill(bot.pid, signum)
            return True
        if signum is signal.SIGTERM is life.wanted:
            return True  # told already; a second one would end Python in the middle of its own end
        if signum is signal.SIGSTOP:
            life.is_asleep = True
        elif signum is signal.SIGCONT:
            life.is_asleep = False
        elif life.wanted is not signal.SIGKILL:
            life.wanted, life.asked_at = signum, time.monotonic()
        try:
            os.kill(bot.pid, signum)
        except ProcessLookupError:  # it has ended in this moment
            return False
        return True

    async def restart(self, signum: signal.Signals) -> Life:
        """Ends the bot and waits until the next is connected; the life that ended."""
        life = self.lives[-1]
        self.send(signum)
        await self._ended(life)
        await self.connected()
        return life

    async def close(self) -> Life:
        """SIGTERM for good; the last life."""
        self._is_closing = True
        life = self.lives[-1]
        self.send(signal.SIGTERM)
        await self._ended(life)
        await self.abandon()
        return life

    async def abandon(self) -> None:
        """No more watching and restarting."""
        self._is_closing = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _ended(self, life: Life) -> None:
        try:
            await until(lambda: life.ended_at is not None, STOPS_WITHIN_S)
        except TimeoutError:
            bot = self._bot
            if bot is not None and bot.is_running:
                bot.kill()
            await until(lambda: life.ended_at is not None, STOPS_WITHIN_S)

    @property
    def _bot(self) -> BotProcess | None:
        return self.place.process(self.number)

    @property
    def is_up(self) -> bool:
        """Whether it hears Discord now."""
        bot = self._bot
        running = bot is not None and bot.is_running and self.lives[-1].ended_at is None
        return running and not self.lives[-1].is_asleep and self.place.hears(self.number)

    async def _keep(self) -> None:
        while not self._is_closing:
            bot = await self.place.start_process(self.number)
            life = Life(time.monotonic(), len(self.place.discord.requests))
            self.lives.append(life)
            life.code = await bot.wait(within_s=3600)
            life.ended_at = time.monotonic()
            self.place.discord.changes.notify()
            await asyncio.sleep(self._down_s(life))

    def _down_s(self, _life: Life) -> float:
        """How long it takes until another one is started."""
        return self.rng.uniform(0.0, 0.4)

    async def _watch(self) -> None:
        """Looks fifty times a second; a shorter absence is told by who brings it about."""
        was_up = True
        while True:
            is_up = self.is_up
            if not is_up and was_up:
                self.note_away()
            elif not is_up:
                self.away[-1].until = time.monotonic()  # however late this look is, on a busy machine
            was_up = is_up
            await asyncio.sleep(0.02)

    def note_away(self) -> None:
        """The bot cannot hear Discord now."""
        now = time.monotonic()
        if self.away and now - self.away[-1].until < 0.5:
            self.away[-1].until = now
        else:
            self.away.append(Away(now, now))

    def why_unheard(self, _channel: Channel, at: float) -> str | None:
        """Why a command there at that moment may have had no answer; None where the bot was not away."""
        is_away = any(gap.since <= at + ANSWERS_WITHIN_S and at - 0.1 <= gap.until for gap in self.away)
        return "the bot was away" if is_away else None

    def why_create_lost(self, sent: Sent, _job: int) -> str | None:
        """Why what came of this job's create may not have been stored."""
        life = self.lives[sent.life]
        was_killed = life.ended_at is not None and life.code not in (0, None) and life.wanted is not signal.SIGTERM
        return "killed before the answer was stored" if was_killed else None
