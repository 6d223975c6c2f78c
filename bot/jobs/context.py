"""What the steps of a job share: the store, the provider, the chat, the files, the queue, and time."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

from bot.catalog import Catalog
from bot.errors import PictureRefused, StoreUnavailable
from bot.images.fitter import Fitter
from bot.jobs import backoff
from bot.jobs.adapter_error_log import AdapterErrorLog
from bot.jobs.chat_protocol import Chat
from bot.jobs.dispatch import Dispatch
from bot.jobs.files import Files
from bot.jobs.interaction_priority import InteractionPriority
from bot.jobs.provider_breakers import CircuitBreakers
from bot.jobs.providers import Providers
from bot.jobs.queue import JobQueue
from bot.jobs.render_times import RenderTimes
from bot.jobs.take_events import TakeEvents
from bot.log_context import about_job
from bot.models import FailureKind, Job, JobId, JobState
from bot.store import jobs
from bot.store.database import Store, Unit
from bot.store.row_mapping import to_ms
from bot.transcode.transcoder import Transcoder

log = logging.getLogger(__name__)

T = TypeVar("T")

LEAST_STEP = timedelta(seconds=2)
"""By so much the host's clock is set at once, or it is no step."""
MOST_STRETCHES = 1_000
"""A clock that is set every few seconds costs neither memory nor time; what was noted longer ago is believed."""
_STORED = timedelta(milliseconds=1)
"""The store keeps no smaller part of a moment, and drops what is less."""
FETCHES_AT_ONCE = 8
"""Bounds the pictures held in memory; a permit is kept for one try, never for the pause before the next."""


def log_move(event: object) -> None:
    """One line for each change of a job's state, whoever made it; to be given to `Store.observe`."""
    if isinstance(event, jobs.Moved):
        job = event.job
        log.info(
            "job=%s key=%s user=%s state=%s failure=%s guild=%s provider=%s model=%s was=%s seconds=%.1f",
            job.id, job.key, job.member, job.state, job.failure, job.card.guild, job.provider, job.spec.model,
            event.start, (job.state_at - job.created_at).total_seconds(),
        )  # fmt: skip


@dataclass(slots=True)
class _Stretch:
    """The host's clock ran from `start` to `end` without being set; `zero` is what it would have said at second 0."""

    start: datetime
    end: datetime
    zero: datetime


def _steady_s() -> float:
    """Seconds that only run forward, also while the machine sleeps where the system can tell."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Clock:
    """The time, waiting for it, and how much of it has passed although the host's clock was set.

    `wall` is the host's clock, `steady` one in seconds that only runs forward.
    """

    _began_s = 0.0
    _stretches: list[_Stretch] | None = None
    _wall: Callable[[], datetime] = staticmethod(lambda: datetime.now(UTC))
    _steady: Callable[[], float] = staticmethod(_steady_s)

    def __init__(self, wall: Callable[[], datetime] | None = None, steady: Callable[[], float] | None = None) -> None:
        self._wall = wall or self._wall
        self._steady = steady or self._steady
        self._began_s = self._steady()
        self._stretches = []

    def now(self) -> datetime:
        """Aware UTC, as the host's clock has it."""
        now = self._wall()
        self._notice(now)
        return now

    def since(self, moment: datetime) -> timedelta:
        """How long ago that was. A clock that is set while this process runs changes nothing.

        Where the moment may have been noted before or after it was set, it was after: nothing ends early. What an
        earlier process noted is believed, unless it lies ahead: then it is as old as this process.
        """
        now, steady = self.now(), timedelta(seconds=self._steady())
        if not self._stretches:
            return max(timedelta(), now - moment)
        noted = [moment - each.zero for each in self._stretches if each.start - _STORED <= moment <= each.end]
        if not noted and moment < self._stretches[0].start:
            return steady - (moment - self._stretches[0].zero)
        return steady - max(noted, default=timedelta(seconds=self._began_s))

    def sleep(self, seconds: float) -> Coroutine[Any, Any, None]:
        """To be awaited, in seconds; no coroutine round another, because thousands of jobs wait in here."""
        return asyncio.sleep(max(0.0, seconds))

    def _notice(self, now: datetime) -> None:
        """A clock that drifts, or is slewed, is not set."""
        zero = now - timedelta(seconds=self._steady())
        if self._stretches is None:
            return
        last = self._stretches[-1] if self._stretches else None
        if last is not None and abs(zero - last.zero) < LEAST_STEP:
            last.end, last.zero = now, zero
            return
        if last is not None:
            log.warning("the host's clock was set by %s", zero - last.zero)
        self._stretches.append(_Stretch(now, now, zero))
        del self._stretches[:-MOST_STRETCHES]


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things may take."""

    poll_s: float
    job_timeout: timedelta
    answer_grace: timedelta = timedelta(minutes=10)  # without any answer, after the deadline
    resubmit_for: timedelta = timedelta(minutes=10)
    queue_timeout: timedelta = timedelta(hours=2)
    late_for: timedelta = timedelta(hours=24)
    intent_for: timedelta | None = None  # a process that was frozen for longer between intent and create sends nothing
    fetch_for: timedelta = timedelta(minutes=10)  # then the card shows the link, and it is fetched more seldom


class PictureUrl(Protocol):
    """Where the bot itself serves a job's first picture, or its last; None where it does not."""

    def __call__(self, job: Job, /, *, last: bool = False) -> str | None: ...


