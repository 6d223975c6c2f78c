"""Units of work, the batches that they share, and who feeds them to a connection; no SQL of one database.

A *unit* is a plain synchronous function of a `Tx`. Units that wait share one transaction, each in a savepoint of its
own, up to 16 of them; their callers are answered after the COMMIT. So nothing can await inside a transaction, and a
batch costs one flush to the disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
from abc import abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from bot.errors import StoreUnavailable

log = logging.getLogger(__name__)

T = TypeVar("T")

BATCH = 16
"""Units of one transaction: while the next batch is written, those of the last one are answered."""
GIVES_WAY_S = 0.1
ASK_AGAIN_S = 0.5
"""After a COMMIT whose answer was lost: until the database is asked again what came of it."""


class Row(Protocol):
    """One row: by column name, or all values in the order of the columns."""

    def __getitem__(self, column: str, /) -> Any: ...

    def __iter__(self) -> Iterator[Any]: ...

    def keys(self) -> Sequence[str]:
        """The names of the columns."""


class Cursor(Protocol):
    """What a statement came to."""

    @property
    def rowcount(self) -> int:
        """How many rows it changed."""

    def fetchall(self) -> list[Any]:
        """Every row."""


class Connection(Protocol):
    """What runs statements; parameters are named, `:name`."""

    def execute(self, sql: str, params: Mapping[str, object], /) -> Cursor: ...


class Tx:
    """What a unit may do to the database. Parameters are named, `:name`; rows are read to their end."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.noted: list[object] = []

    def note(self, event: object) -> None:
        """Something that others learn of once it is committed, and never if it is not; see `Store.observe`."""
        self.noted.append(event)

    def changed(self, sql: str, /, **params: object) -> int:
        """Runs a statement and tells how many rows it changed."""
        return self._connection.execute(sql, params).rowcount

    @property
    def mark(self) -> int:
        """A number that is kept with the database, for `bot.store.backup`; 0 at first."""
        assert isinstance(self._connection, Batches)
        return self._connection.mark()

    @mark.setter
    def mark(self, mark: int) -> None:
        assert isinstance(self._connection, Batches)
        self._connection.set_mark(mark)

    @property
    def size_bytes(self) -> int | None:
        """Of the whole database, where no file shows it."""
        return self._connection.size_bytes() if isinstance(self._connection, Batches) else None

    def one(self, sql: str, /, **params: object) -> Row | None:
        """The first row, or None. Reads all: an open cursor would block COMMIT."""
        rows = self.all(sql, **params)
        return rows[0] if rows else None

    def all(self, sql: str, /, **params: object) -> Sequence[Row]:
        """Every row."""
        rows: Sequence[Row] = self._connection.execute(sql, params).fetchall()
        return rows


Unit = Callable[[Tx], T]


class Waiting(Generic[T]):
    """A unit in the queue. Filled on the connection's thread, answered on the loop."""

    def __init__(
        self,
        unit: Unit[T],
        answer: asyncio.Future[T],
        start_by: float | None,
        meanwhile: Callable[[T], None] | None = None,
    ) -> None:
        self.unit = unit
        self.answer = answer
        self.start_by = start_by
        self.meanwhile = meanwhile
        self.value: T | None = None
        self.error: BaseException | None = None
        self.noted: list[object] = []

    def run(self, batches: Batches) -> None:
        self.error, self.noted = None, []
        if self.start_by is not None and time.monotonic() > self.start_by:
            self.error = StoreUnavailable("the database was too slow to start this in time")
            return
        batches.begin_unit()
        try:
            tx = Tx(batches)
            self.value = self.unit(tx)
            batches.end_unit()
            self.noted = tx.noted
        except BaseException as error:  # noqa: BLE001 - handed to the caller, whatever it is
            self.error = error
            if batches.in_transaction:
                batches.undo_unit()

    def resolve(self, driver_error: type[Exception]) -> None:
        if self.answer.done():
            return
        if self.error is None:
            self.answer.set_result(self.value)  # type: ignore[arg-type]  # T, once run() has gone through
        elif isinstance(self.error, Exception) and not isinstance(self.error, driver_error | StopIteration):
            self.answer.set_exception(self.error)
        else:  # the database's own words, or what no future may carry
            unavailable = StoreUnavailable(f"the database refused: {self.error!r}")
            unavailable.__cause__ = self.error
            self.answer.set_exception(unavailable)


