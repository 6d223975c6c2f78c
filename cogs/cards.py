"""The buttons of a card: cancel, hide, again, edit, delete. They name their job, so they live as long as it is kept."""

from __future__ import annotations

import logging
from collections import OrderedDict
from typing import Any

import discord

from bot.chat import text
from bot.chat.asking import press_of
from bot.chat.buttons import AGAIN, EDIT, ERASE, HIDE, KEEP, REMOVE, STOP
from bot.chat.client import AnimateBot, tell
from bot.chat.follow_ups import follow_up
from bot.chat.modals import ClipForm, Filled
from bot.chat.orders import Orders, Wish
from bot.chat.removing import remove_all, remove_pressed, stream, video_address
from bot.chat.tongue import tongue_of
from bot.chat.videos import question, sentence
from bot.errors import ChatUnavailable
from bot.jobs.service import Service
from bot.jobs.shelf import Place, Shelf, goes_on, has_video
from bot.models import ChannelId, GuildId, Job, JobId, JobState, UserId

log = logging.getLogger(__name__)

NOBODY = discord.AllowedMentions.none()
ASKED_AT_MOST = 100
"""Presses of Delete whose question is open, where only their token reaches the card; without it the card stays."""


def setup(bot: AnimateBot, service: Service, orders: Orders) -> None:
    """Says what each button does."""
    _add_making(bot, service, orders)
    _add_hiding(bot, service.shelf)
    _add_deleting(bot, service.shelf)


def _add_making(bot: AnimateBot, service: Service, orders: Orders) -> None:
    catalog, shelf = service.catalog, service.shelf

    async def stop(interaction: discord.Interaction[Any], job_id: JobId) -> None:
        job = await shelf.own(_member(interaction), job_id)
        if job.state is JobState.WAITING:
            await interaction.response.defer()  # the card says so by itself; the press's token reaches it only now
            await shelf.renew(job, press_of(interaction))
        await shelf.cancel(job.member, job_id)

    async def again(interaction: discord.Interaction[Any], job_id: JobId) -> None:
        job = await shelf.repeatable(_member(interaction), job_id)
        choice = catalog.choose(job.clip.model, job.clip.seconds, job.clip.size)
        await orders.take(interaction, Wish(job.clip.prompt, choice, job.picture, job.picture_author, job.id))

    async def edit(interaction: discord.Interaction[Any], job_id: JobId) -> None:
        job = await shelf.repeatable(_member(interaction), job_id)
        await orders.check_others(interaction, job.picture_author)

        async def submitted(answer: discord.Interaction[Any], filled: Filled) -> None:
            choice = catalog.choose(filled.model, filled.seconds, filled.size)
            found = await shelf.repeatable(_member(answer), job_id)  # the picture may be gone since the form was opened
            await orders.take(
                answer, Wish(filled.prompt, choice, found.picture, found.picture_author, found.id, from_form=True)
            )

        tongue = tongue_of(interaction)
        form = ClipForm(tongue, tongue.say("Edit and make again"), catalog, submitted, clip=job.clip)
        await interaction.response.send_modal(form)

    bot.actions |= {STOP: stop, AGAIN: again, EDIT: edit}


def _add_hiding(bot: AnimateBot, shelf: Shelf) -> None:
    async def hide(interaction: discord.Interaction[Any], job_id: JobId) -> None:
        viewer = _member(interaction)
        job = await shelf.hideable(viewer, job_id, moderated=_moderated(interaction))
        await interaction.response.defer()
        await _take_down(interaction, shelf, job)

    bot.actions[HIDE] = hide


async def _take_down(interaction: discord.Interaction[Any], shelf: Shelf, job: Job) -> None:
    """The card of a job that goes on: the store first, then what is being edited is stopped, then the message goes."""
    viewer = _member(interaction)
    await shelf.hide(job, viewer)
    if await remove_pressed(interaction, job):
        await tell(interaction, text.HIDDEN if viewer == job.member else text.HIDDEN_BY_OTHER)
    else:
        await shelf.renew(job, press_of(interaction))  # it stays, so it goes on telling how the job stands
        await tell(interaction, text.CARD_STAYS)


