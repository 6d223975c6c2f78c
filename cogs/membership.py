"""Which servers the bot is a member of: what is kept of the others goes after a while."""

from __future__ import annotations

import logging
from collections.abc import Coroutine

import discord
from discord.ext import commands

from bot.chat.client import AnimateBot
from bot.errors import StoreError
from bot.jobs.retention import Retention
from bot.models import GuildId

log = logging.getLogger(__name__)


class Membership(commands.Cog):
    """Listens. Discord tells of an outage of a server in other words than of the bot's removal."""

    def __init__(self, client: AnimateBot, retention: Retention) -> None:
        self._client = client
        self._retention = retention

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        """All servers of this process are known."""
        there = {GuildId(guild.id) for guild in self._client.guilds}
        await _noted(self._retention.guilds_seen(there, self._client.handles_guild))

    @commands.Cog.listener()
    async def on_guild_join(self, guild: discord.Guild) -> None:
        """One server more."""
        await _noted(self._retention.guild_joined(GuildId(guild.id)))

    @commands.Cog.listener()
    async def on_guild_remove(self, guild: discord.Guild) -> None:
        """One server less."""
        await _noted(self._retention.guild_left(GuildId(guild.id)))


async def _noted(writing: Coroutine[object, object, None]) -> None:
    try:
        await writing
    except StoreError as error:
        log.warning("which servers the bot is in was not noted, the next start does it: %s", error)


async def setup(bot: AnimateBot, retention: Retention) -> None:
    """Adds the listeners."""
    await bot.add_cog(Membership(bot, retention))
