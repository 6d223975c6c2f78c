"""A member's own videos, behind `Service.shelf`: list, show again, cancel, delete."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from bot.errors import UserError
from bot.jobs.admin import ANSWER_WITHIN_S
from bot.jobs.desk import Clock
from bot.jobs.files import Files
from bot.jobs.worker import Worker
from bot.models import FailureKind, Job, JobId, JobState, MessageId, UserId
from bot.store import cards, jobs, videos
from bot.store.database import Store
from bot.wording import mark

NOT_YOURS = mark("That is not one of your videos.")
TOO_LATE = mark("It is too late to cancel that one: the video service has it already.")
NOT_OVER = mark("That one is still under way. It can be deleted when it is over.")
GONE = mark("The file is no longer kept here.")


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

    async def delete(self, member: UserId, job: JobId) -> Job:
        """Takes an ended job off the list, with its words and its file; returns it as it was."""
        found = await self.own(member, job)
        unit = videos.erase(job, member, now=self._clock.now())
        if not await self._store.write(unit, start_within_s=ANSWER_WITHIN_S):
            raise UserError(NOT_OVER)
        self._files.forget(found)
        return found

    async def renew(self, job: Job, message: MessageId, token: str, ends_at: datetime, upload_limit: int) -> None:
        """A press on the card brought a fresh token: the job goes on with it."""
        unit = cards.renew(job.id, message, token, ends_at, upload_limit)
        await self._store.write(unit, start_within_s=ANSWER_WITHIN_S)
        await self._worker.recheck(job.id)
