"""Which servers the bot is a member of: what is kept of the others goes after a while."""

from __future__ import annotations

import logging
from collections.abc import Coroutine

import discord

from bot.chat.client import AnimateBot
from bot.errors import StoreError
from bot.jobs.service import Service
from bot.models import GuildId

log = logging.getLogger(__name__)


def setup(bot: AnimateBot, service: Service) -> None:
    """Listens. Discord tells of an outage of a server in other words than of the bot's removal."""
    retention = service.retention

    async def on_ready() -> None:
        await _noted(retention.guilds_seen({GuildId(guild.id) for guild in bot.guilds}))

    async def on_guild_join(guild: discord.Guild) -> None:
        await _noted(retention.guild_joined(GuildId(guild.id)))

    async def on_guild_remove(guild: discord.Guild) -> None:
        await _noted(retention.guild_left(GuildId(guild.id)))

    for listener in (on_ready, on_guild_join, on_guild_remove):
        bot.add_listener(listener)


async def _noted(writing: Coroutine[object, object, None]) -> None:
    try:
        await writing
    except StoreError as error:
        log.warning("which servers the bot is in was not noted, the next start does it: %s", error)
