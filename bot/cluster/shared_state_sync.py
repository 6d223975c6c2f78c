"""What all processes agree on beside jobs: servers that are paused, providers' pauses, circuits, slots.

Each process keeps its own copy, which decides at once; the store has what all have in common, and is read when a
notification says that it has changed, and every few seconds in case one was lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from uuid import uuid4

import psycopg

from bot.cluster.job_claims import JobClaims
from bot.cluster.shard_check import OwnShards
from bot.errors import StoreError
from bot.jobs.context import JobContext
from bot.jobs.outcomes import JobOutcome
from bot.jobs.render_times import READ
from bot.jobs.shared_worker import SharedWorker
from bot.models import FailureKind, JobId
from bot.store import circuits, jobs, queue_entries, shared_state
from bot.store.circuits import Key, OpenCircuit
from bot.store.jobs import Moved
from bot.store.shared_state import SharedState

log = logging.getLogger(__name__)

CHANNEL = "animate_bot"
READ_EVERY_S = 3.0
READ_APART_S = 0.1
QUEUED_PER_S = 10_000
"""The more jobs there are elsewhere, the more seldom they are read: so many of them a second."""
LEARN_EVERY_S = 60.0
"""So often a process reads how long the videos of all of them took."""
CONNECT_AGAIN_S = 1.0


class SharedStateSync:
    """Owns its tasks. `claims` sends to a channel of the database; `address` is listened at.

    `shards` are those of this process; None for a worker.
    """

    def __init__(self, address: str, claims: JobClaims, shards: OwnShards | None, *, takeover_s: float) -> None:
        self._address = address
        self._claims = claims
        self._shards = shards
        self._shard_faults: set[str] = set()
        self._takeover_s = takeover_s
        self._id = uuid4().hex
        self.read_every_s = min(READ_EVERY_S, takeover_s / 6)
        self.read_at: datetime | None = None
        """When the store last answered; a process that it does not answer may be taken to be gone by the others."""
        self.silent_s = takeover_s / 2 + self.read_every_s
        """Without an answer for so long, this process takes itself to be gone."""
        self._is_due = asyncio.Event()
        self._to_say: deque[str] = deque()
        self._is_to_count = True
        self._learned_at = float("-inf")
        self._is_new = True
        self._may_say = asyncio.Event()
        self._changed: set[Key] = set()
        self._freed: set[tuple[str, JobId]] = set()
        self._known: set[str] = set()  # providers with a circuit that is not closed
        self._pauses: dict[str, datetime] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self.workers = self.processes = 1
        self.counted: Callable[[int], None] = lambda _workers: None
        """Called with how many processes carry jobs, when that has changed."""
        self.processes_counted: Callable[[int], None] = lambda _processes: None
        """Called with how many processes there are, when that has changed."""
        self.pause_discord: Callable[[float], None] = lambda _seconds: None
        """Called with the pause that Discord has asked the whole bot for, by its answer to another process."""
        self.servers: Callable[[], int] = lambda: 0
        """How many servers this process is told of."""

    def begin(self, context: JobContext, worker: SharedWorker) -> None:
        """From now on what changes here is told, and what others change holds here."""
        self._context, self._worker = context, worker
        context.circuit_breakers.changed = self._circuit_changed
        context.circuit_breakers.freed = self._probe_freed
        context.circuit_breakers.seen = self._outcome_seen
        context.queue.provider_paused = self._provider_paused
        context.queue.enqueued = self._enqueued
        context.store.observe(self._moved)
        self._tasks = [
            asyncio.create_task(self._listen(), name="shared-listen"),
            asyncio.create_task(self._keep(), name="shared-keep"),
            asyncio.create_task(self._say(), name="shared-say"),
        ]

    async def close(self) -> None:
        """Nothing is told and heard any more."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
            with contextlib.suppress(StoreError):
                await self._context.store.write(shared_state.unregister_process(self._id), start_within_s=2.0)
        self._tasks = []

    def tell(self, job: JobId) -> None:
        """Whoever else carries it looks at the store."""
        self._to_say.append(f"job:{job}")
        self._may_say.set()

    def changed(self) -> None:
        """Something that all share."""
        self._say_once("all")

    def _say_once(self, words: str) -> None:
        if words not in self._to_say:
            self._to_say.append(words)
        self._may_say.set()

    def discord_refused(self, seconds: float) -> None:
        """Discord asks the whole bot for this pause. A process that is not told finds out by a request of its own."""
        self._to_say.append(f"discord:{seconds}")
        self._may_say.set()

    def look(self) -> None:
        """Reads what is shared at once."""
        self._is_due.set()

    def _circuit_changed(self, provider: str, model: str, kind: FailureKind) -> None:
        self._changed.add((provider, model, kind))
        self._is_due.set()

    def _probe_freed(self, provider: str, probe: JobId) -> None:
        self._freed.add((provider, probe))
        self._is_due.set()

    def _outcome_seen(self, provider: str, seen: JobOutcome) -> None:
        if self.processes > 1:
            self._to_say.append(f"outcome:{seen.packed(provider)}")
            self._may_say.set()

    def _provider_paused(self, provider: str, seconds: float) -> None:
        self._pauses[provider] = self._context.clock.now() + timedelta(seconds=seconds)
        self._is_due.set()

    def _moved(self, event: object) -> None:
        """A slot is free, and others may wait for it."""
        if isinstance(event, Moved) and event.start.holds_slot and not event.job.state.holds_slot and self.workers > 1:
            self.changed()
            if self._context.queue.waiting:
                self._is_due.set()  # what this process knows of the slots is older than that

    def _enqueued(self) -> None:
        """It may come before jobs of other processes."""
        if self.workers > 1:
            self.changed()

    async def _say(self) -> None:
        while True:
            await self._may_say.wait()
            self._may_say.clear()
            while self._to_say:
                try:
                    await self._claims.notify(CHANNEL, f"{self._id}:{self._to_say[0]}")
                except Exception as error:  # noqa: BLE001 - the others read what has changed every few seconds
                    log.warning("other processes were not told: %s", type(error).__name__)
                self._to_say.popleft()
            await asyncio.sleep(READ_APART_S)

    async def _listen(self) -> None:
        while True:
            with contextlib.suppress(psycopg.Error):
                async with await psycopg.AsyncConnection.connect(self._address, autocommit=True) as connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    self._is_due.set()  # for what was said before
                    if self._shards is not None:
                        self._say_once(f"ask:{self._shards.told}")
                    async for heard in connection.notifies():
                        self._hear(heard.payload)
            await asyncio.sleep(CONNECT_AGAIN_S)

    def _hear(self, payload: str) -> None:
        sender, _, said = payload.partition(":")
        if sender == self._id:
            return
        what, _, told = said.partition(":")
        if what == "job" and told.isdecimal():
            self._worker.changed_elsewhere(JobId(int(told)))
        elif what == "discord":
            with contextlib.suppress(ValueError):
                self.pause_discord(float(told))
        elif what == "outcome":
            with contextlib.suppress(ValueError, KeyError):  # another version's
                provider, seen = JobOutcome.unpacked(told)
                self._context.circuit_breakers.of(provider).count_remote(seen)
        elif what in ("ask", "shards"):
            self._hear_of_shards(told, asked=what == "ask")
        else:
            self._is_due.set()
            self._is_to_count = self._is_to_count or what == "count"

    def _hear_of_shards(self, told: str, *, asked: bool) -> None:
        if self._shards is None:
            return
        if asked:
            self._say_once(f"shards:{self._shards.told}")
        fault = self._shards.fault(told)
        if fault is not None and fault not in self._shard_faults:
            self._shard_faults.add(fault)
            log.error("%s", fault)

    async def _keep(self) -> None:
        counted_at = float("-inf")
        loop = asyncio.get_running_loop()
        found = SharedState()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.read_every_s):
                    await self._is_due.wait()
            self._is_due.clear()
            try:
                if await self._write():
                    self.changed()
                asked_at = self._context.clock.now()
                worker = self._claims.worker_id
                reading = shared_state.read(self._worker.waiting, worker=worker, now=asked_at)
                found = await self._context.store.read(reading)
                self._use(found)
                if self._may_be_taken_over():
                    await self._drop_taken_over()
                self.read_at = asked_at
                if self._is_to_count or loop.time() - counted_at > self.read_every_s:
                    self._is_to_count, counted_at = False, loop.time()
                    await self._count()
            except StoreError as error:
                log.warning("what all processes share was not read: %s", error)
            except Exception:
                log.exception("what all processes share was not read")
            await asyncio.sleep(READ_APART_S + (len(found.waiting) + len(found.at_provider)) / QUEUED_PER_S)

    def _may_be_taken_over(self) -> bool:
        """Whether the store was out of reach for as long as it takes until others take over, or nearly."""
        return self.read_at is not None and self._context.clock.since(self.read_at).total_seconds() > self.silent_s

    async def _drop_taken_over(self) -> None:
        """Before this process shows anything again: what others carry by now is theirs alone."""
        mine = self._worker.mine
        worker_id = self._claims.worker_id
        held = set() if worker_id is None else await self._context.store.read(queue_entries.claimed_by(worker_id))
        if lost := mine - held:
            log.warning("others have taken over %s jobs while the database was out of reach", len(lost))
            self._worker.drop(lost)

    async def _write(self) -> bool:
        """What has changed here; whether anything has. What cannot be written is written the next time."""
        changed, freed, pauses = set(self._changed), set(self._freed), dict(self._pauses)
        if changed or freed:
            opened = [circuit for key in changed if (circuit := self._opened(key)) is not None]
            closed = changed - {(each.provider, each.model, each.kind) for each in opened}
            self._changed -= changed
            self._freed -= freed
            try:
                await self._context.store.write(circuits.keep(opened, closed, freed))
            except StoreError:
                self._changed |= changed
                self._freed |= freed
                raise
        for provider, ends_at in pauses.items():
            await self._context.store.write(shared_state.pause_provider(provider, ends_at=ends_at))
            if self._pauses.get(provider) == ends_at:
                del self._pauses[provider]
        return bool(changed or freed or pauses)

    def _opened(self, key: Key) -> OpenCircuit | None:
        """It as this process has it now; None where that is closed."""
        provider, model, kind = key
        for its_model, its_kind, left_s, pause_s in self._context.circuit_breakers.of(provider).opened():
            if (its_model, its_kind) == (model, kind):
                ends_at = self._context.clock.now() + timedelta(seconds=left_s)
                return OpenCircuit(provider, model, kind, ends_at, timedelta(seconds=pause_s))
        return None

    def _use(self, state: SharedState) -> None:
        queue, now = self._context.queue, self._context.clock.now()
        queue.use_paused(state.paused)
        for provider, ends_at in state.provider_pauses.items():
            left_s = (ends_at - now).total_seconds()
            if left_s > queue.pause_left_s(provider) + READ_APART_S:
                queue.apply_provider_pause(provider, left_s)
        self._use_circuits(state.circuits)
        queue.use_shared(state.at_provider, now)
        queue.use_waiting(job for job in state.waiting if not self._worker.carries(job.id))
        for job in state.moved:
            self._worker.changed_elsewhere(job)

    def _use_circuits(self, found: Sequence[OpenCircuit]) -> None:
        now, unwritten = self._context.clock.now(), {key[0] for key in (*self._changed, *self._freed)}
        for provider in ({each.provider for each in found} | self._known) - unwritten:
            opened = [each for each in found if each.provider == provider]
            self._context.circuit_breakers.of(provider).use_shared(
                (each.model, each.kind, (each.ends_at - now).total_seconds(), each.pause.total_seconds(), each.probe)
                for each in opened
            )
            (self._known.add if opened else self._known.discard)(provider)

    async def _count(self) -> None:
        here = shared_state.register_process(
            self._id,
            servers=self.servers(),
            now=self._context.clock.now(),
            silent=timedelta(seconds=self._takeover_s),
        )
        processes = await self._context.store.write(here)
        if self._is_new:
            self._is_new = False
            self._to_say.append("count")
            self._may_say.set()
        if processes != self.processes:
            self.processes = processes
            self.processes_counted(processes)
        workers = max(1, await self._context.store.read(queue_entries.workers(silent_s=self._takeover_s)))
        if workers != self.workers:
            self.workers = workers
            self.counted(workers)
        if workers > 1 and (now := asyncio.get_running_loop().time()) > self._learned_at + LEARN_EVERY_S:
            self._learned_at = now
            self._context.render_times.become(await self._context.store.read(jobs.renders(READ)))
