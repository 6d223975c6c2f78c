"""The dispatch of jobs between processes, as `bot.jobs.dispatch` has it, on PostgreSQL and procrastinate."""

from __future__ import annotations

import asyncio
import logging

from bot.cluster.job_claims import JobClaims
from bot.cluster.shard_check import OwnShards
from bot.cluster.shared_state_sync import SharedStateSync
from bot.errors import StoreError
from bot.jobs.context import Clock, JobContext
from bot.jobs.dispatch import Carry
from bot.jobs.shared_worker import SharedWorker
from bot.models import Job, JobId
from bot.store import circuits, queue_entries, shared_state
from bot.store.database import Store, Unit

log = logging.getLogger(__name__)

TICK_S = 0.5


class ClusterDispatch:
    """Open it, `begin` it, start it through the worker, close it. `frozen` is set once others may have taken over."""

    def __init__(
        self, store: Store, address: str, clock: Clock, shards: OwnShards | None, *, takeover_s: float
    ) -> None:
        self._store = store
        self._clock = clock
        self._takeover_s = takeover_s
        self._claims = JobClaims(store, address, takeover_s=takeover_s)
        self._sync = SharedStateSync(address, self._claims, shards, takeover_s=takeover_s)
        self._watch: asyncio.Task[None] | None = None
        self._context: JobContext | None = None
        self._ticked_at = clock.now()
        self.frozen = asyncio.Event()

    @property
    def none_left(self) -> asyncio.Event:
        """Set once this process, if it claims jobs, has claimed what there was when it started."""
        return self._claims.none_left

    async def open(self) -> None:
        """Raises StoreUnavailable."""
        await self._claims.open()

    def begin(self, context: JobContext, worker: SharedWorker) -> SharedStateSync:
        """What is shared is kept from now on, whatever the process does itself."""
        self._context = context
        self._sync.begin(context, worker)
        self._ticked_at = self._clock.now()
        self._watch = asyncio.create_task(self._notice_a_freeze(), name="freeze")
        return self._sync

    def is_current(self) -> bool:
        """Whether no other process can have taken its jobs over: it did not stand still, and the store answers it."""
        read_at = self._sync.read_at
        silent_s = 0.0 if read_at is None else self._clock.since(read_at).total_seconds()
        return self.has_run() and silent_s < self._sync.silent_s

    def has_run(self) -> bool:
        """Whether it did not stand still, not even right before this."""
        return not self.frozen.is_set() and self._clock.since(self._ticked_at).total_seconds() < self._takeover_s / 2

    def entering(self, unit: Unit[list[Job]]) -> Unit[list[Job]]:
        """A reservation with its entry."""
        return queue_entries.entering(unit)

    def sending(self, unit: Unit[Job | None], job: Job) -> Unit[Job | None]:
        """The move to the provider of a job that this process carries.

        It is made within the slots of all processes, and as the one probe of a half-open circuit.
        """
        assert self._context is not None
        queue, probe = self._context.queue, circuits.as_probe(unit, job, now=self._clock.now())
        counted = shared_state.within_slots(probe, job, slots=queue.slots, limit=queue.limits.get(job.provider))
        return queue_entries.sent_by(self._claims.worker_id, job.id, counted)

    async def may_ask(self, provider: str) -> bool:
        """Whether no other process asks, or tries it with a job; nobody asks while the store is out of reach."""
        try:
            may = await self._store.write(circuits.ask(provider, now=self._clock.now()))
        except StoreError:
            return False
        self.look()
        return may

    def look(self) -> None:
        """Soon, and not for each call."""
        self._sync.look()

    def carrying(self, unit: Unit[Job | None], job: Job) -> Unit[Job | None]:
        """A move that is made only while the queue says that this process carries the job."""
        return queue_entries.if_carried_by(self._claims.worker_id, job.id, unit)

    async def start(self, carry: Carry) -> None:
        """Claims jobs."""
        await self._claims.start(carry)

    async def free(self, job: JobId) -> None:
        """Its entry is due."""
        assert self._context is not None
        await self._context.persist(queue_entries.due(job))

    def tell(self, job: JobId) -> None:
        """Whoever else carries it looks at the store."""
        self._sync.tell(job)

    def changed(self) -> None:
        """The others read what is shared."""
        self._sync.changed()

    async def stop_claiming(self) -> None:
        """What is carried goes on."""
        await self._claims.stop_claiming()

    async def close(self) -> None:
        """What was released is free."""
        if self._watch is not None:
            self._watch.cancel()
        await self._sync.close()
        await self._claims.close()

    async def _notice_a_freeze(self) -> None:
        """A process that was stopped for half the time after which others take over ends, and is started anew."""
        while not self.frozen.is_set():
            if not self.has_run():
                log.error("this process stood still for too long; others may have taken its jobs over")
                self.frozen.set()
            self._ticked_at = self._clock.now()
            await asyncio.sleep(TICK_S)
