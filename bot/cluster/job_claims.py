"""How processes share the jobs: each claims entries of procrastinate's queue, and frees what a silent one has."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TypeVar

import psycopg
from procrastinate import App
from procrastinate.jobs import DeleteJobCondition
from procrastinate.jobs import Job as Entry
from procrastinate.retry import BaseRetryStrategy, RetryDecision
from procrastinate.schema import SchemaManager
from procrastinate.worker import Worker as EntryWorker

from bot.cluster.claimed_entries import ClaimedEntries
from bot.cluster.retrying_connector import RetryingConnector
from bot.errors import StoreError, StoreUnavailable
from bot.jobs.dispatch import Carry
from bot.models import JobId
from bot.store import queue_entries
from bot.store.database import Store, Unit
from bot.store.queue_entries import QUEUE, TASK

log = logging.getLogger(__name__)

T = TypeVar("T")

AT_MOST = 1_000_000
"""Jobs that one process carries at a time: more than memory holds. Who claims a job is decided by who is there."""
LOOK_S = 1.0
"""A free entry is found after so long, where no notification told of it."""
MEND_EVERY_S = 30.0
CREATES_END_S = 75.0
"""At a stop: what a process carries is released, at the latest when its create requests have ended."""
RETRIED_AFTER_S = 30
FORGOTTEN_AFTER_S = 86_400.0
"""A worker that was silent for so long is forgotten, and can claim nothing any more. What it carried is freed long
before that, and it goes on when it reaches the database again."""
SCHEMA_LOCK = (0x616E696D, 3)
_INDEX_THERE = "SELECT to_regclass('animate_bot_entries_of_lock')"
_INDEX = "CREATE INDEX animate_bot_entries_of_lock ON procrastinate_jobs (lock)"
"""Whoever claims an entry looks whether another one has its lock. With procrastinate's own indexes, that is a look
through all of them: 17 ms where 10,000 wait, and 2 s before PostgreSQL has first analyzed the table."""


class JobReleasedError(Exception):
    """The process stops; another one carries the job on."""


class _Retry(BaseRetryStrategy):
    """What was released is free at once; what failed, after a while."""

    def get_retry_decision(self, *, exception: BaseException, job: Entry) -> RetryDecision:  # noqa: ARG002 - its signature
        is_released = isinstance(exception, JobReleasedError | asyncio.CancelledError)
        return RetryDecision(retry_in={"seconds": 0 if is_released else RETRIED_AFTER_S})


class JobClaims:
    """One of procrastinate's workers. `takeover_s`: a process that is silent for so long is taken to be gone."""

    def __init__(self, store: Store, address: str, *, takeover_s: float) -> None:
        self._store = store
        self._address = address
        self._takeover_s = takeover_s
        for library in ("procrastinate", "psycopg.pool"):  # of each job and connection our own log tells
            logging.getLogger(library).setLevel(logging.ERROR)
        self._app = App(connector=RetryingConnector(address))
        self._entries = ClaimedEntries(self._app.connector, lambda: self.worker_id)
        self._app.job_manager = self._entries
        self._worker: EntryWorker | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._carried: set[JobId] = set()
        self._is_closing = False

    @property
    def worker_id(self) -> int | None:
        """By which the queue knows this process; None while it claims nothing."""
        return None if self._worker is None else self._worker.worker_id

    @property
    def none_left(self) -> asyncio.Event:
        """Set once it has found nothing more to claim."""
        return self._entries.none_left

    async def open(self) -> None:
        """Connects, and makes the tables of the queue where they are missing. Raises StoreUnavailable."""
        try:
            async with await psycopg.AsyncConnection.connect(self._address, autocommit=True) as connection:
                await _make_tables(connection)
            await self._app.open_async()
        except psycopg.Error as error:
            raise StoreUnavailable(f"the queue of jobs cannot be opened: {error}") from error

    async def start(self, carry: Carry) -> None:
        """Begins to claim entries."""

        @self._app.task(name=TASK, queue=QUEUE, retry=_Retry())
        async def run(job: int) -> None:
            key = JobId(job)
            self._carried.add(key)
            try:
                if not await carry(key):
                    raise JobReleasedError
            finally:
                self._carried.discard(key)

        self._worker = EntryWorker(
            self._app,
            queues=[QUEUE],
            concurrency=AT_MOST,
            fetch_job_polling_interval=LOOK_S,
            abort_job_polling_interval=3_600.0,
            shutdown_graceful_timeout=CREATES_END_S,
            delete_jobs=DeleteJobCondition.ALWAYS,
            install_signal_handlers=False,
            update_heartbeat_interval=self._takeover_s / 6,
            stalled_worker_timeout=FORGOTTEN_AFTER_S,
        )
        self._tasks = [
            asyncio.create_task(self._run(self._worker), name="claims"),
            asyncio.create_task(self._sweep(), name="sweep"),
        ]

    async def stop_claiming(self) -> None:
        """What is carried goes on."""
        self._is_closing = True
        if self._worker is not None:
            self._worker.stop()  # type: ignore[no-untyped-call]
            await self._free_what_is_left()

    async def close(self) -> None:
        """What was released is free; the others are told."""
        self._is_closing = True
        if self._tasks:
            claims, sweep = self._tasks
            sweep.cancel()
            await asyncio.wait({claims}, timeout=5.0)
            claims.cancel()
            await asyncio.wait({claims, sweep}, timeout=5.0)
            await self._free_what_is_left()
        self._tasks = []
        with contextlib.suppress(Exception):  # of the pool, at the end of the process
            await self._app.close_async()

    async def _free_what_is_left(self) -> None:
        """And wakes the others. Where the database is out of reach, they take it over once this process is gone."""
        with contextlib.suppress(StoreError):
            freeing = queue_entries.release(self.worker_id or 0, self._entries.left)
            await self._store.write(freeing, start_within_s=2.0)

    async def notify(self, channel: str, payload: str) -> None:
        """Tells every process; waits while the database is out of reach."""
        await self._app.connector.execute_query_async(
            "SELECT pg_notify(%(channel)s, %(payload)s)", channel=channel, payload=payload
        )

    async def _run(self, worker: EntryWorker) -> None:
        while not self._is_closing:
            try:
                await worker.run()  # type: ignore[no-untyped-call]
            except Exception:
                log.exception("no jobs are claimed for a moment")
            if not self._is_closing:
                await asyncio.sleep(LOOK_S)

    async def _sweep(self) -> None:
        """Frees what silent processes carry, mends what has no entry, and gives back what this one does not carry."""
        loop = asyncio.get_running_loop()
        mended_at, suspects, reached_since = float("-inf"), set[JobId](), loop.time()
        while True:
            await asyncio.sleep(self._takeover_s / 4)
            try:
                if self.worker_id is not None:  # also where procrastinate's own sign of life waits for a connection
                    await self._write(queue_entries.heartbeat(self.worker_id))
                if loop.time() - reached_since > self._takeover_s:  # else the database was away, and all were silent
                    silent = queue_entries.silent(silent_s=self._takeover_s)
                    if taken_over := await self._in_parts(silent, queue_entries.take_over(silent_s=self._takeover_s)):
                        log.warning("took over %s jobs of a process that is silent or gone", taken_over)
                if loop.time() - mended_at >= min(MEND_EVERY_S, self._takeover_s):
                    mended_at = loop.time()
                    if mended := await self._in_parts(queue_entries.missing(), queue_entries.enter_missing()):
                        log.warning("%s jobs had no entry in the queue", mended)
                    suspects = await self._release_forgotten(suspects)
            except StoreError as error:
                reached_since = loop.time()
                log.warning("the queue of jobs was not looked through: %s", error)
            except Exception:
                log.exception("the queue of jobs was not looked through")

    async def _write(self, unit: Unit[T]) -> T:
        """A database that stood still, and begins this only when it goes on, is one that was away."""
        return await self._store.write(unit, start_within_s=self._takeover_s / 2)

    async def _in_parts(self, there: Unit[bool], change: Unit[int]) -> int:
        """Looks first, without keeping other writers waiting, and changes a part at a time; how many in all."""
        changed = 0
        while await self._store.read(there):
            changed += (part := await self._write(change))
            if part < queue_entries.AT_ONCE:
                break
        return changed

    async def _release_forgotten(self, suspects: set[JobId]) -> set[JobId]:
        """Entries that are this worker's by the queue alone: the answer that gave them was lost."""
        if (worker_id := self.worker_id) is None:
            return set()
        held = await self._store.read(queue_entries.claimed_by(worker_id))
        missing = held - self._carried - self._entries.left
        if forgotten := missing & suspects:
            log.warning("%s entries of the queue were this process's without its knowledge", len(forgotten))
            await self._store.write(queue_entries.release(worker_id, forgotten))
        return missing


async def _make_tables(connection: psycopg.AsyncConnection) -> None:
    await connection.execute(f"SELECT pg_advisory_lock{SCHEMA_LOCK}")
    try:
        there = await (await connection.execute("SELECT to_regclass('procrastinate_jobs')")).fetchone()
        if there == (None,):
            async with connection.transaction():
                await connection.execute(SchemaManager.get_schema())
        if await (await connection.execute(_INDEX_THERE)).fetchone() == (None,):
            await connection.execute(_INDEX)
    finally:
        await connection.execute(f"SELECT pg_advisory_unlock{SCHEMA_LOCK}")
