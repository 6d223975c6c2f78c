"""Improve prompt: a button asks the operator's chat model, another opens the form of Edit with what it said."""

from __future__ import annotations

from typing import Any

import discord
from discord.ext import commands

from bot.chat import improved_prompt
from bot.chat.buttons import IMPROVE, USE
from bot.chat.client import AnimateBot
from bot.chat.interaction_info import user_of
from bot.chat.modals import Filled, VideoForm
from bot.chat.video_requests import VideoRequests, edited
from bot.errors import UserError
from bot.i18n.translations import translations_of
from bot.jobs.library import GONE, Library
from bot.jobs.prompt_help import PromptHelp
from bot.models import JobId

NOBODY = discord.AllowedMentions.none()


class ImprovePrompt(commands.Cog):
    """Two buttons; has no commands. Nothing is sent to a video service before the form is submitted."""

    def __init__(self, library: Library, requests: VideoRequests, prompt_help: PromptHelp) -> None:
        self._library = library
        self._requests = requests
        self._prompt_help = prompt_help

    async def ask(self, interaction: discord.Interaction[Any], job_id: JobId) -> None:
        """Shows an improved prompt to the member alone; no form can be opened after waiting, so a button does that."""
        job = await self._library.repeatable(user_of(interaction), job_id)
        await self._requests.check_others(interaction, job.picture_author)
        await interaction.response.defer(ephemeral=True, thinking=True)
        words = await self._prompt_help.reword(job.member, job.spec.prompt)
        view = improved_prompt.offered(translations_of(interaction), job_id, words)
        await interaction.edit_original_response(view=view, allowed_mentions=NOBODY)

    async def use(self, interaction: discord.Interaction[Any], job_id: JobId) -> None:
        """The form of Edit with the words of the message, which may be changed; submitted, a new job."""
        job = await self._library.repeatable(user_of(interaction), job_id)
        await self._requests.check_others(interaction, job.picture_author)
        words = improved_prompt.words_in(interaction.message)
        if words is None:
            raise UserError(GONE)

        async def submitted(answer: discord.Interaction[Any], filled: Filled) -> None:
            job = await self._library.repeatable(user_of(answer), job_id)  # its picture may be gone by now
            await self._requests.handle(answer, edited(job, filled.spec, filled.last_picture))

        catalog, left = await self._requests.offered(interaction), await self._requests.spendable.of(interaction)
        translations = translations_of(interaction)
        title, spec = translations.gettext("Edit and make again"), improved_prompt.with_words(job.spec, words)
        form = VideoForm(translations, title, catalog, submitted, spec=spec, left=left)
        await interaction.response.send_modal(form)


async def setup(bot: AnimateBot, library: Library, requests: VideoRequests, prompt_help: PromptHelp) -> None:
    """Says what each button does."""
    cog = ImprovePrompt(library, requests, prompt_help)
    await bot.add_cog(cog)
    bot.actions |= {IMPROVE: cog.ask, USE: cog.use}
