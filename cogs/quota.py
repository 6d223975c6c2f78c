"""/quota: my credits."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands

from bot.chat.asking import roles_of, scope_of
from bot.chat.balances import own_balance
from bot.chat.client import answer_privately
from bot.chat.tongue import tongue_of
from bot.jobs.service import Service
from bot.models import UserId
from bot.wording import mark


def setup(tree: app_commands.CommandTree[Any], service: Service) -> None:
    """Adds the command."""

    @tree.command(name="quota", description=mark("How many credits you have left, and what a clip costs"))
    async def quota(interaction: discord.Interaction[Any]) -> None:
        scope, member = scope_of(interaction), UserId(interaction.user.id)
        balance = await service.balance(scope, member, roles_of(interaction.user))
        bar = await service.admin.bar(scope, member, balance)
        await answer_privately(interaction, own_balance(tongue_of(interaction), balance, service.catalog, bar))
