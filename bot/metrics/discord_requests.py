"""Requests to Discord as aiohttp's trace tells of them: by kind, by transport and by result."""

from __future__ import annotations

import re
import types
from collections.abc import Callable
from datetime import datetime

import aiohttp
import discord

from bot.metrics.instruments import Instruments

_CALLBACK = re.compile(r"/interactions/([0-9]+)/[^/]+/callback$")
_KINDS = (
    ("PATCH", re.compile(r"/webhooks/[0-9]+/[^/]+/messages/[^/]+$"), "edit", "token"),
    ("PATCH", re.compile(r"/channels/[0-9]+/messages/[0-9]+$"), "edit", "bot"),
    ("POST", re.compile(r"/webhooks/[0-9]+/[^/]+$"), "message", "token"),
    ("POST", re.compile(r"/channels/[0-9]+/messages$"), "message", "bot"),
    ("DELETE", re.compile(r"/webhooks/[0-9]+/[^/]+/messages/[^/]+$"), "delete", "token"),
    ("DELETE", re.compile(r"/channels/[0-9]+/messages/[0-9]+$"), "delete", "bot"),
)
_MULTIPART = "multipart/"


def kind_of(method: str, path: str) -> tuple[str, str]:
    """What a request is for, and by whose token it is authorized: an interaction's, or the bot's own."""
    if _CALLBACK.search(path):
        return "answer", "token"
    for its_method, pattern, kind, transport in _KINDS:
        if method == its_method and pattern.search(path):
            return kind, transport
    return "other", "bot"


def result_of(status: int) -> str:
    """The class of an HTTP status; 429 by itself."""
    return "429" if status == 429 else f"{status // 100}xx"


class DiscordRequests:
    """Listens to a session. `now` is Discord's time: an interaction's id tells when it was made."""

    def __init__(self, to: Instruments, api_url: str, now: Callable[[], datetime]) -> None:
        self._to = to
        self._api_url = api_url
        self._now = now

    def listen(self, trace: aiohttp.TraceConfig) -> None:
        """For a session that sends requests to Discord."""
        trace.on_request_chunk_sent.append(self._sent)
        trace.on_request_end.append(self._answered)
        trace.on_request_exception.append(self._broken)

    async def _sent(
        self, _: aiohttp.ClientSession, context: types.SimpleNamespace, sent: aiohttp.TraceRequestChunkSentParams
    ) -> None:
        context.sent_bytes = getattr(context, "sent_bytes", 0) + len(sent.chunk)

    async def _answered(
        self, _: aiohttp.ClientSession, context: types.SimpleNamespace, told: aiohttp.TraceRequestEndParams
    ) -> None:
        if not str(told.url).startswith(self._api_url):
            return
        kind, transport = kind_of(told.method, told.url.path)
        answer = told.response
        if answer.request_info.headers.get("Content-Type", "").startswith(_MULTIPART):
            kind = "upload"
            if answer.ok:
                self._to.uploaded.labels(transport).inc(getattr(context, "sent_bytes", 0))
        self._to.discord_requests.labels(kind, transport, result_of(answer.status)).inc()
        if kind == "answer" and answer.ok and (found := _CALLBACK.search(told.url.path)):
            made_at = discord.utils.snowflake_time(int(found[1]))
            self._to.first_answer.observe(max(0.0, (self._now() - made_at).total_seconds()))

    async def _broken(
        self, _: aiohttp.ClientSession, _context: types.SimpleNamespace, told: aiohttp.TraceRequestExceptionParams
    ) -> None:
        if str(told.url).startswith(self._api_url):
            self._to.discord_requests.labels(*kind_of(told.method, told.url.path), "none").inc()
