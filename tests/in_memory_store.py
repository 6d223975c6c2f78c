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


class Ledgers:
    """One connection; every unit is run at once."""

    def __init__(self, operator: Limits | None = None) -> None:
        self._connection = sqlite3.connect(":memory:", isolation_level=None)
        self._connection.deserialize(_empty())
        self._connection.row_factory = sqlite3.Row
        self.operator = operator or limits(1_000)

    def do(self, unit: Unit[T]) -> T:
        return unit(Tx(self._connection))

    def rows(self, sql: str, **params: object) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self._connection.execute(sql, params)]

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
