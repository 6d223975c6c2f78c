"""Entries of procrastinate's queue, one for each job that needs work; on PostgreSQL alone.

They are written in the unit that changes the job, so a job and its entry are there together or not at all. The lock
is the job's id: one process carries it at a time.
"""

from __future__ import annotations

from bot.models import Job, JobId
from bot.store.database import Tx, Unit
from bot.store.jobs import UNENDED

QUEUE = "jobs"
TASK = "carry"
AT_ONCE = 1_000
"""So many entries are made or freed in one transaction: other processes wait for it, and not for all of 100,000."""
CARD_SETTLES_S = 6.0
"""Until then the process that took the command stores the card's message; later, whoever has the entry looks for it."""
_ENTRY = (
    "CAST(ROW('jobs', 'carry', 0, CAST({id} AS TEXT), CAST({id} AS TEXT), jsonb_build_object('job', {id}), {due})"
    " AS procrastinate_job_to_defer_v1)"
)
_THERE = (
    "EXISTS (SELECT 1 FROM procrastinate_jobs AS queued WHERE queued.queueing_lock = CAST({id} AS TEXT)"
    " AND queued.status = 'todo') OR EXISTS (SELECT 1 FROM procrastinate_jobs AS taken"
    " WHERE taken.lock = CAST({id} AS TEXT) AND taken.status = 'doing')"
)
_ENTER = (
    f"SELECT procrastinate_defer_jobs_v1(ARRAY[{_ENTRY}]) WHERE NOT ({_THERE})".replace("{id}", "CAST(:job AS BIGINT)")
).replace("{due}", "now() + make_interval(secs => CAST(:after_s AS DOUBLE PRECISION))")
_MISSING = (
    f" FROM jobs WHERE jobs.id IN (SELECT id FROM jobs WHERE state IN ({UNENDED})"
    f" UNION SELECT job FROM cards WHERE finished_at IS NULL) AND NOT ({_THERE})"
).replace("{id}", "jobs.id")
_ENTER_MISSING = (
    (
        f"SELECT procrastinate_defer_jobs_v1(array_agg({_ENTRY})) AS entered"
        f" FROM (SELECT jobs.id{_MISSING} ORDER BY jobs.id LIMIT {AT_ONCE}) AS jobs"
    )
    .replace("{due}", "NULL")
    .replace("{id}", "jobs.id")
)
_SILENT = (
    " FROM procrastinate_jobs AS entry LEFT JOIN procrastinate_workers AS worker ON worker.id = entry.worker_id"
    " WHERE entry.status = 'doing' AND entry.queue_name = 'jobs' AND (worker.id IS NULL"
    " OR worker.last_heartbeat < now() - make_interval(secs => CAST(:silent_s AS DOUBLE PRECISION)))"
)
_WAKE = 'SELECT pg_notify(\'procrastinate_queue_v1#jobs\', \'{"type": "job_inserted", "job_id": 0}\')'
"""What procrastinate's own trigger tells its workers of a new entry; an entry that becomes due tells nobody."""


class NotCarriedError(Exception):
    """Another process has taken the job over, or may."""


def entering(unit: Unit[list[Job]]) -> Unit[list[Job]]:
    """The reservation with an entry for each job; nobody takes one up before its card can be known."""

    def with_entries(tx: Tx) -> list[Job]:
        reserved = unit(tx)
        for job in reserved:
            tx.all(_ENTER, job=job.id, after_s=CARD_SETTLES_S)
        return reserved

    return with_entries


def due(job: JobId) -> Unit[None]:
    """Somebody may take the job up now; its entry is made where there is none."""

    def unit(tx: Tx) -> None:
        there = tx.changed(
            "UPDATE procrastinate_jobs SET scheduled_at = NULL WHERE queueing_lock = :lock AND status = 'todo'",
            lock=str(job),
        )
        if not there:
            tx.all(_ENTER, job=job, after_s=0.0)
        tx.all(_WAKE)

    return unit


