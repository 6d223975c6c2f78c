"""/animate-admin: what those who manage a server decide. Discord enforces who may; we check where it came from."""

from __future__ import annotations

import discord

from bot.chat.client import AnimateBot
from bot.jobs.service import Service
from bot.models import UserId
from bot.wording import mark
from cogs.admin.group import GUILD_INSTALL, GUILD_ONLY, AdminGroup
from cogs.admin.quota import add_quota
from cogs.admin.roles import RoleWatch
from cogs.admin.server import add_server


async def setup(bot: AnimateBot, service: Service) -> None:
    """Adds the group and what watches deleted roles."""
    group = AdminGroup(
        name="animate-admin",
        description=mark("Allowances and limits of this server"),
        default_permissions=discord.Permissions(manage_guild=True),
        allowed_contexts=GUILD_ONLY,
        allowed_installs=GUILD_INSTALL,
    )
    add_quota(group, bot, service)
    add_server(group, service)
    bot.tree.add_command(group)
    assert bot.user is not None  # logged in
    await bot.add_cog(RoleWatch(service, UserId(bot.user.id)))
