"""Turns to identify at Discord's gateway, shared by several processes through the store."""

from __future__ import annotations

import logging
import random

from bot.errors import StoreUnavailable
from bot.jobs.context import Clock
from bot.store.database import Store
from bot.store.identify_turns import claim_turn

log = logging.getLogger(__name__)

JITTER_S = 0.2
"""Those who wait for one turn do not all ask in the same moment."""
STORE_PAUSE_S = 2.0


class IdentifyTurns:
    """Nothing is held while a process identifies, so one that ends in that moment keeps nobody waiting."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def wait(self, bucket: int) -> None:
        """Returns when a shard of this bucket may identify. Waits for the store, however long that takes."""
        while True:
            try:
                left = await self._store.write(claim_turn(bucket, now=self._clock.now()))
            except StoreUnavailable as error:
                log.warning("no turn to identify at Discord, trying again: %s", error)
                await self._clock.sleep(STORE_PAUSE_S)
                continue
            if not left:
                return
            await self._clock.sleep(left.total_seconds() + random.uniform(0, JITTER_S))  # noqa: S311 - no secret
