"""One row by its key, written in the SQL that SQLite and PostgreSQL share. Values are as the database keeps them."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping

from bot.store.database import Tx

Key = Mapping[str, object]


def insert(tx: Tx, table: str, row: Mapping[str, object]) -> None:
    """A new row."""
    tx.changed(_insert(table, tuple(row)), **row)


def put(tx: Tx, table: str, key: Key, **values: object) -> None:
    """The row with this key has these values; it is made where there is none."""
    tx.changed(_put(table, tuple(key), tuple(values)), **key, **values)


def add(tx: Tx, table: str, key: Key, *, credits: int) -> None:  # noqa: A002 - the word of the domain
    """Adds to the credits of the row with this key; it is made where there is none. Negative to give back."""
    tx.changed(_add(table, tuple(key)), **key, credits=credits)


def update(tx: Tx, table: str, key: Key, **values: object) -> None:
    """The row with this key gets these values; one that is not there is not made."""
    tx.changed(f"UPDATE {table} SET {_equal(values)} WHERE {_equal(key, ' AND ')}", **key, **values)


def numbers(**selects: str) -> str:
    """One statement for several that each find a number; its one row has them by these names.

    Each statement costs turns of Python's threads on SQLite, and a way to the server and back on PostgreSQL.
    """
    return "SELECT " + ", ".join(f"({select}) AS {name}" for name, select in selects.items())


@functools.cache
def _insert(table: str, names: tuple[str, ...]) -> str:
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(':' + name for name in names)})"


@functools.cache
def _put(table: str, key: tuple[str, ...], names: tuple[str, ...]) -> str:
    sets = ", ".join(f"{name} = excluded.{name}" for name in names)
    return f"{_insert(table, (*key, *names))} ON CONFLICT ({', '.join(key)}) DO UPDATE SET {sets}"


@functools.cache
def _add(table: str, key: tuple[str, ...]) -> str:
    more = f"credits = {table}.credits + excluded.credits"
    return f"{_insert(table, (*key, 'credits'))} ON CONFLICT ({', '.join(key)}) DO UPDATE SET {more}"


def _equal(names: Iterable[str], between: str = ", ") -> str:
    return between.join(f"{name} = :{name}" for name in names)
