"""Over all processes, one job tries a circuit that is half-open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from bot.models import FailureKind, Job, JobState
from bot.store import circuits, jobs
from bot.store.circuits import QUESTION, CircuitHeldError, OpenCircuit
from bot.store.database import Store
from bot.store.reservations import reserve
from tests.builders import NOON, a_job, limits
from tests.databases import Database

S = JobState
PAUSE = timedelta(minutes=1)
LATER = NOON + PAUSE


@pytest.fixture
async def store(database: Database) -> AsyncIterator[Store]:
    opened = await Store.open(database.where)
    yield opened
    await opened.close()


async def opened(store: Store, kind: FailureKind = FailureKind.BALANCE, model: str = "") -> None:
    await store.write(circuits.keep([OpenCircuit(a_job(1).provider, model, kind, LATER, PAUSE)], [], []))


async def sent(store: Store, number: int, *, after: timedelta = PAUSE) -> Job | None:
    """The job is sent by a process that holds nothing against it; None where another process does."""
    job = a_job(number, member=number, cost=1)
    await store.write(reserve(job, [], limits(1_000)))
    unit = jobs.move(job.id, S.WAITING, S.SUBMITTING, now=NOON + after)
    try:
        return await store.write(circuits.as_probe(unit, job, now=NOON + after))
    except CircuitHeldError:
        return None


async def test_while_it_is_open_nobody_sends_and_then_one(store: Store) -> None:
    await opened(store)

    assert await sent(store, 1, after=PAUSE / 2) is None
    assert await sent(store, 2) is not None
    assert await sent(store, 3) is None
    assert [each.probe for each in await store.write(circuits.read(LATER))] == [2]


async def test_what_concerns_another_model_keeps_nobody(store: Store) -> None:
    await opened(store, model="another")

    assert await sent(store, 1) is not None
    assert await sent(store, 2) is not None


@pytest.mark.parametrize("state", [S.WAITING, S.FAILED, S.UNKNOWN])
async def test_a_probe_whose_process_is_gone_keeps_the_next_one_no_longer_than_its_job_takes(
    store: Store, state: JobState
) -> None:
    await opened(store)
    probe = await sent(store, 1)
    assert probe is not None
    await store.write(jobs.move(probe.id, S.SUBMITTING, state, now=LATER))

    assert await sent(store, 2, after=PAUSE + circuits.SETTLES / 2) is None
    assert await sent(store, 3, after=PAUSE + circuits.SETTLES) is not None


async def test_a_probe_that_told_nothing_lets_the_next_one_go_at_once(store: Store) -> None:
    await opened(store)
    probe = await sent(store, 1)
    assert probe is not None

    await store.write(circuits.keep([], [], [(probe.provider, probe.id)]))

    assert await sent(store, 2) is not None


async def test_what_opens_it_again_ends_the_probe(store: Store) -> None:
    await opened(store)
    await sent(store, 1)

    await store.write(
        circuits.keep([OpenCircuit(a_job(1).provider, "", FailureKind.BALANCE, LATER + PAUSE, PAUSE)], [], [])
    )

    assert await sent(store, 2) is None
    assert await sent(store, 3, after=2 * PAUSE) is not None


async def test_of_the_question_about_a_key_and_jobs_one_tries_at_a_time(store: Store) -> None:
    provider = a_job(1).provider
    assert not await store.write(circuits.ask(provider, now=LATER))
    await opened(store, FailureKind.KEY)

    assert not await store.write(circuits.ask(provider, now=NOON))
    assert await store.write(circuits.ask(provider, now=LATER))
    assert not await store.write(circuits.ask(provider, now=LATER))
    assert await sent(store, 1) is None
    await store.write(circuits.keep([], [], [(provider, QUESTION)]))
    assert await sent(store, 2) is not None
    assert not await store.write(circuits.ask(provider, now=LATER))
