"""/quota: my credits."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.chat.balances import own_balance
from bot.chat.client import AnimateBot, answer_privately
from bot.chat.interaction_info import roles_of, scope_of, user_of
from bot.i18n.marking import N_
from bot.i18n.translations import translations_of
from bot.jobs.service import Service


class Quota(commands.Cog):
    """One private answer."""

    def __init__(self, service: Service) -> None:
        self._service = service

    @app_commands.command(name="quota", description=N_("See how many credits you have left and what a video costs"))
    async def quota(self, interaction: discord.Interaction[Any]) -> None:
        """Tells the balance, and what else keeps the member from a video."""
        scope, member = scope_of(interaction), user_of(interaction)
        balance = await self._service.balance(scope, member, roles_of(interaction.user))
        refusal = await self._service.admin.check_eligibility(scope, member, balance)
        await answer_privately(
            interaction, own_balance(translations_of(interaction), balance, self._service.catalog, refusal)
        )


async def setup(bot: AnimateBot, service: Service) -> None:
    """Adds the command."""
    await bot.add_cog(Quota(service))
