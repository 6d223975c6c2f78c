"""/videos, and the buttons that show a video of it."""

from __future__ import annotations

import asyncio
import io
import logging
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.catalog import Catalog
from bot.chat import text
from bot.chat.buttons import JOIN, KEPT, SHOW
from bot.chat.client import AnimateBot, answer_privately, answer_translated
from bot.chat.discord_errors import TROUBLE, ErrorKind, error_kind_of, told
from bot.chat.follow_ups import show_file
from bot.chat.interaction_info import press_of, user_of
from bot.chat.upload_limits import next_limit
from bot.chat.videos import LIST, MOST, link_of, on_page, still_name, video_list
from bot.errors import BotError, ChatUnavailable, UserError
from bot.i18n.marking import N_
from bot.i18n.translations import translations_of
from bot.jobs.finished_videos import NOT_JOINED
from bot.jobs.fit_video import MOST_SIZES, size_of
from bot.jobs.library import GONE, Library
from bot.models import Job, JobId, JobState

log = logging.getLogger(__name__)

NOBODY = discord.AllowedMentions.none()
STILLS_WITHIN_S = 120.0
REMEMBERED = 10_000
"""Videos of which no still could be made: until the next start Discord is not asked for them again."""
JOINED_WITHIN_S = 840.0
"""The press's token lives for 15 minutes."""


class Videos(commands.Cog):
    """The command shows a list in pages; its buttons show one video."""

    def __init__(self, library: Library, catalog: Catalog) -> None:
        self._library = library
        self._catalog = catalog
        self._in_vain: set[JobId] = set()

    @app_commands.command(name="videos", description=N_("Find, show again, cancel or delete your videos"))
    async def videos(self, interaction: discord.Interaction[Any]) -> None:
        """Shows the first page."""
        await self.turn(interaction, 0)

    async def turn(self, interaction: discord.Interaction[Any], number: int) -> None:
        """Shows a page in place of the one that stands there, or as the answer to the command."""
        interaction.client.leave_list(interaction.user.id)
        found = await self._library.newest(user_of(interaction), MOST)
        files, view = await self._page(interaction, found, number)
        if interaction.response.is_done():
            await interaction.edit_original_response(view=view, attachments=files, allowed_mentions=NOBODY)
        elif interaction.type is discord.InteractionType.application_command:
            await interaction.response.send_message(view=view, files=files, ephemeral=True, allowed_mentions=NOBODY)
        else:
            await interaction.response.edit_message(view=view, attachments=files, allowed_mentions=NOBODY)
        self._fill(interaction, found, number, len(files))

    def _fill(self, interaction: discord.Interaction[Any], found: list[Job], number: int, shown: int) -> None:
        """Adds the stills that are not made yet, unless the member has gone on by then."""
        there = [job for job in on_page(found, number) if self._library.has_still(job)]
        wanted = [job for job in there if job.id not in self._in_vain]
        if len(wanted) <= shown:
            return
        task = asyncio.create_task(self._add_stills(interaction, found, number, wanted), name="stills")
        filling = interaction.client.filling
        filling[interaction.user.id] = task
        task.add_done_callback(
            lambda done: filling.pop(interaction.user.id) if filling.get(interaction.user.id) is done else None
        )

    async def _add_stills(
        self, interaction: discord.Interaction[Any], found: list[Job], number: int, wanted: list[Job]
    ) -> None:
        """Bounded by the token's fifteen minutes; what goes wrong leaves the list as it is."""
        try:
            async with asyncio.timeout(STILLS_WITHIN_S):
                there = await self._library.stills(wanted)
                made = {job.id: await self._library.make_still(job) for job in wanted if job.id not in there}
            if len(self._in_vain) > REMEMBERED:
                self._in_vain.clear()
            self._in_vain |= {job for job, is_made in made.items() if not is_made}
            if any(made.values()):
                files, view = await self._page(interaction, found, number)
                await interaction.edit_original_response(view=view, attachments=files, allowed_mentions=NOBODY)
        except (*TROUBLE, BotError) as error:
            log.info("interaction=%s no stills: %s", interaction.id, told(error))

    async def show(self, interaction: discord.Interaction[Any], job_id: JobId) -> None:
        """Shows one video, or has it delivered by the token of this press."""
        job = await self._library.own(user_of(interaction), job_id)
        takes = await self._library.takes(job)
        kept = await self._library.kept(takes)
        if any(_is_to_come(take, is_kept=take.id in kept) for take in takes):
            await interaction.response.defer()
            if await self._library.renew(job, press_of(interaction)):
                return
            job = await self._library.own(user_of(interaction), job_id)  # it was over in this moment
        if job.state is JobState.UNDELIVERED:
            raise UserError(GONE)
        if job.id in kept:
            await self._show_kept(interaction, job)
        elif (link := link_of(job)) is None:
            await answer_translated(interaction, text.ALREADY_SHOWN)
        else:
            await answer_translated(interaction, "The bot's message about this video: {link}", link=link)

    async def kept(self, interaction: discord.Interaction[Any], job_id: JobId) -> None:
        """Shows the file that is kept here."""
        await self._show_kept(interaction, await self._library.own(user_of(interaction), job_id))

    async def _page(
        self, interaction: discord.Interaction[Any], found: list[Job], number: int
    ) -> tuple[list[discord.File], discord.ui.LayoutView]:
        """The stills that there are, and the page with them."""
        kept = await self._library.kept(found)
        shown = on_page(found, number)
        stills = await self._library.stills(shown)
        files = [discord.File(io.BytesIO(stills[job.id]), still_name(job)) for job in shown if job.id in stills]
        joinable = await self._library.joinable(user_of(interaction), shown)
        return files, video_list(translations_of(interaction), found, number, self._catalog, kept, stills, joinable)

    async def join(self, interaction: discord.Interaction[Any], job_id: JobId) -> None:
        """Shows a video and those that it continues as one, to its member alone."""
        parts = await self._library.parts(user_of(interaction), job_id)
        await interaction.response.defer(ephemeral=True, thinking=True)
        try:
            async with asyncio.timeout(JOINED_WITHIN_S):
                joined = await self._library.joined(parts, interaction.filesize_limit)
        except (ChatUnavailable, OSError, TimeoutError) as error:
            log.warning("job=%s not joined: %s", job_id, told(error))
            raise UserError(NOT_JOINED) from error
        last = parts[-1]
        name = f"{'SPOILER_' if any(job.picture.spoiler for job in parts) else ''}joined-{last.key}.mp4"
        file = discord.File(io.BytesIO(joined), name, description=text.alt_text(last.spec.prompt))
        words = translations_of(interaction).gettext(text.SHOWN_AGAIN)
        await interaction.edit_original_response(content=words, attachments=[file], allowed_mentions=NOBODY)

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


def _is_to_come(job: Job, *, is_kept: bool) -> bool:
    """Whether a fresh token may bring its video."""
    return job.state.needs_work or (job.state is JobState.UNDELIVERED and (is_kept or not job.fetched))


async def setup(bot: AnimateBot, library: Library, catalog: Catalog) -> None:
    """Adds the command, and says what each button does."""
    cog = Videos(library, catalog)
    await bot.add_cog(cog)
    bot.pages[LIST] = cog.turn
    bot.actions |= {SHOW: cog.show, KEPT: cog.kept, JOIN: cog.join}
