"""PostgreSQL goes away in the middle: what was kept is told rightly, and nothing is done twice."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import closing

import psycopg
import pytest

from bot.cluster.retrying_connector import RetryingConnector
from bot.errors import StoreUnavailable
from bot.store.command_hashes import remember_hash, synced_hash
from bot.store.database import Store, Tx, Unit
from bot.store.postgres import with_defaults
from tests.postgres_proxy import Cut, Proxy, proxied
from tests.postgres_server import PostgresServer

pytestmark = pytest.mark.postgres

DEADLINE_S = 30.0


@pytest.fixture(name="proxy")
async def _proxy(postgres_server: PostgresServer) -> AsyncIterator[Proxy]:
    async with proxied(postgres_server.port) as proxy:
        yield proxy


@pytest.fixture(name="store")
async def _store(postgres_address: str, proxy: Proxy) -> AsyncIterator[Store]:
    store = await Store.open(proxy.address(postgres_address))
    async with asyncio.timeout(DEADLINE_S):
        yield store
    await store.close()


def counted(runs: list[int], number: int = 1) -> Unit[int]:
    """A unit that writes down that it ran, and notes it."""

    def unit(tx: Tx) -> int:
        runs.append(number)
        remember_hash(number, "api", f"run {len(runs)}")(tx)
        tx.note(number)
        return number

    return unit


class TestTheAnswerToACommitIsLost:
    async def test_a_batch_that_was_kept_is_told_so_and_not_made_again(self, store: Store, proxy: Proxy) -> None:
        runs: list[int] = []
        told: list[object] = []
        store.observe(told.append)
        proxy.cut = Cut.AFTER_COMMIT

        assert await store.write(counted(runs)) == 1

        assert proxy.has_cut.is_set()
        assert (runs, told) == ([1], [1])
        assert await store.read(synced_hash(1, "api")) == "run 1"

    async def test_a_batch_that_was_not_kept_is_told_so(self, store: Store, proxy: Proxy) -> None:
        runs: list[int] = []
        proxy.cut = Cut.BEFORE_COMMIT

        with pytest.raises(StoreUnavailable, match="lost at COMMIT"):
            await store.write(counted(runs))

        assert proxy.has_cut.is_set()
        assert await store.read(synced_hash(1, "api")) is None
        await store.write(remember_hash(1, "api", "later"))

    async def test_each_unit_of_it_is_told_what_is_its_own(self, store: Store, proxy: Proxy) -> None:
        def fails(_: Tx) -> None:
            raise KeyError("its own")

        proxy.cut = Cut.AFTER_COMMIT

        outcomes = await asyncio.gather(
            store.write(counted([])), store.write(fails), return_exceptions=True
        )  # fmt: skip

        assert outcomes[0] == 1
        assert isinstance(outcomes[1], KeyError)

    @pytest.mark.parametrize("cut", [Cut.AFTER_COMMIT, Cut.BEFORE_COMMIT])
    async def test_as_long_as_nobody_can_be_asked_it_stays_open_and_others_are_refused(
        self, store: Store, proxy: Proxy, cut: Cut
    ) -> None:
        proxy.cut, proxy.then = cut, Cut.NOW
        writing = asyncio.create_task(store.write(counted([])))
        await proxy.has_cut.wait()

        with pytest.raises(StoreUnavailable, match="out of reach"):
            await store.write(remember_hash(2, "api", "two"))
        assert not writing.done()

        proxy.cut = Cut.NEVER
        (outcome,) = await asyncio.gather(writing, return_exceptions=True)
        assert (outcome == 1) == (await store.read(synced_hash(1, "api")) == "run 1") == (cut is Cut.AFTER_COMMIT)

    async def test_a_store_that_is_closed_waits_no_longer(self, store: Store, proxy: Proxy) -> None:
        proxy.cut, proxy.then = Cut.AFTER_COMMIT, Cut.NOW
        writing = asyncio.create_task(store.write(counted([])))
        await proxy.has_cut.wait()

        await store.close()

        with pytest.raises(StoreUnavailable):
            await writing


class TestTheConnectionIsLost:
    async def test_between_batches_nobody_notices(self, store: Store, proxy: Proxy) -> None:
        await store.write(remember_hash(1, "api", "one"))
        proxy.break_off()

        await store.write(remember_hash(2, "api", "two"))

        assert await store.read(synced_hash(2, "api")) == "two"

    async def test_within_a_unit_nothing_of_its_batch_is_kept(self, store: Store, proxy: Proxy) -> None:
        loop = asyncio.get_running_loop()

        def unit(tx: Tx) -> None:
            remember_hash(1, "api", "one")(tx)
            loop.call_soon_threadsafe(proxy.break_off)
            gone = threading.Event()
            loop.call_soon_threadsafe(gone.set)
            assert gone.wait(DEADLINE_S)
            remember_hash(2, "api", "two")(tx)

        with pytest.raises(StoreUnavailable):
            await store.write(unit)

        assert await store.read(synced_hash(1, "api")) is None
        await store.write(remember_hash(3, "api", "three"))

    async def test_while_the_server_cannot_be_reached_units_are_refused_at_once(
        self, store: Store, proxy: Proxy
    ) -> None:
        proxy.cut = Cut.NOW
        proxy.break_off()

        for call in (store.write, store.read, store.write, store.read):
            with pytest.raises(StoreUnavailable, match="out of reach"):
                await call(synced_hash(1, "api"))

        proxy.cut = Cut.NEVER
        async with asyncio.timeout(DEADLINE_S):
            while True:
                try:
                    await store.write(remember_hash(1, "api", "one"))
                    break
                except StoreUnavailable:
                    await asyncio.sleep(0.1)


class TestSeveralWriters:
    async def test_a_deadlock_with_somebody_else_is_tried_again(self, store: Store, postgres_address: str) -> None:
        """Ours gives way: the other one's `deadlock_timeout` is longer."""
        for number in (1, 2):
            await store.write(remember_hash(number, "api", "before"))
        runs: list[int] = []
        ours_waits = threading.Event()

        def unit(tx: Tx) -> None:
            runs.append(1)
            remember_hash(1, "api", "ours")(tx)
            ours_waits.set()
            remember_hash(2, "api", "ours")(tx)

        def other() -> None:
            with closing(psycopg.connect(postgres_address)) as theirs:
                theirs.execute("SET deadlock_timeout = '60s'")
                theirs.execute("UPDATE commands SET hash = 'theirs' WHERE application = 2")
                has_begun.set()
                assert ours_waits.wait(DEADLINE_S)
                theirs.execute("UPDATE commands SET hash = 'theirs' WHERE application = 1")
                theirs.commit()

        has_begun = threading.Event()
        meanwhile = asyncio.create_task(asyncio.to_thread(other))
        assert await asyncio.to_thread(has_begun.wait, DEADLINE_S)
        await store.write(unit)
        await meanwhile

        assert len(runs) > 1
        assert [await store.read(synced_hash(number, "api")) for number in (1, 2)] == ["ours", "ours"]

    async def test_one_that_stops_in_the_middle_keeps_the_others_waiting_for_five_seconds(
        self, store: Store, postgres_address: str
    ) -> None:
        frozen = await Store.open(postgres_address)
        entered, woken = threading.Event(), threading.Event()

        def freezes(tx: Tx) -> None:
            remember_hash(1, "api", "frozen")(tx)
            entered.set()
            assert woken.wait(DEADLINE_S)

        freezing = asyncio.create_task(frozen.write(freezes))
        assert await asyncio.to_thread(entered.wait, DEADLINE_S)

        await store.write(remember_hash(1, "api", "another"))
        woken.set()

        with pytest.raises(StoreUnavailable):
            await freezing
        assert await store.read(synced_hash(1, "api")) == "another"
        await frozen.write(remember_hash(2, "api", "woken"))
        await frozen.close()


async def test_however_long_the_database_is_away_the_queue_looks_for_it_every_few_seconds(
    postgres_address: str, proxy: Proxy
) -> None:
    """Pauses that double would be a minute by the time it is back, and so would what everybody waits after that."""
    connector = RetryingConnector(with_defaults(proxy.address(postgres_address)))
    await connector.open_async()
    try:
        proxy.cut = Cut.NOW
        proxy.break_off()
        asked = asyncio.create_task(connector.execute_query_one_async("SELECT 1 AS one"))
        async with asyncio.timeout(DEADLINE_S / 2):
            for _ in range(7):
                await proxy.refused.acquire()
            proxy.cut = Cut.NEVER
            assert await asked == {"one": 1}
    finally:
        await connector.close_async()