def _add_deleting(bot: AnimateBot, shelf: Shelf) -> None:
    asked: OrderedDict[JobId, discord.Interaction[Any]] = OrderedDict()

    async def remove(interaction: discord.Interaction[Any], job_id: JobId) -> None:
        job = await shelf.visible(_member(interaction), job_id, moderated=_moderated(interaction))
        if _member(interaction) != job.member:
            await _remove_for_others(interaction, shelf, job)
        elif has_video(job):
            await ask(interaction, job)
        else:
            await shelf.delete(job)
            gone = await remove_pressed(interaction, job)
            await remove_all(bot, job, but=None if interaction.message is None else interaction.message.id)
            if not gone:
                await tell(interaction, text.CARD_STAYS)

    async def ask(interaction: discord.Interaction[Any], job: Job) -> None:
        """Where the bot's own token does not reach the card, the press's must: it is kept with the question."""
        view = question(tongue_of(interaction), job, ERASE, KEEP)
        if job.card.bot_reaches and not job.card.ephemeral:
            await interaction.response.send_message(view=view, ephemeral=True, allowed_mentions=NOBODY)
            return
        await interaction.response.defer()
        await follow_up(interaction, view=view)
        asked[job.id] = interaction
        while len(asked) > ASKED_AT_MOST:
            asked.popitem(last=False)

    async def erase(interaction: discord.Interaction[Any], job_id: JobId) -> None:
        job = await shelf.own(_member(interaction), job_id)
        await shelf.delete(job)
        await interaction.response.edit_message(view=sentence(tongue_of(interaction), text.DELETED))
        pressed = asked.pop(job_id, None)
        card = None if pressed is None or pressed.message is None else pressed.message.id
        gone = pressed is None or await remove_pressed(pressed, job)
        if not await remove_all(bot, job, but=card) or not gone:
            await tell(interaction, text.CARD_STAYS)

    async def keep(interaction: discord.Interaction[Any], job_id: JobId) -> None:
        asked.pop(job_id, None)
        await interaction.response.edit_message(view=sentence(tongue_of(interaction), text.NOT_DELETED))

    bot.actions |= {REMOVE: remove, ERASE: erase, KEEP: keep}


async def _remove_for_others(interaction: discord.Interaction[Any], shelf: Shelf, job: Job) -> None:
    """A moderator, or whose picture it was, takes the message away; the video stays its member's.

    Where Discord holds the only copy, it is fetched first: without it the message stays, and can be tried again.
    """
    await interaction.response.defer()
    if goes_on(job):
        await _take_down(interaction, shelf, job)
        return
    if job.state is JobState.DELIVERED and not await _is_kept(interaction, shelf, job):
        await tell(interaction, text.VIDEO_NOT_KEPT)
        return
    cleared = await shelf.clear(job, _member(interaction))
    gone = await remove_pressed(interaction, job)
    pressed = None if interaction.message is None else interaction.message.id
    beside = await remove_all(interaction.client, job, but=pressed, in_channel=True)
    words = text.REMOVED_FOR_MEMBER if has_video(cleared) else text.REMOVED
    await tell(interaction, words if gone and beside else text.CARD_STAYS)


async def _is_kept(interaction: discord.Interaction[Any], shelf: Shelf, job: Job) -> bool:
    """Whether its member can still have the video once the messages in this channel are gone."""
    if job.card.shown_channel not in (None, job.card.channel):
        return True  # it stands in their direct messages
    try:
        address = await video_address(interaction, job)
        if address is None:
            return bool(await shelf.kept([job]))
        await shelf.keep(job, stream(address))
    except (ChatUnavailable, OSError) as error:
        log.warning("job=%s its video was not kept, so its message stays: %s", job.id, error)
        return False
    return True


def _member(interaction: discord.Interaction[Any]) -> UserId:
    return UserId(interaction.user.id)


def _moderated(interaction: discord.Interaction[Any]) -> Place | None:
    """The channel of the press, where whoever pressed may manage its messages."""
    if interaction.guild_id is None or interaction.channel_id is None or not interaction.permissions.manage_messages:
        return None
    return GuildId(interaction.guild_id), ChannelId(interaction.channel_id)
