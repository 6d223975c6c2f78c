"""/videos, and the buttons of a member's own videos."""

from __future__ import annotations

from typing import Any

import discord

from bot.chat import text
from bot.chat.asking import press_of
from bot.chat.buttons import CANCEL, DELETE, KEPT, SHOW
from bot.chat.client import AnimateBot, answer_privately
from bot.chat.videos import MOST, link_of, video_list
from bot.jobs.service import Service
from bot.models import JobId, JobState, UserId

NOBODY = discord.AllowedMentions.none()


def setup(bot: AnimateBot, service: Service) -> None:
    """Adds the command and its buttons."""
    shelf = service.shelf

    async def page(interaction: discord.Interaction[Any], number: int) -> discord.ui.LayoutView:
        found = await shelf.newest(_member(interaction), MOST)
        return video_list(found, number, service.catalog)

    @bot.tree.command(name="videos", description="Your videos: where each is, show again, cancel, delete")
    async def videos(interaction: discord.Interaction[Any]) -> None:
        await interaction.response.send_message(
            view=await page(interaction, 0), ephemeral=True, allowed_mentions=NOBODY
        )

    async def turn(interaction: discord.Interaction[Any], number: int) -> None:
        await interaction.response.edit_message(view=await page(interaction, number), allowed_mentions=NOBODY)

    async def show(interaction: discord.Interaction[Any], job_id: JobId) -> None:
        job = await shelf.own(_member(interaction), job_id)
        if job.state is JobState.DELIVERED or not (job.state.needs_work or job.state is JobState.UNDELIVERED):
            link = link_of(job)
            await answer_privately(interaction, text.ALREADY_SHOWN if link is None else f"Here it is: {link}")
            return
        await interaction.response.defer()
        await shelf.renew(job, press_of(interaction))

    async def kept(interaction: discord.Interaction[Any], job_id: JobId) -> None:
        job = await shelf.own(_member(interaction), job_id)
        path = await shelf.kept_file(job)
        await interaction.response.defer(ephemeral=True, thinking=True)
        if path.stat().st_size > interaction.filesize_limit:
            await answer_privately(interaction, text.too_large_here(job))
            return
        file = discord.File(path, filename=f"clip-{job.key}.mp4")
        await interaction.edit_original_response(content=text.SHOWN_AGAIN, attachments=[file], allowed_mentions=NOBODY)
        await shelf.shown(job)

    async def cancel(interaction: discord.Interaction[Any], job_id: JobId) -> None:
        await shelf.cancel(_member(interaction), job_id)
        await turn(interaction, 0)

    async def delete(interaction: discord.Interaction[Any], job_id: JobId) -> None:
        job = await shelf.own(_member(interaction), job_id)
        await shelf.delete(job, job.member)
        await turn(interaction, 0)
        await bot.take_away(job)

    bot.show_videos = turn
    bot.actions |= {SHOW: show, KEPT: kept, CANCEL: cancel, DELETE: delete}


def _member(interaction: discord.Interaction[Any]) -> UserId:
    return UserId(interaction.user.id)
