"""What one of several processes has of the whole."""

from __future__ import annotations

from bot.chat.client import Shards
from bot.jobs.context import Clock
from bot.jobs.identify_turns import IdentifyTurns
from bot.settings import Settings
from bot.store.database import Store


def shards_of(settings: Settings, store: Store, clock: Clock) -> Shards:
    """Those of this process; where others have the rest, all of them identify in turn."""
    turn = IdentifyTurns(store, clock).wait if settings.shard_ids else None
    return Shards(
        tuple(sorted(settings.shard_ids)), settings.shard_count, has_gateway=settings.role != "worker", turn=turn
    )
