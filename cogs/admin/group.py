"""What every admin command shares."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands, ui
from discord.ext import commands

from bot.chat import text
from bot.chat.client import answer_privately
from bot.chat.interaction_info import scope_of, user_of
from bot.chat.undo_button import UndoButton
from bot.errors import UserError
from bot.i18n.translations import Translations, translations_of
from bot.jobs.service import Service
from bot.models import DIRECT, ChangeContext, UserId

Reason = app_commands.Range[str, 1, 200]


class AdminCog(commands.GroupCog):
    """Base of the classes whose commands `Admin` puts together: discord.py asks `interaction_check` before each."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._admin = service.admin

    async def interaction_check(self, interaction: discord.Interaction[Any], /) -> bool:
        """True through a guild's own install: a user-install or a direct message has no server to manage."""
        translations = translations_of(interaction)
        direct = scope_of(interaction) == DIRECT
        sentence = translations.gettext(text.ONLY_GUILD_INSTALL) if direct else _misfit(translations, interaction)
        if sentence is None:
            return True
        await answer_privately(interaction, sentence)
        return False

    async def _confirm(self, interaction: discord.Interaction[Any], by: ChangeContext, sentence: str) -> None:
        """Tells what was changed, with Undo for those who may press it."""
        view = None
        if by.acts and interaction.permissions.manage_guild:
            view = ui.View(timeout=None)
            view.add_item(UndoButton(by.acts[-1], translations_of(interaction)))
        await answer_privately(interaction, sentence, view=view)

    def _by(self, interaction: discord.Interaction[Any]) -> ChangeContext:
        """Who acts where, now; it goes to `_admin` as it is."""
        return self._admin.by(scope_of(interaction), user_of(interaction))


def member_of(user: discord.User | discord.Member) -> UserId:
    """The person meant; people who left still count. Raises UserError for a bot."""
    if user.bot:
        raise UserError("Bots cannot make videos, so they have no quota. Choose a person.")
    return UserId(user.id)


def _misfit(translations: Translations, interaction: discord.Interaction[Any]) -> str | None:
    """What Discord's client would not let through: discord.py declares bounds and choices, and never looks again."""
    command = interaction.command
    assert isinstance(command, app_commands.Command)
    for option in command.parameters:
        name, least, most = option.name, option.min_value, option.max_value
        value = getattr(interaction.namespace, name)
        if value is None:
            continue
        if isinstance(value, discord.Object):
            return translations.gettext(
                "Discord does not know what you chose for `{option}`. Choose it again.", option=name
            )
        if option.choices and value not in [choice.value for choice in option.choices]:
            words = translations.either([translations.gettext(choice.name) for choice in option.choices])
            return translations.gettext("`{option}` must be one of these: {choices}.", option=name, choices=words)
        if least is None or most is None:
            continue
        if option.type is discord.AppCommandOptionType.integer:
            if not isinstance(value, int) or not least <= value <= most:
                return translations.gettext(
                    "`{option}` must be a whole number from {least} to {most}.", option=name, least=least, most=most
                )
        elif not isinstance(value, str) or not least <= len(value) <= most:
            return translations.gettext(
                "`{option}` must have {least} to {most} characters.", option=name, least=least, most=most
            )
    return None
