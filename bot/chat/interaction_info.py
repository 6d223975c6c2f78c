"""From an interaction to what the service wants to know: where it came from, who asks, how its card is reached."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import discord

from bot.chat.discord_errors import TROUBLE
from bot.models import DIRECT, Card, ChannelId, GuildId, MessageId, Picture, Press, Scope, UserId
from bot.server_rules import Place

PARENT_WITHIN_S = 1.0


def scope_of(interaction: discord.Interaction[Any]) -> Scope:
    """The guild whose credits count: only where the command came through that guild's own install."""
    if interaction.guild_id is not None and interaction.is_guild_integration():
        return Scope(interaction.guild_id)
    return DIRECT


def user_of(interaction: discord.Interaction[Any]) -> UserId:
    """Who typed the command, pressed the button or sent the form."""
    return UserId(interaction.user.id)


def roles_of(member: discord.User | discord.Member) -> list[int]:
    """Ids of the member's roles, without @everyone; none outside of servers.

    As the interaction says, which has no @everyone. `Member.roles` leaves out what is not in the cache of the server,
    and right after a start a command may come before the server does.
    """
    return list(member._roles) if isinstance(member, discord.Member) else []  # noqa: SLF001 - nothing public has them


async def place_of(interaction: discord.Interaction[Any]) -> Place:
    """The channel, as rules see it. A channel that the bot cannot see does not say whether it is age-restricted.

    A thread never says so, only its channel. Discord is asked for that, for up to 1 s, where it has not told of it yet.
    """
    channel = interaction.channel
    if not isinstance(channel, discord.Thread):
        return Place(interaction.channel_id or 0, None, bool(getattr(channel, "nsfw", False)))
    parent: object = channel.parent
    if channel.guild.unavailable and parent is None:
        with contextlib.suppress(*TROUBLE):
            async with asyncio.timeout(PARENT_WITHIN_S):
                parent = await channel.guild.fetch_channel(channel.parent_id)
    return Place(channel.id, channel.parent_id, bool(getattr(parent, "nsfw", False)))


def card_of(interaction: discord.Interaction[Any]) -> Card:
    """Where the answer to this interaction will stand, and how long its token lives."""
    guild = interaction.guild_id
    in_guild = guild is not None and interaction.is_guild_integration()
    if in_guild:
        # The interaction does not say whether the bot itself is a member: an install of the commands alone looks the
        # same. READY does, and it comes before the session's first command; what the server is like comes later.
        reaches = interaction.client.get_guild(guild) is not None and interaction.app_permissions.view_channel
    else:
        reaches = interaction.context.dm_channel
    assert interaction.channel_id is not None
    return Card(
        application=interaction.application_id,
        channel=ChannelId(interaction.channel_id),
        guild=None if guild is None else GuildId(guild),
        message=None,
        token=interaction.token,
        token_ends_at=interaction.expires_at,
        upload_limit_bytes=interaction.filesize_limit,
        bot_reaches=reaches,
        locale=str(interaction.guild_locale or interaction.locale),
        member_locale=str(interaction.locale),
    )


def press_of(interaction: discord.Interaction[Any]) -> Press:
    """A press on a button of a message."""
    assert interaction.message is not None
    return Press(
        message=MessageId(interaction.message.id),
        token=interaction.token,
        token_ends_at=interaction.expires_at,
        upload_limit_bytes=interaction.filesize_limit,
    )


def picture_of(attachment: discord.Attachment) -> Picture:
    """The attachment as Discord describes it."""
    return Picture(
        url=attachment.url,
        filename=attachment.filename,
        size_bytes=attachment.size,
        content_type=attachment.content_type,
        width=attachment.width,
        height=attachment.height,
        spoiler=attachment.is_spoiler(),
    )


def typed_texts(data: Any) -> list[str]:
    """Whatever was typed into a form, wherever it stands in what Discord sends."""
    if isinstance(data, list):
        return [typed for part in data for typed in typed_texts(part)]
    if not isinstance(data, dict):
        return []
    value = data.get("value")
    return (
        ([value] if isinstance(value, str) else [])
        + typed_texts(data.get("components"))
        + typed_texts(data.get("component"))
    )
