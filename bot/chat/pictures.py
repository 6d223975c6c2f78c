"""The pictures of somebody's message: attachments, embeds, stickers, Components V2, and those of what it forwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import discord

from bot.chat.discord_limits import MAX_CHOICES
from bot.chat.interaction_info import picture_of
from bot.models import Picture


@dataclass(frozen=True, slots=True)
class Found:
    """A picture and what it is called where one of several is chosen."""

    label: str
    picture: Picture


def pictures_in(message: discord.Message) -> list[Found]:
    """In the order in which the message shows them, each once; what is certainly no picture is left out.

    Discord does not tell who wrote a forwarded message: its pictures count as those of whoever has posted it here.
    """
    found: dict[str, Found] = {}
    parts: list[discord.Message | discord.MessageSnapshot] = [message, *message.message_snapshots]
    for part in parts:
        for each in _in(part):
            found.setdefault(each.picture.url, each)
    return list(found.values())[:MAX_CHOICES]


def _in(part: discord.Message | discord.MessageSnapshot) -> Iterator[Found]:
    for file in part.attachments:
        if _may_be_picture(file):
            yield Found(file.filename, picture_of(file))
    for embed in part.embeds:
        for media in (embed.image, embed.thumbnail):
            # Never `url`: it is whatever the embed's author wrote, an address in our own network perhaps.
            if media.proxy_url:
                picture = Picture(media.proxy_url, "embed", None, "image/*", media.width, media.height)
                yield Found(embed.title or embed.description or "picture", picture)
    yield from _in_components(part.components)
    for sticker in part.stickers:
        if sticker.format is not discord.StickerFormatType.lottie:
            yield Found(sticker.name, Picture(sticker.url, sticker.name, None, "image/*", None, None))


def _in_components(components: Iterable[object], *, spoiler: bool = False) -> Iterator[Found]:
    """Of galleries, thumbnails and files, wherever they stand."""
    for component in components:
        hidden = spoiler or bool(getattr(component, "spoiler", False))
        if isinstance(component, discord.MediaGalleryComponent):
            for item in component.items:
                yield from _of_media(item.media, item.description, spoiler=hidden or item.spoiler)
        elif isinstance(component, discord.ThumbnailComponent):
            yield from _of_media(component.media, component.description, spoiler=hidden)
        elif isinstance(component, discord.FileComponent):
            yield from _of_media(component.media, component.name, spoiler=hidden)
        elif isinstance(component, discord.SectionComponent):
            yield from _in_components([*component.children, component.accessory], spoiler=hidden)
        else:
            yield from _in_components(getattr(component, "children", ()), spoiler=hidden)


def _of_media(media: discord.UnfurledMediaItem, label: str | None, *, spoiler: bool) -> Iterator[Found]:
    """The address is Discord's own for an upload; else its proxy's, never what the message's author wrote."""
    address = media.url if media.attachment_id is not None else media.proxy_url
    if address and (media.content_type or "image/*").startswith("image/"):
        name = label or "picture"
        kind = media.content_type or "image/*"
        yield Found(name, Picture(address, name, None, kind, media.width, media.height, spoiler))


def _may_be_picture(file: discord.Attachment) -> bool:
    """Discord goes by the name: a file without a known ending may be one, and its bytes will tell."""
    return (file.content_type or "").startswith("image/") or file.content_type in (None, "application/octet-stream")
