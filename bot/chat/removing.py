"""Messages with cards and videos that somebody takes away; before others than the member do, the video is fetched."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from typing import Any

import aiohttp
import discord
from yarl import URL

from bot.chat.discord_errors import TROUBLE, ErrorKind, error_kind_of
from bot.errors import ChatUnavailable
from bot.models import Job
from bot.proxy import proxy_for

log = logging.getLogger(__name__)

FETCH_WITHIN_S = 600.0
FETCH_IDLE_S = 30.0
GET_WITHIN_S = 20.0
MOST_BYTES = 512 * 1024 * 1024
"""No bot uploads so much: whatever sends more is not the file."""
_CHUNK = 256 * 1024


async def remove_pressed(interaction: discord.Interaction[Any], job: Job) -> bool:
    """Deletes the pressed message by the press's own token, which reaches it everywhere; False where it stays."""
    try:
        if not interaction.response.is_done():
            await interaction.response.defer()
        await interaction.delete_original_response()
    except TROUBLE as error:
        return _is_gone(job, error)
    return True


async def remove_all(client: discord.Client, job: Job, *, but: int | None = None, in_channel: bool = False) -> bool:
    """Deletes the job's messages that the bot's own token reaches; False where one stays.

    `but` is one that is gone already; `in_channel` spares what stands in direct messages.
    """
    gone = True
    for channel, message in job.card.places:
        if message == but or (in_channel and channel != job.card.channel):
            continue
        there = client.get_partial_messageable(channel, guild_id=job.card.guild)
        try:
            async with asyncio.timeout(GET_WITHIN_S):
                await there.get_partial_message(message).delete()
        except TROUBLE as error:
            gone = _is_gone(job, error) and gone
    return gone


def _is_gone(job: Job, error: BaseException) -> bool:
    error_kind = error_kind_of(error)
    if error_kind is not ErrorKind.REMOVED:
        log.warning("job=%s a message of it was not deleted: %s (%s)", job.id, error_kind.name, type(error).__name__)
    return error_kind is ErrorKind.REMOVED


async def video_address(interaction: discord.Interaction[Any], job: Job) -> str | None:
    """Where Discord has the video that the pressed message shows, or the one beside it; None where none does.

    Discord signs the address anew in what it sends, so this one lives. Raises ChatUnavailable.
    """
    assert interaction.message is not None
    found = _video_in(interaction.message)
    if found is not None or job.card.shown_message is None:
        return found
    there = interaction.client.get_partial_messageable(job.card.channel, guild_id=job.card.guild)
    try:
        async with asyncio.timeout(GET_WITHIN_S):
            return _video_in(await there.fetch_message(job.card.shown_message))
    except TROUBLE as error:
        if error_kind_of(error) is ErrorKind.REMOVED:
            return None
        raise ChatUnavailable(f"the message with the video cannot be seen: {type(error).__name__}") from None


async def stream(address: str, *, at_most_bytes: int = MOST_BYTES) -> AsyncIterator[bytes]:
    """The file at Discord, in pieces. Raises ChatUnavailable, also where it ends too soon."""
    timeout = aiohttp.ClientTimeout(total=FETCH_WITHIN_S, sock_read=FETCH_IDLE_S)
    received = 0
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session,
            session.get(address, allow_redirects=False, proxy=proxy_for(URL(address, encoded=True))) as answer,
        ):
            if answer.status != 200:
                raise ChatUnavailable(f"Discord answered {answer.status} for the video")
            async for chunk in answer.content.iter_chunked(_CHUNK):
                received += len(chunk)
                if received > at_most_bytes:
                    raise ChatUnavailable(f"more than {at_most_bytes} bytes came")
                yield chunk
            if not received or received != (answer.content_length or received):
                raise ChatUnavailable(f"{received} bytes of {answer.content_length} came")
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        raise ChatUnavailable(f"the video could not be fetched: {type(error).__name__}") from None


def _video_in(message: discord.Message) -> str | None:
    """A message of Components V2 lists no attachments: there the gallery tells."""
    addresses = [file.url for file in message.attachments]
    addresses += [
        item.media.url
        for gallery in _galleries(message.components)
        for item in gallery.items
        if item.media.attachment_id is not None
    ]
    return next(iter(addresses), None)


def _galleries(components: Iterable[object]) -> list[discord.MediaGalleryComponent]:
    found: list[discord.MediaGalleryComponent] = []
    for component in components:
        if isinstance(component, discord.MediaGalleryComponent):
            found.append(component)
        found += _galleries(getattr(component, "children", ()))
    return found
