"""Tells those in the queue their position, and when they are likely to start."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from bot.jobs.chat_protocol import QueuePosition
from bot.jobs.context import Clock
from bot.jobs.estimate import Estimate
from bot.jobs.queue import JobQueue
from bot.jobs.render_times import RenderTimes
from bot.models import Job, JobId
from bot.store.queued_jobs import QueuedJob

log = logging.getLogger(__name__)

SOON_S = 0.1
"""Changes of one moment are shown together."""
SELDOM_S, COUNTED_PER_S = 1.0, 1_000
"""Shortest time between two rounds: a second, and one more for each thousand jobs in the queue."""
TOLD_AT_ONCE = 200
"""Then other tasks run."""
STALE_S = 15.0
"""Longest time between two rounds while a job waits."""
SAME = timedelta(seconds=10)
"""A start that moves by less, or by less than a quarter of the wait, is not shown again: each time costs an edit."""


def starts_s(
    queue: Sequence[Job | QueuedJob],
    frees_s: Sequence[float],
    slots: int,
    duration_s: Callable[[Job | QueuedJob], float],
) -> Iterator[float]:
    """When each of the queue starts, if each takes the slot that is free first; infinite where nobody can tell.

    `frees_s` is when each slot is free: as many as there are, or more where more jobs are at the provider than slots.
    """
    free = sorted(frees_s)[len(frees_s) - slots :]
    heapq.heapify(free)
    for job in queue:
        yield (start_s := free[0])
        heapq.heapreplace(free, start_s + duration_s(job))


class QueuePositions:
    """Owns one task while anybody is in the queue. However often it changes, it is counted once a second at most."""

    def __init__(
        self,
        queue: JobQueue,
        render_times: RenderTimes,
        show: Callable[[Job, QueuePosition], None],
        *,
        clock: Clock,
        queue_timeout: timedelta,
    ) -> None:
        self._queue = queue
        self._render_times = render_times
        self._show = show
        self._clock = clock
        self._queue_timeout = queue_timeout
        self._told: dict[tuple[JobId, int], QueuePosition] = {}  # by its turn, too: it may come back into the queue
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        queue.changed = self._note

    async def close(self) -> None:
        """Tells nobody any more."""
        self._queue.changed = lambda: None
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    def _note(self) -> None:
        self._changed.set()
        if self._task is None and self._queue.waiting:
            self._task = asyncio.create_task(self._run(), name="queue_positions")
            self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            log.error("those in the queue were not told their position", exc_info=error)
        elif self._queue.waiting:  # somebody came in the moment of its end
            self._note()

    async def _run(self) -> None:
        await self._clock.sleep(SOON_S)
        while self._queue.waiting:
            count = self._queue.waiting_anywhere
            self._changed.clear()
            await self._tell()
            await self._clock.sleep(SELDOM_S + count / COUNTED_PER_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STALE_S):
                    await self._changed.wait()
        self._told.clear()

    async def _tell(self) -> None:
        now = self._clock.now()
        told, self._told = self._told, {}
        for number, (job, current) in enumerate(self._queue_positions_now(now), start=1):
            if number % TOLD_AT_ONCE == 0:
                await asyncio.sleep(0)
            if isinstance(job, QueuedJob):
                continue  # told by the process that carries it
            if (turn := self._queue.turn_of(job)) is None:
                continue
            before = told.get((job.id, turn))
            is_news = before is None or _differs(before, current, now)
            self._told[job.id, turn] = current if before is None or is_news else before
            if is_news:
                self._show(job, current)

    def _queue_positions_now(self, now: datetime) -> Iterator[tuple[Job | QueuedJob, QueuePosition]]:
        """Everybody's, in whatever process, as the queue was at the first of them.

        Providers with a limit of their own have a queue of their own; all others share one.
        """
        queue, estimates = self._queue, _Estimates(self._render_times, now)
        for held, hold in queue.held():
            yield held, QueuePosition(hold_reason=hold)
        shared: dict[str, list[Job | QueuedJob]] = {}
        for job in queue.eligible():
            shared.setdefault(job.provider if job.provider in queue.limits else "", []).append(job)
        for limited, jobs in shared.items():
            starts = self._starts_s(limited, jobs, estimates)
            for position, (job, start_s) in enumerate(zip(jobs, starts, strict=True), start=1):
                ends_s = (job.created_at + self._queue_timeout - now).total_seconds()
                # Nobody is promised a start that lies behind the end of their time in the queue.
                starts_at = now + timedelta(seconds=start_s) if start_s < ends_s else None
                yield job, QueuePosition(position, starts_at)

    def _starts_s(self, limited: str, jobs: Sequence[Job | QueuedJob], estimates: _Estimates) -> Iterator[float]:
        queue = self._queue
        slots = min(queue.slots, queue.limits.get(limited, queue.slots))
        pause_s = min(queue.pause_left_s(job.provider) for job in jobs)
        frees_s = [
            max(pause_s, estimates.left_s(job, for_s))
            for job, for_s in queue.holding()
            if not limited or job.provider == limited
        ]
        frees_s += [pause_s] * (slots - len(frees_s))
        return starts_s(jobs, frees_s, slots, estimates.duration_s)


def _differs(told: QueuePosition, current: QueuePosition, now: datetime) -> bool:
    """Whether it is worth an edit."""
    if (told.position, told.hold_reason) != (current.position, current.hold_reason):
        return True
    if told.starts_at is None or current.starts_at is None:
        return told.starts_at is not current.starts_at
    moved = abs(current.starts_at - told.starts_at)
    return told.starts_at < now or moved > max(SAME, (current.starts_at - now) / 4)


class _Estimates:
    """What the durations tell of the videos in the queue; each kind is looked up once."""

    def __init__(self, render_times: RenderTimes, now: datetime) -> None:
        self._render_times = render_times
        self._now = now
        self._known: dict[tuple[str, int, str | None], Estimate | None] = {}

    def duration_s(self, job: Job | QueuedJob) -> float:
        estimate = self._of(job)
        return math.inf if estimate is None else estimate.median_s

    def left_s(self, job: Job | QueuedJob, for_s: float) -> float:
        estimate = self._of(job)
        return math.inf if estimate is None else estimate.left_s(for_s)

    def _of(self, job: Job | QueuedJob) -> Estimate | None:
        kind = (job.spec.model, job.spec.seconds, job.spec.size)
        if kind not in self._known:
            self._known[kind] = self._render_times.estimate(job.spec, self._now)
        return self._known[kind]
