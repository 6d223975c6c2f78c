"""PostgreSQL: one connection that writes, two that read, in each process; several processes may share the database.

Every batch that writes first takes one advisory lock, so of all processes one writes at a time, as `BEGIN IMMEDIATE`
has it on SQLite: what a unit has read stays so until its COMMIT, and two batches cannot wait for each other. With the
lock a batch leaves its number in `writers`. Where the answer to its COMMIT is lost, the number tells whether it was
kept, also after a failover; whoever holds the lock knows that nobody is still about to commit.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus
from psycopg.types.numeric import Int8Dumper

from bot.errors import StoreUnavailable, StoreUnusable
from bot.store.migrations import on_postgres, scripts
from bot.store.postgres_values import Text, rows_of, translated
from bot.store.units import Batches, Pump, Tx, Unit, Waiting

log = logging.getLogger(__name__)

T = TypeVar("T")

READERS = 2
CONNECT_PAUSE_S = 0.5
"""A server that could not be reached is not asked again sooner; units fail meanwhile, and their callers try again."""
WRITER_LOCK = (0x616E696D, 1)
"""Key of the advisory lock of whoever writes."""
FORGOTTEN_AFTER_MS = 24 * 3_600_000
ACQUIRE_LOCK = f"SELECT pg_advisory_xact_lock{WRITER_LOCK}"
_DEFAULTS = {
    "application_name": "animate-bot", "connect_timeout": "3",  # seconds, for each host
    "keepalives_idle": "5", "keepalives_interval": "2", "keepalives_count": "3", "tcp_user_timeout": "11000",
    "target_session_attrs": "read-write",
}  # fmt: skip
"""Of a connection, where the address says nothing else: a server that is gone without a word is missed after 11 s, and
one that has become a standby is out of reach, whoever connects: what it would tell may be old."""
_SETTINGS = (
    # Whoever stops in the middle of a batch, frozen or cut off, keeps the others waiting no longer.
    "SET idle_in_transaction_session_timeout = '5s'; SET lock_timeout = '8s'; SET statement_timeout = '60s'"
)


class InDoubt(Exception):
    """A COMMIT went out, and its answer never came."""


class Session(Batches):
    """A connection and its thread; lost, it is made again when the next batch begins. What it does, its thread does."""

    driver_error = psycopg.Error
    tries = 3
    begin = ""

    def __init__(self, address: str) -> None:
        super().__init__()
        self._conninfo = with_defaults(address)
        self._connection: psycopg.Connection[Any] | None = None
        self._failed: tuple[float, str] | None = None  # when, and what callers are told
        self.thread = ThreadPoolExecutor(1, f"store-{type(self).__name__.lower()}")
        self._has_savepoint = False

    def connect(self) -> None:
        """Connects, unless it is connected. Raises StoreUnavailable."""
        if self._connection is not None and not self._connection.closed:
            return
        if self._failed is not None and time.monotonic() - self._failed[0] < CONNECT_PAUSE_S:
            raise StoreUnavailable(self._failed[1])
        self._connection = None
        try:
            connection = psycopg.connect(self._conninfo, autocommit=True, row_factory=rows_of)
            self._connection = connection
            connection.prepared_max = 1_000
            connection.adapters.register_dumper(int, Int8Dumper)
            connection.adapters.register_dumper(str, Text)
            connection.execute(_SETTINGS)
        except psycopg.Error as error:
            self.disconnect()
            self._failed = (time.monotonic(), f"the database is out of reach: {told(error)}")
            raise StoreUnavailable(self._failed[1]) from error
        if self._failed is not None:
            log.info("the database can be reached again")
            self._failed = None

    def disconnect(self) -> None:
        """Closes the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def in_transaction(self) -> bool:
        """Also one that can only be rolled back."""
        return self._status in {TransactionStatus.INTRANS, TransactionStatus.INERROR}

    @property
    def _status(self) -> TransactionStatus:
        return TransactionStatus.UNKNOWN if self._connection is None else self._connection.info.transaction_status

    def execute(self, sql: str, params: Mapping[str, object] = {}, /) -> psycopg.Cursor[Any]:
        """A statement of a unit."""
        return self._run(translated(sql), params)

    def _run(self, sql: str, params: Mapping[str, object] | None = None) -> psycopg.Cursor[Any]:
        """Without parameters it may be several statements."""
        if self._connection is None:
            raise psycopg.OperationalError("the connection is lost")
        return self._connection.execute(sql, params)

    def begin_batch(self) -> None:
        """A connection that was lost since the last batch is made anew."""
        self.connect()
        try:
            self._begin()
        except psycopg.Error:
            if self._status is not TransactionStatus.UNKNOWN:
                raise
            self.connect()
            self._begin()

    def _begin(self) -> None:
        """With the first unit's savepoint: one way to the server and back."""
        self._run(f"{self.begin}; SAVEPOINT unit")
        self._has_savepoint = True

    def mark(self) -> int:
        row = self._run("SELECT mark FROM restored").fetchone()
        return 0 if row is None else row["mark"]

    def set_mark(self, mark: int) -> None:
        self._run(
            "INSERT INTO restored (id, mark) VALUES (1, %(mark)s) ON CONFLICT (id) DO UPDATE SET mark = excluded.mark",
            {"mark": mark},
        )

    def size_bytes(self) -> int | None:
        row = self._run("SELECT pg_database_size(current_database()) AS size").fetchone()
        return None if row is None else row["size"]

    def begin_unit(self) -> None:
        if not self._has_savepoint:
            self._run("RELEASE unit; SAVEPOINT unit")
        self._has_savepoint = False

    def end_unit(self) -> None:
        if self._status is not TransactionStatus.INTRANS:
            raise psycopg.OperationalError("a statement of the unit failed")

    def undo_unit(self) -> None:
        self._run("ROLLBACK TO unit")
        self._has_savepoint = True

    def commit_now(self) -> None:
        if self._run("COMMIT").statusmessage != "COMMIT":
            raise psycopg.OperationalError("the database has rolled back")

    def gives_way(self, error: BaseException) -> bool:
        return isinstance(error, errors.DeadlockDetected | errors.SerializationFailure)

    def pump(self) -> Pump:
        """Feeds this connection."""
        run = functools.partial(asyncio.get_running_loop().run_in_executor, self.thread)

        async def batch() -> None:
            await run(self.run_batch)

        async def close() -> None:
            await run(self.disconnect)
            self.thread.shutdown(wait=False)

        return Pump(self, batch, close, type(self).__name__.lower())


