"""Leases: what only one of the processes that share the store does at a time, whoever has acquired it, for a while."""

from __future__ import annotations

from datetime import datetime

from bot.store.database import Tx, Unit
from bot.store.row_mapping import to_ms


def acquire(name: str, process: str, *, now: datetime, ends_at: datetime) -> Unit[bool]:
    """Whether the process has it now, until then; it has not while another one does."""

    def unit(tx: Tx) -> bool:
        taken = tx.changed(
            "INSERT INTO duties (name, process, ends_at) VALUES (:name, :process, :ends_at)"
            " ON CONFLICT (name) DO UPDATE SET process = excluded.process, ends_at = excluded.ends_at"
            " WHERE duties.process = excluded.process OR duties.ends_at <= :now",
            name=name,
            process=process,
            ends_at=to_ms(ends_at),
            now=to_ms(now),
        )
        return taken > 0

    return unit


def release(name: str, process: str) -> Unit[int]:
    """Another process may do it, unless one does already."""
    return lambda tx: tx.changed(
        "DELETE FROM duties WHERE name = :name AND process = :process", name=name, process=process
    )
