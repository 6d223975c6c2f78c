"""The buttons of a card: cancel, hide, again, edit, delete. They name their job, so they live as long as it is kept."""

from __future__ import annotations

import logging
from typing import Any

import discord

from bot.chat import text
from bot.chat.asking import press_of
from bot.chat.buttons import AGAIN, EDIT, HIDE, REMOVE, STOP
from bot.chat.client import AnimateBot, answer_privately
from bot.chat.modals import ClipForm, Filled
from bot.chat.orders import Orders, Wish
from bot.chat.routes import TROUBLE, Fate, fate_of
from bot.jobs.service import Service
from bot.models import Job, JobId, JobState, UserId

log = logging.getLogger(__name__)


def setup(bot: AnimateBot, service: Service, orders: Orders) -> None:
    """Says what each button does."""
    catalog, shelf = service.catalog, service.shelf

    async def stop(interaction: discord.Interaction[Any], job_id: JobId) -> None:
        job = await shelf.own(_member(interaction), job_id)
        if job.state is JobState.WAITING:
            await interaction.response.defer()  # the card says so by itself; the press's token reaches it only now
            await shelf.renew(job, press_of(interaction))
        await shelf.cancel(job.member, job_id)

    async def hide(interaction: discord.Interaction[Any], job_id: JobId) -> None:
        job = await shelf.hideable(_member(interaction), job_id, moderates=_moderates(interaction))
        if await _take_away(interaction, job):  # first: a card that stays must not be forgotten half-way
            await shelf.hide(job, _member(interaction))

    async def remove(interaction: discord.Interaction[Any], job_id: JobId) -> None:
        job = await shelf.visible(_member(interaction), job_id, moderates=_moderates(interaction))
        await shelf.delete(job, _member(interaction))
        await _take_away(interaction, job)
        await bot.take_away(job, but=None if interaction.message is None else interaction.message.id)

    async def again(interaction: discord.Interaction[Any], job_id: JobId) -> None:
        job = await shelf.repeatable(_member(interaction), job_id)
        choice = catalog.choose(job.clip.model, job.clip.seconds, job.clip.size)
        await orders.take(interaction, Wish(job.clip.prompt, choice, job.picture, job.picture_author, job.id))

    async def edit(interaction: discord.Interaction[Any], job_id: JobId) -> None:
        job = await shelf.repeatable(_member(interaction), job_id)

        async def submitted(answer: discord.Interaction[Any], filled: Filled) -> None:
            choice = catalog.choose(filled.model, filled.seconds, filled.size)
            await orders.take(answer, Wish(filled.prompt, choice, job.picture, job.picture_author, job.id))

        await interaction.response.send_modal(ClipForm("Edit and make again", catalog, submitted, clip=job.clip))

    bot.actions |= {STOP: stop, HIDE: hide, REMOVE: remove, AGAIN: again, EDIT: edit}


async def _take_away(interaction: discord.Interaction[Any], job: Job) -> bool:
    """Deletes the pressed message by the press's own token, which reaches it everywhere; False where it stays."""
    try:
        await interaction.response.defer()
        await interaction.delete_original_response()
    except TROUBLE as error:
        if fate_of(error) is not Fate.REMOVED:
            log.warning("job=%s its card was not deleted: %s", job.id, error)
            await answer_privately(interaction, text.CARD_STAYS)
            return False
    return True


def _member(interaction: discord.Interaction[Any]) -> UserId:
    return UserId(interaction.user.id)


def _moderates(interaction: discord.Interaction[Any]) -> bool:
    return interaction.guild_id is not None and interaction.permissions.manage_messages