def not_served(_: Job, /, *, last: bool = False) -> None:
    """The bot serves no pictures."""


@dataclass(frozen=True, slots=True)
class JobContext:
    """Handed to every step; owns nothing but the creates under way."""

    store: Store
    providers: Providers
    chat: Chat
    files: Files
    fitter: Fitter
    transcoder: Transcoder
    catalog: Catalog
    queue: JobQueue
    timing: Timing
    circuit_breakers: CircuitBreakers
    interaction_priority: InteractionPriority = field(default_factory=InteractionPriority)
    adapter_errors: AdapterErrorLog = field(default_factory=AdapterErrorLog)
    render_times: RenderTimes = field(default_factory=RenderTimes)
    clock: Clock = field(default_factory=Clock)
    rng: random.Random = field(default_factory=random.Random)
    fetching: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(FETCHES_AT_ONCE))
    borrowing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))  # `bot.jobs.finished_videos`
    preparing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))
    creates: dict[JobId, asyncio.Task[Any]] = field(default_factory=dict)
    dispatch: Dispatch | None = None  # where several processes share the store
    picture_url: PictureUrl = not_served
    take_events: TakeEvents = field(default_factory=TakeEvents)
    refused: dict[JobId, PictureRefused] = field(default_factory=dict)
    """Why a picture cannot be used, by request of several takes: told when the last of them has ended."""

    async def persist(self, unit: Unit[T]) -> T:
        """Writes, however long the store is out of reach: what is paid for goes on from memory."""
        return await self._patiently(self.store.write, unit)

    async def look_up(self, unit: Unit[T]) -> T:
        """Reads what is committed, however long the store is out of reach."""
        return await self._patiently(self.store.read, unit)

    async def _patiently(self, run: Callable[[Unit[T]], Coroutine[Any, Any, T]], unit: Unit[T]) -> T:
        tries = 0
        while True:
            try:
                return await run(unit)
            except StoreUnavailable as error:
                if tries % 20 == 0:
                    log.error("the database cannot be used, trying again: %s", error)  # noqa: TRY400 - no traceback for the expected
                await self.clock.sleep(backoff.store_pause(tries, self.rng))
                tries += 1

    async def move(self, job: Job, to: JobState, **changes: object) -> Job | None:
        """Moves the job in the store, for as long as that takes; None when it was not where we thought."""
        now = self.clock.now()
        unit = jobs.move(job.id, job.state, to, now=now, **changes)
        if job.state is JobState.SUBMITTING:  # what came of that very create says nothing of a later one
            unit = jobs.if_unmoved(job, unit)
        elif self.dispatch is not None and job.state is not JobState.WAITING and to is not JobState.CANCELLED:
            unit = self.dispatch.carrying(unit, job)
        return await self.move_by(unit, job, to, now)

    async def move_by(self, unit: Unit[Job | None], job: Job, to: JobState, now: datetime) -> Job | None:
        """As `move`, by a unit that does more than that."""
        moved = await self.persist(unit)
        if moved is None:
            found = await self.reload(job)
            if found is not None and found.state is to and to_ms(found.state_at) == to_ms(now):
                moved = found  # an earlier try of this very write had landed after all
                log_move(jobs.Moved(moved, job.state))
        if moved is not None:
            about_job(moved)
        return moved

    async def end(self, job: Job, to: JobState, failure: FailureKind) -> Job | None:
        """Moves the job to an end without a video."""
        return await self.move(job, to, failure=failure)

    async def reload(self, job: Job) -> Job | None:
        """The job as the store has it now."""
        return await self.persist(jobs.find(job.id))

    def protect(self, job: JobId, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Starts a job's create as a task that nobody cancels but who stops the worker; await it through a shield."""
        task = self.creates[job] = asyncio.create_task(work)
        task.add_done_callback(lambda _: self.creates.pop(job, None))
        return task
