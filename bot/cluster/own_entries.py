"""What a worker of procrastinate's says of an entry counts only while the entry is its own.

A process that stood still wakes after another one has taken its jobs over. procrastinate ends and frees entries by
their id alone, so it would end those of the other one: a third would carry the same job beside that one.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from procrastinate import sql
from procrastinate.connector import BaseConnector
from procrastinate.jobs import Status
from procrastinate.manager import JobManager

_MINE = (
    "WITH mine AS MATERIALIZED (SELECT id FROM procrastinate_jobs WHERE id = %(job_id)s AND status = 'doing'"
    " AND worker_id = %(worker)s FOR UPDATE) "
)


def _if_mine(query: str) -> str:
    """One of procrastinate's queries, for no entry or this one."""
    return f"{_MINE}{query.rstrip(';').replace('%(job_id)s', 'mine.id')} FROM mine"


class OwnEntries(JobManager):
    """In place of procrastinate's own; `worker` tells by which id the queue knows this process now."""

    def __init__(self, connector: BaseConnector, worker: Callable[[], int | None]) -> None:
        super().__init__(connector)
        self._worker = worker
        self._finish = _if_mine(sql.queries["finish_job"])
        self._retry = _if_mine(sql.queries["retry_job"])

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
        await self.connector.execute_query_async(
            query=self._retry, job_id=job_id, retry_at=retry_at, new_priority=priority, new_queue_name=queue,
            new_lock=lock, worker=self._worker(),
        )  # fmt: skip
