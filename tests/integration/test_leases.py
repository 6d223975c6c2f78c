"""What one of several processes does at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from bot.models import Limit, Period
from bot.store import leases, operator_alerts
from bot.store.database import Store
from tests.builders import NOON
from tests.databases import Database

FOR = timedelta(minutes=1)


@pytest.fixture
async def store(database: Database) -> AsyncIterator[Store]:
    opened = await Store.open(database.where)
    yield opened
    await opened.close()


async def test_of_all_who_take_it_at_once_one_has_it(store: Store) -> None:
    takes = [leases.acquire("tell", name, now=NOON, ends_at=NOON + FOR) for name in ("a", "b", "c")]

    assert sum(await asyncio.gather(*map(store.write, takes))) == 1


async def test_it_is_another_ones_once_it_is_given_back_or_its_time_is_over(store: Store) -> None:
    async def takes(name: str, after: timedelta = timedelta()) -> bool:
        return await store.write(leases.acquire("tell", name, now=NOON + after, ends_at=NOON + after + FOR))

    assert await takes("a")
    await store.write(leases.release("tell", "b"))
    assert not await takes("b")
    await store.write(leases.release("tell", "a"))
    assert await takes("b")
    assert not await takes("a", FOR / 2)
    assert await takes("a", FOR)


async def test_what_is_to_be_told_is_claimed_by_one(store: Store) -> None:
    look = operator_alerts.look(Limit(1, Period.DAY), now=NOON, since=NOON)

    claims = [operator_alerts.claim(look, name, now=NOON, ends_at=NOON + FOR) for name in ("a", "b")]

    assert len([found for found in await asyncio.gather(*map(store.write, claims)) if found is not None]) == 1
