"""Databases for the tests of the store, SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from bot.store.migrations import on_postgres
from tests.databases import DATABASES, Database
from tests.postgres_server import FAST, PostgresServer

TEMPLATE = "newest"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One for all tests of this process, with a database from which theirs are copied."""
    server = PostgresServer.make(FAST)
    with server.connect() as connection:
        connection.execute(f"CREATE DATABASE {TEMPLATE}")
    with psycopg.connect(server.address(TEMPLATE), autocommit=True) as connection:
        on_postgres.migrate(connection)
    yield server
    server.close()


@pytest.fixture
def postgres_address(postgres_server: PostgresServer) -> Iterator[str]:
    """A database of the newest schema, empty, of this test alone."""
    name = postgres_server.make_database(TEMPLATE)
    yield postgres_server.address(name)
    postgres_server.drop_database(name)


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """A SQLite file that is not there yet; with `-m postgres`, a database on the server."""
    if request.param == "sqlite":
        return Database(tmp_path / "animate.db")
    address: str = request.getfixturevalue("postgres_address")
    return Database(address)