class Batches:
    """Units that wait for one connection, and how a batch of them is run, on a thread of the connection's own."""

    driver_error: type[Exception]
    """What the database's driver raises; callers get StoreUnavailable in its place."""
    tries = 1
    """How often a batch is begun that the database ends for the sake of another one."""

    if TYPE_CHECKING:  # of the connection itself

        @property
        def in_transaction(self) -> bool: ...

        def execute(self, sql: str, params: Mapping[str, object] = ..., /) -> Any: ...

    def __init__(self) -> None:
        self.waiting: deque[Waiting[Any]] = deque()
        self.done: deque[Waiting[Any]] = deque()
        self.measured: Callable[[int, float, bool], None] = lambda _units, _seconds, _committed: None
        self.committing: Callable[[Sequence[Waiting[Any]]], object] = lambda _units: None
        """Given, on the connection's thread and before the COMMIT, the units that have gone through and have something
        to be made meanwhile."""

    @abstractmethod
    def begin_batch(self) -> None:
        """Begins a transaction; afterwards `in_transaction` is true."""

    @abstractmethod
    def mark(self) -> int:
        """What `set_mark` has left in the database, else 0."""

    @abstractmethod
    def set_mark(self, mark: int) -> None:
        """A number for `bot.store.backup`, kept with the database."""

    def size_bytes(self) -> int | None:
        """Of the whole database, where no file shows it."""
        return None

    def begin_unit(self) -> None:
        """What follows can be undone."""
        self.execute("SAVEPOINT unit")

    def end_unit(self) -> None:
        """The unit has gone through. Raises where a statement of its failed, also if it hid that."""
        self.execute("RELEASE unit")

    def undo_unit(self) -> None:
        """Nothing of the unit stays."""
        self.execute("ROLLBACK TO unit")
        self.execute("RELEASE unit")

    def commit_now(self) -> None:
        """The COMMIT itself."""
        self.execute("COMMIT")

    def gives_way(self, _error: BaseException) -> bool:
        """Whether the database ended the transaction for the sake of another one: it may be tried again."""
        return False

    @property
    def is_in_doubt(self) -> bool:
        """Whether a COMMIT went out whose answer was lost, and its callers still wait."""
        return False

    def give_up(self) -> None:
        """Nobody waits any longer for what came of a lost COMMIT."""

    def run_batch(self) -> None:
        """Runs what waits, up to a batch; each unit keeps its own value or error. A failed COMMIT fails them all."""
        batch = [self.waiting.popleft() for _ in range(min(len(self.waiting), BATCH))]
        if not batch:
            return
        began_s, committed = time.monotonic(), False
        for left in reversed(range(self.tries)):
            try:
                self._attempt(batch)
                committed = True
            except Exception as error:  # noqa: BLE001 - handed to every caller of the batch
                with contextlib.suppress(self.driver_error):
                    self.execute("ROLLBACK")
                if left and self.gives_way(error):
                    time.sleep(GIVES_WAY_S)  # else it would be back before the other one has gone on
                    continue
                self.fail(batch, error)
            else:
                self.done.extend(batch)
            break
        self.measured(len(batch), time.monotonic() - began_s, committed)

    def fail(self, batch: Sequence[Waiting[Any]], error: Exception) -> None:
        """Nothing of the batch was kept."""
        for entry in batch:
            entry.error = error
        self.done.extend(batch)

    def _attempt(self, batch: Sequence[Waiting[Any]]) -> None:
        if self.in_transaction:  # the last ROLLBACK failed
            self.execute("ROLLBACK")
        self.begin_batch()
        for entry in batch:
            entry.run(self)
            if entry.error is not None and self.gives_way(entry.error):
                raise entry.error
            if not self.in_transaction:  # disk full, I/O error, connection lost: the database has undone all of it
                raise StoreUnavailable(f"transaction lost: {entry.error}") from entry.error
        if passed := [entry for entry in batch if entry.meanwhile is not None and entry.error is None]:
            self.committing(passed)
        self.commit_now()


class Pump:
    """Feeds one connection: while a batch is under way the next one gathers.

    `run` runs `units.run_batch` on the connection's own thread; `close` closes the connection.
    """

    def __init__(
        self, units: Batches, run: Callable[[], Awaitable[None]], close: Callable[[], Awaitable[None]], name: str
    ) -> None:
        self.units = units
        self._run_batch = run
        self._close = close
        self._wake = asyncio.Event()
        self._closing = False
        self.observers: list[Callable[[object], None]] = []
        loop = asyncio.get_running_loop()
        units.committing = lambda passed: loop.call_soon_threadsafe(self._make_meanwhile, passed)
        self._task = asyncio.create_task(self._run(), name=f"store-{name}")

    @property
    def load(self) -> int:
        """How many units wait."""
        return len(self.units.waiting)

    def submit(
        self, unit: Unit[T], start_by: float | None, meanwhile: Callable[[T], None] | None = None
    ) -> asyncio.Future[T]:
        """Its answer: what the unit returned or raised, or StoreUnavailable. Cancelling that cancels no unit: it may be
        committed already. `meanwhile` is as for `Store.begin_write`.

        Raises StoreUnavailable once it is closed.
        """
        if self._closing:
            raise StoreUnavailable("the database is closed")
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        answer.add_done_callback(_mark_seen)
        self.units.waiting.append(Waiting(unit, answer, start_by, meanwhile))
        self._wake.set()
        return answer

    async def _run(self) -> None:
        while not (self._closing and not self.units.waiting):
            await self._wake.wait()
            self._wake.clear()
            await self._run_batch()
            self._answer_all()
            if self.units.waiting:
                self._wake.set()
            elif self.units.is_in_doubt:
                asyncio.get_running_loop().call_later(ASK_AGAIN_S, self._wake.set)
        self.units.give_up()
        self._answer_all()

    def _make_meanwhile(self, passed: Sequence[Waiting[Any]]) -> None:
        for entry in passed:
            try:
                entry.meanwhile(entry.value)  # type: ignore[misc]  # those alone have one
            except Exception:
                log.exception("what was to be made while the database writes failed")

    def _answer_all(self) -> None:
        while self.units.done:
            self._answer(self.units.done.popleft())

    def _answer(self, entry: Waiting[Any]) -> None:
        for event, observer in itertools.product([] if entry.error else entry.noted, self.observers):
            try:
                observer(event)
            except Exception:
                log.exception("an observer of the database failed")
        entry.resolve(self.units.driver_error)

    async def close(self) -> None:
        """Runs what waits, then closes the connection."""
        self._closing = True
        self._wake.set()
        await self._task
        await self._close()


def _mark_seen(answer: asyncio.Future[Any]) -> None:
    """A caller that was cancelled never looks at its answer: keep asyncio from complaining about that."""
    if not answer.cancelled():
        answer.exception()
