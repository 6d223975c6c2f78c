"""/videos, and the buttons of a member's own videos."""

from __future__ import annotations

import asyncio
from typing import Any

import discord

from bot.chat import text
from bot.chat.asking import press_of
from bot.chat.buttons import CANCEL, DELETE, DROP, KEPT, SHOW, STAY
from bot.chat.client import AnimateBot, answer_privately, tell
from bot.chat.follow_ups import show_file
from bot.chat.known_limits import next_limit
from bot.chat.removing import remove_all
from bot.chat.routes import Fate, fate_of
from bot.chat.tongue import tongue_of
from bot.chat.videos import MOST, link_of, question, video_list
from bot.errors import UserError
from bot.jobs.service import Service
from bot.jobs.shelf import GONE, Shelf, has_video
from bot.jobs.sizing import MOST_SIZES, size_of
from bot.models import Job, JobId, JobState, UserId
from bot.wording import mark

NOBODY = discord.AllowedMentions.none()


def setup(bot: AnimateBot, service: Service) -> None:
    """Adds the command and its buttons."""
    shelf = service.shelf

    async def page(interaction: discord.Interaction[Any], number: int) -> discord.ui.LayoutView:
        found = await shelf.newest(_member(interaction), MOST)
        kept = await shelf.kept(found)
        return video_list(tongue_of(interaction), found, number, service.catalog, kept)

    @bot.tree.command(name="videos", description=mark("Your videos: where each is, show again, cancel, delete"))
    async def videos(interaction: discord.Interaction[Any]) -> None:
        await interaction.response.send_message(
            view=await page(interaction, 0), ephemeral=True, allowed_mentions=NOBODY
        )

    async def turn(interaction: discord.Interaction[Any], number: int) -> None:
        await interaction.response.edit_message(view=await page(interaction, number), allowed_mentions=NOBODY)

    async def show(interaction: discord.Interaction[Any], job_id: JobId) -> None:
        job = await shelf.own(_member(interaction), job_id)
        is_kept = job.id in await shelf.kept([job])
        if job.state.needs_work or (job.state is JobState.UNDELIVERED and (is_kept or not job.fetched)):
            await interaction.response.defer()
            if await shelf.renew(job, press_of(interaction)):
                return
            job = await shelf.own(_member(interaction), job_id)  # it was over in this moment
        if job.state is JobState.UNDELIVERED:
            raise UserError(GONE)
        if is_kept:
            await show_kept(interaction, shelf, job)
        elif (link := link_of(job)) is None:
            await tell(interaction, text.ALREADY_SHOWN)
        else:
            await tell(interaction, "Here it is: {link}", link=link)

    async def kept(interaction: discord.Interaction[Any], job_id: JobId) -> None:
        await show_kept(interaction, shelf, await shelf.own(_member(interaction), job_id))

    async def cancel(interaction: discord.Interaction[Any], job_id: JobId) -> None:
        await shelf.cancel(_member(interaction), job_id)
        await turn(interaction, 0)

    async def delete(interaction: discord.Interaction[Any], job_id: JobId) -> None:
        job = await shelf.own(_member(interaction), job_id)
        if has_video(job):
            view = question(tongue_of(interaction), job, DROP, STAY)
            await interaction.response.edit_message(view=view, allowed_mentions=NOBODY)
        else:
            await drop(interaction, job_id)

    async def drop(interaction: discord.Interaction[Any], job_id: JobId) -> None:
        job = await shelf.own(_member(interaction), job_id)
        await shelf.delete(job)
        await turn(interaction, 0)
        if not await remove_all(bot, job):
            await tell(interaction, text.CARD_STAYS)

    async def stay(interaction: discord.Interaction[Any], _job_id: JobId) -> None:
        await turn(interaction, 0)

    bot.show_videos = turn
    bot.actions |= {SHOW: show, KEPT: kept, CANCEL: cancel, DELETE: delete, DROP: drop, STAY: stay}


async def show_kept(interaction: discord.Interaction[Any], shelf: Shelf, job: Job) -> None:
    """To the member alone, as often as they like while the file is kept; smaller where Discord takes no more."""
    shelf.kept_file(job)
    thinks = not interaction.response.is_done()
    if thinks:
        await interaction.response.defer(ephemeral=True, thinking=True)
    limit = interaction.filesize_limit
    words = tongue_of(interaction).say(text.SHOWN_AGAIN)
    for _ in range(MOST_SIZES):
        path = await shelf.fitted(job, limit)
        if path is None:
            break
        size_bytes = await asyncio.to_thread(size_of, path)
        try:
            await show_file(interaction, job, path, words, thinks=thinks)
        except FileNotFoundError:
            raise UserError(GONE) from None
        except discord.HTTPException as error:
            if fate_of(error) is not Fate.TOO_LARGE:
                raise
            limit = next_limit(size_bytes)
        else:
            await shelf.shown(job)
            return
    await answer_privately(interaction, text.too_large_here(tongue_of(interaction), job))


def _member(interaction: discord.Interaction[Any]) -> UserId:
    return UserId(interaction.user.id)
