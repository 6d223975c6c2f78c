"""A member's own videos, behind `Service.shelf`: list, show again, make again, cancel, hide, delete."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from bot.errors import UserError
from bot.jobs.admin import ANSWER_WITHIN_S
from bot.jobs.desk import Clock
from bot.jobs.files import Files
from bot.jobs.worker import Worker
from bot.models import FailureKind, Job, JobId, JobState, Press, UserId
from bot.store import cards, jobs, videos
from bot.store.database import Store

NOT_YOURS = "That is not one of your videos."
TOO_LATE = "It is too late to cancel that one: the video service has it already."
NOT_OVER = "That one is still under way. It can be deleted when it is over."
GONE = "The file is no longer kept here."
WORDS_GONE = "The prompt and the picture of that one are deleted. Please use `/animate` anew."
PICTURE_GONE = "The picture of that one is no longer kept here. Please use `/animate` with it again."
NOT_HIDDEN = "That one is not under way any more. Delete takes it away."

PICTURE_AT_CHAT = timedelta(hours=20)
"""An attachment's address lives for a day, by the sample in Discord's reference: so long no copy is needed."""


class Shelf:
    """All raise UserError for what cannot be done, and StoreUnavailable."""

    def __init__(self, *, store: Store, worker: Worker, files: Files, clock: Clock) -> None:
        self._store = store
        self._worker = worker
        self._files = files
        self._clock = clock

    async def newest(self, member: UserId, count: int) -> list[Job]:
        """The member's jobs in all places, newest first, without those they deleted."""
        return await self._store.read(videos.of_member(member, count))

    async def own(self, member: UserId, job: JobId) -> Job:
        """The job, if it is the member's."""
        found = await self._store.read(jobs.find(job))
        if found is None or found.member != member:
            raise UserError(NOT_YOURS)
        return found

    async def kept_file(self, job: Job) -> Path:
        """The video of an undelivered job. Owned by the shelf: not to be moved."""
        path = self._files.video(job)
        if job.state is not JobState.UNDELIVERED or not path.exists():
            raise UserError(GONE)
        return path

    async def repeatable(self, member: UserId, job: JobId) -> Job:
        """The member's job, to make another clip of its picture and words."""
        found = await self.own(member, job)
        if not found.clip.prompt:
            raise UserError(WORDS_GONE)
        if not self._files.copy(job).exists() and self._clock.now() > found.created_at + PICTURE_AT_CHAT:
            raise UserError(PICTURE_GONE)
        return found

    async def visible(self, viewer: UserId, job: JobId, *, moderates: bool) -> Job:
        """The job, where the viewer may take its card away: its member, its picture's author, a moderator there."""
        found = await self._store.read(jobs.find(job))
        if found is None or not (moderates or viewer in (found.member, found.picture_author)):
            raise UserError(NOT_YOURS)
        return found

    async def hideable(self, viewer: UserId, job: JobId, *, moderates: bool) -> Job:
        """As `visible`, and with the provider."""
        found = await self.visible(viewer, job, moderates=moderates)
        if not found.state.needs_work or found.state is JobState.WAITING:
            raise UserError(NOT_HIDDEN)
        return found

    async def hide(self, job: Job, viewer: UserId) -> None:
        """The card is gone, the job runs on. To its member the video waits in the list; else it goes to them alone."""
        now = self._clock.now()
        unit = cards.hide(job.id, now=now) if viewer == job.member else cards.mark_removed(job.id, now=now)
        await self._store.write(unit, start_within_s=ANSWER_WITHIN_S)
        await self._worker.recheck(job.id)

    async def shown(self, job: Job) -> None:
        """Discord has shown the kept video to its member. The file stays for its seven days."""
        await self._store.write(jobs.move(job.id, JobState.UNDELIVERED, JobState.DELIVERED, now=self._clock.now()))

    async def cancel(self, member: UserId, job: JobId) -> None:
        """Ends a waiting job; its credits are back."""
        await self.own(member, job)
        unit = jobs.move(
            job, JobState.WAITING, JobState.CANCELLED, now=self._clock.now(), failure=FailureKind.CANCELLED
        )
        if await self._store.write(unit, start_within_s=ANSWER_WITHIN_S) is None:
            raise UserError(TOO_LATE)
        await self._worker.recheck(job)

    async def delete(self, job: Job, viewer: UserId) -> None:
        """Takes an ended job away, with its words and files. What a moderator takes away stays on its member's list."""
        now = self._clock.now()
        if viewer not in (job.member, job.picture_author):
            await self._store.write(cards.mark_removed(job.id, now=now), start_within_s=ANSWER_WITHIN_S)
            return
        if not await self._store.write(videos.erase(job.id, now=now), start_within_s=ANSWER_WITHIN_S):
            raise UserError(NOT_OVER)
        self._files.forget(job)
        self._files.forget_copy(job.id)

    async def renew(self, job: Job, press: Press) -> None:
        """A press on the card brought a fresh token: the job goes on with it."""
        await self._store.write(cards.renew(job.id, press), start_within_s=ANSWER_WITHIN_S)
        await self._worker.recheck(job.id)
