"""/animate-admin: what those who manage a server decide. Discord enforces who may; we check where it came from."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands

from bot.chat import text
from bot.chat.asking import roles_of, scope_of
from bot.chat.balances import account, allowance_set
from bot.chat.client import answer_privately
from bot.jobs.service import Service
from bot.models import DIRECT, Period, UserId

GUILD_ONLY = app_commands.AppCommandContext(guild=True, dm_channel=False, private_channel=False)
GUILD_INSTALL = app_commands.AppInstallationType(guild=True, user=False)
BOT_AS_MEMBER = "Bots make no clips, so they have no allowance. Please name a person."

PERIODS = [
    app_commands.Choice(name="a day", value="day"),
    app_commands.Choice(name="a week", value="week"),
    app_commands.Choice(name="a month", value="month"),
    app_commands.Choice(name="in all", value="ever"),
]


class _AdminGroup(app_commands.Group):
    """Only through a guild's own install: a user-install or a direct message has no server to manage.

    discord.py asks the immediate parent alone, so each group within is one of these too.
    """

    async def interaction_check(self, interaction: discord.Interaction[Any], /) -> bool:
        if scope_of(interaction) != DIRECT:
            return True
        await answer_privately(interaction, text.ONLY_GUILD_INSTALL)
        return False


def setup(tree: app_commands.CommandTree[Any], service: Service) -> None:
    """Adds the group."""
    group = _AdminGroup(
        name="animate-admin",
        description="Allowances and limits of this server",
        default_permissions=discord.Permissions(manage_guild=True),
        allowed_contexts=GUILD_ONLY,
        allowed_installs=GUILD_INSTALL,
    )
    quota = _AdminGroup(name="quota", description="Who may spend how many credits", parent=group)

    @quota.command(name="set", description="Give a member an allowance of their own")
    @app_commands.describe(
        user="The member", credits="How many credits", per="How often they renew (a day if left out)"
    )
    @app_commands.choices(per=PERIODS)
    async def set_allowance(
        interaction: discord.Interaction[Any],
        user: discord.User,
        credits: app_commands.Range[int, 0, 1_000_000],  # noqa: A002 - the option's name
        per: str = "day",
    ) -> None:
        if user.bot:
            await answer_privately(interaction, BOT_AS_MEMBER)
            return
        limit = await service.set_allowance(
            scope_of(interaction), UserId(user.id), credits, Period(per), actor=UserId(interaction.user.id)
        )
        await answer_privately(interaction, allowance_set(user.id, limit))

    @quota.command(name="show", description="A member's credits and what became of them")
    @app_commands.describe(user="The member; left out, yourself")
    async def show(interaction: discord.Interaction[Any], user: discord.User | None = None) -> None:
        member = user or interaction.user
        found = await service.account(scope_of(interaction), UserId(member.id), roles_of(member))
        await answer_privately(interaction, account(member.id, found))

    tree.add_command(group)
