"""Sessions at the gateway that a stopped process has left to the next one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from bot.models import GatewaySession
from bot.store import sql
from bot.store.database import Row, Tx, Unit
from bot.store.row_mapping import to_ms

KEPT_FOR = timedelta(minutes=3)
"""Discord says "a few minutes" (gateway.mdx#resuming)."""


def leave(sessions: Iterable[GatewaySession], *, now: datetime) -> Unit[None]:
    """For whoever connects these shards next."""

    def unit(tx: Tx) -> None:
        for each in sessions:
            sql.put(
                tx, "gateway_sessions", {"shard": each.shard}, shards=each.shards, session=each.session,
                sequence=each.sequence, gateway=each.gateway, servers=" ".join(map(str, each.servers)),
                left_at=to_ms(now),
            )  # fmt: skip

    return unit


def are_left() -> Unit[bool]:
    """Whether there are any: mostly there is nothing to take, and so nothing to write."""
    return lambda tx: tx.one("SELECT shard FROM gateway_sessions LIMIT 1") is not None


def claim(is_mine: Callable[[int], bool], shards: int, *, now: datetime) -> Unit[list[GatewaySession]]:
    """Those of one's own shards that Discord still has; nobody gets them a second time."""

    def unit(tx: Tx) -> list[GatewaySession]:
        mine = [row for row in tx.all("SELECT * FROM gateway_sessions ORDER BY shard") if is_mine(row["shard"])]
        for row in mine:
            tx.changed("DELETE FROM gateway_sessions WHERE shard = :shard", shard=row["shard"])
        kept = to_ms(now - KEPT_FOR)
        return [_session(row) for row in mine if row["shards"] == shards and row["left_at"] >= kept]

    return unit


def _session(row: Row) -> GatewaySession:
    servers = tuple(map(int, row["servers"].split()))
    return GatewaySession(row["shard"], row["shards"], row["session"], row["sequence"], row["gateway"], servers)
