"""The databases that the store's tests run on: a SQLite file, or a database of a PostgreSQL server of their own."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest

from bot.store.database import Tx, Unit
from bot.store.postgres import Writer
from tests.ledger_audit import differences

T = TypeVar("T")

DATABASES = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
"""For a fixture's `params`: the default run takes SQLite, `pytest -m postgres` the other."""


class Direct:
    """Runs units at once, one by one, each in a transaction, without a loop or a thread."""

    def __init__(self, where: Path | str) -> None:
        self._where = where
        self._connection = self._connected()

    def _connected(self) -> sqlite3.Connection | Writer:
        if isinstance(self._where, str):
            writer = Writer(self._where)
            writer.connect()
            return writer
        connection = sqlite3.connect(self._where, isolation_level=None)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA synchronous = OFF")
        return connection

    def do(self, unit: Unit[T]) -> T:
        if isinstance(self._connection, Writer):
            self._connection.begin_batch()
        else:
            self._connection.execute("BEGIN IMMEDIATE")
        try:
            found = unit(Tx(self._connection))
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")
        return found

    def execute(self, sql: str, params: Mapping[str, object] = {}, /) -> Any:
        """A statement of its own."""
        return self._connection.execute(sql, params)

    def reconnect(self) -> None:
        """As another process would find it."""
        self.close()
        self._connection = self._connected()

    def close(self) -> None:
        if isinstance(self._connection, Writer):
            self._connection.disconnect()
            self._connection.thread.shutdown()
        else:
            self._connection.close()


class Database:
    """One database, empty at first. `where` is as `Store.open` takes it."""

    def __init__(self, where: Path | str) -> None:
        self.where = where

    @property
    def url(self) -> str:
        """As in DATABASE_URL."""
        return f"sqlite:///{self.where}" if isinstance(self.where, Path) else self.where

    def differences(self) -> list[str]:
        """Where its books disagree, seen from outside of the bot."""
        if isinstance(self.where, Path):
            with closing(sqlite3.connect(self.where)) as connection:
                return differences(connection)
        with psycopg.connect(self.where) as connected:
            return differences(connected)

    def rows(self, sql: str) -> Sequence[tuple[Any, ...]]:
        """What a query answers, seen from outside of the bot."""
        if isinstance(self.where, Path):
            with closing(sqlite3.connect(self.where)) as connection:
                return connection.execute(sql).fetchall()
        with psycopg.connect(self.where) as connected:
            return connected.execute(sql).fetchall()
