"""What every admin command shares."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands

from bot.chat import text
from bot.chat.asking import scope_of
from bot.chat.client import answer_privately
from bot.errors import UserError
from bot.models import DIRECT, UserId

GUILD_ONLY = app_commands.AppCommandContext(guild=True, dm_channel=False, private_channel=False)
GUILD_INSTALL = app_commands.AppInstallationType(guild=True, user=False)
Reason = app_commands.Range[str, 1, 200]


class AdminGroup(app_commands.Group):
    """Only through a guild's own install: a user-install or a direct message has no server to manage.

    discord.py asks the immediate parent alone, so each group within is one of these too.
    """

    async def interaction_check(self, interaction: discord.Interaction[Any], /) -> bool:
        """True where the command may run."""
        if scope_of(interaction) != DIRECT:
            return True
        await answer_privately(interaction, text.ONLY_GUILD_INSTALL)
        return False


def member_of(user: discord.User | discord.Member) -> UserId:
    """The person meant; people who left still count. Raises UserError for a bot."""
    if user.bot:
        raise UserError("Bots make no clips, so they have no allowance. Please name a person.")
    return UserId(user.id)
