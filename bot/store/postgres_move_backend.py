"""One side of `bot.store.move` on PostgreSQL: a database that no bot uses meanwhile."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import psycopg

from bot.errors import StoreInUse, StoreUnavailable, StoreUnusable
from bot.store.migrations import on_postgres, scripts
from bot.store.move_backends import MoveBackend, Values, grouped
from bot.store.postgres import ACQUIRE_LOCK, told, with_defaults

_OTHERS = (
    "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND backend_type = 'client backend'"
)
_COLUMNS = (
    "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"
    " AND table_name NOT LIKE 'procrastinate%'"
)
_FETCHED = 1_000


class PostgresMoveBackend(MoveBackend):
    """A database of a server, with the lock that every bot takes before it writes."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        connection.execute(ACQUIRE_LOCK)

    def tables(self) -> dict[str, list[str]]:
        return grouped(self._connection.execute(_COLUMNS))

    def rows(self, table: str, columns: Sequence[str]) -> Iterator[Values]:
        with self._connection.cursor("moved") as cursor:
            cursor.itersize = _FETCHED
            yield from cursor.execute(f"SELECT {', '.join(columns)} FROM {table}")

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[Values]) -> None:
        with (
            self._connection.cursor() as cursor,
            cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as into,
        ):
            for row in rows:
                into.write_row(row)

    def one(self, sql: str) -> Values:
        found = self._connection.execute(sql).fetchone()
        assert found is not None
        return tuple(found)

    def mark(self) -> int:
        found = self._connection.execute("SELECT mark FROM restored").fetchone()
        return 0 if found is None else int(found[0])

    def set_mark(self, mark: int) -> None:
        self._connection.execute(
            "INSERT INTO restored (id, mark) VALUES (1, %s) ON CONFLICT (id) DO UPDATE SET mark = excluded.mark", [mark]
        )

    def commit(self) -> None:
        self._connection.commit()


@contextlib.contextmanager
def stopped(address: str) -> Iterator[PostgresMoveBackend]:
    """One with rows, of this version's schema. Raises StoreError, also where anybody else is connected."""
    with _connected(address) as connection:
        newest = scripts("postgres")[-1][0]
        if on_postgres.version_of(connection, newest) != newest:
            raise StoreUnusable(
                "another version of the bot wrote the database; start this version once, then try again"
            )
        connection.commit()
        yield PostgresMoveBackend(connection)


@contextlib.contextmanager
def made(address: str) -> Iterator[PostgresMoveBackend]:
    """An empty one, brought to this version's schema in the same transaction. Raises StoreError as above."""
    with _connected(address) as connection:
        on_postgres.migrate(connection)
        yield PostgresMoveBackend(connection)


@contextlib.contextmanager
def _connected(address: str) -> Iterator[psycopg.Connection[Any]]:
    """In a transaction; what is not committed is undone."""
    try:
        with contextlib.closing(psycopg.connect(with_defaults(address))) as connection:
            (others,) = connection.execute(_OTHERS).fetchone() or (0,)
            if others:
                raise StoreInUse(f"{others} others are connected to the database; stop every bot, then try again")
            yield connection
    except psycopg.Error as error:
        raise StoreUnavailable(f"nothing was moved: {told(error)}") from error
