"""The same for PostgreSQL: one script after the other, each all or nothing, one process at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg

from bot.errors import StoreUnusable
from bot.store.migrations import scripts

LOCK = (0x616E696D, 2)
"""Key of the advisory lock of whoever migrates."""
_TABLES = (
    "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
    " AND table_name NOT LIKE 'procrastinate%'"
)


def migrate(connection: psycopg.Connection[Any], known: Sequence[tuple[int, str]] | None = None) -> None:
    """Applies what is missing of `known`, by default all. Raises StoreUnusable for a foreign or newer database."""
    known = scripts("postgres") if known is None else known
    if version_of(connection, known[-1][0]) == known[-1][0]:
        return
    connection.execute(f"SELECT pg_advisory_lock{LOCK}")
    try:
        version = version_of(connection, known[-1][0])
        for number, script in known:
            if number > version:
                with connection.transaction():
                    connection.execute(script)
                    connection.execute("INSERT INTO schema_versions VALUES (%s)", [number])
    finally:
        if not connection.closed:
            connection.execute(f"SELECT pg_advisory_unlock{LOCK}")


def version_of(connection: psycopg.Connection[Any], newest: int) -> int:
    """The schema's version, 0 for an empty database. Raises StoreUnusable for a newer or foreign one."""
    tables = {name for (name,) in connection.execute(_TABLES)}
    if not tables:
        return 0
    if not {"schema_versions", "ledger"} <= tables:
        raise StoreUnusable("the database belongs to another program; name another one in DATABASE_URL")
    (version,) = connection.execute("SELECT MAX(version) FROM schema_versions").fetchone() or (0,)
    if version > newest:
        raise StoreUnusable(
            f"the database was written by a newer version of this bot (schema {version}, this one knows {newest}); "
            "run that version or a newer one"
        )
    return int(version)
