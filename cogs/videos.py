"""/videos, and the buttons that show a video of it."""

from __future__ import annotations

import asyncio
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.catalog import Catalog
from bot.chat import text
from bot.chat.buttons import KEPT, SHOW
from bot.chat.client import AnimateBot, answer_privately, answer_translated
from bot.chat.discord_errors import ErrorKind, error_kind_of
from bot.chat.follow_ups import show_file
from bot.chat.interaction_info import press_of, user_of
from bot.chat.upload_limits import next_limit
from bot.chat.videos import LIST, MOST, link_of, video_list
from bot.errors import UserError
from bot.i18n.marking import N_
from bot.i18n.translations import translations_of
from bot.jobs.fit_video import MOST_SIZES, size_of
from bot.jobs.library import GONE, Library
from bot.models import Job, JobId, JobState

NOBODY = discord.AllowedMentions.none()


class Videos(commands.Cog):
    """The command shows a list in pages; its buttons show one video."""

    def __init__(self, library: Library, catalog: Catalog) -> None:
        self._library = library
        self._catalog = catalog

    @app_commands.command(name="videos", description=N_("Find, show again, cancel or delete your videos"))
    async def videos(self, interaction: discord.Interaction[Any]) -> None:
        """Shows the first page."""
        view = await self._page(interaction, 0)
        await interaction.response.send_message(view=view, ephemeral=True, allowed_mentions=NOBODY)

    async def turn(self, interaction: discord.Interaction[Any], number: int) -> None:
        """Shows a page in place of the one that stands there."""
        view = await self._page(interaction, number)
        if interaction.response.is_done():
            await interaction.edit_original_response(view=view, allowed_mentions=NOBODY)
        else:
            await interaction.response.edit_message(view=view, allowed_mentions=NOBODY)

    async def show(self, interaction: discord.Interaction[Any], job_id: JobId) -> None:
        """Shows one video, or has it delivered by the token of this press."""
        job = await self._library.own(user_of(interaction), job_id)
        is_kept = job.id in await self._library.kept([job])
        if job.state.needs_work or (job.state is JobState.UNDELIVERED and (is_kept or not job.fetched)):
            await interaction.response.defer()
            if await self._library.renew(job, press_of(interaction)):
                return
            job = await self._library.own(user_of(interaction), job_id)  # it was over in this moment
        if job.state is JobState.UNDELIVERED:
            raise UserError(GONE)
        if is_kept:
            await self._show_kept(interaction, job)
        elif (link := link_of(job)) is None:
            await answer_translated(interaction, text.ALREADY_SHOWN)
        else:
            await answer_translated(interaction, "The bot's message about this video: {link}", link=link)

    async def kept(self, interaction: discord.Interaction[Any], job_id: JobId) -> None:
        """Shows the file that is kept here."""
        await self._show_kept(interaction, await self._library.own(user_of(interaction), job_id))

    async def _page(self, interaction: discord.Interaction[Any], number: int) -> discord.ui.LayoutView:
        found = await self._library.newest(user_of(interaction), MOST)
        kept = await self._library.kept(found)
        return video_list(translations_of(interaction), found, number, self._catalog, kept)

    async def _show_kept(self, interaction: discord.Interaction[Any], job: Job) -> None:
        """To the member alone, as often as they like while the file is kept; smaller where Discord takes no more."""
        self._library.kept_file(job)
        thinks = not interaction.response.is_done()
        if thinks:
            await interaction.response.defer(ephemeral=True, thinking=True)
        limit = interaction.filesize_limit
        words = translations_of(interaction).gettext(text.SHOWN_AGAIN)
        for _ in range(MOST_SIZES):
            path = await self._library.fitted(job, limit)
            if path is None:
                break
            size_bytes = await asyncio.to_thread(size_of, path)
            try:
                await show_file(interaction, job, path, words, thinks=thinks)
            except FileNotFoundError:
                raise UserError(GONE) from None
            except discord.HTTPException as error:
                if error_kind_of(error) is not ErrorKind.TOO_LARGE:
                    raise
                limit = next_limit(size_bytes)
            else:
                await self._library.shown(job)
                return
        await answer_privately(interaction, text.too_large_here(translations_of(interaction), job))


async def setup(bot: AnimateBot, library: Library, catalog: Catalog) -> None:
    """Adds the command, and says what each button does."""
    cog = Videos(library, catalog)
    await bot.add_cog(cog)
    bot.pages[LIST] = cog.turn
    bot.actions |= {SHOW: cog.show, KEPT: cog.kept}
