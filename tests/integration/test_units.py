"""Units and batches, on SQLite and PostgreSQL alike: who is answered what, and what is kept."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bot.errors import StoreUnavailable
from bot.store import postgres, sqlite
from bot.store.command_hashes import synced_hash
from bot.store.database import Store, Tx
from bot.store.units import BATCH, Batches
from tests.batches import DEADLINE_S, Wrong, busy, hashes, note, note_and_fail, outcomes, same, submit
from tests.databases import Database

Open = Callable[..., Coroutine[Any, Any, Store]]


class Watched:
    """What is counted and where it fails, of a writing connection."""

    def __init__(self) -> None:
        self.commits = 0
        self.failing: list[str] = []

    def comes_to(self, where: str, error: type[Exception]) -> None:
        if where == "commit":
            self.commits += 1
        if where in self.failing:
            self.failing.remove(where)
            raise error("disk I/O error")


class WatchedSqlite(sqlite.Writer):
    watched = Watched()

    def begin_batch(self) -> None:
        self.watched.comes_to("begin", self.driver_error)
        super().begin_batch()

    def commit_now(self) -> None:
        self.watched.comes_to("commit", self.driver_error)
        super().commit_now()


class WatchedPostgres(postgres.Writer):
    watched = Watched()

    def begin_batch(self) -> None:
        self.watched.comes_to("begin", self.driver_error)
        super().begin_batch()

    def commit_now(self) -> None:
        self.watched.comes_to("commit", self.driver_error)
        super().commit_now()


@pytest.fixture(name="open_store")
async def _open_store(database: Database) -> AsyncIterator[Open]:
    """Opens stores and closes them at the end."""
    async with contextlib.AsyncExitStack() as stack:

        async def open_store(**kwargs: Any) -> Store:
            store = await Store.open(database.where, **kwargs)
            stack.push_async_callback(store.close)
            return store

        yield open_store


@pytest.fixture(name="watch")
def _watch() -> Watched:
    return Watched()


@pytest.fixture(name="store")
async def _store(open_store: Open, watch: Watched, database: Database) -> Store:
    def writer(*given: Any, **named: Any) -> Batches:
        made = (WatchedSqlite if isinstance(database.where, Path) else WatchedPostgres)(*given, **named)
        made.watched = watch
        return made

    return await open_store(writer=writer)


class TestMeanwhile:
    """What a caller makes of its unit while the database writes."""

    async def test_it_is_told_before_the_answer_what_the_unit_returned(self, store: Store) -> None:
        told: list[object] = []

        def unit(tx: Tx) -> int:
            note(1)(tx)
            return 7

        assert await store.begin_write(unit, meanwhile=told.append) == 7
        assert told == [7]

    async def test_a_unit_that_is_refused_is_not_told(self, store: Store) -> None:
        told: list[object] = []

        with pytest.raises(Wrong):
            await store.begin_write(note_and_fail(1), meanwhile=told.append)
        await store.write(note(2))  # what was said before it has been heard

        assert told == []

    async def test_a_commit_that_fails_afterwards_is_what_its_caller_is_answered(
        self, store: Store, watch: Watched
    ) -> None:
        told: list[object] = []
        watch.failing = ["commit"]

        with pytest.raises(StoreUnavailable):
            await store.begin_write(note(1), meanwhile=told.append)

        assert told == [None]
        assert await store.read(hashes) == {}

    async def test_what_fails_there_is_logged_and_costs_nobody_the_answer(
        self, store: Store, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(_: object) -> None:
            raise Wrong("drawn wrongly")

        async with busy(store):
            both = [store.begin_write(note(n), meanwhile=fail) for n in (1, 2)]
        await asyncio.gather(*both)

        assert set(await store.read(hashes)) == {1, 2}
        assert caplog.text.count("Wrong: drawn wrongly") == 2


class TestBatches:
    async def test_units_that_wait_share_one_commit(self, store: Store, watch: Watched) -> None:
        async with busy(store):
            before = watch.commits
            tasks = await submit(*(store.write(note(n)) for n in range(BATCH)))

        assert await outcomes(tasks) == [None] * BATCH
        assert watch.commits - before == 2  # the one that was busy, and the batch
        assert await store.read(hashes) == {n: f"hash {n}" for n in range(BATCH)}

    async def test_of_very_many_the_first_are_answered_while_the_last_are_written(
        self, store: Store, watch: Watched
    ) -> None:
        answered = threading.Event()
        async with busy(store):
            before = watch.commits
            tasks = await submit(
                *(store.write(note(n)) for n in range(2 * BATCH)),
                store.write(lambda _tx: answered.wait(DEADLINE_S)),
            )

        assert await outcomes(tasks[: 2 * BATCH]) == [None] * 2 * BATCH
        assert not tasks[-1].done()
        answered.set()
        assert await outcomes(tasks[-1:]) == [True]
        assert watch.commits - before == 4  # the one that was busy, and three batches

    async def test_each_unit_gets_back_what_it_returned(self, store: Store) -> None:
        async with busy(store):
            tasks = await submit(*(store.write(partial(same, n)) for n in range(9)))

        assert await outcomes(tasks) == list(range(9))

    async def test_a_failing_unit_leaves_nothing_and_harms_no_other(self, store: Store, watch: Watched) -> None:
        async with busy(store):
            before = watch.commits
            tasks = await submit(store.write(note(1)), store.write(note_and_fail(2)), store.write(note(3)))

        first, second, third = await outcomes(tasks)
        assert (first, third) == (None, None)
        assert isinstance(second, Wrong)
        assert watch.commits - before == 2
        assert set(await store.read(hashes)) == {1, 3}

    async def test_a_statement_that_the_database_refuses_is_told_as_unavailable_and_harms_no_other(
        self, store: Store
    ) -> None:
        async with busy(store):
            tasks = await submit(store.write(lambda tx: tx.one("SELECT * FROM nowhere")), store.write(note(1)))

        refused, taken = await outcomes(tasks)
        assert isinstance(refused, StoreUnavailable)
        assert isinstance(refused.__cause__, sqlite3.OperationalError | psycopg.errors.UndefinedTable)
        assert taken is None

    @pytest.mark.parametrize("error", [StopIteration(), SystemExit(3), asyncio.CancelledError()])
    async def test_what_no_future_carries_ends_its_unit_and_not_the_writer(
        self, store: Store, error: BaseException
    ) -> None:
        def unit(tx: Tx) -> None:
            note(1)(tx)
            raise error

        with pytest.raises(StoreUnavailable) as caught:
            await asyncio.wait_for(store.write(unit), DEADLINE_S)

        assert caught.value.__cause__ is error
        await store.write(note(2))
        assert set(await store.read(hashes)) == {2}

    async def test_cancelling_a_caller_does_not_cancel_its_unit(self, store: Store) -> None:
        async with busy(store):
            (task,) = await submit(store.write(note(1)))
            task.cancel()
            (outcome,) = await outcomes([task])

        assert isinstance(outcome, asyncio.CancelledError)
        await store.write(note(2))
        assert set(await store.read(hashes)) == {1, 2}

    async def test_a_cancelled_callers_failing_unit_disturbs_nobody(self, store: Store) -> None:
        async with busy(store):
            (task,) = await submit(store.write(note_and_fail(1)))
            task.cancel()
            await outcomes([task])

        await store.write(note(2))
        assert set(await store.read(hashes)) == {2}

    async def test_a_unit_past_its_deadline_is_dropped_unstarted(self, store: Store) -> None:
        started: list[str] = []
        async with busy(store):
            tasks = await submit(
                store.write(lambda _: started.append("late"), start_within_s=0.0),
                store.write(lambda _: started.append("in time"), start_within_s=3600.0),
                store.write(lambda _: started.append("whenever")),
            )

        late, *others = await outcomes(tasks)
        assert isinstance(late, StoreUnavailable)
        assert others == [None, None]
        assert started == ["in time", "whenever"]


class TestLostBatches:
    async def test_a_failing_commit_fails_every_unit_of_its_batch_and_the_next_batch_works(
        self, store: Store, watch: Watched
    ) -> None:
        watch.failing = ["commit"]

        lost = await outcomes(await submit(store.write(note(1)), store.write(note_and_fail(2)), store.write(note(3))))

        assert [type(outcome) for outcome in lost] == [StoreUnavailable] * 3
        assert watch.failing == []
        await store.write(note(4))
        assert set(await store.read(hashes)) == {4}

    async def test_a_batch_that_cannot_begin_fails_and_the_next_one_works(self, store: Store, watch: Watched) -> None:
        watch.failing = ["begin"]
        committed: list[bool] = []
        store.measure(lambda _units, _seconds, is_committed: committed.append(is_committed))

        (lost,) = await outcomes(await submit(store.write(note(1))))
        (kept,) = await outcomes(await submit(store.write(note(2))))

        assert isinstance(lost, StoreUnavailable)
        assert kept is None
        assert committed == [False, True]

    async def test_a_lost_transaction_fails_the_batch_also_where_the_unit_made_its_own_error_of_it(
        self, store: Store
    ) -> None:
        """ROLLBACK stands in for what SQLite does by itself when the disk is full."""

        def lose(tx: Tx) -> None:
            tx.changed("ROLLBACK")
            raise Wrong

        async with busy(store):
            tasks = await submit(store.write(note(1)), store.write(lose), store.write(note(2)))

        assert [type(outcome) for outcome in await outcomes(tasks)] == [StoreUnavailable] * 3
        await store.write(note(3))
        assert set(await store.read(hashes)) == {3}

    async def test_a_unit_that_hides_the_loss_of_its_transaction_fails_the_batch_all_the_same(
        self, store: Store
    ) -> None:
        async with busy(store):
            tasks = await submit(store.write(note(1)), store.write(lambda tx: tx.changed("ROLLBACK")))

        assert [type(outcome) for outcome in await outcomes(tasks)] == [StoreUnavailable] * 2


class TestReads:
    async def test_they_see_only_what_is_committed(self, store: Store) -> None:
        await store.write(note(1))
        async with busy(store, note(2)):
            during = await store.read(hashes)

        assert set(during) == {1}
        assert set(await store.read(hashes)) == {1, 2}

    async def test_they_cannot_write(self, store: Store) -> None:
        with pytest.raises(StoreUnavailable, match=r"read-?only"):
            await store.read(note(1))

        assert await store.read(hashes) == {}

    async def test_one_that_fails_harms_no_other(self, store: Store) -> None:
        await store.write(note(1))

        failed, found = await outcomes(await submit(store.read(note_and_fail(2)), store.read(synced_hash(1, "api"))))

        assert isinstance(failed, StoreUnavailable)
        assert found == "hash 1"


class TestClosing:
    async def test_it_finishes_what_waits(self, open_store: Open) -> None:
        store = await open_store()
        async with busy(store):
            tasks = await submit(*(store.write(note(n)) for n in range(20)))
            closing_ = asyncio.create_task(store.close())
        await closing_

        assert await outcomes(tasks) == [None] * 20
        again = await open_store()
        assert set(await again.read(hashes)) == set(range(20))

    async def test_a_closed_store_refuses(self, open_store: Open) -> None:
        store = await open_store()
        await store.close()

        for call in (store.write, store.read):
            with pytest.raises(StoreUnavailable, match="closed"):
                await call(lambda _: None)

    async def test_it_closes_to_the_end_also_when_its_caller_is_cancelled(self, open_store: Open) -> None:
        store = await open_store()
        async with busy(store):
            (writing,) = await submit(store.write(note(1)))
            (closing_,) = await submit(store.close())
            closing_.cancel()
        (outcome,) = await outcomes([closing_])

        assert isinstance(outcome, asyncio.CancelledError)
        assert await outcomes([writing]) == [None]
        again = await open_store()
        assert set(await again.read(hashes)) == {1}


class TestObservers:
    async def test_they_learn_of_what_is_committed_before_the_caller_goes_on(self, store: Store) -> None:
        told: list[object] = []
        store.observe(told.append)

        await store.write(lambda tx: tx.note("one"))

        assert told == ["one"]

    async def test_they_learn_nothing_of_a_unit_that_failed(self, store: Store) -> None:
        told: list[object] = []
        store.observe(told.append)

        def fails(tx: Tx) -> None:
            tx.note("never")
            raise KeyError("no")

        with pytest.raises(KeyError):
            await store.write(fails)
        await store.write(lambda tx: tx.note("yes"))

        assert told == ["yes"]

    async def test_one_that_fails_keeps_nobody_from_an_answer(self, store: Store) -> None:
        told: list[object] = []
        store.observe(told.remove)  # raises ValueError
        store.observe(told.append)

        await store.write(lambda tx: tx.note("one"))

        assert told == ["one"]

    async def test_each_transaction_is_measured(self, store: Store) -> None:
        measured: list[tuple[int, float, bool]] = []
        store.measure(lambda *told: measured.append(told))

        await store.write(lambda _: None)

        ((units, seconds, is_committed),) = measured
        assert units == 1
        assert seconds >= 0
        assert is_committed
