"""What the steps of a job share: the store, the provider, the chat, the files, the line, and time."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from bot.catalog import Catalog
from bot.errors import StoreUnavailable
from bot.images import Fitter
from bot.jobs import pace
from bot.jobs.answering import Answering
from bot.jobs.breaker import Breaker
from bot.jobs.durations import Durations
from bot.jobs.files import Files
from bot.jobs.line import Line
from bot.jobs.port import Chat
from bot.models import FailureKind, Job, JobId, JobState
from bot.shrink import Shrinker
from bot.store import jobs
from bot.store.database import Store, Unit
from bot.store.rows import to_ms
from bot.video.port import VideoApi

log = logging.getLogger(__name__)

T = TypeVar("T")


class Clock:
    """The time, and waiting for it."""

    def now(self) -> datetime:
        """Aware UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Waits, in seconds."""
        await asyncio.sleep(max(0.0, seconds))


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things may take."""

    poll_s: float
    job_timeout: timedelta
    answer_grace: timedelta = timedelta(minutes=10)  # without any answer, after the deadline
    resubmit_for: timedelta = timedelta(minutes=10)
    in_line_for: timedelta = timedelta(hours=2)
    late_for: timedelta = timedelta(hours=24)
    result_lives: timedelta = timedelta(hours=1)  # where the provider does not say


@dataclass(frozen=True, slots=True)
class Desk:
    """Handed to every step; owns nothing but the creates under way."""

    store: Store
    videos: VideoApi
    chat: Chat
    files: Files
    fitter: Fitter
    shrinker: Shrinker
    catalog: Catalog
    line: Line
    timing: Timing
    breaker: Breaker
    answering: Answering = field(default_factory=Answering)
    durations: Durations = field(default_factory=Durations)
    clock: Clock = field(default_factory=Clock)
    rng: random.Random = field(default_factory=random.Random)
    preparing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))
    creates: dict[JobId, asyncio.Task[Any]] = field(default_factory=dict)

    async def persist(self, unit: Unit[T]) -> T:
        """Writes, however long the store is out of reach: what is paid for goes on from memory."""
        tries = 0
        while True:
            try:
                return await self.store.write(unit)
            except StoreUnavailable as error:
                if tries % 20 == 0:
                    log.error("store out of reach, trying on: %s", error)  # noqa: TRY400 - no traceback for the expected
                await self.clock.sleep(pace.retry_pause(tries, self.rng))
                tries += 1

    async def move(self, job: Job, to: JobState, **changes: object) -> Job | None:
        """Moves the job in the store, for as long as that takes; None when it was not where we thought."""
        now = self.clock.now()
        moved = await self.persist(jobs.move(job.id, job.state, to, now=now, **changes))
        if moved is None:
            found = await self.reload(job)
            if found is not None and found.state is to and to_ms(found.state_at) == to_ms(now):
                moved = found  # an earlier try of this very write had landed after all
        if moved is not None:
            log.info("job=%s key=%s user=%s state=%s failure=%s", job.id, job.key, job.member, to, moved.failure)
        return moved

    async def end(self, job: Job, to: JobState, failure: FailureKind) -> Job | None:
        """Moves the job to an end without a video."""
        return await self.move(job, to, failure=failure)

    async def reload(self, job: Job) -> Job | None:
        """The job as the store has it now."""
        return await self.persist(jobs.find(job.id))

    async def protected(self, job: JobId, work: Coroutine[Any, Any, T]) -> T:
        """Runs a job's create so that cancelling the caller does not cancel it; whoever stops the desk waits for it."""
        task = self.creates[job] = asyncio.create_task(work)
        task.add_done_callback(lambda _: self.creates.pop(job, None))
        return await asyncio.shield(task)
