"""The line before the provider: who is next, and how many at once. Computed from what waits; nothing is stored."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Iterable, Mapping

from bot.jobs.breaker import Breaker
from bot.models import Job, JobId, Scope, UserId


def next_in_line(waiting: Iterable[Job], at_provider: Mapping[UserId, int]) -> Job | None:
    """The job with the fewest of its member's jobs at the provider or ahead of it, then the oldest."""
    ahead: Counter[UserId] = Counter(at_provider)
    best: tuple[int, Job] | None = None
    for job in sorted(waiting, key=lambda job: job.id):
        rank = ahead[job.member]
        ahead[job.member] += 1
        if best is None or rank < best[0]:
            best = (rank, job)
    return None if best is None else best[1]


class Line:
    """At most `slots` jobs at the provider. A job holds its slot from `turn` to `leave`."""

    def __init__(self, slots: int, breaker: Breaker) -> None:
        self._breaker = breaker
        breaker.wake = self._advance
        self.slots = slots
        self._waiting: dict[JobId, tuple[Job, asyncio.Future[None]]] = {}
        self._holding: dict[JobId, UserId] = {}
        self._paused: set[Scope] = set()
        self._held_until = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_closed(self) -> bool:
        """Nobody goes any more."""
        return self._held_until == math.inf

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return len(self._waiting)

    def waiting_of(self, scope: Scope) -> int:
        """How many of a server wait for their turn."""
        return sum(job.scope == scope for job, _ in self._waiting.values())

    @property
    def at_provider(self) -> int:
        """How many hold a slot."""
        return len(self._holding)

    async def turn(self, job: Job) -> None:
        """Waits for this job's turn and takes a slot."""
        future = asyncio.get_running_loop().create_future()
        self._waiting[job.id] = (job, future)
        try:
            self._advance()
            await future
        except BaseException:
            if job.id in self._holding:  # granted and cancelled in the same moment
                self.leave(job)
            raise
        finally:
            self._waiting.pop(job.id, None)

    def pause(self, scope: Scope) -> None:
        """Nobody of this server goes; the others pass."""
        self._paused.add(scope)

    def resume(self, scope: Scope) -> None:
        """The server's jobs go again."""
        self._paused.discard(scope)
        self._advance()

    def occupy(self, job: Job) -> None:
        """A job that is at the provider already holds a slot, also beyond the bound (it was lowered)."""
        self._holding[job.id] = job.member

    def leave(self, job: Job) -> None:
        """Gives the slot back; a job that holds none changes nothing."""
        if self._holding.pop(job.id, None) is not None:
            self._advance()

    def hold(self, seconds: float) -> None:
        """Nobody goes for so long: the provider asked for it."""
        self._held_until = max(self._held_until, asyncio.get_running_loop().time() + seconds)
        self._arm()

    def close(self) -> None:
        """Nobody goes any more."""
        self._held_until = math.inf
        if self._timer is not None:
            self._timer.cancel()

    def _may_go(self, job: Job) -> bool:
        return job.scope not in self._paused and self._breaker.may_go(job)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if not self.is_closed:
            self._timer = asyncio.get_running_loop().call_at(self._held_until, self._advance)

    def _advance(self) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() < self._held_until:
            if self._timer is None or self._timer.when() <= loop.time():  # it came a tick early
                self._arm()
            return
        while len(self._holding) < self.slots:
            waiting = [job for job, future in self._waiting.values() if not future.done() and self._may_go(job)]
            job = next_in_line(waiting, Counter(self._holding.values()))
            if job is None:
                return
            self._holding[job.id] = job.member
            self._breaker.sent(job)
            self._waiting[job.id][1].set_result(None)
