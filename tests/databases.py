"""The databases that the store's tests run on: a SQLite file, or a database of a PostgreSQL server of their own."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.ledger_audit import differences

DATABASES = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
"""For a fixture's `params`: the default run takes SQLite, `pytest -m postgres` the other."""


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
