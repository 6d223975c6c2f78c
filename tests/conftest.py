"""What is compiled once for all processes; a PostgreSQL server for the tests marked `postgres`, and databases on it."""

from __future__ import annotations

import gc
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bot.store.migrations import on_postgres, scripts
from tests.postgres_server import FAST, PostgresServer

# Where bytecode shall not be written, each worker would compile all tests anew, and each process the bot: 30 s of CPU.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

TEMPLATE = "newest"
MEMORY = Path("/dev/shm")
ROOM_BYTES = 4 << 30
WAITING = {"e2e", "faults", "page"}


def pytest_configure(config: pytest.Config) -> None:
    """Files of tests are in memory where there is room: each commit of a database would wait for the disk.

    Those of `tests/interop` stay on the disk, beside the packages to which their environments link.
    """
    if "TMPDIR" in os.environ or any("interop" in Path(given).parts for given in config.args) or not MEMORY.is_dir():
        return
    about = os.statvfs(MEMORY)
    if about.f_bavail * about.f_frsize > ROOM_BYTES and not about.f_flag & os.ST_NOEXEC and os.access(MEMORY, os.W_OK):
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


def pytest_collection() -> None:
    """What is collected stays: Python's own collections, which look for what does not, wait until it is all there."""
    gc.disable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files whose tests mostly wait stand evenly among those that compute; the longest tests come first."""
    waiting = sorted({item.path for item in items if item.path.parent.name in WAITING}, reverse=True)
    if not waiting:
        return
    computing = sorted({item.path for item in items} - set(waiting))
    places = {file: at / len(kind) for kind in (waiting, computing) for at, file in enumerate(kind)}
    items.sort(key=lambda item: (places[item.path], item.path))


def pytest_collection_finish() -> None:
    """Nor do later ones look through it."""
    gc.freeze()
    gc.enable()


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


class Emptied:
    """Databases of the newest schema, emptied and given to the next test: a new one would take 30 times as long."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._free: list[str] = []
        with server.connect(TEMPLATE) as connection:
            self._schema = self._columns(connection)

    def take(self) -> str:
        return self._free.pop() if self._free else self._server.make_database(TEMPLATE)

    def give_back(self, name: str) -> None:
        """One whose schema is another one by now, or that somebody still holds, is dropped."""
        try:
            with self._server.connect(name) as connection:
                columns = self._columns(connection)
                connection.execute("SET lock_timeout = '1s'")
                connection.execute("; ".join(f"DELETE FROM {table}" for table in {table for table, _ in columns}))
                versions = connection.execute("SELECT COUNT(*) FROM schema_versions").fetchone()
                is_as_before = columns == self._schema and versions == (0,)
                for number, _ in scripts("postgres"):
                    connection.execute("INSERT INTO schema_versions VALUES (%s)", [number])
        except psycopg.Error:
            is_as_before = False
        if is_as_before:
            self._free.append(name)
        else:
            self._server.drop_database(name)

    @staticmethod
    def _columns(connection: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
        return connection.execute(
            "SELECT relname, attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid"
            " WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0 ORDER BY 1, 2"
        ).fetchall()


@pytest.fixture(scope="session")
def emptied(postgres_server: PostgresServer) -> Emptied:
    return Emptied(postgres_server)


@pytest.fixture
def postgres_address(postgres_server: PostgresServer, emptied: Emptied) -> Iterator[str]:
    """A database of the newest schema, empty, of this test alone."""
    name = emptied.take()
    yield postgres_server.address(name)
    emptied.give_back(name)
