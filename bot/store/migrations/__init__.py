"""Brings a database to the newest schema: numbered scripts beside this file, each all or nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from importlib import resources
from pathlib import Path

from bot.errors import StoreUnusable
from bot.store.migrations import from_0_1


def scripts(engine: str = "sqlite") -> list[tuple[int, str]]:
    """Every migration of this kind of database as (version, SQL), oldest first.

    `0007_what.sql` is for both; `0007_what.postgres.sql` stands in for it on PostgreSQL, or is for that alone.
    """
    found: dict[int, str] = {}
    for entry in sorted(resources.files(__name__).iterdir(), key=lambda entry: entry.name.count(".")):
        name, *kinds = entry.name.split(".")
        if kinds in (["sql"], [engine, "sql"]):
            found[int(name.partition("_")[0])] = entry.read_text("utf-8")
    return sorted(found.items())


def migrate(path: Path, known: Sequence[tuple[int, str]] | None = None) -> None:
    """Applies what is missing of `known`, by default `scripts()`; a database of 0.1 is brought to the first of them.

    Raises StoreUnusable for a foreign or newer database, sqlite3.Error for a broken one; neither is changed.
    """
    known = scripts() if known is None else known
    version = version_of(path, known[-1][0])
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:  # closing rolls back an unfinished script
        connection.execute("PRAGMA journal_mode = WAL")
        for number, script in known:
            if number <= version:
                continue
            made = from_0_1.upgrade_script(connection, script) if from_0_1.is_of_0_1(connection) else script
            connection.executescript(
                f"BEGIN IMMEDIATE;\n{made}\nINSERT INTO schema_versions VALUES ({number});\nCOMMIT;"
            )


def version_of(path: Path, newest: int) -> int:
    """The schema's version, 0 for a new database. Raises StoreUnusable for one that is newer than `newest`, or foreign.

    Nothing is changed, but for what a crash left unfinished.
    """
    version = _version(path)
    if version > newest:
        raise StoreUnusable(
            f"{path} was written by a newer version of this bot (schema {version}, this one knows {newest}); "
            "run that version or a newer one"
        )
    return version


def _version(path: Path) -> int:
    """The same without that bound.

    Opened for reading alone: closing after more would fold another program's write-ahead log into its file.
    """
    if not path.exists():
        return 0
    torn = path.with_name(path.name + "-journal").exists()  # a crash while the file was made: must be rolled back
    address = f"{path.absolute().as_uri()}?mode={'rw' if torn else 'ro'}"
    with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as connection:
        if connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchone() is None:
            return 0
        if ("version",) in connection.execute("SELECT name FROM pragma_table_info('schema_versions')").fetchall():
            (version,) = connection.execute("SELECT MAX(version) FROM schema_versions").fetchone()
            if from_0_1.is_of_0_1(connection):
                if version == from_0_1.NEWEST:
                    return 0  # the first script is still to come
                raise StoreUnusable(
                    f"{path} was written before 0.1 was released (schema {version}); start 0.1 on it once, then this "
                    "version, or name another file in DATABASE_URL"
                )
            if isinstance(version, int):
                return version
    raise StoreUnusable(f"{path} belongs to another program; name another file in DATABASE_URL")
