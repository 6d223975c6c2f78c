"""One SQLite database: one writer with group commit, one reader, one process. No SQL of the domain here.

A *unit* is a plain synchronous function of a `Tx`. Units that wait share one `BEGIN IMMEDIATE … COMMIT`, each in a
savepoint of its own, up to 16 of them; their callers are answered after the COMMIT. So nothing can await inside a
transaction, and `synchronous=FULL` costs one fsync a batch.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import itertools
import logging
import os
import sqlite3
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Generic, Protocol, Self, TypeVar

import aiosqlite

from bot.errors import StoreInUse, StoreUnavailable, StoreUnusable
from bot.store.migrations import migrate

log = logging.getLogger(__name__)

T = TypeVar("T")

BUSY_TIMEOUT_MS = 5_000
BATCH = 16
"""Units of one transaction: while the next batch is written, those of the last one are answered."""
BACKUP_MARK = 0x62616B31
"""`PRAGMA user_version` of a copy that `bot.store.backup` made; 0 in every other database of ours."""
CHECK_WITHIN_S = 0.3
"""A look through the whole file at start; a large one is looked at in part."""
_STEPS_BETWEEN_LOOKS = 10_000


class Row(Protocol):
    """One row: by column name, or all values in the order of the columns."""

    def __getitem__(self, column: str, /) -> Any: ...

    def __iter__(self) -> Iterator[Any]: ...

    def keys(self) -> Sequence[str]:
        """The names of the columns."""


class Tx:
    """What a unit may do to the database. Parameters are named, `:name`; rows are read to their end."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.noted: list[object] = []

    def note(self, event: object) -> None:
        """Something that others learn of once it is committed, and never if it is not; see `Store.observe`."""
        self.noted.append(event)

    def changed(self, sql: str, /, **params: object) -> int:
        """Runs a statement and tells how many rows it changed."""
        return self._connection.execute(sql, params).rowcount

    def one(self, sql: str, /, **params: object) -> Row | None:
        """The first row, or None. Reads all: an open cursor would block COMMIT."""
        rows = self.all(sql, **params)
        return rows[0] if rows else None

    def all(self, sql: str, /, **params: object) -> Sequence[Row]:
        """Every row."""
        rows: Sequence[Row] = self._connection.execute(sql, params).fetchall()
        return rows


Unit = Callable[[Tx], T]


class _Waiting(Generic[T]):
    """A unit in the queue. Filled on the connection's thread, answered on the loop."""

    def __init__(self, unit: Unit[T], answer: asyncio.Future[T], start_by: float | None) -> None:
        self.unit = unit
        self.answer = answer
        self.start_by = start_by
        self.value: T | None = None
        self.error: BaseException | None = None
        self.noted: list[object] = []

    def run(self, connection: sqlite3.Connection) -> None:
        if self.start_by is not None and time.monotonic() > self.start_by:
            self.error = StoreUnavailable("the database was too slow to start this in time")
            return
        connection.execute("SAVEPOINT unit")
        try:
            tx = Tx(connection)
            self.value = self.unit(tx)
            self.noted = tx.noted
        except BaseException as error:  # noqa: BLE001 - handed to the caller, whatever it is
            self.error = error
            if connection.in_transaction:
                connection.execute("ROLLBACK TO unit")
        if connection.in_transaction:
            connection.execute("RELEASE unit")

    def resolve(self) -> None:
        if self.answer.done():
            return
        if self.error is None:
            self.answer.set_result(self.value)  # type: ignore[arg-type]  # T, once run() has gone through
        elif isinstance(self.error, Exception) and not isinstance(self.error, sqlite3.Error | StopIteration):
            self.answer.set_exception(self.error)
        else:  # the database's own words, or what no future may carry
            unavailable = StoreUnavailable(f"the database refused: {self.error!r}")
            unavailable.__cause__ = self.error
            self.answer.set_exception(unavailable)


class Units(sqlite3.Connection):
    """A connection whose `commit` runs the units that wait in one transaction.

    aiosqlite calls `commit` on the connection's own thread, so this is the one public way there.
    """

    begin = "BEGIN IMMEDIATE"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.row_factory = sqlite3.Row
        self.waiting: deque[_Waiting[Any]] = deque()
        self.done: deque[_Waiting[Any]] = deque()
        self.measured: Callable[[int, float, bool], None] = lambda _units, _seconds, _committed: None

    def commit(self) -> None:
        """Runs what waits, up to a batch; each unit keeps its own value or error. A failed COMMIT fails them all."""
        batch = [self.waiting.popleft() for _ in range(min(len(self.waiting), BATCH))]
        if not batch:
            return
        began_s, committed = time.monotonic(), False
        try:
            if self.in_transaction:  # the last ROLLBACK failed
                self.execute("ROLLBACK")
            self.execute(self.begin)
            for entry in batch:
                entry.run(self)
                if not self.in_transaction:  # disk full, I/O error: SQLite has rolled all of it back
                    raise sqlite3.OperationalError(f"transaction lost: {entry.error}") from entry.error  # noqa: TRY301
            self.commit_now()
            committed = True
        except Exception as error:  # noqa: BLE001 - handed to every caller of the batch
            for entry in batch:
                entry.error = error
            with contextlib.suppress(sqlite3.Error):
                self.execute("ROLLBACK")
        self.measured(len(batch), time.monotonic() - began_s, committed)
        self.done.extend(batch)

    def commit_now(self) -> None:
        """The COMMIT itself."""
        self.execute("COMMIT")


