"""A database of 0.1 gets the names and columns of the first schema, with every row that it has."""

from __future__ import annotations

import sqlite3
from contextlib import closing

NEWEST = 9
"""The last schema of 0.1, which counted its own."""
_MARK = "pots"
"""A table that 0.1 had and no later schema has."""
_OLD = "of_0_1_"
_TABLES = {
    "bonus_credits": "pots", "job_bonus_credits": "job_pots", "revoked_bonus_credits": "revoked_pots",
    "budget_usage": "budget_use", "server_usage": "server_use", "member_usage": "member_use",
    "users": "people", "pending_deletions": "litter",
}  # fmt: skip
_PER = "CASE {0} WHEN 'ever' THEN 'total' ELSE {0} END"
_TICKET = "CASE WHEN provider_id IS NOT NULL THEN json_object('endpoint', rtrim(endpoint, '/'), 'id', provider_id) END"
"""As the wire of 0.1 writes it today. Who has it under another name than `default` is found by its address."""
_COLUMNS = {
    "reset_count": "epoch", "bonus_id": "pot", "from_quota": "from_allowance", "from_bonus": "from_pots",
    "server_limit_credits": "ceiling_credits", "server_limit_per": _PER.format("ceiling_per"),
    "per": _PER.format("per"), "default_per": _PER.format("default_per"), "limit_per": _PER.format("limit_per"),
    "budget_per": _PER.format("budget_per"), "kind": "CASE kind WHEN 'allowance' THEN 'quota' ELSE kind END",
    "failure": "CASE failure WHEN 'line' THEN 'queue_timeout' ELSE failure END",
    "picture_filename": "picture_name", "picture_size_bytes": "NULLIF(picture_bytes, 0)",
    "picture_content_type": "picture_type", "provider": "'default'", "wire": "'openai'", "ticket": _TICKET,
    "first_sent_at": "tried_at", "last_sent_at": "submitted_at", "render_ms": "took_ms",
    "upload_limit_bytes": "upload_limit", "mentioned_at": "pinged_at", "mention_message": "ping_message",
    "privacy_note_at": "told_at", "mentions_muted_at": "silent_at", "erasure_requested_at": "erased_at",
}  # fmt: skip
"""What a column is made of, wherever it stands; any other is made of the one with its name, if there was one."""
_REFUND_REASON = "CASE WHEN kind = 'refund' AND reason = 'line' THEN 'queue_timeout' ELSE reason END"


def is_of_0_1(connection: sqlite3.Connection) -> bool:
    """Whether 0.1 has written this database of ours."""
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = :name", {"name": _MARK}).fetchone() is not None


def upgrade_script(connection: sqlite3.Connection, first: str) -> str:
    """What makes the first schema, whose script is `first`, of this database of 0.1; to be run in one transaction."""
    old, new = _columns(connection), _of_script(first)
    indexes = connection.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL").fetchall()
    parts = [f"DROP INDEX {name};" for (name,) in indexes]
    parts += [f"ALTER TABLE {table} RENAME TO {_OLD}{table};" for table in old]
    parts.append(first)
    for table, names in new.items():
        if table != "schema_versions":
            source = _TABLES.get(table, table)
            made_of = {name: _source(table, name) for name in names}
            made_of = {name: made for name, made in made_of.items() if made != name or name in old[source]}
            parts.append(
                f"INSERT INTO {table} ({', '.join(made_of)}) SELECT {', '.join(made_of.values())} FROM {_OLD}{source};"
            )
    return "\n".join([*parts, *(f"DROP TABLE {_OLD}{table};" for table in old)])


def _source(table: str, name: str) -> str:
    return _REFUND_REASON if (table, name) == ("ledger", "reason") else _COLUMNS.get(name, name)


def _of_script(script: str) -> dict[str, list[str]]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as empty:
        empty.executescript(script)
        return _columns(empty)


def _columns(connection: sqlite3.Connection) -> dict[str, list[str]]:
    """Of every table."""
    found: dict[str, list[str]] = {}
    for table, column in connection.execute(
        "SELECT m.name, c.name FROM sqlite_master AS m, pragma_table_info(m.name) AS c"
        " WHERE m.type = 'table' ORDER BY m.name, c.cid"
    ):
        found.setdefault(table, []).append(column)
    return found
