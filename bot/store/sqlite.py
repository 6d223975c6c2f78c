"""SQLite: one connection that writes, one that reads, one process. A batch is one `BEGIN IMMEDIATE … COMMIT`."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiosqlite

from bot.errors import StoreInUse, StoreUnavailable, StoreUnusable
from bot.store.migrations import migrate, scripts, version_of
from bot.store.units import Batches, Pump

BUSY_TIMEOUT_MS = 5_000
CHECK_WITHIN_S = 0.3
"""A look through the whole file at start; a large one is looked at in part."""
_STEPS_BETWEEN_LOOKS = 10_000


class Units(sqlite3.Connection, Batches):
    """A connection whose `commit` runs the units that wait in one transaction.

    aiosqlite calls `commit` on the connection's own thread, so this is the one public way there.
    """

    driver_error = sqlite3.Error
    begin = "BEGIN IMMEDIATE"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        sqlite3.Connection.__init__(self, *args, **kwargs)
        Batches.__init__(self)
        self.row_factory = sqlite3.Row

    def begin_batch(self) -> None:
        self.execute(self.begin)

    def mark(self) -> int:
        (mark,) = self.execute("PRAGMA user_version").fetchone()
        return int(mark)

    def set_mark(self, mark: int) -> None:
        self.execute(f"PRAGMA user_version = {mark}")

    def commit(self) -> None:
        """Runs a batch."""
        self.run_batch()


class Writer(Units):
    """The one connection that writes."""


class Reader(Units):
    """Reads see one snapshot a batch and cannot write."""

    begin = "BEGIN"


async def open_pumps(path: Path, writer: Callable[..., Units], stack: contextlib.AsyncExitStack) -> tuple[Pump, Pump]:
    """Locks, migrates and opens the database at `path`; who writes and who reads. `stack` closes and unlocks.

    Raises StoreInUse, StoreUnusable, StoreUnavailable.
    """
    lock = await asyncio.to_thread(_prepare, path)
    stack.callback(lock.close)
    try:
        writing = await _connect(path, writer)
        stack.push_async_callback(writing.close)
        reading = await _connect(path, Reader)
        stack.push_async_callback(reading.close)
    except sqlite3.Error as error:
        raise StoreUnavailable(f"{path} cannot be opened: {error}") from error
    return writing, reading


async def _connect(path: Path, factory: Callable[..., Units]) -> Pump:
    made: list[Units] = []

    def make(*args: Any, **kwargs: Any) -> Units:
        made.append(factory(*args, **kwargs))
        return made[-1]

    async def opened() -> aiosqlite.Connection:
        return await aiosqlite.connect(path, isolation_level=None, factory=make)

    opening = asyncio.ensure_future(opened())
    try:
        connection = await asyncio.shield(opening)
    except asyncio.CancelledError:  # cancelled while it connects, aiosqlite would leave the connection open
        with contextlib.suppress(sqlite3.Error):
            await (await opening).close()
        raise
    try:
        await connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        await connection.execute("PRAGMA synchronous = FULL")
        # By default what a savepoint may have to undo goes to a file once it exceeds 64 KiB, less than one reservation:
        # https://www.sqlite.org/tempfiles.html#statement_journal_files. Undoing 30,000 jobs takes 16 MiB.
        own = "query_only = ON" if isinstance(made[0], Reader) else "temp_store = MEMORY"
        await connection.execute(f"PRAGMA {own}")
    except BaseException:
        await connection.close()
        raise
    return Pump(made[0], connection.commit, connection.close, type(made[0]).__name__.lower())


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """No bot runs on it meanwhile. Raises StoreInUse, StoreUnavailable, StoreUnusable also for an older schema."""
    with contextlib.closing(_prepare(path, migrate=_refuse_older)):
        yield


def _refuse_older(path: Path) -> None:
    newest = scripts()[-1][0]
    if version_of(path, newest) != newest:
        raise StoreUnusable(f"{path} was written by an older version; start this version once, then try again")


def _prepare(path: Path, migrate: Callable[[Path], None] = migrate) -> sqlite3.Connection:
    """Takes the lock and brings the schema up to date; returns the connection that holds the lock."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        check_access(path)
        lock = sqlite3.connect(
            path.with_name(path.name + ".lock"), timeout=0, isolation_level=None, check_same_thread=False
        )
    except (OSError, sqlite3.Error) as error:
        raise StoreUnavailable(f"{path} cannot be opened: {error}") from error
    try:
        lock.execute("BEGIN EXCLUSIVE")
        check_log(path)
        check_pages(path)
        migrate(path)
    except (OSError, sqlite3.OperationalError) as error:
        lock.close()
        if isinstance(error, sqlite3.Error) and error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            _check_locks(path)
            raise StoreInUse(f"another process is using {path}; each database can have only one bot") from error
        raise StoreUnavailable(f"{path} cannot be opened: {error}") from error
    except sqlite3.DatabaseError as error:
        lock.close()
        raise StoreUnusable(f"{path} is not a database this bot can read ({error}); it was not changed") from error
    except BaseException:
        lock.close()
        raise
    return lock


def check_access(path: Path) -> None:
    """SQLite opens a file that it may not write for reading: writes fail later, and a lock on it holds nobody off."""
    if path.is_dir():
        raise StoreUnavailable(f"{path} cannot be opened: it is a folder; name a file in DATABASE_URL")
    files = (path.with_name(path.name + ending) for ending in ("", ".lock", "-wal", "-shm"))
    for needed in (path.parent, *files):
        if needed.exists() and not os.access(needed, os.R_OK | os.W_OK):
            raise StoreUnavailable(f"{path} cannot be opened: this user may not write to {needed}")


def _check_locks(path: Path) -> None:
    """Some network shares know no locks, and SQLite calls that busy, too."""
    with tempfile.TemporaryFile(dir=path.parent) as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StoreUnavailable(
                f"{path} cannot be opened: files cannot be locked in {path.parent} ({error.strerror}), "
                "as on some network shares; the database needs a local disk"
            ) from error


def check_log(path: Path) -> None:
    """Refuses a backup that was put beside the write-ahead log of the database it replaces.

    SQLite would play that log into the copy without a word. A database in WAL mode says so in bytes 18 and 19 of its
    header, and a backup does not until its first start.
    """
    log = path.with_name(path.name + "-wal")
    if not path.exists() or not log.exists() or log.stat().st_size == 0:
        return
    with path.open("rb") as file:
        header = file.read(100)
    if header.startswith(b"SQLite format 3\0") and header[18:20] == b"\1\1":
        raise StoreUnusable(
            f"{path} is a copy, and {log} belongs to an earlier database; "
            f"move away {path.name}-wal and {path.name}-shm, then start again"
        )


def check_pages(path: Path) -> None:
    """Raises sqlite3.DatabaseError where pages of the file contradict each other, as far as there is time to look."""
    torn = path.with_name(path.name + "-journal").exists()  # rolled back first, by who opens it for writing
    if torn or not path.exists():
        return
    stop_at = time.monotonic() + CHECK_WITHIN_S
    with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        connection.set_progress_handler(lambda: time.monotonic() > stop_at, _STEPS_BETWEEN_LOOKS)
        try:
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                return
            raise
    if verdict != "ok":
        raise sqlite3.DatabaseError(verdict.splitlines()[-1])
