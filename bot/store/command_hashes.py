"""Which commands were last synced, per application and API root."""

from __future__ import annotations

from bot.store import sql
from bot.store.database import Tx, Unit


def synced_hash(application: int, api: str) -> Unit[str | None]:
    """Hash of the payload that Discord last took from us, or None."""

    def unit(tx: Tx) -> str | None:
        row = tx.one(
            "SELECT hash FROM commands WHERE application = :application AND api = :api",
            application=application,
            api=api,
        )
        return None if row is None else row["hash"]

    return unit


def remember_hash(application: int, api: str, payload_hash: str) -> Unit[None]:
    """Discord took this payload."""
    return lambda tx: sql.put(tx, "commands", {"application": application, "api": api}, hash=payload_hash)
