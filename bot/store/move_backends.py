"""What a database is to `bot.store.move`: tables of rows, read and written in one transaction. SQLite's is here."""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

LEFT = frozenset({"schema_versions", "writers", "restored"})
"""Tables that say something about one database."""

Values = tuple[Any, ...]


class MoveBackend(ABC):
    """A database, all of it in one transaction."""

    @abstractmethod
    def tables(self) -> dict[str, list[str]]:
        """The columns of each table that is moved, in alphabetical order."""

    @abstractmethod
    def rows(self, table: str, columns: Sequence[str]) -> Iterator[Values]:
        """Every row, in no order."""

    @abstractmethod
    def insert(self, table: str, columns: Sequence[str], rows: Iterable[Values]) -> None:
        """Adds them."""

    @abstractmethod
    def one(self, sql: str) -> Values:
        """The first row."""

    @abstractmethod
    def mark(self) -> int:
        """As `Tx.mark`."""

    @abstractmethod
    def set_mark(self, mark: int) -> None:
        """As `Tx.mark`."""

    @abstractmethod
    def commit(self) -> None:
        """All that was done is kept."""


class SqliteMoveBackend(MoveBackend):
    """A file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._connection.execute("BEGIN IMMEDIATE")

    def tables(self) -> dict[str, list[str]]:
        found = self._connection.execute(
            "SELECT m.name, c.name FROM sqlite_master AS m, pragma_table_info(m.name) AS c WHERE m.type = 'table'"
        )
        return grouped(found)

    def rows(self, table: str, columns: Sequence[str]) -> Iterator[Values]:
        return iter(self._connection.execute(f"SELECT {', '.join(columns)} FROM {table}"))

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[Values]) -> None:
        holes = ", ".join("?" for _ in columns)
        self._connection.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({holes})", rows)

    def one(self, sql: str) -> Values:
        found: Values = self._connection.execute(sql).fetchone()
        return found

    def mark(self) -> int:
        return int(self.one("PRAGMA user_version")[0])

    def set_mark(self, mark: int) -> None:
        self._connection.execute(f"PRAGMA user_version = {mark}")

    def commit(self) -> None:
        self._connection.execute("COMMIT")


class RenamedMoveBackend(SqliteMoveBackend):
    """Has its name only once it is whole."""

    def __init__(self, connection: sqlite3.Connection, aside: Path, name: Path) -> None:
        super().__init__(connection)
        self._aside, self._name = aside, name

    def commit(self) -> None:
        super().commit()
        self._connection.close()
        self._aside.rename(self._name)


def grouped(columns: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Columns by table, but for what is about one database."""
    found: dict[str, list[str]] = {}
    for table, column in sorted(columns):
        if table not in LEFT:
            found.setdefault(table, []).append(column)
    return found
