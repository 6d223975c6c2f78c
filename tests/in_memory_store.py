"""A database of the bot in memory, with a history in it that the store's own units have written."""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any, TypeVar

from bot.models import FailureKind, Job, JobState, Limits, UserId
from bot.store import cards, jobs
from bot.store.database import Tx, Unit
from bot.store.migrations import scripts
from bot.store.reservations import reserve
from tests.builders import MEMBER, NOON, a_card, a_job, limits
from tests.databases import Direct
from tests.ledger_audit import differences

T = TypeVar("T")
S = JobState

OTHER = UserId(910_000_000_000_000_002)

WAYS: dict[JobState, Sequence[JobState]] = {
    S.WAITING: (),
    S.CANCELLED: (S.CANCELLED,),
    S.SUBMITTING: (S.SUBMITTING,),
    S.UNKNOWN: (S.SUBMITTING, S.UNKNOWN),
    S.RENDERING: (S.SUBMITTING, S.RENDERING),
    S.FAILED: (S.SUBMITTING, S.RENDERING, S.FAILED),
    S.TIMED_OUT: (S.SUBMITTING, S.RENDERING, S.TIMED_OUT),
    S.DELIVERING: (S.SUBMITTING, S.RENDERING, S.DELIVERING),
    S.DELIVERED: (S.SUBMITTING, S.RENDERING, S.DELIVERING, S.DELIVERED),
    S.UNDELIVERED: (S.SUBMITTING, S.RENDERING, S.DELIVERING, S.UNDELIVERED),
}
"""How a job comes to each state."""
_ALONG: dict[JobState, dict[str, object]] = {
    S.RENDERING: {"ticket": "video_1"},
    S.DELIVERING: {"result_url": "https://videos.example/clip.mp4"},
    S.FAILED: {"failure": FailureKind.PROVIDER},
    S.UNKNOWN: {"failure": FailureKind.LOST_ANSWER},
    S.CANCELLED: {"failure": FailureKind.CANCELLED},
    S.TIMED_OUT: {"failure": FailureKind.TIMED_OUT},
}


@functools.cache
def _empty() -> bytes:
    """The schema, made once: a test has a thousand of these."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for _, script in scripts():
            connection.executescript(script)
        return connection.serialize()


def _in_memory() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.deserialize(_empty())
    connection.row_factory = sqlite3.Row
    return connection


class Ledgers:
    """One connection; every unit is run at once. `direct` is to another database than SQLite's in memory."""

    def __init__(self, operator: Limits | None = None, direct: Direct | None = None) -> None:
        self._direct = direct
        self._connection = direct or _in_memory()
        self.operator = operator or limits(1_000)

    def do(self, unit: Unit[T]) -> T:
        return unit(Tx(self._connection)) if self._direct is None else self._direct.do(unit)

    def rows(self, sql: str, **params: object) -> list[tuple[Any, ...]]:
        cursor = self._connection.execute(sql, params)
        return [] if cursor.description is None else [tuple(row) for row in cursor]

    def columns(self, table: str) -> set[str]:
        """The names of a table's columns."""
        return {column[0] for column in self._connection.execute(f"SELECT * FROM {table}").description}

    def add_job(
        self,
        number: int,
        state: JobState = S.DELIVERED,
        *,
        at: datetime = NOON,
        member: UserId = MEMBER,
        closed: bool = True,
        card: dict[str, Any] | None = None,
        **changes: Any,
    ) -> Job:
        """A job brought to a state, a second after it was asked for; `closed`: its card has had its last edit."""
        job = a_job(number, at=at, member=member, card=a_card(at=at, **{"message": number, **(card or {})}), **changes)
        self.do(reserve(job, [], self.operator))
        for step in WAYS[state]:
            job = self.move(job, step, at=at + timedelta(seconds=1))
        if closed and not state.needs_work:
            self.do(cards.finish(job.id, now=at))
        return job

    def move(self, job: Job, to: JobState, *, at: datetime) -> Job:
        moved = self.do(jobs.move(job.id, job.state, to, now=at, **_ALONG.get(to, {})))
        assert moved is not None
        return moved

    def wrong(self) -> list[str]:
        """Where the books disagree."""
        return differences(self._connection)

    def close(self) -> None:
        self._connection.close()
