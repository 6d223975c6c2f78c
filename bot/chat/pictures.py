"""The pictures of somebody's message: attachments, embeds, stickers."""

from __future__ import annotations

from dataclasses import dataclass

import discord

from bot.chat.asking import picture_of
from bot.chat.choices import MOST
from bot.models import Picture


@dataclass(frozen=True, slots=True)
class Found:
    """A picture and what it is called where one of several is chosen."""

    label: str
    picture: Picture


def pictures_in(message: discord.Message) -> list[Found]:
    """In the order in which the message shows them; what is certainly no picture is left out."""
    found = [Found(file.filename, picture_of(file)) for file in message.attachments if _may_be_picture(file)]
    for embed in message.embeds:
        for media in (embed.image, embed.thumbnail):
            # Never `url`: it is whatever the embed's author wrote, an address in our own network perhaps.
            if media.proxy_url:
                picture = Picture(media.proxy_url, "embed", None, "image/*", media.width, media.height)
                found.append(Found(embed.title or embed.description or "embed", picture))
    found += [
        Found(sticker.name, Picture(sticker.url, sticker.name, None, "image/*", None, None))
        for sticker in message.stickers
        if sticker.format is not discord.StickerFormatType.lottie
    ]
    return found[:MOST]


def _may_be_picture(file: discord.Attachment) -> bool:
    return (file.content_type or "").startswith("image/") or (file.content_type is None and file.width is not None)
