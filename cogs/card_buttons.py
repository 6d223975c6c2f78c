"""Cancel, hide, again, edit, delete: buttons of cards and of the list. They name their job and live as long as it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import discord
from discord.ext import commands

from bot.chat import text
from bot.chat.buttons import AGAIN, CANCEL, CONTINUE, DELETE, EDIT, ERASE, HIDE, KEEP, is_in_list
from bot.chat.client import AnimateBot, answer_translated
from bot.chat.deletion import remove_all, remove_pressed
from bot.chat.follow_ups import follow_up
from bot.chat.interaction_info import press_of, user_of
from bot.chat.modals import Filled, VideoForm
from bot.chat.posted_video import address_on, stream, video_address
from bot.chat.video_requests import VideoRequest, VideoRequests, edited
from bot.chat.videos import LIST, question, sentence
from bot.errors import ChatUnavailable, UserError
from bot.i18n.translations import translations_of
from bot.jobs.library import Library, Place, goes_on, has_video, is_on_card, needs_card
from bot.models import ChannelId, GuildId, Job, JobId, JobState, Picture
from bot.sizes import parse_size

log = logging.getLogger(__name__)

NOBODY = discord.AllowedMentions.none()


class CardButtons(commands.Cog):
    """One method a button; has no commands."""

    def __init__(self, library: Library, requests: VideoRequests) -> None:
        self._library = library
        self._requests = requests

    async def cancel(self, interaction: discord.Interaction[Any], job_id: JobId) -> None:
        """Cancels what waits, or what its provider can still cancel."""
        job = await self._library.own(user_of(interaction), job_id)
        if is_in_list(interaction):
            if self._library.can_cancel(job) and job.state is JobState.RENDERING:  # since the list was shown
                await interaction.response.defer()  # a provider may take longer than Discord waits
            await self._library.cancel(job.member, job_id)
            await interaction.client.pages[LIST](interaction, 0)
            return
        takes = [take for take in await self._library.takes(job) if self._library.can_cancel(take)]
        if takes:
            await interaction.response.defer()  # the card says so by itself; the press's token reaches it only now
            await self._library.renew(job, press_of(interaction))
        refused: list[UserError] = []
        for take in takes or [job]:
            try:
                await self._library.cancel(job.member, take.id)
            except UserError as error:
                refused.append(error)
        if refused and len(refused) >= len(takes):
            raise refused[0]

    async def again(self, interaction: discord.Interaction[Any], job_id: JobId) -> None:
        """The same once more, with as many takes; by another seed, since the same one would make the same video."""
        job = await self._library.repeatable(user_of(interaction), job_id)
        spec = replace(job.spec, take=None, seed=None)
        await self._requests.handle(interaction, VideoRequest(spec, job.picture, job.picture_author, job.id))

    async def edit(self, interaction: discord.Interaction[Any], job_id: JobId) -> None:
        """A form with what this job was asked with; submitted, a new job."""
        job = await self._library.repeatable(user_of(interaction), job_id)
        await self._requests.check_others(interaction, job.picture_author)

        async def submitted(answer: discord.Interaction[Any], filled: Filled) -> None:
            await self._handle_edited(answer, filled, job_id)

        catalog, left = await self._requests.offered(interaction), await self._requests.spendable.of(interaction)
        translations = translations_of(interaction)
        title = translations.gettext("Edit and make again")
        form = VideoForm(translations, title, catalog, submitted, spec=job.spec, left=left)
        await interaction.response.send_modal(form)

    async def continue_(self, interaction: discord.Interaction[Any], job_id: JobId) -> None:
        """A form with what this job was asked with; submitted, a new job that begins where this video ends.

        A form has to be the first answer, so the last frame is fetched with the new job.
        """
        job = await self._library.continuable(user_of(interaction), job_id)
        await self._requests.check_others(interaction, job.picture_author)

        async def submitted(answer: discord.Interaction[Any], filled: Filled) -> None:
            job = await self._library.continuable(user_of(answer), job_id)
            frame = _frame_of(job, address_on(answer.message, job))
            request = VideoRequest(
                filled.spec,
                frame,
                job.picture_author,
                continues=job_id,
                from_form=True,
                last_picture=filled.last_picture,
            )
            await self._requests.handle(answer, request)

        catalog, left = await self._requests.offered(interaction), await self._requests.spendable.of(interaction)
        translations = translations_of(interaction)
        title = translations.gettext("Continue this video")
        spec = replace(job.spec, last_image=None, loop=None, seed=None)
        form = VideoForm(translations, title, catalog, submitted, spec=spec, left=left)
        await interaction.response.send_modal(form)

    async def hide(self, interaction: discord.Interaction[Any], job_id: JobId) -> None:
        """The card goes, the job goes on."""
        job = await self._library.hideable(user_of(interaction), job_id, moderated=_moderated(interaction))
        await interaction.response.defer()
        await self._hide(interaction, job)

    async def delete(self, interaction: discord.Interaction[Any], job_id: JobId) -> None:
        """Its member is asked first where there is a video to lose; others only delete the message."""
        if is_in_list(interaction):
            await self._delete_in_list(interaction, await self._library.own(user_of(interaction), job_id))
            return
        job = await self._library.visible(user_of(interaction), job_id, moderated=_moderated(interaction))
        if user_of(interaction) != job.member:
            await self._remove_for_others(interaction, job)
        elif count := _video_count(takes := await self._library.takes(job)):
            await self._ask(interaction, job, count)
        else:
            await interaction.response.defer()  # Discord takes no other request by the token of a press before
            await self._library.keep_token(job, press_of(interaction))
            await self._library.delete_all(takes)
            gone = await remove_pressed(interaction, job)
            beside = await remove_all(interaction.client, takes, but=_pressed_message(interaction))
            await self._end_deletion(interaction, takes, all_gone=gone and beside)

    async def erase(self, interaction: discord.Interaction[Any], job_id: JobId) -> None:
        """Yes to the question: the video is deleted, then its messages."""
        job = await self._library.own(user_of(interaction), job_id)
        if is_in_list(interaction):
            await self._erase_in_list(interaction, job)
            return
        takes = await self._library.takes(job)
        await self._library.delete_all(takes)
        words = text.ALL_DELETED if _video_count(takes) > 1 else text.DELETED
        await interaction.response.edit_message(view=sentence(translations_of(interaction), words))
        gone = await remove_all(interaction.client, takes)
        await self._end_deletion(interaction, takes, all_gone=gone)

    async def keep(self, interaction: discord.Interaction[Any], _job_id: JobId) -> None:
        """No to the question."""
        if is_in_list(interaction):
            await interaction.client.pages[LIST](interaction, 0)
            return
        await interaction.response.edit_message(view=sentence(translations_of(interaction), text.NOT_DELETED))

    async def _delete_in_list(self, interaction: discord.Interaction[Any], job: Job) -> None:
        if not has_video(job):
            await self._erase_in_list(interaction, job)
            return
        view = question(translations_of(interaction), job, in_list=True)
        await interaction.response.edit_message(view=view, allowed_mentions=NOBODY)

    async def _erase_in_list(self, interaction: discord.Interaction[Any], job: Job) -> None:
        """A card that shows other takes, too, stays, and the member is told."""
        await self._library.delete(job)
        await interaction.client.pages[LIST](interaction, 0)
        stays = any(take.id != job.id and needs_card(take) for take in await self._library.takes(job))
        gone = await remove_all(interaction.client, [job], but=job.card.message if stays else None)
        await self._end_deletion(interaction, [job], all_gone=gone)
        if gone and stays and is_on_card(job):
            await answer_translated(interaction, text.TAKES_STAY)

    async def _end_deletion(
        self, interaction: discord.Interaction[Any], jobs: Sequence[Job], *, all_gone: bool
    ) -> None:
        await self._library.removed(jobs, all_gone=all_gone)
        if not all_gone:
            await answer_translated(interaction, text.CARD_STAYS)

    async def _handle_edited(self, interaction: discord.Interaction[Any], filled: Filled, job_id: JobId) -> None:
        job = await self._library.repeatable(user_of(interaction), job_id)  # its picture may be gone by now
        await self._requests.handle(interaction, edited(job, filled.spec, filled.last_picture))

    async def _hide(self, interaction: discord.Interaction[Any], job: Job) -> None:
        """The card of a job that goes on: the store first, then what is being edited is stopped, then the message."""
        viewer = user_of(interaction)
        await self._library.hide(job, viewer, press_of(interaction))
        if await remove_pressed(interaction, job):
            await self._library.removed([job], all_gone=True)
            words = text.HIDDEN if viewer == job.member else text.HIDDEN_BY_OTHER
            await answer_translated(interaction, words)
        else:
            # It stays, so it goes on telling how the job stands.
            if not await self._library.renew(job, press_of(interaction)):
                await self._library.removed([job], all_gone=False)
            await answer_translated(interaction, text.CARD_STAYS)

    async def _ask(self, interaction: discord.Interaction[Any], job: Job, count: int) -> None:
        """Where the bot's own token does not reach the card, the press's must: it is kept until the answer."""
        view = question(translations_of(interaction), job, in_list=False, count=count)
        if job.card.bot_reaches and not job.card.ephemeral:
            await interaction.response.send_message(view=view, ephemeral=True, allowed_mentions=NOBODY)
            return
        await interaction.response.defer()
        await self._library.keep_token(job, press_of(interaction))
        await follow_up(interaction, view=view)

    async def _remove_for_others(self, interaction: discord.Interaction[Any], job: Job) -> None:
        """A moderator, or whose picture it was, takes the message away; the video stays its member's.

        Where Discord holds the only copy, it is fetched first: without it the message stays, and can be tried again.
        """
        await interaction.response.defer()
        takes = await self._library.takes(job)
        if any(map(goes_on, takes)) and not any(map(is_on_card, takes)):
            await self._hide(interaction, job)
            return
        for take in takes:
            if take.state is JobState.DELIVERED and not take.deleted and not await self._is_kept(interaction, take):
                await answer_translated(interaction, text.VIDEO_NOT_KEPT)
                return
        await self._library.clear(job, user_of(interaction), press_of(interaction))
        gone = await remove_pressed(interaction, job)
        beside = await remove_all(interaction.client, takes, but=_pressed_message(interaction), in_channel=True)
        await self._library.removed(takes, all_gone=gone and beside)
        words = text.CARD_STAYS
        if gone and beside:
            words = text.REMOVED_FOR_MEMBER if any(map(has_video, takes)) else text.REMOVED
        await answer_translated(interaction, words)

    async def _is_kept(self, interaction: discord.Interaction[Any], job: Job) -> bool:
        """Whether its member can still have the video once the messages in this channel are gone."""
        if job.card.shown_channel not in (None, job.card.channel):
            return True  # it stands in their direct messages
        try:
            address = await video_address(interaction, job)
            if address is None:
                return bool(await self._library.kept([job]))
            await self._library.keep(job, stream(address))
        except (ChatUnavailable, OSError) as error:
            log.warning("job=%s its video was not kept, so its message stays: %s", job.id, error)
            return False
        return True


def _video_count(takes: Sequence[Job]) -> int:
    """Of those that share a card: how many videos there are to lose."""
    return sum(has_video(take) and not take.deleted for take in takes)


def _pressed_message(interaction: discord.Interaction[Any]) -> int | None:
    return None if interaction.message is None else interaction.message.id


def _frame_of(job: Job, address: str) -> Picture:
    """The last frame of its video, before it is fetched: as large as the video. `address` is where the video is."""
    width, height = (None, None) if job.spec.size is None else parse_size(job.spec.size)
    return Picture(address, "frame.png", None, "image/png", width, height, spoiler=job.picture.spoiler)


def _moderated(interaction: discord.Interaction[Any]) -> Place | None:
    """The channel of the press, where whoever pressed may manage its messages."""
    if interaction.guild_id is None or interaction.channel_id is None or not interaction.permissions.manage_messages:
        return None
    return GuildId(interaction.guild_id), ChannelId(interaction.channel_id)


async def setup(bot: AnimateBot, library: Library, requests: VideoRequests) -> None:
    """Says what each button does."""
    cog = CardButtons(library, requests)
    await bot.add_cog(cog)
    bot.actions |= {
        CANCEL: cog.cancel,
        AGAIN: cog.again,
        EDIT: cog.edit,
        CONTINUE: cog.continue_,
        HIDE: cog.hide,
        DELETE: cog.delete,
        ERASE: cog.erase,
        KEEP: cog.keep,
    }
