"""A member's own videos, behind `Service.library`: list, show again, make again, cancel, hide, delete.

What takes a message away asks the store first, in one unit with the job's state, and only then Discord. So no message
is deleted while it may hold the only copy of a video that its member has not deleted.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from bot.errors import StoreError, UserError, VideoUnavailable
from bot.i18n.marking import N_
from bot.jobs.admin import ANSWER_WITHIN_S
from bot.jobs.context import Clock
from bot.jobs.files import Files
from bot.jobs.finished_videos import MOST_JOINED, PART_GONE
from bot.jobs.retention import Retention
from bot.jobs.worker import Worker
from bot.models import UNFINISHED, ChannelId, FailureKind, GuildId, Job, JobId, JobState, Press, UserId
from bot.store import cards, erasure, jobs, pending_deletions, takes, videos
from bot.store.database import Store, Unit

T = TypeVar("T")

NOT_YOURS = N_("Only the member who asked for this video can do that.")
TOO_LATE = N_("It is too late to cancel this video. The request was already sent to the video service.")
IS_CANCELLED = N_("This video is already canceled. Your credits are back.")
CANCEL_UNSURE = N_(
    "The video service did not answer, so it is not certain that this video was canceled. Try again in a minute. "
    "If the video was canceled, your credits are refunded automatically."
)
NOT_OVER = N_("This video is still in progress. You can delete it when it has ended.")
OTHERS_NOT_OVER = N_(
    "Another video of the same request is still in progress. You can delete this video when all of them have ended."
)
GONE = N_("The bot no longer keeps this video.")
PROMPT_GONE = N_(
    "The prompt and the picture of this video are deleted. Nothing was charged. Use `/animate` to make a new video."
)
PICTURE_GONE = N_(
    "The bot no longer keeps the picture of this video. Nothing was charged. Use `/animate` with the picture again."
)
NOT_HIDDEN = N_(
    "This video is no longer in progress, so the message was not hidden. To delete the message, press Delete."
)
NOT_SENT = N_("This video has not started yet. Press Cancel instead.")
ARRIVED = N_("The video has just arrived, so the message was not hidden. To delete the message, press Delete.")
NO_ROOM = N_(
    "The bot has no disk space right now to keep this video for the member who asked for it, so the message stays. "
    "Try again later."
)

PICTURE_AT_CHAT = timedelta(hours=20)
"""An attachment's address lives for a day, by the sample in Discord's reference: so long no copy is needed."""

Place = tuple[GuildId, ChannelId]
"""Where somebody may manage messages."""


class Library:
    """All raise UserError for what cannot be done, and StoreUnavailable."""

    def __init__(self, *, store: Store, worker: Worker, files: Files, clock: Clock, retention: Retention) -> None:
        self._store = store
        self._worker = worker
        self._files = files
        self._clock = clock
        self._retention = retention

    async def newest(self, member: UserId, count: int) -> list[Job]:
        """The member's jobs in all places, newest first, without those they deleted."""
        return await self._store.read(videos.of_member(member, count))

    async def own(self, member: UserId, job: JobId) -> Job:
        """The job, if it is the member's."""
        found = await self._store.read(jobs.find(job))
        if found is None or found.member != member:
            raise UserError(NOT_YOURS)
        return found

    async def takes(self, job: Job) -> list[Job]:
        """The takes that share the job's card, the first first; the job alone where it has one of its own."""
        return [job] if job.card.request is None else await self._store.read(takes.of_request(job.card.request))

    async def kept(self, among: Sequence[Job]) -> set[JobId]:
        """Those whose video is here and can be shown again."""
        return await asyncio.to_thread(lambda: {job.id for job in among if self._found(job) is not None})

    def kept_file(self, job: Job) -> Path:
        """The video of a job that is done, while it is kept. Owned by the library: not to be moved."""
        path = self._found(job)
        if path is None:
            raise UserError(GONE)
        return path

    async def fitted(self, job: Job, limit_bytes: int) -> Path | None:
        """As `kept_file`, made smaller where it has more bytes than that; None where that cannot be done well."""
        return await self._worker.fitted(job, self.kept_file(job), limit_bytes)

    def _found(self, job: Job) -> Path | None:
        done = job.state in (JobState.UNDELIVERED, JobState.DELIVERED)
        return self._files.found_video(job) if done else None

    async def shown(self, job: Job) -> None:
        """Discord has shown the kept video to its member alone. It stays for seven days more; nobody sends it again."""
        if await self._store.write(jobs.show_privately(job.id, now=self._clock.now())) is not None:
            self._files.keep_on(job)
            await self._worker.recheck(job.id)

    async def repeatable(self, member: UserId, job: JobId) -> Job:
        """The member's job, to make another video of its picture and words."""
        found = await self.own(member, job)
        if not found.spec.prompt:
            raise UserError(PROMPT_GONE)
        is_at_chat = bool(found.picture.url) and self._clock.now() <= found.created_at + PICTURE_AT_CHAT
        is_at_chat = is_at_chat and found.continues is None  # there is the whole video, not the frame
        if not is_at_chat and not self._files.has_copies(found):
            raise UserError(PICTURE_GONE)
        await self._check_author(found)
        return found

    async def continuable(self, member: UserId, job: JobId) -> Job:
        """The member's job whose video is there to go on from. That its last frame can be had is found out later."""
        found = await self.own(member, job)
        if not has_video(found) or (found.card.place is None and self._found(found) is None):
            raise UserError(GONE)
        if not found.spec.prompt:
            raise UserError(PROMPT_GONE)
        await self._check_author(found)
        return found

    async def stills(self, among: Sequence[Job]) -> dict[JobId, bytes]:
        """The stills that are kept of these videos, as JPEGs."""
        return await self._worker.finished_videos.stills([job for job in among if self.has_still(job)])

    def has_still(self, job: Job) -> bool:
        """Whether there may be a still: the video is there, as far as is known."""
        return has_video(job) and not job.deleted and (job.card.is_readable or self._found(job) is not None)

    async def make_still(self, job: Job) -> bool:
        """Whether there is one now; bounded in time, but for the others before it."""
        return await self._worker.finished_videos.make_still(job)

    async def parts(self, member: UserId, job: JobId) -> list[Job]:
        """The videos that lead to this one, each continuing the one before, and it. At most `MOST_JOINED`."""
        found = [await self.own(member, job)]
        while (before := found[0].continues) is not None and len(found) < MOST_JOINED:
            found.insert(0, await self.own(member, before))
        if len(found) < 2 or found[0].continues is not None or not all(map(has_video, found)) or _any_deleted(found):
            raise UserError(PART_GONE)
        return found

    async def joinable(self, member: UserId, among: Sequence[Job]) -> set[JobId]:
        """Those that continue others, where all of these videos are there, as far as is known."""
        found = set()
        for job in among:
            if job.continues is not None and has_video(job):
                with contextlib.suppress(UserError):
                    parts = await self.parts(member, job.id)
                    if all(await asyncio.to_thread(list, map(self.has_still, parts))):
                        found.add(job.id)
        return found

    async def joined(self, parts: Sequence[Job], limit_bytes: int) -> bytes:
        """The videos as one, of at most so many bytes; nothing is charged, and nothing of it is kept.

        Raises ChatUnavailable where a part cannot be fetched now, OSError.
        """
        return await self._worker.finished_videos.joined(parts, limit_bytes)

    async def _check_author(self, job: Job) -> None:
        author = job.picture_author
        if author is not None and await self._store.read(erasure.has_asked_for_erasure(author, since=job.created_at)):
            raise UserError(PICTURE_GONE)

    async def visible(self, viewer: UserId, job: JobId, *, moderated: Place | None) -> Job:
        """The job, where the viewer may take its card away: its member, its picture's author, a moderator there.

        `moderated` is where the viewer may manage messages; no other place's cards are theirs to remove.
        """
        found = await self._store.read(jobs.find(job))
        if found is None:
            raise UserError(NOT_YOURS)
        moderates = moderated is not None and moderated == (found.card.guild, found.card.channel)
        if not (moderates or viewer in (found.member, found.picture_author)):
            raise UserError(NOT_YOURS)
        return found

    async def hideable(self, viewer: UserId, job: JobId, *, moderated: Place | None) -> Job:
        """As `visible`, and with the provider or not yet shown; or with a card that should be gone already."""
        found = await self.visible(viewer, job, moderated=moderated)
        there = await self.takes(found)
        states = [take.state for take in there]
        if any(map(goes_on, there)):
            return found
        if JobState.WAITING in states:
            raise UserError(NOT_SENT)
        if not found.card.removed:
            raise UserError(ARRIVED if JobState.DELIVERED in states else NOT_HIDDEN)
        return found

    async def hide(self, job: Job, viewer: UserId, press: Press) -> None:
        """The card may be deleted now, and the job runs on. To its member the video waits in the list; else it goes
        to them alone. Whatever was being edited has ended when this returns.
        """
        unit = cards.hide(job.id, press, now=self._clock.now(), hidden=viewer == job.member)
        if await self._write(unit) is not None:
            await self._recheck(job)
        elif not job.card.removed:
            raise UserError(ARRIVED)

    def can_cancel(self, job: Job) -> bool:
        """Whether a press on Cancel may still end it."""
        return job.state is JobState.WAITING or self._worker.can_cancel(job)

    async def cancel(self, member: UserId, job: JobId) -> None:
        """Ends a waiting job, or one that its provider cancels without a charge; its credits are back."""
        found = await self.own(member, job)
        if found.state is JobState.RENDERING:
            await self._cancel_render(found)
            return
        if found.state is JobState.CANCELLED:  # its card may not know
            raise UserError(IS_CANCELLED)
        unit = jobs.move(
            job, JobState.WAITING, JobState.CANCELLED, now=self._clock.now(), failure=FailureKind.CANCELLED
        )
        if await self._write(unit) is None:
            raise UserError(TOO_LATE)
        await self._worker.recheck(job)

    async def _cancel_render(self, job: Job) -> None:
        try:
            cancelled = await self._worker.cancel_render(job)
        except VideoUnavailable as error:
            raise UserError(CANCEL_UNSURE) from error
        if not cancelled:
            raise UserError(TOO_LATE)

    async def delete(self, job: Job) -> None:
        """Its member wants it gone: an ended job, with its words, its picture and its video.

        `job` is as its member saw it. A video that has come since then is not deleted: they were not asked.
        """
        if not await self._write(videos.erase(job.id, now=self._clock.now(), with_video=has_video(job))):
            open_takes = [take.id for take in await self.takes(job) if take.state in UNFINISHED]
            raise UserError(OTHERS_NOT_OVER if open_takes and job.id not in open_takes else NOT_OVER)
        await self._worker.recheck(job.id)  # a video that was being fetched or sent is not any more
        self._files.erase(job)

    async def delete_all(self, takes: Sequence[Job]) -> None:
        """As `delete`, for all takes on the card, as their member saw them; none while one is in progress."""
        if any(take.state in UNFINISHED for take in takes):
            raise UserError(NOT_OVER)
        over = [take for take in takes if take.state is not JobState.TIMED_OUT] or takes
        for take in reversed(over):
            await self.delete(take)

    async def keep(self, job: Job, chunks: AsyncIterator[bytes]) -> None:
        """Fetches the video from Discord before a message with it goes. Raises OSError, and what `chunks` raises."""
        if not self._files.has_disk_space():
            raise UserError(NO_ROOM)
        await self._files.keep_video(job, chunks)

    async def clear(self, job: Job, viewer: UserId, press: Press) -> Job:
        """The messages in the channel may be deleted now; the video, if there is one, is kept for its member.

        What the picture's author removes is never made again of that picture.
        """
        cleared = await self._write(cards.clear(job.id, press, job.state, now=self._clock.now()))
        if cleared is None:
            found = await self._store.read(jobs.find(job.id))
            if found is None or found.deleted:  # by its member, in the meantime
                for take in await self.takes(job):
                    self._files.kept(take).unlink(missing_ok=True)
            raise UserError(NOT_YOURS)
        for take in await self.takes(job):
            if viewer == job.picture_author:
                await self._write(erasure.erase_picture(take.id))
                self._files.forget_copy(take.id)
            self._files.still(take.id).unlink(missing_ok=True)
        return cleared

    async def removed(self, of: Sequence[Job], *, all_gone: bool) -> None:
        """Their messages were to be deleted at Discord, and are; of those that are not the bot tries on by itself.

        Raises nothing: what stays pending here is found gone at the next start.
        """
        if not all_gone:
            self._retention.sweep()
            return
        with contextlib.suppress(StoreError):
            messages = {message for job in of for message in (job.card.message, job.card.shown_message)}
            await self._write(pending_deletions.forget(*(message for message in messages if message is not None)))

    async def keep_token(self, job: Job, press: Press) -> None:
        """Its member has pressed Delete on a message: where that is the card, it may be deleted by this token."""
        await self._write(cards.keep_token(job.id, press))

    async def renew(self, job: Job, press: Press) -> bool:
        """A press on the card brought a fresh token: the job goes on with it. False where the job is over."""
        if await self._write(cards.renew(job.id, press)) is None:
            return False
        await self._recheck(job)
        return True

    async def _recheck(self, job: Job) -> None:
        """Whoever carries the job, or the takes on its card, begins again from what the store says."""
        for take in await self.takes(job):
            await self._worker.recheck(take.id)

    async def _write(self, unit: Unit[T]) -> T:
        return await self._store.write(unit, start_within_s=ANSWER_WITHIN_S)


def goes_on(job: Job) -> bool:
    """Sent, and no message of the bot is known to show its video."""
    return (job.state.needs_work and job.state is not JobState.WAITING) or job.state is JobState.UNDELIVERED


def is_on_card(job: Job) -> bool:
    """Whether its card shows its video, as far as the store knows."""
    return takes.is_on_card(job)


def needs_card(take: Job) -> bool:
    """Whether the card has to stay for this one of several takes."""
    is_open = take.state in UNFINISHED or take.state is JobState.UNDELIVERED
    return not take.deleted and (is_open or is_on_card(take))


def _any_deleted(found: Sequence[Job]) -> bool:
    return any(job.deleted for job in found)


def has_video(job: Job) -> bool:
    """Whether deleting it takes a finished video away."""
    return job.state in (JobState.DELIVERED, JobState.UNDELIVERED)
