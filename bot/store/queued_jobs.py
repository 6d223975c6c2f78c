"""The jobs of all processes that wait for a slot or hold one: what a queue has to know of those it does not carry."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from bot.models import JobId, JobState, Scope, UserId, VideoSpec
from bot.report_models import QueueCounts
from bot.store.database import Row, Tx, Unit
from bot.store.row_mapping import from_ms, to_ms

AT_PROVIDER = ", ".join(f"'{state}'" for state in JobState if state.holds_slot)
_SQL = (
    "SELECT jobs.id, jobs.provider, jobs.scope, jobs.member, jobs.created_at, jobs.model, jobs.seconds, jobs.size,"
    " jobs.options, jobs.state, jobs.state_at, jobs.last_sent_at FROM jobs"
)
_HELD = f"{_SQL} WHERE jobs.state IN ({AT_PROVIDER})"
_NOT_OF = (
    " AND jobs.id NOT IN"
    " (SELECT CAST(lock AS BIGINT) FROM procrastinate_jobs WHERE worker_id = :worker AND status = 'doing')"
)


@dataclass(frozen=True, slots=True)
class QueuedJob:
    """Of its `spec`, only what decides about its turn and how long it takes. `sent_at` is None while it waits."""

    id: JobId
    provider: str
    scope: Scope
    member: UserId
    created_at: datetime
    spec: VideoSpec
    sent_at: datetime | None


def at_provider(*, not_of: int | None = None) -> Unit[list[QueuedJob]]:
    """Those that hold a slot; without those that this worker of procrastinate's carries, which knows them already."""
    if not_of is None:
        return lambda tx: [_job(row) for row in tx.all(_HELD)]
    return lambda tx: [_job(row) for row in tx.all(f"{_HELD}{_NOT_OF}", worker=not_of)]


def waiting(now: datetime) -> Unit[list[QueuedJob]]:
    """Those that may be sent as soon as there is a slot: their card is known, and no provider asked them to wait."""
    return lambda tx: [
        _job(row)
        for row in tx.all(
            f"{_SQL} JOIN cards ON cards.job = jobs.id WHERE jobs.state = 'waiting' AND cards.message IS NOT NULL"
            " AND (jobs.not_before IS NULL OR jobs.not_before <= :now)",
            now=to_ms(now),
        )
    ]


def counts(scope: Scope) -> Unit[QueueCounts]:
    """How many jobs wait to be sent, and how many hold a slot."""

    def unit(tx: Tx) -> QueueCounts:
        rows = tx.all(
            f"SELECT state, scope, COUNT(*) AS n FROM jobs WHERE state IN ('waiting', {AT_PROVIDER})"
            " GROUP BY state, scope"
        )
        waits = {row["scope"]: int(row["n"]) for row in rows if row["state"] == JobState.WAITING}
        return QueueCounts(
            waiting_here=waits.get(scope, 0),
            waiting=sum(waits.values()),
            at_provider=sum(int(row["n"]) for row in rows if row["state"] != JobState.WAITING),
        )

    return unit


def _job(row: Row) -> QueuedJob:
    job, provider, scope, member, created_at, model, seconds, size, options, state, state_at, last_sent_at = row
    take = None if options is None else json.loads(options).get("take")
    sent_at = None if state == JobState.WAITING else from_ms(state_at if last_sent_at is None else last_sent_at)
    spec = VideoSpec(model=model, seconds=seconds, size=size, take=take)
    return QueuedJob(job, provider, scope, member, from_ms(created_at), spec, sent_at)
