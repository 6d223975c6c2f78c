"""Discord allows a bot 50 requests per second by its own token, whichever process sends them: this process's part.

Answers to interactions, and edits with a command's token, are not counted there and not here.
"""

from __future__ import annotations

import asyncio
import logging
import types
from collections.abc import Awaitable, Callable
from contextvars import ContextVar

import aiohttp
import discord
from discord.http import Route

from bot.chat.cloudflare_block import TOO_MANY
from bot.chat.edit_rate_limit import Window

log = logging.getLogger(__name__)

REQUESTS, SPAN_S = 50, 1.1
"""Discord counts a second; the rest is for the way there, which is never the same twice."""
KEPT_FOR_OTHERS = 3
"""Progress leaves one in so many for what is more than progress: videos, last edits, messages."""
LONGEST_WAIT_S = 5.0
"""Whoever would have to wait for longer is told so, as discord.py does it."""
LONGEST_S = 3_600.0

is_progress: ContextVar[bool] = ContextVar("is_progress", default=False)
"""Set in a task that edits a card for progress."""


class GlobalRateLimit:
    """Nothing is limited while this process is alone: discord.py then waits where Discord says so.

    `now` is monotonic, in seconds. What bounds a wait is its caller; cancelled, it has taken nothing.
    """

    def __init__(self, now: Callable[[], float], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._now = now
        self._sleep = sleep
        self._window: Window | None = None
        self._kept = 0
        self._until = 0.0
        self._turns = {False: asyncio.Lock(), True: asyncio.Lock()}  # of progress, and of all else
        self.refused: Callable[[float], None] = lambda _seconds: None
        """Called with the pause that Discord asks of the whole bot, in seconds."""

    def share(self, processes: int) -> None:
        """So many processes use the bot's token from now on: each has its part."""
        log.info("%s processes share what Discord allows the bot", processes)
        if processes == 1:
            self._window = None
            return
        self._window = self._window or Window(REQUESTS, SPAN_S)
        self._window.share(processes)
        self._kept = REQUESTS // processes // KEPT_FOR_OTHERS

    def pause_for(self, seconds: float) -> None:
        """Nothing is sent by the bot's token for so long: Discord has said so, perhaps to another process."""
        lasts_s = min(max(0.0, seconds), LONGEST_S)
        log.warning("Discord asks the whole bot to wait for %.1f s", lasts_s)
        self._until = max(self._until, self._now() + lasts_s)

    async def turn(self) -> None:
        """Returns when one request may be sent by the bot's token. Raises discord.RateLimited."""
        if self._window is None:
            return
        progress = is_progress.get()
        async with self._turns[progress]:
            while (window := self._window) is not None:
                if progress:
                    async with self._turns[False]:
                        pass  # whoever sends more than progress goes first
                held_s = self._until - self._now()
                if held_s > LONGEST_WAIT_S:
                    raise discord.RateLimited(held_s)
                wait_s = max(held_s, window.wait_s(self._now(), keeping=self._kept if progress else 0))
                if wait_s <= 0:
                    window.record(self._now())
                    return
                await self._sleep(wait_s)

    def listen(self, trace: aiohttp.TraceConfig) -> None:
        """For one session: its requests by the bot's token wait for their turn, before anything else is asked."""
        trace.on_request_start.insert(0, self._before)
        trace.on_request_end.append(self._after)

    async def _before(
        self,
        _session: aiohttp.ClientSession,
        _context: types.SimpleNamespace,
        sent: aiohttp.TraceRequestStartParams,
    ) -> None:
        if "Authorization" in sent.headers and str(sent.url).startswith(Route.BASE):
            await self.turn()

    async def _after(
        self,
        _session: aiohttp.ClientSession,
        _context: types.SimpleNamespace,
        answered: aiohttp.TraceRequestEndParams,
    ) -> None:
        headers = answered.response.headers
        if (
            self._window is None
            or answered.response.status != TOO_MANY
            or headers.get("X-RateLimit-Scope") != "global"
            or "Authorization" not in answered.headers
        ):
            return
        try:
            seconds = float(headers.get("Retry-After", ""))
        except ValueError:
            return
        self.pause_for(seconds)
        self.refused(seconds)
