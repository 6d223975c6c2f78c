"""The first answer with a card: one plain request, of which no more is read than where the card stands.

discord.py's own would make a message with all its components out of what Discord returns, and keep the view that was
sent, while others wait for their answers; buttons of ours need neither.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import aiohttp
import discord
from discord import ui
from discord.http import Route, handle_message_parameters, json_or_text

from bot.chat.send_once import asked_pause_s, error_of
from bot.models import MessageId

TRIES = 5
"""As discord.py: after a 5xx, with pauses of 1, 3, 5, 7 s, or a 429. Discord takes one answer, however often sent."""
_HEADERS = {"Content-Type": "application/json"}
_NO_TIMEOUT = aiohttp.ClientTimeout()
"""Whoever asks bounds all tries together."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The card as Discord took it."""

    message: MessageId
    ephemeral: bool


def body_of(view: ui.LayoutView, *, ephemeral: bool = False) -> bytes:
    """What is sent of a card."""
    flags, nobody = discord.MessageFlags(ephemeral=ephemeral), discord.AllowedMentions.none()
    message = handle_message_parameters(view=view, flags=flags, allowed_mentions=nobody).payload
    return json.dumps({"type": _KIND.value, "data": message}).encode()


async def send_card(interaction: discord.Interaction[Any], body: bytes) -> Answer | None:
    """Sends what `body_of` made; its caller bounds how long that may take.

    None where Discord took it and did not tell where it is. Raises what `send_message` raises.
    """
    if interaction.response.is_done():
        raise discord.InteractionResponded(interaction)
    said = await _post(interaction, body)
    interaction.response._response_type = _KIND  # noqa: SLF001 - else discord.py would take it for unanswered
    told = said.get("interaction") if isinstance(said, dict) else None
    if not isinstance(told, dict) or not told.get("response_message_id"):
        return None
    return Answer(MessageId(int(told["response_message_id"])), bool(told.get("response_message_ephemeral")))


_KIND = discord.InteractionResponseType.channel_message


async def _post(interaction: discord.Interaction[Any], body: bytes) -> Any:
    session: aiohttp.ClientSession = interaction._session  # noqa: SLF001 - discord.py's own, as its answers take it
    http = interaction.client.http
    address = f"{Route.BASE}/interactions/{interaction.id}/{interaction.token}/callback?with_response=1"
    for tries in range(1, TRIES + 1):
        async with session.post(
            address,
            data=body,
            headers=_HEADERS,
            timeout=_NO_TIMEOUT,
            proxy=http.proxy,
            proxy_auth=http.proxy_auth,
        ) as answer:
            said = await json_or_text(answer)
            if 200 <= answer.status < 300:
                return said
            pause_s = 2.0 * tries - 1 if answer.status >= 500 else asked_pause_s(answer, said)
            if pause_s is None or tries == TRIES:
                raise error_of(answer, said)
        await asyncio.sleep(pause_s)
    raise AssertionError("unreachable")
