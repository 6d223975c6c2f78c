"""Messages to whoever runs the bot: through a webhook, or else as direct messages of the application's owner."""

from __future__ import annotations

import logging

import aiohttp
import discord
from yarl import URL

from bot.chat.discord_errors import TROUBLE, told
from bot.errors import ChatUnavailable
from bot.proxy import proxy_for

log = logging.getLogger(__name__)

WITHIN_S = 20.0
NOBODY = discord.AllowedMentions.none()


class OperatorMessages:
    """Owns its connections. `webhook` is a secret; without one the owner is written to, who is asked for at each."""

    def __init__(self, client: discord.Client, webhook: str | None) -> None:
        self._client = client
        self._webhook = webhook
        self._session: aiohttp.ClientSession | None = None

    async def send(self, words: str) -> None:
        """Up to 2,000 characters. Raises ChatUnavailable where it was not taken, or nobody knows whether it was."""
        if self._webhook is None:
            await self._send_to_owner(words)
        else:
            await self._post(self._webhook, words)
        log.info("the operator was told: %s", words)

    async def close(self) -> None:
        """Closes every connection."""
        if self._session is not None:
            await self._session.close()

    async def _post(self, webhook: str, words: str) -> None:
        """No error that is handed on has the address."""
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=WITHIN_S)
            self._session = aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())
        message = {"content": words, "allowed_mentions": {"parse": []}}
        try:
            address = URL(webhook)
            async with self._session.post(
                address, json=message, allow_redirects=False, proxy=proxy_for(address)
            ) as answer:
                status = answer.status
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise ChatUnavailable(f"OPERATOR_WEBHOOK_URL: {type(error).__name__}") from None
        if not 200 <= status < 300:
            raise ChatUnavailable(f"OPERATOR_WEBHOOK_URL answered with HTTP {status}")

    async def _send_to_owner(self, words: str) -> None:
        application = self._client.application
        if application is None:
            raise ChatUnavailable("the application's owner is not known yet")
        owner = application.team.owner_id if application.team is not None else application.owner.id
        if owner is None:
            raise ChatUnavailable("the application's team has no owner; set OPERATOR_WEBHOOK_URL")
        try:
            channel = await self._client.create_dm(discord.Object(owner))
            await channel.send(words, allowed_mentions=NOBODY, suppress_embeds=True)
        except TROUBLE as error:
            raise ChatUnavailable(
                f"the application's owner gets no direct messages ({told(error)}); set OPERATOR_WEBHOOK_URL"
            ) from None
