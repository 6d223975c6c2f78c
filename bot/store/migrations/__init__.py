"""Brings a database to the newest schema: numbered scripts beside this file, each all or nothing."""

from __future__ import annotations

import sqlite3
from importlib import resources
from pathlib import Path

from bot.errors import StoreUnusable


def scripts() -> list[tuple[int, str]]:
    """Every migration as (version, SQL), oldest first."""
    found = [entry for entry in resources.files(__name__).iterdir() if entry.name.endswith(".sql")]
    return sorted((int(entry.name.partition("_")[0]), entry.read_text("utf-8")) for entry in found)


def migrate(path: Path) -> None:
    """Applies what is missing. Raises StoreUnusable for a foreign or newer database, sqlite3.Error for a broken one."""
    known = scripts()
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if tables and "schema_versions" not in tables:
            raise StoreUnusable(f"{path} belongs to another program; name another file in DATABASE_URL")
        version = 0
        if tables:
            (version,) = connection.execute("SELECT MAX(version) FROM schema_versions").fetchone()
        newest = known[-1][0]
        if version > newest:
            raise StoreUnusable(
                f"{path} was written by a newer version of this bot (schema {version}, this one knows {newest}); "
                "run that version or a newer one"
            )
        connection.execute("PRAGMA journal_mode = WAL")
        for number, script in known:
            if number > version:
                connection.executescript(
                    f"BEGIN IMMEDIATE;\n{script}\nINSERT INTO schema_versions VALUES ({number});\nCOMMIT;"
                )
    finally:
        connection.close()  # an unfinished script is rolled back with it
