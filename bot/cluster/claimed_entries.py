"""What a worker of procrastinate's does with entries: many in one question, and only while they are its own.

A process that stood still wakes after another one has taken its jobs over. procrastinate ends and frees entries by
their id alone, so it would end those of the other one: a third would carry the same job beside that one.

Each question is a COMMIT that is flushed to the disk. One entry at a time, a process claimed 110 jobs a second, and a
stop with 10,000 jobs lasted 27 s (`benchmarks/under_way.py`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from procrastinate import sql
from procrastinate.connector import BaseConnector
from procrastinate.jobs import Job as Entry
from procrastinate.jobs import Status
from procrastinate.manager import JobManager

from bot.models import JobId

CLAIMED_AT_ONCE = 64
RELEASED_AT_ONCE = 500
_MINE = (
    "WITH mine AS MATERIALIZED (SELECT id FROM procrastinate_jobs WHERE id = %(job_id)s AND status = 'doing'"
    " AND worker_id = %(worker)s FOR UPDATE) "
)
_NEXT = "procrastinate_fetch_job_v2(%(queues)s::varchar[], %(worker_id)s::bigint)"
_FIELDS = (
    "id", "status", "task_name", "priority", "lock", "queueing_lock", "args", "scheduled_at", "queue_name",
    "attempts", "worker_id",
)  # fmt: skip
_ENTRY = ", ".join(f"(entry).{field}" for field in _FIELDS)
_CLAIM = (
    f"WITH RECURSIVE taken AS (SELECT 1 AS number, {_NEXT} AS entry"  # noqa: S608 - of constants
    f" UNION ALL SELECT number + 1, {_NEXT} FROM taken WHERE number < %(most)s::int AND (entry).id IS NOT NULL)"
    f" SELECT {_ENTRY} FROM taken WHERE (entry).id IS NOT NULL ORDER BY number"
)
_RELEASE = (
    "WITH mine AS MATERIALIZED (SELECT id, due_at FROM procrastinate_jobs"
    " JOIN unnest(%(entries)s::bigint[], %(due)s::timestamptz[]) AS given (entry, due_at) ON entry = id"
    " WHERE status = 'doing' AND worker_id = %(worker)s FOR UPDATE OF procrastinate_jobs)"
    " SELECT procrastinate_retry_job_v2(mine.id, mine.due_at, NULL, NULL, NULL) FROM mine"
)


def _if_mine(query: str) -> str:
    """One of procrastinate's queries, for no entry or this one."""
    return f"{_MINE}{query.rstrip(';').replace('%(job_id)s', 'mine.id')} FROM mine"


class ClaimedEntries(JobManager):
    """In place of procrastinate's own; `worker` tells by which id the queue knows this process now.

    It claims twice as many as before as long as it finds so many: few are left to be shared with other processes.
    """

    def __init__(self, connector: BaseConnector, worker: Callable[[], int | None]) -> None:
        super().__init__(connector)
        self._worker = worker
        self._finish = _if_mine(sql.queries["finish_job"])
        self._taken: deque[dict[str, Any]] = deque()
        self._most = 1
        self.none_left = asyncio.Event()
        """Set once the queue had nothing for this process: what there was at its start is claimed."""
        self._returned: deque[tuple[int, datetime, asyncio.Future[None]]] = deque()
        self._returning: asyncio.Task[None] | None = None

    @property
    def left(self) -> set[JobId]:
        """The jobs that are this process's by the queue, and that its worker has not asked for yet."""
        return {JobId(int(entry["lock"])) for entry in self._taken}

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Entry | None:
        while True:
            while self._taken:
                entry = self._taken.popleft()
                if entry["worker_id"] == worker_id:
                    return Entry.from_row(entry)  # else of a worker that has ended since: it is taken over as silent
            found = await self.connector.execute_query_all_async(
                _CLAIM, queues=queues, worker_id=worker_id, most=self._most
            )
            self._most = min(2 * self._most, CLAIMED_AT_ONCE) if len(found) == self._most else 1
            self._taken.extend(found)
            if not found:
                self.none_left.set()
                return None

    async def finish_job_by_id_async(self, job_id: int, status: Status, delete_job: bool) -> None:  # noqa: FBT001 - its signature
        await self.connector.execute_query_async(
            query=self._finish, job_id=job_id, status=status.value, delete_job=delete_job, worker=self._worker()
        )

    async def retry_job_by_id_async(
        self,
        job_id: int,
        retry_at: datetime,
        priority: int | None = None,
        queue: str | None = None,
        lock: str | None = None,
    ) -> None:
        """Returns once it is free. Priority, queue and lock stay as they are: nothing here changes them."""
        assert priority is None and queue is None and lock is None  # noqa: PT018
        done = asyncio.get_running_loop().create_future()
        self._returned.append((job_id, retry_at, done))
        if self._returning is None or self._returning.done():
            self._returning = asyncio.create_task(self._return(), name="entries-back")
        await done

    async def _return(self) -> None:
        """Those that come while a group is under way are the next one. An error is that of every entry of its group."""
        while self._returned:
            group = [self._returned.popleft() for _ in range(min(len(self._returned), RELEASED_AT_ONCE))]
            error: Exception | None = None
            try:
                await self.connector.execute_query_async(
                    _RELEASE,
                    entries=[job_id for job_id, _, _ in group],
                    due=[due_at for _, due_at, _ in group],
                    worker=self._worker(),
                )
            except Exception as failed:  # noqa: BLE001 - handed to whoever waits
                error = failed
            for _, _, done in group:
                if done.done():  # whoever waited was cancelled
                    continue
                if error is None:
                    done.set_result(None)
                else:
                    done.set_exception(error)
