"""/quota: my credits."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.chat.balances import own_balance
from bot.chat.client import AnimateBot, answer_privately
from bot.chat.interaction_info import place_of, roles_of, scope_of, user_of
from bot.errors import UserError
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
        scope, member, roles = scope_of(interaction), user_of(interaction), roles_of(interaction.user)
        service, place = self._service, await place_of(interaction)
        balance = await service.balance(scope, member, roles)
        refusal = await service.admin.check_eligibility(scope, member, balance)
        shared = await service.admin.check_shared_limits(scope, balance)
        offered, barred = service.catalog.only(await service.rules.allowed(scope, roles, place)), None
        try:
            await service.rules.models(scope, roles, place)
        except UserError as error:
            barred = error
        await answer_privately(
            interaction,
            own_balance(translations_of(interaction), balance, offered, refusal, shared=shared, barred=barred),
        )


async def setup(bot: AnimateBot, service: Service) -> None:
    """Adds the command."""
    await bot.add_cog(Quota(service))
