"""What this process knows of the other processes' jobs that hold a slot or wait for one; nothing where it is alone."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from bot.models import JobId
from bot.store.queued_jobs import QueuedJob

GIVE_WAY_S = 2.0
"""So long a slot is kept for a job of another process. It may still wait for its picture, or its process be gone."""
LATE_FOR_S = 30.0
"""And so long none is kept after that."""


class RemoteJobs:
    """A copy of what the store said last. `changed` is called when it says something else."""

    def __init__(self, changed: Callable[[], None], give_way_s: float) -> None:
        self._changed = changed
        self._give_way_s = give_way_s
        self.waiting: dict[JobId, QueuedJob] = {}
        self.holding: dict[JobId, tuple[QueuedJob, float]] = {}
        """With the time of the event loop at which it was sent."""
        self.at: Counter[str] = Counter()
        """How many hold a slot, by provider."""
        self._first: dict[JobId, float] = {}  # since when a slot is kept for it
        self._late: dict[JobId, float] = {}  # until when none is
        self._timer: asyncio.TimerHandle | None = None

    def set_slot_holders(self, jobs: Iterable[QueuedJob], now: datetime) -> None:
        """These hold a slot, and no others."""
        loop_now = asyncio.get_running_loop().time()
        found = {job.id: (job, loop_now - max(0.0, (now - (job.sent_at or now)).total_seconds())) for job in jobs}
        is_news = found.keys() != self.holding.keys()
        self.holding, self.at = found, Counter(job.provider for job, _ in found.values())
        if is_news:
            self._changed()

    def set_waiting(self, jobs: Iterable[QueuedJob]) -> None:
        """These wait for one, and no others."""
        found = {job.id: job for job in jobs}
        is_news = found.keys() != self.waiting.keys()
        self.waiting = found
        self._late = {job: until for job, until in self._late.items() if job in found}
        if is_news:
            self._changed()

    def discard(self, job: JobId) -> None:
        """This process carries it now."""
        self.waiting.pop(job, None)
        if (held := self.holding.pop(job, None)) is not None:
            self.at[held[0].provider] -= 1

    def is_late(self, job: JobId) -> bool:
        """Whether a slot was kept for it of late, and it did not take it."""
        return job in self._late and asyncio.get_running_loop().time() < self._late[job]

    def keep_slots_for(self, jobs: Sequence[JobId]) -> None:
        """For exactly these a slot is kept."""
        if not jobs and not self._first:
            return
        now = asyncio.get_running_loop().time()
        self._first = {job: self._first.get(job, now) for job in jobs}
        if self._timer is None and self._first:
            self._timer = asyncio.get_running_loop().call_at(
                min(self._first.values()) + self._give_way_s, self._gave_way
            )

    def close(self) -> None:
        """No slot is kept any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _gave_way(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        for job, since in self._first.items():
            if now - since >= self._give_way_s:
                self._late[job] = now + LATE_FOR_S
        self._changed()
