"""Turns to identify: several processes that share a store, as if each were a bot of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bot.jobs.context import Clock
from bot.jobs.identify_turns import IdentifyTurns
from bot.store.database import Store
from bot.store.identify_turns import APART, claim_turn

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)


class SleptClock(Clock):
    """Time passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.passed = timedelta()
        super().__init__(lambda: NOW + self.passed, self._seconds)

    def _seconds(self) -> float:
        return self.passed.total_seconds()

    def sleep(self, seconds: float) -> Coroutine[Any, Any, None]:
        self.passed += timedelta(seconds=seconds)
        return asyncio.sleep(0)


async def test_one_of_a_bucket_goes_at_once_and_the_next_after_the_pause(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "animate.db")
    try:
        assert await store.write(claim_turn(0, now=NOW)) == timedelta()
        assert await store.write(claim_turn(1, now=NOW)) == timedelta()
        assert await store.write(claim_turn(0, now=NOW + timedelta(seconds=2))) == APART - timedelta(seconds=2)
        assert await store.write(claim_turn(0, now=NOW + APART)) == timedelta()
    finally:
        await store.close()


async def test_a_turn_of_a_clock_that_was_set_ahead_keeps_nobody_waiting(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "animate.db")
    try:
        await store.write(claim_turn(0, now=NOW + timedelta(hours=1)))
        assert await store.write(claim_turn(0, now=NOW)) == timedelta()
    finally:
        await store.close()


async def test_shards_of_two_processes_identify_one_after_the_other(tmp_path: Path) -> None:
    clock = SleptClock()
    store = await Store.open(tmp_path / "animate.db")

    async def process(shards: int) -> None:
        mine = IdentifyTurns(store, clock)
        for _ in range(shards):
            await mine.wait(0)

    try:
        await asyncio.gather(process(3), process(3))
    finally:
        await store.close()

    assert clock.now() - NOW >= 5 * APART
