"""A job's life in the store: each move is one compare-and-set with its refund and ledger line, in one unit.

waiting ──► submitting ──► rendering ──► delivering ──► delivered
 │ ▲ └► cancelled ◄─┼────────┤  │ ▲            │ └► undelivered ──► delivered
 │ └──────────────┘ └► unknown  │ └ (late) ─┐  └► failed
 └► failed ◄──┴──────────────┘  └► timed_out ┴► failed; unknown ──► timed_out, where the answer came after all
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.models import Job, JobId, JobState, Ticket
from bot.store import cards, refunds
from bot.store.database import Tx, Unit
from bot.store.refunds import Refund
from bot.store.row_mapping import JOB_SQL, changed_columns, from_ms, job_of, load, to_ms

S = JobState


MOVES: dict[tuple[JobState, JobState], Refund] = {
    (S.WAITING, S.SUBMITTING): Refund.NONE,
    (S.WAITING, S.CANCELLED): Refund.ALL,
    (S.WAITING, S.FAILED): Refund.ALL,
    (S.SUBMITTING, S.WAITING): Refund.NONE,
    (S.SUBMITTING, S.FAILED): Refund.ALL,
    (S.SUBMITTING, S.RENDERING): Refund.NONE,
    (S.SUBMITTING, S.UNKNOWN): Refund.MEMBER,
    (S.UNKNOWN, S.TIMED_OUT): Refund.NONE,
    (S.RENDERING, S.DELIVERING): Refund.NONE,
    (S.RENDERING, S.CANCELLED): Refund.ALL,
    (S.RENDERING, S.FAILED): Refund.MEMBER,
    (S.RENDERING, S.TIMED_OUT): Refund.MEMBER,
    (S.TIMED_OUT, S.DELIVERING): Refund.NONE,
    (S.TIMED_OUT, S.FAILED): Refund.NONE,
    (S.DELIVERING, S.DELIVERED): Refund.NONE,
    (S.DELIVERING, S.UNDELIVERED): Refund.NONE,
    (S.DELIVERING, S.FAILED): Refund.MEMBER,
    (S.UNDELIVERED, S.DELIVERED): Refund.NONE,
    (S.UNDELIVERED, S.FAILED): Refund.MEMBER,
}


@dataclass(frozen=True, slots=True)
class Render:
    """What one video took at the provider, from sent to done, as polls saw it."""

    model: str
    seconds: int
    size: str | None
    ended_at: datetime
    took: timedelta


@dataclass(frozen=True, slots=True)
class Moved:
    """Noted with each move: the job as it is now, and the state that it left."""

    job: Job
    start: JobState


UNENDED = ", ".join(f"'{state}'" for state in JobState if state.needs_work)
RESUME_SQL = (
    f"{JOB_SQL} WHERE jobs.id IN (SELECT id FROM jobs WHERE state IN ({UNENDED})"
    " UNION SELECT job FROM cards WHERE finished_at IS NULL) ORDER BY jobs.id"
)
"""Two look-ups by index: an OR over both tables would go through every job there ever was."""


def move(job: JobId, start: JobState, to: JobState, *, now: datetime, **changes: object) -> Unit[Job | None]:
    """Moves the job if it is still in `start`, refunds what `MOVES` says, and returns it; None when it was elsewhere.

    None too for a delivery whose card was taken down in the meantime: nobody would find the video there.
    `changes` are fields of the job that are set along, and columns of `jobs` that are no fields.
    """
    refund = MOVES[start, to]

    def unit(tx: Tx) -> Job | None:
        if to is S.DELIVERED and not cards.shows_video(tx, job):
            return None
        moved = _move(tx, job, start, to, now, refund, changes)
        if moved is None or to is not S.DELIVERED:
            return moved
        cards.finish_delivered(job, now=now)(tx)
        return load(tx, job)

    return unit


def answered_late(job: Job, ticket: Ticket, *, now: datetime) -> Unit[Job | None]:
    """Its create was answered after another process had given it up: the video is asked for as a late one."""

    def unit(tx: Tx) -> Job | None:
        changes = {"ticket": ticket}
        if _move(tx, job.id, S.UNKNOWN, S.TIMED_OUT, now, MOVES[S.UNKNOWN, S.TIMED_OUT], changes) is None:
            return None
        tx.changed("UPDATE cards SET finished_at = NULL WHERE job = :job", job=job.id)
        return load(tx, job.id)

    return unit


def change_waiting(job: JobId, waits_for: str, /, **changes: object) -> Unit[Job | None]:
    """Sets fields of a job that still waits, for this model; None when it does not any more."""
    values = changed_columns(changes)
    sets = ", ".join(f"{name} = :{name}" for name in values)

    def unit(tx: Tx) -> Job | None:
        changed = tx.changed(
            f"UPDATE jobs SET {sets} WHERE id = :job AND state = :start AND model = :waits_for",
            job=job,
            start=S.WAITING,
            waits_for=waits_for,
            **values,
        )
        return load(tx, job) if changed else None

    return unit


def show_privately(job: JobId, *, now: datetime) -> Unit[Job | None]:
    """Its member alone was shown the video, and the card is to say where it is; None when it was delivered before."""

    def unit(tx: Tx) -> Job | None:
        cards.show_apart(job, now=now)(tx)
        return _move(tx, job, S.UNDELIVERED, S.DELIVERED, now, Refund.NONE, {})

    return unit


def if_unmoved(job: Job, unit: Unit[Job | None]) -> Unit[Job | None]:
    """The unit, if the job is where and since when it was seen: another process may have sent it once more since."""

    def checked(tx: Tx) -> Job | None:
        row = tx.one("SELECT state_at FROM jobs WHERE id = :job AND state = :state", job=job.id, state=job.state)
        return unit(tx) if row is not None and row["state_at"] == to_ms(job.state_at) else None

    return checked


def _move(
    tx: Tx, job: JobId, start: JobState, to: JobState, now: datetime, refund: Refund, changes: Mapping[str, object]
) -> Job | None:
    values = changed_columns(changes)
    sets = "".join(f", {name} = :{name}" for name in values)
    moved = tx.changed(
        f"UPDATE jobs SET state = :to, state_at = :now{sets} WHERE id = :job AND state = :start",
        to=to,
        now=to_ms(now),
        job=job,
        start=start,
        **values,
    )
    if not moved:
        return None
    if refund is not Refund.NONE:
        refunds.refund(tx, job, refund, now)
    found = load(tx, job)
    if found is not None:
        tx.note(Moved(found, start))
    return found


def to_resume() -> Unit[list[Job]]:
    """Every job that still needs work: not ended, or ended with its card not yet saying so; oldest first."""

    def unit(tx: Tx) -> list[Job]:
        return [job_of(row) for row in tx.all(RESUME_SQL)]

    return unit


def renders(count: int) -> Unit[list[Render]]:
    """What the newest jobs took at the provider, where that was seen; the first to end first."""

    def unit(tx: Tx) -> list[Render]:
        rows = tx.all(
            "SELECT model, seconds, size, last_sent_at, render_ms FROM jobs WHERE render_ms IS NOT NULL"
            " ORDER BY id DESC LIMIT :count",
            count=count,
        )
        found = [
            Render(
                model=row["model"],
                seconds=row["seconds"],
                size=row["size"],
                ended_at=from_ms(row["last_sent_at"] + row["render_ms"]),
                took=timedelta(milliseconds=row["render_ms"]),
            )
            for row in rows
        ]
        return sorted(found, key=lambda render: render.ended_at)

    return unit


def find(job: JobId) -> Unit[Job | None]:
    """The job, or None."""
    return lambda tx: load(tx, job)


def remember_fetched(job: JobId, *, now: datetime) -> Unit[int]:
    """The video of an undelivered job is on our disk."""
    return lambda tx: tx.changed("UPDATE jobs SET fetched_at = :now WHERE id = :job", now=to_ms(now), job=job)


def fix_size(job: JobId, size: str) -> Unit[Job | None]:
    """The picture has shown its orientation."""

    def unit(tx: Tx) -> Job | None:
        tx.changed("UPDATE jobs SET size = :size WHERE id = :job AND size IS NULL", size=size, job=job)
        return load(tx, job)

    return unit
