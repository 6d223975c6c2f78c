"""Entries of the queue between processes: there with their job or not at all, and never missing for long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest
from procrastinate import App

from bot.cluster.claimed_entries import CLAIMED_AT_ONCE, ClaimedEntries
from bot.cluster.job_claims import JobClaims
from bot.cluster.retrying_connector import RetryingConnector
from bot.errors import ReservationRefused
from bot.models import Job, JobId, JobState
from bot.store import jobs, queue_entries, shared_state
from bot.store.database import Store, Unit
from bot.store.reservations import reserve
from tests.builders import NOON, a_job, limits

pytestmark = pytest.mark.postgres
S = JobState


@pytest.fixture
async def store(postgres_address: str) -> AsyncIterator[Store]:
    """With the tables of the queue."""
    opened = await Store.open(postgres_address)
    claims = JobClaims(opened, postgres_address, takeover_s=30)
    await claims.open()
    yield opened
    await claims.close()
    await opened.close()


class Process:
    """Takes entries up and carries each until it is told what came of that: True where it needs no more work."""

    def __init__(self, store: Store, address: str) -> None:
        self.claims = JobClaims(store, address, takeover_s=30)
        self.carried: asyncio.Queue[int] = asyncio.Queue()
        self.ends: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def carry(self, job: JobId) -> bool:
        self.carried.put_nowait(job)
        return await self.ends


@pytest.fixture
async def processes(store: Store, postgres_address: str) -> AsyncIterator[list[Process]]:
    """Two, of which the first takes entries up."""
    both = [Process(store, postgres_address) for _ in range(2)]
    for process in both:
        await process.claims.open()
    await both[0].claims.start(both[0].carry)
    yield both
    for process in both:
        process.ends.cancel()
        await process.claims.stop_claiming()
        await process.claims.close()


@pytest.fixture
def connection(postgres_address: str, store: Store) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(postgres_address, autocommit=True) as connected:
        yield connected


@pytest.fixture
async def own(
    postgres_address: str, store: Store, connection: psycopg.Connection[tuple[object, ...]]
) -> AsyncIterator[ClaimedEntries]:
    """What the only worker does with entries."""
    connection.execute("INSERT INTO procrastinate_workers DEFAULT VALUES")
    async with App(connector=RetryingConnector(postgres_address)).open_async() as app:
        yield ClaimedEntries(app.connector, lambda: 1)


async def reserved(store: Store, number: int, *, most: int = 4) -> Job:
    unit = reserve(a_job(number, cost=4), [], limits(most))
    (job,) = await store.write(queue_entries.entering(lambda tx: [unit(tx)]))
    return job


def entries(connection: psycopg.Connection[tuple[object, ...]]) -> list[tuple[object, ...]]:
    return connection.execute(
        "SELECT lock, CAST(status AS TEXT), scheduled_at IS NULL OR scheduled_at <= now() FROM procrastinate_jobs"
        " ORDER BY id"
    ).fetchall()


async def test_a_reservation_and_its_entry_are_there_together_or_not_at_all(
    store: Store, connection: psycopg.Connection[tuple[object, ...]]
) -> None:
    await reserved(store, 1)
    with pytest.raises(ReservationRefused):
        await reserved(store, 2)

    assert entries(connection) == [("1", "todo", False)]


async def test_an_entry_is_due_once_the_card_is_known(
    store: Store, connection: psycopg.Connection[tuple[object, ...]]
) -> None:
    await reserved(store, 1)

    await store.write(queue_entries.due(JobId(1)))
    await store.write(queue_entries.due(JobId(1)))

    assert entries(connection) == [("1", "todo", True)]


async def test_a_job_without_an_entry_gets_one_and_no_job_gets_two(
    store: Store, connection: psycopg.Connection[tuple[object, ...]]
) -> None:
    await reserved(store, 1)
    connection.execute("DELETE FROM procrastinate_jobs")

    assert await store.write(queue_entries.enter_missing()) == 1
    assert await store.write(queue_entries.enter_missing()) == 0
    connection.execute("UPDATE procrastinate_jobs SET status = 'doing'")
    assert await store.write(queue_entries.enter_missing()) == 0

    assert entries(connection) == [("1", "doing", True)]


async def test_what_a_silent_process_carries_is_freed_and_what_a_living_one_carries_is_not(
    store: Store, connection: psycopg.Connection[tuple[object, ...]]
) -> None:
    for number, age in ((1, 60), (2, 0)):
        connection.execute(
            "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - make_interval(secs => %s))", [age]
        )
        await store.write(queue_entries.due(JobId(number)))
        connection.execute(
            "UPDATE procrastinate_jobs SET status = 'doing', worker_id = (SELECT MAX(id) FROM procrastinate_workers)"
            " WHERE lock = %s",
            [str(number)],
        )

    assert await store.write(queue_entries.take_over(silent_s=30)) == 1
    assert await store.read(queue_entries.workers(silent_s=30)) == 1

    assert entries(connection) == [("1", "todo", True), ("2", "doing", True)]


async def test_a_process_that_does_not_carry_a_job_any_more_does_not_end_it(
    store: Store, connection: psycopg.Connection[tuple[object, ...]]
) -> None:
    job = await reserved(store, 1)
    connection.execute("INSERT INTO procrastinate_workers DEFAULT VALUES")
    connection.execute(
        "UPDATE procrastinate_jobs SET status = 'doing', worker_id = (SELECT id FROM procrastinate_workers)"
    )
    ((worker,),) = connection.execute("SELECT id FROM procrastinate_workers").fetchall()
    assert isinstance(worker, int)
    move = jobs.move(job.id, S.WAITING, S.SUBMITTING, now=NOON)

    assert await store.write(queue_entries.if_carried_by(worker + 1, job.id, move)) is None
    assert await store.write(queue_entries.if_carried_by(None, job.id, move)) is None
    assert await store.write(queue_entries.if_carried_by(worker, job.id, move)) is not None
    with pytest.raises(queue_entries.NotCarriedError):
        await store.write(queue_entries.sent_by(worker + 1, job.id, move))


async def test_nobody_takes_over_a_job_that_was_just_sent_however_long_its_process_was_silent_before(
    store: Store, connection: psycopg.Connection[tuple[object, ...]]
) -> None:
    job = await reserved(store, 1)
    connection.execute("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 day')")
    connection.execute(
        "UPDATE procrastinate_jobs SET status = 'doing', worker_id = (SELECT id FROM procrastinate_workers)"
    )
    ((worker,),) = connection.execute("SELECT id FROM procrastinate_workers").fetchall()
    assert isinstance(worker, int)

    sent = await store.write(
        queue_entries.sent_by(worker, job.id, jobs.move(job.id, S.WAITING, S.SUBMITTING, now=NOON))
    )

    assert sent is not None
    assert await store.write(queue_entries.take_over(silent_s=30)) == 0


@pytest.mark.parametrize("needs_no_more_work", [True, False])
async def test_a_process_whose_entry_was_taken_over_neither_ends_nor_frees_it(
    store: Store,
    connection: psycopg.Connection[tuple[object, ...]],
    processes: list[Process],
    needs_no_more_work: bool,  # noqa: FBT001 - a parameter
) -> None:
    """Fault harness, seed 31, run 3: three processes carried one job, and its card lost the video again."""
    frozen, other = processes
    async with asyncio.timeout(20):
        await reserved(store, 1)
        await store.write(queue_entries.due(JobId(1)))
        await frozen.carried.get()
        connection.execute("UPDATE procrastinate_workers SET last_heartbeat = now() - INTERVAL '60 seconds'")
        await frozen.claims.stop_claiming()
        assert await store.write(queue_entries.take_over(silent_s=30)) == 1
        await other.claims.start(other.carry)
        await other.carried.get()
        assert connection.execute("SELECT COUNT(*) FROM procrastinate_workers").fetchone() == (2,)  # none is forgotten

        frozen.ends.set_result(needs_no_more_work)
        await frozen.claims.close()

    ((worker,),) = connection.execute("SELECT worker_id FROM procrastinate_jobs WHERE status = 'doing'").fetchall()
    assert worker == other.claims.worker_id


async def test_of_the_jobs_at_providers_a_process_reads_those_that_others_carry(
    store: Store, connection: psycopg.Connection[tuple[object, ...]]
) -> None:
    """With 40,000 of its own among them, each reading kept members waiting for 2.6 s."""
    connection.execute("INSERT INTO procrastinate_workers DEFAULT VALUES")
    connection.execute("INSERT INTO procrastinate_workers DEFAULT VALUES")
    for number, worker in ((1, 2), (2, 1), (3, 2)):
        job = await reserved(store, number, most=12)
        await store.write(jobs.move(job.id, S.WAITING, S.SUBMITTING, now=NOON))
        connection.execute(
            "UPDATE procrastinate_jobs SET status = 'doing', worker_id = %s WHERE lock = %s", [worker, str(number)]
        )

    def read(worker: int | None) -> Unit[list[JobId]]:
        return lambda tx: [job.id for job in shared_state.read([], worker=worker, now=NOON)(tx).at_provider]

    assert await store.read(read(2)) == [2]
    assert sorted(await store.read(read(1))) == [1, 3]
    assert sorted(await store.read(read(None))) == [1, 2, 3]


async def test_many_entries_are_claimed_together_each_once_and_the_oldest_first(
    store: Store, connection: psycopg.Connection[tuple[object, ...]], own: ClaimedEntries
) -> None:
    for number in range(1, 151):
        await store.write(queue_entries.due(JobId(number)))

    taken = [await own.fetch_job(queues=["jobs"], worker_id=1) for _ in range(130)]

    assert [entry and entry.lock for entry in taken] == [str(number) for number in range(1, 131)]
    doing = [lock for lock, status, _ in entries(connection) if status == "doing"]
    assert 130 < len(doing) <= 130 + CLAIMED_AT_ONCE
    assert own.left == {JobId(number) for number in range(131, len(doing) + 1)}
    assert not own.none_left.is_set()

    while await own.fetch_job(queues=["jobs"], worker_id=1) is not None:
        pass
    assert own.none_left.is_set()


async def test_few_entries_are_left_for_other_processes(
    store: Store, connection: psycopg.Connection[tuple[object, ...]], own: ClaimedEntries
) -> None:
    for number in range(1, 5):
        await store.write(queue_entries.due(JobId(number)))

    first = await own.fetch_job(queues=["jobs"], worker_id=1)

    assert first is not None
    assert [status for _, status, _ in entries(connection)] == ["doing", "todo", "todo", "todo"]
    assert own.left == set()


async def test_entries_are_put_back_together_but_for_those_that_are_another_ones_now(
    store: Store, connection: psycopg.Connection[tuple[object, ...]], own: ClaimedEntries
) -> None:
    for number in (1, 2, 3):
        await store.write(queue_entries.due(JobId(number)))
    taken = [await own.fetch_job(queues=["jobs"], worker_id=1) for _ in range(3)]
    connection.execute("INSERT INTO procrastinate_workers DEFAULT VALUES")
    connection.execute("UPDATE procrastinate_jobs SET worker_id = 2 WHERE lock = '2'")

    await asyncio.gather(*(own.retry_job(entry, retry_at=NOON) for entry in taken if entry is not None))

    assert entries(connection) == [("1", "todo", True), ("2", "doing", True), ("3", "todo", True)]
