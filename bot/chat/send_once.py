"""Requests to Discord that are sent once: those that may not be repeated, and uploads that take longer than 300 s.

discord.py repeats a POST after each 5xx, so a message that Discord took without saying so stands there twice.
"""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import discord
from discord.http import MultipartParameters, Route, json_or_text

from bot.chat.cloudflare_block import TOO_MANY, CloudflareBlock

UPLOAD_IDLE_S = 120.0
CONNECT_S = 15.0
MOST_REFUSALS = 4
"""A 429 says for certain that nothing was taken; so often the same is sent after the pause it asks for."""


class SendOnce:
    """Owns a session. Raises what discord.py raises; the caller bounds the time."""

    def __init__(self, client: discord.Client, block: CloudflareBlock) -> None:
        self._client = client
        self._block = block
        self._session: aiohttp.ClientSession | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """For uploads, too: bounded in idle time only."""
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=UPLOAD_IDLE_S)
            self._session = aiohttp.ClientSession(timeout=timeout, trace_configs=[self._block.trace()])
        return self._session

    async def by_token(self, method: str, path: str, message: MultipartParameters, **query: str) -> dict[str, Any]:
        """To an endpoint that the interaction's token in `path` opens."""
        return await self._send(method, path, message, {}, query)

    async def by_bot(self, method: str, path: str, message: MultipartParameters) -> dict[str, Any]:
        """To an endpoint that the bot's own token opens."""
        return await self._send(method, path, message, {"Authorization": f"Bot {self._client.http.token}"}, {})

    async def close(self) -> None:
        """Closes the session."""
        if self._session is not None:
            await self._session.close()

    async def _send(
        self, method: str, path: str, message: MultipartParameters, headers: dict[str, str], query: dict[str, str]
    ) -> dict[str, Any]:
        http = self._client.http
        for tries in range(MOST_REFUSALS):
            for file in message.files or ():
                file.reset(seek=tries)
            async with self.session.request(
                method,
                f"{Route.BASE}{path}",
                params=query,
                headers={**headers, "User-Agent": http.user_agent},
                proxy=http.proxy,
                proxy_auth=http.proxy_auth,
                **_body(message),
            ) as answer:
                said = await json_or_text(answer)
                if answer.ok and isinstance(said, dict):
                    return said
                pause_s = asked_pause_s(answer, said)
                if pause_s is None or tries + 1 == MOST_REFUSALS:
                    raise error_of(answer, said)
            await asyncio.sleep(pause_s)
        raise AssertionError("unreachable")


def _body(message: MultipartParameters) -> dict[str, Any]:
    if not message.multipart:
        return {"json": message.payload}
    form = aiohttp.FormData(quote_fields=False)
    for part in message.multipart:
        form.add_field(**part)
    return {"data": form}


def asked_pause_s(answer: aiohttp.ClientResponse, said: object) -> float | None:
    """Discord's own 429 asks for it; a block of the edge is not waited for here."""
    if answer.status != TOO_MANY or not isinstance(said, dict) or not answer.headers.get("Via"):
        return None
    asked = said.get("retry_after")
    return float(asked) if isinstance(asked, int | float) else None


def error_of(answer: aiohttp.ClientResponse, said: Any) -> discord.HTTPException:
    """What discord.py raises for it."""
    match answer.status:
        case 403:
            return discord.Forbidden(answer, said)
        case 404:
            return discord.NotFound(answer, said)
        case status if status >= 500:
            return discord.DiscordServerError(answer, said)
        case _:
            return discord.HTTPException(answer, said)
