"""A role that is deleted loses its quota: seen when it happens, and at start for those deleted meanwhile."""

from __future__ import annotations

import logging

import discord
from discord.ext import commands

from bot.errors import StoreError
from bot.jobs.admin import Admin
from bot.models import Scope, UserId

log = logging.getLogger(__name__)


class RoleWatch(commands.Cog):
    """Listens; has no commands."""

    def __init__(self, admin: Admin, me: UserId) -> None:
        self._admin = admin
        self._me = me

    @commands.Cog.listener()
    async def on_guild_role_delete(self, role: discord.Role) -> None:
        """One role less."""
        await self._forget(role.guild)

    @commands.Cog.listener()
    async def on_guild_available(self, guild: discord.Guild) -> None:
        """The guild with its roles has come in, at start or after an outage."""
        await self._forget(guild)

    async def _forget(self, guild: discord.Guild) -> None:
        by = self._admin.by(Scope(guild.id), self._me)
        try:
            gone = await self._admin.forget_roles(by, lambda role: guild.get_role(role) is not None)
        except StoreError as error:
            log.warning("guild=%s roles not compared: %s", guild.id, error)
            return
        if gone:
            log.info("guild=%s quotas of deleted roles removed: %s", guild.id, gone)
