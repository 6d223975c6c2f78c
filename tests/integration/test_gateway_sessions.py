"""Sessions at the gateway that one process leaves to the next."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.models import GatewaySession
from bot.store.database import Store
from bot.store.gateway_sessions import KEPT_FOR, are_left, claim, leave

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
FIRST = GatewaySession(0, 2, "abc", 17, "wss://gateway.example/", (1, 2**60))
SECOND = replace(FIRST, shard=1, session="def", servers=())


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(tmp_path / "animate.db")
    yield opened
    await opened.close()


async def claimed(store: Store, *shards: int, count: int = 2, at: datetime = NOW) -> list[GatewaySession]:
    return await store.write(claim(lambda shard: shard in shards, count, now=at))


async def test_whoever_connects_the_shard_takes_its_session_once(store: Store) -> None:
    await store.write(leave([FIRST, SECOND], now=NOW))

    assert await claimed(store, 1) == [SECOND]
    assert await store.read(are_left())
    assert await claimed(store, 0, 1) == [FIRST]
    assert await claimed(store, 0, 1) == []
    assert not await store.read(are_left())


async def test_the_newest_session_of_a_shard_counts(store: Store) -> None:
    await store.write(leave([FIRST], now=NOW))
    await store.write(leave([replace(FIRST, sequence=18)], now=NOW))

    assert await claimed(store, 0) == [replace(FIRST, sequence=18)]


async def test_what_is_too_old_or_of_other_shards_is_dropped(store: Store) -> None:
    for count, at in ((3, NOW), (2, NOW + KEPT_FOR + timedelta(seconds=1))):
        await store.write(leave([FIRST], now=NOW))

        assert await claimed(store, 0, count=count, at=at) == []
        assert not await store.read(are_left())
