"""The store on a real PostgreSQL server: units and their batches, values, several processes, what it opens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from bot.check import storage
from bot.check.findings import Level
from bot.errors import StoreUnavailable, StoreUnusable
from bot.models import JobState
from bot.store import backup, inspection, metrics_queries, usage
from bot.store.command_hashes import remember_hash
from bot.store.database import Store, Tx
from bot.store.migrations import scripts
from bot.store.postgres_values import translated
from bot.store.reservations import reserve
from tests.builders import NOON, a_job, limits
from tests.postgres_server import PostgresServer

pytestmark = pytest.mark.postgres

NOWHERE = "postgresql://bot@127.0.0.1:1/animate"


@pytest.fixture(name="store")
async def _store(postgres_address: str) -> AsyncIterator[Store]:
    store = await Store.open(postgres_address)
    yield store
    await store.close()


def hashes(tx: Tx) -> dict[int, str]:
    return {row["application"]: row["hash"] for row in tx.all("SELECT application, hash FROM commands")}


class TestStatements:
    def test_parameters_are_translated_outside_of_quotes_and_per_cent_signs_doubled(self) -> None:
        assert translated("SELECT ':no', '%', a % :b") == "SELECT ':no', '%%', a %% %(b)s"

    async def test_values_come_back_as_they_went(self, store: Store) -> None:
        big, text = 2**62, "a 'quoted' % \u00e9 \U0001f600 \\ \n"
        await store.write(remember_hash(big, JobState.WAITING, text))

        (row,) = await store.read(lambda tx: tx.all("SELECT * FROM commands"))

        assert list(row) == [big, "waiting", text]
        assert dict(zip(row.keys(), row, strict=True)) == {"application": big, "api": "waiting", "hash": text}
        assert (row["application"], row["hash"]) == (big, text)

    async def test_a_nul_in_a_text_keeps_nothing_from_being_written(self, store: Store) -> None:
        await store.write(remember_hash(1, "api", "a\0b"))

        assert await store.read(hashes) == {1: "a\ufffdb"}


class TestUnits:
    async def test_one_that_fails_leaves_nothing_and_harms_no_other(self, store: Store) -> None:
        def fails(tx: Tx) -> None:
            remember_hash(2, "api", "two")(tx)
            tx.one("SELECT * FROM nowhere")

        def hides_that_it_failed(tx: Tx) -> None:
            with pytest.raises(psycopg.errors.UndefinedTable):
                fails(tx)

        outcomes = await asyncio.gather(
            *(store.write(unit) for unit in (remember_hash(1, "api", "one"), fails, hides_that_it_failed)),
            store.write(remember_hash(3, "api", "three")),
            return_exceptions=True,
        )

        assert [type(outcome) for outcome in outcomes] == [type(None), StoreUnavailable, StoreUnavailable, type(None)]
        assert await store.read(hashes) == {1: "one", 3: "three"}

    async def test_reads_cannot_write(self, store: Store) -> None:
        with pytest.raises(StoreUnavailable, match="read-only"):
            await store.read(remember_hash(1, "api", "one"))

        assert await store.read(hashes) == {}


class TestOpening:
    async def test_a_new_database_gets_the_schema_once(self, postgres_server: PostgresServer) -> None:
        address = postgres_server.address(postgres_server.make_database())

        stores = await asyncio.gather(*(Store.open(address) for _ in range(3)))

        for store in stores:
            await store.write(remember_hash(1, "api", "one"))
            await store.close()
        with psycopg.connect(address) as connection:
            assert connection.execute("SELECT COUNT(*) FROM writers").fetchall() == [(0,)]

    async def test_another_programs_database_is_refused_and_left_as_it_was(
        self, postgres_server: PostgresServer
    ) -> None:
        name = postgres_server.make_database()
        with postgres_server.connect(name) as connection:
            connection.execute("CREATE TABLE theirs (id BIGINT)")

            with pytest.raises(StoreUnusable, match="another program"):
                await Store.open(postgres_server.address(name))

            assert connection.execute("SELECT COUNT(*) FROM pg_stat_user_tables").fetchall() == [(1,)]

    async def test_a_newer_database_is_refused(self, postgres_address: str) -> None:
        with psycopg.connect(postgres_address, autocommit=True) as connection:
            connection.execute("INSERT INTO schema_versions VALUES (9999)")

        with pytest.raises(StoreUnusable, match="newer version"):
            await Store.open(postgres_address)

    async def test_a_server_that_is_not_there_is_unavailable(self) -> None:
        with pytest.raises(StoreUnavailable, match="out of reach"):
            await Store.open(NOWHERE)


class TestBesideTheBot:
    async def test_check_tells_whether_the_server_can_be_reached_and_its_schema(
        self, postgres_server: PostgresServer, postgres_address: str
    ) -> None:
        empty = postgres_server.address(postgres_server.make_database())
        newest = scripts("postgres")[-1][0]

        (there,), (new,), (gone,) = (storage.database(address) for address in (postgres_address, empty, NOWHERE))

        assert there.level is new.level is Level.OK
        assert there.text == f"the server can be reached, with schema {newest}"
        assert new.text == f"the server can be reached; the next start brings it to schema {newest}"
        assert gone.level is Level.PROBLEM
        assert gone.text.startswith("the database is out of reach: ")
        assert "\n" not in gone.text

    async def test_usage_is_read_while_the_bot_writes_and_changes_nothing(
        self, store: Store, postgres_address: str
    ) -> None:
        await store.write(reserve(a_job(1), [], limits()))

        rows = await asyncio.to_thread(inspection.read, postgres_address, usage.everywhere(1, NOON))

        assert [row.credits for row in rows] == [4]
        with pytest.raises(StoreUnavailable, match="read-only"):
            await asyncio.to_thread(inspection.read, postgres_address, remember_hash(1, "api", "one"))

    async def test_metrics_are_told_how_large_the_database_is(self, store: Store) -> None:
        found = await store.read(metrics_queries.figures(limits().budget, NOON))

        assert found.size_bytes is not None
        assert found.size_bytes > 1_000_000

    async def test_a_restored_dump_sends_nothing_again_and_is_settled_once(self, store: Store) -> None:
        """As `run --restored` has it: pg_dump marks nothing."""
        await store.write(reserve(a_job(1), [], limits()))
        assert not await store.read(backup.is_backup)

        reconciled = await store.write(backup.reconcile(now=NOON))

        assert (reconciled.cancelled, await store.read(backup.is_reconciled)) == (1, True)
        await store.write(backup.keep([], now=NOON))
        assert not await store.read(backup.is_reconciled)
