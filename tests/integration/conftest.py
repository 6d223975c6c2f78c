"""Databases for the tests of the store, SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.databases import DATABASES, Database, Direct
from tests.in_memory_store import Ledgers

MakeLedgers = Callable[..., Ledgers]


@pytest.fixture(params=DATABASES)
def make_ledgers(request: pytest.FixtureRequest) -> MakeLedgers:
    """In memory; with `-m postgres`, on the server, where a test may have one."""
    if request.param == "sqlite":
        return Ledgers
    address: str = request.getfixturevalue("postgres_address")
    return lambda operator=None: Ledgers(operator, Direct(address))


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """A SQLite file that is not there yet; with `-m postgres`, a database on the server."""
    if request.param == "sqlite":
        return Database(tmp_path / "animate.db")
    address: str = request.getfixturevalue("postgres_address")
    return Database(address)
