"""Tells those in line where they stand, and when they are likely to start."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from bot.jobs.context import Clock
from bot.jobs.estimate import Estimate
from bot.jobs.protocols import Standing
from bot.jobs.queue import JobQueue
from bot.jobs.render_times import RenderTimes
from bot.models import Job, JobId

log = logging.getLogger(__name__)

SOON_S = 0.1
"""What changes at once is told at once."""
SELDOM_S, COUNTED_PER_S = 1.0, 1_000
"""Between two tellings, at least: a second, and one more for each further so many in line."""
TOLD_AT_ONCE = 200
"""Then others have their turn on the loop."""
STALE_S = 15.0
"""While somebody waits, at the latest."""
SAME = timedelta(seconds=10)
"""A start that moves by less, or by less than a quarter of the wait, is not told anew: each time costs an edit."""


def starts_s(
    queue: Sequence[Job], frees_s: Sequence[float], slots: int, takes_s: Callable[[Job], float]
) -> Iterator[float]:
    """When each of the queue starts, if each takes the slot that is free first; infinite where nobody can tell.

    `frees_s` is when each slot is free: as many as there are, or more where more jobs are at the provider than slots.
    """
    free = sorted(frees_s)[len(frees_s) - slots :]
    heapq.heapify(free)
    for job in queue:
        yield (start_s := free[0])
        heapq.heapreplace(free, start_s + takes_s(job))


class QueuePositions:
    """Owns one task while anybody is in line. However often the line changes, it is counted once a second at most."""

    def __init__(
        self,
        line: JobQueue,
        render_times: RenderTimes,
        show: Callable[[Job, Standing], None],
        *,
        clock: Clock,
        in_line_for: timedelta,
    ) -> None:
        self._line = line
        self._render_times = render_times
        self._show = show
        self._clock = clock
        self._in_line_for = in_line_for
        self._told: dict[tuple[JobId, datetime], Standing] = {}  # by when it came into line, too: it may come back
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        line.changed = self._note

    async def close(self) -> None:
        """Tells nobody any more."""
        self._line.changed = lambda: None
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    def _note(self) -> None:
        self._changed.set()
        if self._task is None and self._line.waiting:
            self._task = asyncio.create_task(self._run(), name="queue_positions")
            self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            log.error("those in line were not told where they stand", exc_info=error)
        elif self._line.waiting:  # somebody came in the moment of its end
            self._note()

    async def _run(self) -> None:
        await self._clock.sleep(SOON_S)
        while count := self._line.waiting:
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
        for number, (job, standing) in enumerate(self._standings(now), start=1):
            before = told.get((job.id, job.state_at))
            is_news = before is None or _differs(before, standing, now)
            self._told[job.id, job.state_at] = standing if before is None or is_news else before
            if is_news and self._line.is_waiting(job):
                self._show(job, standing)
            if number % TOLD_AT_ONCE == 0:
                await asyncio.sleep(0)

    def _standings(self, now: datetime) -> Iterator[tuple[Job, Standing]]:
        """Everybody's, as the line was at the first of them."""
        line, foretold = self._line, _Foretold(self._render_times, now)
        frees_s = [max(line.held_s, foretold.left_s(job, for_s)) for job, for_s in line.holding()]
        frees_s += [line.held_s] * (line.slots - len(frees_s))
        queue = line.queue()
        starts = starts_s(queue, frees_s, line.slots, foretold.takes_s)
        for job, hold in line.held_back():
            yield job, Standing(hold=hold)
        for place, (job, start_s) in enumerate(zip(queue, starts, strict=True), start=1):
            ends_s = (job.created_at + self._in_line_for - now).total_seconds()
            # Nobody is promised a start that lies behind the end of their time in line.
            starts_at = now + timedelta(seconds=start_s) if start_s < ends_s else None
            yield job, Standing(place, starts_at)


def _differs(told: Standing, standing: Standing, now: datetime) -> bool:
    """Whether it is worth an edit."""
    if (told.place, told.hold) != (standing.place, standing.hold):
        return True
    if told.starts_at is None or standing.starts_at is None:
        return told.starts_at is not standing.starts_at
    moved = abs(standing.starts_at - told.starts_at)
    return told.starts_at < now or moved > max(SAME, (standing.starts_at - now) / 4)


class _Foretold:
    """What the durations tell of the clips in line; each kind is looked up once."""

    def __init__(self, render_times: RenderTimes, now: datetime) -> None:
        self._render_times = render_times
        self._now = now
        self._known: dict[tuple[str, int, str | None], Estimate | None] = {}

    def takes_s(self, job: Job) -> float:
        estimate = self._of(job)
        return math.inf if estimate is None else estimate.median_s

    def left_s(self, job: Job, for_s: float) -> float:
        estimate = self._of(job)
        return math.inf if estimate is None else estimate.left_s(for_s)

    def _of(self, job: Job) -> Estimate | None:
        kind = (job.clip.model, job.clip.seconds, job.clip.size)
        if kind not in self._known:
            self._known[kind] = self._render_times.estimate(job.clip, self._now)
        return self._known[kind]
