"""The videos that messages at Discord show: whether one does, where it is, and its bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any

import aiohttp
import discord
from yarl import URL

from bot.chat.discord_errors import TROUBLE, ErrorKind, error_kind_of
from bot.errors import ChatUnavailable
from bot.models import Job
from bot.proxy import proxy_for

FETCH_WITHIN_S = 600.0
FETCH_IDLE_S = 30.0
GET_WITHIN_S = 20.0
MOST_BYTES = 512 * 1024 * 1024
"""No bot uploads so much: whatever sends more is not the file."""
_CHUNK = 256 * 1024


async def shows_video(client: discord.Client, job: Job) -> bool:
    """Whether the job's card shows its video. Raises discord.HTTPException where Discord does not tell."""
    if job.card.message is None:
        return False
    try:
        message = await client.http.get_message(job.card.channel, job.card.message)
    except discord.HTTPException as error:
        if error_kind_of(error) in (ErrorKind.REMOVED, ErrorKind.TRANSPORT_DEAD, ErrorKind.NOT_PERMITTED):
            return False
        raise  # an edge's page, say, tells nothing of the card: better no start than a video taken off it
    if job.card.request is not None:  # of several takes: this one
        return any(f"video-{job.key}." in address for address in _shown_in(message.get("components", ())))
    return bool(message["attachments"]) or bool([*_shown_in(message.get("components", ()))])


async def video_address(interaction: discord.Interaction[Any], job: Job) -> str | None:
    """Where Discord has the video that the pressed message shows, or the one beside it; None where none does.

    Discord signs the address anew in what it sends, so this one lives. Raises ChatUnavailable.
    """
    assert interaction.message is not None
    found = _video_in(interaction.message, job)
    if found is not None or job.card.shown_message is None:
        return found
    there = interaction.client.get_partial_messageable(job.card.channel, guild_id=job.card.guild)
    try:
        async with asyncio.timeout(GET_WITHIN_S):
            return _video_in(await there.fetch_message(job.card.shown_message), job)
    except TROUBLE as error:
        if error_kind_of(error) is ErrorKind.REMOVED:
            return None
        raise ChatUnavailable(f"the message with the video cannot be seen: {type(error).__name__}") from None


def address_on(message: discord.Message | None, job: Job) -> str:
    """Where Discord has the job's video that a pressed message shows; empty where it shows none."""
    return "" if message is None else _video_in(message, job) or ""


async def posted_address(client: discord.Client, job: Job, address: str = "") -> str | None:
    """Where Discord has the job's video, by its message; `address` where the bot's own token reaches none.

    Raises ChatUnavailable.
    """
    card = job.card
    if card.place is None or not card.is_readable:
        return address or None
    channel, message = card.place
    there = client.get_partial_messageable(channel, guild_id=card.guild if channel == card.channel else None)
    try:
        async with asyncio.timeout(GET_WITHIN_S):
            return _video_in(await there.fetch_message(message), job)
    except TROUBLE as error:
        if error_kind_of(error) is ErrorKind.PASSING:
            raise ChatUnavailable(f"the message with the video cannot be seen: {type(error).__name__}") from None
        return None


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


def _video_in(message: discord.Message, job: Job) -> str | None:
    """A message of Components V2 lists no attachments: there the gallery tells. Of several, the file with its key."""
    addresses = [file.url for file in message.attachments]
    addresses += [
        item.media.url
        for gallery in _galleries(message.components)
        for item in gallery.items
        if item.media.attachment_id is not None
    ]
    named = [address for address in addresses if f"video-{job.key}." in address]
    return next(iter(named if named or job.card.request is not None else addresses), None)


def _galleries(components: Iterable[object]) -> list[discord.MediaGalleryComponent]:
    found: list[discord.MediaGalleryComponent] = []
    for component in components:
        if isinstance(component, discord.MediaGalleryComponent):
            found.append(component)
        found += _galleries(getattr(component, "children", ()))
    return found


def _shown_in(components: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """A file that is shown in place is listed in a gallery alone."""
    for part in components:
        if part["type"] == discord.ComponentType.media_gallery.value:
            yield from (str(item["media"]["url"]) for item in part["items"])
        yield from _shown_in(part.get("components", ()))