class Writer(Units):
    """The one connection that writes."""


class Reader(Units):
    """Reads see one snapshot a batch and cannot write."""

    begin = "BEGIN"


class _Pump:
    """Feeds one connection: while a batch is under way the next one gathers."""

    def __init__(self, connection: aiosqlite.Connection, units: Units) -> None:
        self._connection = connection
        self.units = units
        self._wake = asyncio.Event()
        self._closing = False
        self.observers: list[Callable[[object], None]] = []
        self._task = asyncio.create_task(self._run(), name=f"store-{type(units).__name__.lower()}")

    async def submit(self, unit: Unit[T], start_by: float | None) -> T:
        if self._closing:
            raise StoreUnavailable("the database is closed")
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        answer.add_done_callback(_mark_seen)
        self.units.waiting.append(_Waiting(unit, answer, start_by))
        self._wake.set()
        # Cancelling the caller must not cancel its unit: it may be committed already.
        return await asyncio.shield(answer)

    async def _run(self) -> None:
        while not (self._closing and not self.units.waiting):
            await self._wake.wait()
            self._wake.clear()
            await self._connection.commit()
            while self.units.done:
                self._answer(self.units.done.popleft())
            if self.units.waiting:
                self._wake.set()

    def _answer(self, entry: _Waiting[Any]) -> None:
        for event, observer in itertools.product([] if entry.error else entry.noted, self.observers):
            try:
                observer(event)
            except Exception:
                log.exception("an observer of the database failed")
        entry.resolve()

    async def close(self) -> None:
        self._closing = True
        self._wake.set()
        await self._task
        await self._connection.close()


def _mark_seen(answer: asyncio.Future[Any]) -> None:
    """A caller that was cancelled never looks at its answer: keep asyncio from complaining about that."""
    if not answer.cancelled():
        answer.exception()


class Store:
    """The database, open and held by this process. Close it, or the process hangs on its threads."""

    def __init__(self, writer: _Pump, reader: _Pump, stack: contextlib.AsyncExitStack) -> None:
        self._writer = writer
        self._reader = reader
        self._stack = stack

    @classmethod
    async def open(cls, path: Path, *, writer: Callable[..., Writer] = Writer) -> Self:
        """Locks, migrates and opens the database at `path`, making its folder.

        Raises StoreInUse, StoreUnusable, StoreUnavailable. `writer` makes the writing connection.
        """
        async with contextlib.AsyncExitStack() as stack:
            lock = await asyncio.to_thread(_prepare, path)
            stack.callback(lock.close)
            try:
                writing = await _connect(path, writer)
                stack.push_async_callback(writing.close)
                reading = await _connect(path, Reader)
                stack.push_async_callback(reading.close)
            except sqlite3.Error as error:
                raise StoreUnavailable(f"{path} cannot be opened: {error}") from error
            return cls(writing, reading, stack.pop_all())

    async def write(self, unit: Unit[T], *, start_within_s: float | None = None) -> T:
        """Runs `unit` in the next batch and returns what it returned, once committed.

        Raises what the unit raised (nothing of it is kept), or StoreUnavailable. With `start_within_s` it is dropped
        unstarted when the writer comes to it later than that.
        """
        start_by = None if start_within_s is None else time.monotonic() + start_within_s
        return await self._writer.submit(unit, start_by)

    async def read(self, unit: Unit[T]) -> T:
        """Runs `unit` on the reading connection; it sees only what is committed."""
        return await self._reader.submit(unit, None)

    def observe(self, observer: Callable[[object], None]) -> None:
        """Gives `observer` what units have noted, on the loop, after the COMMIT and before their callers go on."""
        self._writer.observers.append(observer)

    def measure(self, batch: Callable[[int, float, bool], None]) -> None:
        """Gives `batch`, on the writing thread, each transaction's units and seconds, and whether it was committed."""
        self._writer.units.measured = batch

    async def close(self) -> None:
        """Finishes what waits, then closes and unlocks; a caller that is cancelled waits for that all the same."""
        closing = asyncio.create_task(self._stack.aclose())
        try:
            await asyncio.shield(closing)
        except asyncio.CancelledError:
            await closing
            raise


async def _connect(path: Path, factory: Callable[..., Units]) -> _Pump:
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
        if isinstance(made[0], Reader):
            await connection.execute("PRAGMA query_only = ON")
    except BaseException:
        await connection.close()
        raise
    return _Pump(connection, made[0])


def _prepare(path: Path) -> sqlite3.Connection:
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
