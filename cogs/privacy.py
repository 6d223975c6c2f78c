"""/privacy, and the buttons about a member's own data."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.chat import privacy
from bot.chat.buttons import SILENCE
from bot.chat.client import AnimateBot, answer_translated
from bot.chat.interaction_info import user_of
from bot.errors import UserError
from bot.i18n.marking import N_
from bot.i18n.translations import translations_of
from bot.jobs.personal_data import PersonalData
from bot.models import JobId

NOBODY = discord.AllowedMentions.none()


class Privacy(commands.Cog):
    """The command opens a page; each button of it acts on the data of whoever presses it."""

    def __init__(
        self, personal_data: PersonalData, endpoints: Callable[[], Sequence[str]], helper: Callable[[], str | None]
    ) -> None:
        self._personal_data = personal_data
        self._helper = helper
        self._endpoints = endpoints

    @app_commands.command(name="privacy", description=N_("See, export or delete what the bot keeps about you"))
    async def privacy(self, interaction: discord.Interaction[Any]) -> None:
        """Shows the page."""
        view = await self._page(interaction)
        await interaction.response.send_message(view=view, ephemeral=True, allowed_mentions=NOBODY)

    async def back(self, interaction: discord.Interaction[Any]) -> None:
        """Shows the page again, as it is now."""
        await interaction.response.edit_message(view=await self._page(interaction), allowed_mentions=NOBODY)

    async def quiet(self, interaction: discord.Interaction[Any]) -> None:
        """No more mentions."""
        await self._personal_data.set_mentions_muted(user_of(interaction), muted=True)
        await self.back(interaction)

    async def loud(self, interaction: discord.Interaction[Any]) -> None:
        """Mentions again."""
        await self._personal_data.set_mentions_muted(user_of(interaction), muted=False)
        await self.back(interaction)

    async def forget(self, interaction: discord.Interaction[Any]) -> None:
        """The last choices are deleted, and no more are remembered."""
        await self._personal_data.set_choices_kept(user_of(interaction), kept=False)
        await self.back(interaction)

    async def remember(self, interaction: discord.Interaction[Any]) -> None:
        """Choices are remembered again."""
        await self._personal_data.set_choices_kept(user_of(interaction), kept=True)
        await self.back(interaction)

    async def silence(self, interaction: discord.Interaction[Any], job: JobId) -> None:
        """No more mentions, pressed on one of them: others see that button too."""
        if not await self._personal_data.is_of(user_of(interaction), job):
            raise UserError(privacy.NOT_MENTIONED)
        await self._personal_data.set_mentions_muted(user_of(interaction), muted=True)
        await answer_translated(interaction, privacy.NO_MORE_MENTIONS)

    async def export(self, interaction: discord.Interaction[Any]) -> None:
        """Answers with a file."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        content = await self._personal_data.export(user_of(interaction), at_most_bytes=interaction.filesize_limit)
        file = discord.File(io.BytesIO(content), filename="my-data.json")
        words = translations_of(interaction).gettext(privacy.EXPORTED)
        await interaction.edit_original_response(content=words, attachments=[file], allowed_mentions=NOBODY)

    async def delete(self, interaction: discord.Interaction[Any]) -> None:
        """Asks before anything is deleted."""
        view = privacy.confirm(translations_of(interaction), self._endpoints())
        await interaction.response.edit_message(view=view, allowed_mentions=NOBODY)

    async def erase(self, interaction: discord.Interaction[Any]) -> None:
        """Deletes."""
        await interaction.response.defer()
        running = await self._personal_data.forget(user_of(interaction))
        view = privacy.erased(translations_of(interaction), self._endpoints(), running)
        await interaction.edit_original_response(view=view, allowed_mentions=NOBODY)

    async def _page(self, interaction: discord.Interaction[Any]) -> discord.ui.LayoutView:
        member = user_of(interaction)
        muted = await self._personal_data.has_muted_mentions(member)
        remembers = await self._personal_data.keeps_choices(member)
        application = interaction.client.application
        policy = None if application is None else application.privacy_policy_url
        return privacy.about(
            translations_of(interaction),
            self._endpoints(),
            self._personal_data.keeping,
            muted=muted,
            remembers=remembers,
            helper=self._helper(),
            policy=policy,
        )


async def setup(
    bot: AnimateBot,
    personal_data: PersonalData,
    endpoints: Callable[[], Sequence[str]],
    helper: Callable[[], str | None],
) -> None:
    """Adds the command, and says what each button does. `helper`: where prompts go to be improved, if anywhere."""
    cog = Privacy(personal_data, endpoints, helper)
    await bot.add_cog(cog)
    bot.actions[SILENCE] = cog.silence
    bot.personal |= {
        privacy.EXPORT: cog.export,
        privacy.DELETE: cog.delete,
        privacy.ERASE: cog.erase,
        privacy.BACK: cog.back,
        privacy.QUIET: cog.quiet,
        privacy.LOUD: cog.loud,
        privacy.FORGET: cog.forget,
        privacy.REMEMBER: cog.remember,
    }