class Reader(Session):
    """Reads see one snapshot a batch and cannot write."""

    begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class Writer(Session):
    """The connection of this process that writes."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self._id = secrets.randbits(62)
        self._batch = 0
        self._doubtful: list[Waiting[Any]] = []

    @property
    def begin(self) -> str:  # type: ignore[override]  # each batch has a number
        """Takes the lock first, so all that follows sees what was committed before."""
        return (
            f"BEGIN; {ACQUIRE_LOCK}; INSERT INTO writers (id, batch, at) VALUES"
            f" ({self._id}, {self._batch}, {_now_ms()})"
            " ON CONFLICT (id) DO UPDATE SET batch = excluded.batch, at = excluded.at"
        )

    def _run(self, sql: str, params: Mapping[str, object] | None = None) -> psycopg.Cursor[Any]:
        try:
            return super()._run(sql, params)
        except errors.ReadOnlySqlTransaction:  # a server that has become a standby; the next connection finds another
            Session.disconnect(self)
            raise

    def prepare(self) -> None:
        """Connects and brings the schema up to date. Raises StoreUnavailable, StoreUnusable."""
        self.connect()
        assert self._connection is not None
        try:
            on_postgres.migrate(self._connection)
            self._connection.execute(f"DELETE FROM writers WHERE at < {_now_ms() - FORGOTTEN_AFTER_MS}")
        except psycopg.Error as error:
            raise StoreUnavailable(f"the database cannot be used: {told(error)}") from error

    def disconnect(self) -> None:
        """Nobody asks any more for what came of the batches of this process."""
        if self._status is TransactionStatus.IDLE:
            with contextlib.suppress(psycopg.Error):
                self._run("DELETE FROM writers WHERE id = %(id)s", {"id": self._id})
        super().disconnect()

    def _attempt(self, batch: Sequence[Waiting[Any]]) -> None:
        self._batch += 1
        super()._attempt(batch)

    def commit_now(self) -> None:
        try:
            super().commit_now()
        except psycopg.Error as error:
            if self._status is TransactionStatus.UNKNOWN:
                raise InDoubt from error
            raise

    def fail(self, batch: Sequence[Waiting[Any]], error: Exception) -> None:
        """Those whose COMMIT is in doubt wait until the database has told what came of it."""
        if isinstance(error, InDoubt):
            log.warning("the answer to a COMMIT of %s units was lost; the database is asked", len(batch))
            self._doubtful = list(batch)
        else:
            super().fail(batch, error)

    def run_batch(self) -> None:
        """As long as it cannot be told what came of a COMMIT, nothing else can be written either."""
        if self._doubtful and (error := self._resolve_doubtful()) is not None:
            waiting = [self.waiting.popleft() for _ in range(len(self.waiting))]
            self.fail(waiting, error)
            return
        super().run_batch()
        if self._doubtful:
            self._resolve_doubtful()

    @property
    def is_in_doubt(self) -> bool:
        return bool(self._doubtful)

    def give_up(self) -> None:
        """The process ends: the next one reads in the database what came of it."""
        doubtful, self._doubtful = self._doubtful, []
        self.fail(doubtful, StoreUnavailable("the answer to a COMMIT was lost"))

    def _resolve_doubtful(self) -> Exception | None:
        """Answers those in doubt, or tells why that cannot be done yet."""
        try:
            was_kept = self._was_kept()
        except (psycopg.Error, StoreUnavailable) as error:
            return error
        log.warning("the COMMIT whose answer was lost was %s", "made" if was_kept else "not made")
        doubtful, self._doubtful = self._doubtful, []
        if was_kept:
            self.done.extend(doubtful)
        else:
            self.fail(doubtful, StoreUnavailable("the connection was lost at COMMIT"))
        return None

    def _was_kept(self) -> bool:
        """Under the lock, which that batch held until it had ended."""
        self.connect()
        try:
            self._run(f"BEGIN; {ACQUIRE_LOCK}")
            row = self._run("SELECT batch FROM writers WHERE id = %(id)s", {"id": self._id}).fetchone()
        finally:
            with contextlib.suppress(psycopg.Error):
                self._run("ROLLBACK")
        return row is not None and row["batch"] == self._batch


async def open_pumps(
    address: str, writer: Callable[[str], Writer], stack: contextlib.AsyncExitStack
) -> tuple[Pump, list[Pump]]:
    """Migrates and opens the database at `address`; who writes and who reads. `stack` closes.

    Raises StoreUnusable, StoreUnavailable.
    """
    session = writer(address)
    writing = session.pump()
    stack.push_async_callback(writing.close)
    await asyncio.get_running_loop().run_in_executor(session.thread, session.prepare)
    readers = []
    for _ in range(READERS):
        readers.append(Reader(address).pump())
        stack.push_async_callback(readers[-1].close)
    return writing, readers


def version_at(address: str) -> tuple[int, int]:
    """The schema's version, and the newest one. Raises StoreUnavailable, StoreUnusable."""
    newest = scripts("postgres")[-1][0]
    try:
        with psycopg.connect(with_defaults(address), autocommit=True) as connection:
            return on_postgres.version_of(connection, newest), newest
    except psycopg.Error as error:
        raise StoreUnavailable(f"the database is out of reach: {told(error)}") from error


def read_at(address: str, unit: Unit[T]) -> T:
    """What a unit tells that only reads, without a thread. Raises StoreUnavailable, StoreUnusable."""
    version, newest = version_at(address)
    if version != newest:
        raise StoreUnusable("another version of the bot wrote the database; start this version once, then try again")
    reader = Reader(address)
    try:
        reader.begin_batch()
        return unit(Tx(reader))
    except psycopg.Error as error:
        raise StoreUnavailable(f"the database cannot be read: {told(error)}") from error
    finally:
        reader.disconnect()


def with_defaults(address: str) -> str:
    """The address with what it leaves open. Raises StoreUnavailable for one that cannot be read."""
    try:
        given: dict[str, Any] = conninfo_to_dict(address)
        return make_conninfo(**_DEFAULTS | given)
    except psycopg.Error as error:
        raise StoreUnavailable(f"DATABASE_URL cannot be read: {told(error)}") from error


def told(error: psycopg.Error) -> str:
    """In one line."""
    return " ".join(str(error).split()) or repr(error)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
