"""Deletes messages with cards and videos."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import discord

from bot.chat.discord_errors import TROUBLE, ErrorKind, error_kind_of
from bot.models import Job, PendingDeletion

log = logging.getLogger(__name__)

DELETE_WITHIN_S = 20.0


async def remove_pressed(interaction: discord.Interaction[Any], job: Job) -> bool:
    """Deletes the pressed message by the press's own token, which reaches it everywhere; False where it stays."""
    try:
        if not interaction.response.is_done():
            await interaction.response.defer()
        await interaction.delete_original_response()
    except TROUBLE as error:
        return _is_gone(job, error)
    return True


async def delete_message(client: discord.Client, message: PendingDeletion) -> None:
    """Raises what discord.py raises."""
    async with asyncio.timeout(DELETE_WITHIN_S):
        if message.token is None:
            await client.get_partial_messageable(message.channel).get_partial_message(message.message).delete()
            return
        assert client.application_id is not None
        hook = discord.Webhook.partial(client.application_id, message.token, client=client)
        hook.proxy, hook.proxy_auth = client.http.proxy, client.http.proxy_auth
        await hook.delete_message(message.message)


async def remove_all(
    client: discord.Client, jobs: Sequence[Job], *, but: int | None = None, in_channel: bool = False
) -> bool:
    """Deletes the messages of these, which share a card, by the bot's own token or the card's; False where one stays.

    `but` is one that is gone already, or is to stay; `in_channel` spares what stands in direct messages.
    """
    gone, job = True, jobs[0]
    for channel, message in dict.fromkeys(place for each in jobs for place in each.card.places):
        if message == but or (in_channel and channel != job.card.channel):
            continue
        by_token = message == job.card.message and not (job.card.bot_reaches and not job.card.ephemeral)
        try:
            await delete_message(client, PendingDeletion(channel, message, job.card.token if by_token else None))
        except TROUBLE as error:
            gone = _is_gone(job, error) and gone
    return gone


def _is_gone(job: Job, error: BaseException) -> bool:
    error_kind = error_kind_of(error)
    if error_kind is not ErrorKind.REMOVED:
        log.warning("job=%s a message of it was not deleted: %s (%s)", job.id, error_kind.name, type(error).__name__)
    return error_kind is ErrorKind.REMOVED