def missing() -> Unit[bool]:
    """Whether a job that needs work has no entry."""
    return lambda tx: tx.one(f"SELECT jobs.id{_MISSING} LIMIT 1") is not None


def enter_missing() -> Unit[int]:
    """Enters the jobs that need work and have no entry, up to `AT_ONCE`; tells how many."""

    def unit(tx: Tx) -> int:
        row = tx.one(_ENTER_MISSING)
        return 0 if row is None or not row["entered"] else len(row["entered"])

    return unit


def silent(*, silent_s: float) -> Unit[bool]:
    """Whether a process carries anything that has been silent for so long, or is gone."""
    return lambda tx: tx.one(f"SELECT entry.id{_SILENT} LIMIT 1", silent_s=silent_s) is not None


def take_over(*, silent_s: float) -> Unit[int]:
    """Frees what such a process carries, up to `AT_ONCE`; tells how many jobs."""

    def unit(tx: Tx) -> int:
        found = tx.all(
            f"SELECT procrastinate_retry_job_v2(entry.id, now(), NULL, NULL, NULL){_SILENT} LIMIT {AT_ONCE}",
            silent_s=silent_s,
        )
        if found:
            tx.all(_WAKE)
        return len(found)

    return unit


def workers(*, silent_s: float) -> Unit[int]:
    """How many processes carry jobs."""

    def unit(tx: Tx) -> int:
        row = tx.one(
            "SELECT COUNT(*) AS workers FROM procrastinate_workers"
            " WHERE last_heartbeat > now() - make_interval(secs => CAST(:silent_s AS DOUBLE PRECISION))",
            silent_s=silent_s,
        )
        return 0 if row is None else int(row["workers"])

    return unit


def if_carried_by(worker: int | None, job: JobId, unit: Unit[Job | None]) -> Unit[Job | None]:
    """The unit, if that worker of procrastinate's has the job's entry; else None, as if another had been first."""

    def checked(tx: Tx) -> Job | None:
        return unit(tx) if worker is not None and _carries(tx, worker, job) else None

    return checked


def _carries(tx: Tx, worker: int, job: JobId) -> bool:
    row = tx.one("SELECT worker_id FROM procrastinate_jobs WHERE lock = :lock AND status = 'doing'", lock=str(job))
    return row is not None and row["worker_id"] == worker


def sent_by(worker: int | None, job: JobId, unit: Unit[Job | None]) -> Unit[Job | None]:
    """The unit, which sends the job to its provider, if that worker carries it; raises NotCarriedError.

    It is a sign of life as well: from here on, nobody takes the job over before a whole takeover time is over.
    """

    def checked(tx: Tx) -> Job | None:
        if worker is None or not _carries(tx, worker, job):
            raise NotCarriedError
        sent = unit(tx)
        if sent is not None:
            heartbeat(worker)(tx)
        return sent

    return checked


def heartbeat(worker: int) -> Unit[None]:
    """A sign of life of this worker of procrastinate's, beside those that it gives itself."""

    def unit(tx: Tx) -> None:
        tx.changed("UPDATE procrastinate_workers SET last_heartbeat = now() WHERE id = :worker", worker=worker)

    return unit


def claimed_by(worker: int) -> Unit[set[JobId]]:
    """The jobs that this worker of procrastinate's carries, as the queue has it."""
    return lambda tx: {
        JobId(int(row["lock"]))
        for row in tx.all(
            "SELECT lock FROM procrastinate_jobs WHERE worker_id = :worker AND status = 'doing'", worker=worker
        )
    }


def release(worker: int, jobs: set[JobId]) -> Unit[None]:
    """Frees these entries, where they are this worker's."""

    def unit(tx: Tx) -> None:
        for job in jobs:
            tx.all(
                "SELECT procrastinate_retry_job_v2(id, now(), NULL, NULL, NULL) FROM procrastinate_jobs"
                " WHERE lock = :lock AND status = 'doing' AND worker_id = :worker",
                lock=str(job),
                worker=worker,
            )
        tx.all(_WAKE)

    return unit
