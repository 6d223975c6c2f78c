"""When Discord's edge bars this address for a while, nothing is sent until that is over."""

from __future__ import annotations

import logging
import types
from collections.abc import Callable

import aiohttp
import discord
from discord.http import Route

log = logging.getLogger(__name__)

TOO_MANY = 429
UNTOLD_S = 60.0
"""Where the edge does not say for how long."""
LONGEST_S = 3_600.0
NOT_NOW_S = 1.0


class CloudflareBlock:
    """Seen and obeyed by every session that has its `trace`.

    Such a 429 comes from Cloudflare (its error 1015) and not from Discord: it is a page, no JSON. discord.py raises it
    without a look at `Retry-After`; more requests make such a block longer.
    """

    def __init__(
        self, now: Callable[[], float], listen: Callable[[aiohttp.TraceConfig], object] = lambda _: None
    ) -> None:
        """`now` is monotonic, in seconds. `listen` is given each session's trace: others learn of answers, too."""
        self._now = now
        self._listen = listen
        self._until = 0.0
        self.may_send: Callable[[], bool] = lambda: True
        """While it is not so, nothing is sent: another process may have taken over what this one was about to say."""

    @property
    def left_s(self) -> float:
        """How long it still lasts; 0 where there is none."""
        return max(0.0, self._until - self._now())

    def trace(self) -> aiohttp.TraceConfig:
        """For one session: refuses requests to Discord's REST with `discord.RateLimited` while a block lasts."""
        config = aiohttp.TraceConfig()
        config.on_request_start.append(self._before)
        config.on_request_end.append(self._after)
        self._listen(config)
        return config

    async def _before(
        self,
        _session: aiohttp.ClientSession,
        _context: types.SimpleNamespace,
        sent: aiohttp.TraceRequestStartParams,
    ) -> None:
        if (self.left_s or not self.may_send()) and str(sent.url).startswith(Route.BASE):
            raise discord.RateLimited(self.left_s or NOT_NOW_S)

    async def _after(
        self,
        _session: aiohttp.ClientSession,
        _context: types.SimpleNamespace,
        answered: aiohttp.TraceRequestEndParams,
    ) -> None:
        answer = answered.response
        if answer.status != TOO_MANY or answer.content_type == "application/json":
            return
        lasts_s = min(_seconds(answer.headers.get("Retry-After")), LONGEST_S)
        self._until = max(self._until, self._now() + lasts_s)
        log.error("Discord's edge bars this address: nothing is sent to Discord for %.0f s", lasts_s)


def _seconds(header: str | None) -> float:
    text = (header or "").strip()
    return float(text) if text.isdecimal() and text.isascii() else UNTOLD_S
