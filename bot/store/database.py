"""The database of the bot, open: units are written and read. Which database it is, nobody outside needs to know."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

from bot.store import sqlite
from bot.store.units import Pump, Row, Tx, Unit

__all__ = ["Row", "Store", "Tx", "Unit"]

T = TypeVar("T")


class Store:
    """The database, open. Close it, or the process hangs on its threads."""

    def __init__(self, writer: Pump, readers: Sequence[Pump], stack: contextlib.AsyncExitStack) -> None:
        self._writer = writer
        self._readers = readers
        self._stack = stack

    @classmethod
    async def open(cls, where: Path | str, *, writer: Callable[..., Any] | None = None) -> Self:
        """Migrates and opens a database: the SQLite file at a path, which it makes and locks, or an address.

        Raises StoreInUse, StoreUnusable, StoreUnavailable. `writer` makes the writing connection.
        """
        async with contextlib.AsyncExitStack() as stack:
            if isinstance(where, Path):
                writing, reading = await sqlite.open_pumps(where, writer or sqlite.Writer, stack)
                return cls(writing, [reading], stack.pop_all())
            from bot.store import postgres  # its driver is an extra that SQLite does without

            writing, readers = await postgres.open_pumps(where, writer or postgres.Writer, stack)
            return cls(writing, readers, stack.pop_all())

    @property
    def is_shared(self) -> bool:
        """Whether other processes may write to it, too."""
        return not isinstance(self._writer.units, sqlite.Units)

    async def write(self, unit: Unit[T], *, start_within_s: float | None = None) -> T:
        """Runs `unit` in the next batch and returns what it returned, once committed.

        Raises what the unit raised (nothing of it is kept), or StoreUnavailable. With `start_within_s` it is dropped
        unstarted when the writer comes to it later than that.
        """
        return await self.begin_write(unit, start_within_s=start_within_s)

    def begin_write(
        self,
        unit: Unit[T],
        *,
        start_within_s: float | None = None,
        meanwhile: Callable[[T], None] | None = None,
    ) -> asyncio.Future[T]:
        """`write`, for those who wait for its end in their own way; whoever stops waiting stops no unit.

        `meanwhile` is given, on the loop, what the unit returned, while the disk is still at work: it may still fail,
        and be told again. Whatever it raises is logged. Raises StoreUnavailable once the store is closed.
        """
        start_by = None if start_within_s is None else time.monotonic() + start_within_s
        return self._writer.submit(unit, start_by, meanwhile)

    async def read(self, unit: Unit[T]) -> T:
        """Runs `unit` on a reading connection; it sees only what is committed."""
        return await min(self._readers, key=lambda reader: reader.load).submit(unit, None)

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
