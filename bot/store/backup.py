"""Copies of the SQLite file: made while the bot runs, and taken up again. PostgreSQL brings its own tools.

A copy is older than what happened since. A job that waits in it may have been sent and paid in the meantime, so none
of them may be sent by who starts from it: `back_up` marks its copies, and `reconcile` ends those jobs. And a video may
stand on a card that the copy takes for unfinished: the cards are looked at, and `keep` spares those.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bot.errors import StoreUnavailable, StoreUnusable
from bot.models import FailureKind, Job, JobId, JobState
from bot.store import cards, jobs
from bot.store.database import Tx, Unit

PATIENCE_S = 10.0
_COUNTED = ("jobs", "ledger")
"""Rows are only added to these, but for a server's that is deleted as a whole."""
_STEPS_BETWEEN_LOOKS = 10_000
BACKUP_MARK = 0x62616B31
"""`Tx.mark` of a copy that `back_up` made; 0 in every other database of ours."""
RECONCILED_MARK = BACKUP_MARK + 1
"""Between `reconcile` and `keep`: the cards are still to be looked at."""

_ENDS = {
    JobState.WAITING: (JobState.CANCELLED, FailureKind.NO_CARD),
    JobState.SUBMITTING: (JobState.UNKNOWN, FailureKind.LOST_ANSWER),
}
_ROADS = {
    JobState.RENDERING: (JobState.DELIVERING, JobState.DELIVERED),
    JobState.TIMED_OUT: (JobState.DELIVERING, JobState.DELIVERED),
    JobState.DELIVERING: (JobState.DELIVERED,),
    JobState.UNDELIVERED: (JobState.DELIVERED,),
}
_OPEN = ", ".join(f"'{state}'" for state in JobState if state.needs_work)


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What became of the jobs of a copy, by how many."""

    cancelled: int
    unknown: int
    carried_on: int


def back_up(database: Path, target: Path, *, is_stopped: Callable[[], bool] = lambda: False) -> int:
    """Writes a consistent, marked copy to `target`, whole or not at all, and returns its size in bytes.

    Takes no lock that the bot knows: it reads one snapshot, and the bot writes on. What was deleted is not in the copy,
    not even in unused pages. The copy has its name only once it was read back and found sound. `is_stopped` is asked
    meanwhile; once it says so, nothing is written. Raises StoreUnavailable, StoreUnusable.
    """
    if not database.is_file():
        raise StoreUnavailable(f"{database} cannot be backed up: there is no such file")
    _refuse_to_replace(target)
    try:
        descriptor, name = tempfile.mkstemp(prefix=f"{target.name}.", suffix=".part", dir=target.absolute().parent)
        os.close(descriptor)
    except OSError as error:
        raise StoreUnavailable(f"{target} cannot be written: {error.strerror}") from error
    aside = Path(name)
    try:
        _copy(database, aside, is_stopped)
        _flush(aside)
        _refuse_to_replace(target)
        aside.rename(target)
        _flush(target.absolute().parent)
    except sqlite3.OperationalError as error:
        raise StoreUnavailable(f"{database} cannot be backed up to {target}: {error}") from error
    except sqlite3.DatabaseError as error:
        raise StoreUnusable(f"{database} cannot be backed up, it is damaged: {error}") from error
    except OSError as error:
        raise StoreUnavailable(f"{target} cannot be written: {error.strerror}") from error
    finally:
        aside.unlink(missing_ok=True)
    return target.stat().st_size


def is_backup(tx: Tx) -> bool:
    """Whether `back_up` made this database, and nobody has started from it yet. A unit."""
    return tx.mark == BACKUP_MARK


def is_reconciled(tx: Tx) -> bool:
    """Whether `reconcile` was here, and `keep` not yet. A unit."""
    return tx.mark == RECONCILED_MARK


def reconcile(*, now: datetime) -> Unit[Reconciled]:
    """Ends and refunds what may have been sent since the copy was made; from now on it is a database like any other."""

    def unit(tx: Tx) -> Reconciled:
        found: Counter[JobState] = Counter()
        for row in tx.all(f"SELECT id, state FROM jobs WHERE state IN ({_OPEN}) ORDER BY id"):
            state = JobState(row["state"])
            found[state] += 1
            if state in _ENDS:
                to, failure = _ENDS[state]
                jobs.move(JobId(row["id"]), state, to, now=now, failure=failure)(tx)
        tx.mark = RECONCILED_MARK
        ended = {state: found.pop(state, 0) for state in _ENDS}
        return Reconciled(ended[JobState.WAITING], ended[JobState.SUBMITTING], found.total())

    return unit


def keep(shown: Sequence[Job], *, now: datetime) -> Unit[None]:
    """The videos of these jobs stand on their cards: delivered, and not to be touched again."""

    def unit(tx: Tx) -> None:
        for job in shown:
            state = job.state
            for to in _ROADS.get(state, ()):
                jobs.move(job.id, state, to, now=now)(tx)
                state = to
            cards.finish(job.id, now=now)(tx)
        tx.mark = 0

    return unit


def _copy(database: Path, aside: Path, is_stopped: Callable[[], bool]) -> None:
    with closing(_opened(database, is_stopped)) as source:
        if ("version",) not in source.execute("SELECT name FROM pragma_table_info('schema_versions')").fetchall():
            raise StoreUnusable(f"{database} is no database of this bot; nothing was backed up")
        before = _counts(source)
        source.execute("VACUUM INTO :aside", {"aside": str(aside)})
        after = _counts(source)
    with closing(sqlite3.connect(aside, isolation_level=None)) as copy:
        copy.execute("PRAGMA journal_mode = MEMORY")
        copy.execute(f"PRAGMA user_version = {BACKUP_MARK}")
    with closing(_opened(aside, is_stopped)) as copy:
        (verdict,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
        copied = _counts(copy)
    if verdict != "ok":
        raise StoreUnusable(f"{database} cannot be backed up, it is damaged: {verdict.splitlines()[-1]}")
    for table, rows in copied.items():
        least, most = sorted((before[table], after[table]))
        if not least <= rows <= most:
            raise StoreUnusable(f"the copy of {database} is not whole: {rows} of {least} rows in {table}")


def _opened(database: Path, is_stopped: Callable[[], bool]) -> sqlite3.Connection:
    """For reading alone."""
    address = f"{database.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(address, uri=True, isolation_level=None, timeout=PATIENCE_S)
    connection.set_progress_handler(is_stopped, _STEPS_BETWEEN_LOOKS)
    return connection


def _counts(connection: sqlite3.Connection) -> dict[str, int]:
    """Rows by table."""
    return {table: connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in _COUNTED}


def _refuse_to_replace(target: Path) -> None:
    if os.path.lexists(target):
        raise StoreUnavailable(f"{target} exists and was not changed; name a file that does not exist yet")


def _flush(path: Path) -> None:
    """Down to the disk: a file, or the folder that lists it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
