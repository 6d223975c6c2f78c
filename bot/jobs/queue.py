"""The queue before the provider: which job is next, and how many run at once. Kept in memory; nothing is stored.

Where several processes share a store, each has a queue of its own with the jobs that it carries, and knows of the
others' (`bot.jobs.remote_jobs`): all of them compute the same order.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime
from itertools import chain
from operator import itemgetter
from typing import TypeVar

from bot.jobs.chat_protocol import HoldReason
from bot.jobs.outcomes import Outcome
from bot.jobs.provider_breakers import CircuitBreakers
from bot.jobs.remote_jobs import GIVE_WAY_S, RemoteJobs
from bot.models import Job, JobId, Scope, UserId
from bot.store.queued_jobs import QueuedJob

J = TypeVar("J", bound=Job | QueuedJob)


def in_order(waiting: Iterable[J], at_provider: Mapping[UserId, int]) -> list[J]:
    """Jobs whose member has the fewest jobs at the provider or ahead come first; among equals, the oldest.

    A job that starts counts at the provider instead of ahead, so the order of the rest stays until a job ends or comes.
    """
    ahead: Counter[UserId] = Counter(at_provider)
    ranked: list[tuple[int, J]] = []
    for job in sorted(waiting, key=lambda job: (job.created_at, job.spec.take or 1, job.id)):
        ranked.append((ahead[job.member], job))
        ahead[job.member] += 1
    ranked.sort(key=itemgetter(0))  # those of one rank stay in their order
    return [job for _, job in ranked]


class JobQueue:
    """At most `slots` jobs at all providers together, and at each at most its `limits`, where it has one.

    Each job holds a slot from `acquire` to `release`, as long as its state says. `changed` is called when a position
    may have changed. However many slots are released in one moment, the queue is sorted once.
    """

    def __init__(
        self,
        slots: int,
        circuit_breakers: CircuitBreakers,
        limits: Mapping[str, int] | None = None,
        *,
        give_way_s: float = GIVE_WAY_S,
    ) -> None:
        self._circuit_breakers = circuit_breakers
        circuit_breakers.wake = self._advance_soon
        self.slots = slots
        self.limits: Mapping[str, int] = limits or {}
        self.changed: Callable[[], None] = lambda: None
        self._waiting: dict[JobId, tuple[Job, asyncio.Future[None], int]] = {}
        self._turns = 0
        self._holding: dict[JobId, tuple[Job, float]] = {}
        self._at: Counter[str] = Counter()  # how many hold a slot, by provider
        self._remote = RemoteJobs(self._advance_soon, give_way_s)
        self.enqueued: Callable[[], None] = lambda: None
        """Called when a job has to wait for a slot."""
        self.provider_paused: Callable[[str, float], None] = lambda _provider, _seconds: None
        self._paused: set[Scope] = set()
        self._paused_until: dict[str, float] = {}  # by provider
        self._timer: asyncio.TimerHandle | None = None
        self._soon: asyncio.Handle | None = None
        self._is_closed = False

    @property
    def is_closed(self) -> bool:
        """No job starts any more."""
        return self._is_closed

    @property
    def waiting(self) -> int:
        """How many wait for a slot."""
        return len(self._waiting)

    @property
    def waiting_anywhere(self) -> int:
        """As `waiting`, with the jobs of other processes."""
        return len(self._waiting) + len(self._remote.waiting)

    @property
    def oldest(self) -> datetime | None:
        """When the oldest of them was reserved."""
        return min((job.created_at for job, _, _ in self._waiting.values()), default=None)

    @property
    def at_provider(self) -> int:
        """How many hold a slot."""
        return len(self._holding)

    def holding(self) -> list[tuple[Job | QueuedJob, float]]:
        """The jobs that hold a slot, in whatever process, and for how many seconds."""
        now = asyncio.get_running_loop().time()
        here: list[tuple[Job | QueuedJob, float]] = [(job, now - since) for job, since in self._holding.values()]
        return here + [(job, now - since) for job, since in self._remote.holding.values()]

    def pause_left_s(self, provider: str) -> float:
        """Seconds until jobs start there again, where the provider asked for a pause; else 0."""
        return max(0.0, self._paused_until.get(provider, 0.0) - asyncio.get_running_loop().time())

    def turn_of(self, job: Job) -> int | None:
        """The number of the turn that it still waits for: each time that it comes into the queue, another one."""
        found = self._waiting.get(job.id)
        return None if found is None or found[1].done() else found[2]

    def eligible(self) -> list[Job | QueuedJob]:
        """The jobs that may start, in whatever process, in the order in which they would if no job came or ended."""
        here: Iterable[Job | QueuedJob] = (job for job, future, _ in self._waiting.values() if not future.done())
        going = (job for job in chain(here, self._remote.waiting.values()) if self.hold_reason(job) is None)
        return in_order(going, Counter(job.member for job, _ in self.holding()))

    def held(self) -> list[tuple[Job, HoldReason]]:
        """The jobs of this process that may not start for now, and why."""
        found = ((job, self.hold_reason(job)) for job, future, _ in self._waiting.values() if not future.done())
        return [(job, hold) for job, hold in found if hold is not None]

    def hold_reason(self, job: Job | QueuedJob) -> HoldReason | None:
        """Why this job may not start, whatever else is in the queue; None where it may."""
        if job.scope in self._paused:
            return HoldReason.PAUSED
        return None if self._circuit_breakers.may_go(job) else HoldReason.CIRCUIT_OPEN

    def knows(self, job: JobId) -> bool:
        """Whether it waits here for a slot."""
        return job in self._waiting

    def use_shared(self, at_provider: Iterable[QueuedJob], now: datetime) -> None:
        """The jobs of all processes that hold a slot; the store has the last word."""
        self._remote.set_slot_holders((job for job in at_provider if job.id not in self._holding), now)

    def use_waiting(self, remote: Iterable[QueuedJob]) -> None:
        """The jobs of other processes that wait for a slot."""
        self._remote.set_waiting(job for job in remote if job.id not in self._waiting and job.id not in self._holding)

    async def acquire(self, job: Job) -> None:
        """Waits until it is this job's turn, and takes a slot. Cancelled, it gives the slot back."""
        future = asyncio.get_running_loop().create_future()
        self._turns += 1
        self._waiting[job.id] = (job, future, self._turns)
        self._remote.discard(job.id)
        try:
            # Where nothing is to be done, all others that may start have started.
            is_next = self._soon is None and not self._is_closed and not self._remote.waiting
            if is_next and self._free() and self._has_room(job) and self.hold_reason(job) is None:
                self._grant(job)
            else:
                self.changed()
                self.enqueued()
                if self._remote.waiting:
                    self._advance_soon()
            await future
        except BaseException:
            if job.id in self._holding:  # granted and cancelled in the same moment
                self.release(job)
            raise
        finally:
            self._waiting.pop(job.id, None)
            self.changed()

    def pause(self, scope: Scope) -> None:
        """Holds the jobs of this server; the others go on."""
        self._paused.add(scope)
        self.changed()

    def use_paused(self, scopes: AbstractSet[Scope]) -> None:
        """Holds the jobs of exactly these servers."""
        if scopes != self._paused:
            self._paused = set(scopes)
            self._advance_soon()

    def resume(self, scope: Scope) -> None:
        """The server's jobs go again."""
        self._paused.discard(scope)
        self._advance_soon()

    def occupy(self, job: Job, *, for_s: float = 0.0) -> None:
        """A job that is at the provider already holds a slot, also beyond the bound (it was lowered)."""
        self._occupy_slot(job, asyncio.get_running_loop().time() - for_s)

    def release(self, job: Job) -> None:
        """Gives the slot back, and settles the probe that it may have been; does nothing for a job that holds none."""
        held = self._holding.pop(job.id, None)
        if held is not None:
            self._at[held[0].provider] -= 1
            self._circuit_breakers.report(held[0], Outcome.NEVER_SENT)
            self._advance_soon()

    def follow(self, job: Job) -> None:
        """The slot as the job's state says: taken while it is at the provider, else released."""
        if not job.state.holds_slot:
            self.release(job)
        elif job.id not in self._holding:
            self.occupy(job)

    def pause_for(self, provider: str, seconds: float) -> None:
        """Starts no job there for so many seconds: the provider asked for it."""
        self.provider_paused(provider, seconds)
        self.apply_provider_pause(provider, seconds)

    def apply_provider_pause(self, provider: str, seconds: float) -> None:
        """As `pause_for`, where others know of it."""
        until = asyncio.get_running_loop().time() + seconds
        self._paused_until[provider] = max(self._paused_until.get(provider, 0.0), until)
        self._arm()
        self.changed()

    def use(self, limits: Mapping[str, int]) -> None:
        """The providers' limits from now on."""
        self.limits = limits
        self._advance_soon()

    def close(self) -> None:
        """Starts no job any more."""
        self._is_closed = True
        self._remote.close()
        for planned in (self._timer, self._soon):
            if planned is not None:
                planned.cancel()

    def _free(self, kept: int = 0) -> bool:
        """Whether one more job may start beside those, at whatever provider."""
        return len(self._holding) + len(self._remote.holding) + kept < self.slots

    def _has_room(self, job: Job | QueuedJob, kept: int = 0) -> bool:
        """Whether its provider takes one more now, beside those."""
        limit = self.limits.get(job.provider)
        return job.provider not in self._paused_until and (
            limit is None or self._at[job.provider] + self._remote.at[job.provider] + kept < limit
        )

    def _occupy_slot(self, job: Job, since: float) -> None:
        if job.id not in self._holding:
            self._at[job.provider] += 1
            self._holding[job.id] = (job, since)
            self._remote.discard(job.id)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if self._paused_until and not self._is_closed:
            self._timer = asyncio.get_running_loop().call_at(min(self._paused_until.values()), self._resume)

    def _resume(self) -> None:
        """A provider's pause is over; or the timer came a tick early."""
        now = asyncio.get_running_loop().time()
        self._paused_until = {name: until for name, until in self._paused_until.items() if until > now}
        self._arm()
        self._advance()

    def _advance_soon(self) -> None:
        """Once the callbacks that are due now have run: they may free more slots."""
        if self._soon is None and not self._is_closed:
            self._soon = asyncio.get_running_loop().call_soon(self._advance)

    def _advance(self) -> None:
        self._soon = None
        self.changed()
        if not self._waiting or not self._free():
            self._remote.keep_slots_for([])
        elif self._grant_eligible():
            self._advance_soon()  # a probe started: what else may start has changed

    def _grant_eligible(self) -> bool:
        """Starts the first of the queue, as many as there are slots; True where it ended early, with a probe.

        Another process's job that comes first keeps a slot for itself, as long as `RemoteJobs` says.
        """
        kept: Counter[str] = Counter()
        first: list[JobId] = []
        for job in self.eligible():
            if not self._free(len(first)):
                break
            if not self._has_room(job, kept[job.provider]):
                continue
            if isinstance(job, QueuedJob):
                if not self._remote.is_late(job.id):
                    kept[job.provider] += 1
                    first.append(job.id)
            elif self._grant(job):
                return True
        self._remote.keep_slots_for(first)
        return False

    def _grant(self, job: Job) -> bool:
        """Whether it is a probe."""
        self._occupy_slot(job, asyncio.get_running_loop().time())
        self._waiting[job.id][1].set_result(None)
        return self._circuit_breakers.granted(job)
