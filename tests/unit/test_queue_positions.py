"""What those in the queue are told: their position, when they start, why they are held; how seldom it is counted."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.jobs.chat_protocol import HoldReason, QueuePosition
from bot.jobs.circuit_breaker import FAILURE_THRESHOLD
from bot.jobs.context import Clock
from bot.jobs.outcomes import Outcome
from bot.jobs.provider_breakers import CircuitBreakers
from bot.jobs.queue import JobQueue
from bot.jobs.queue_positions import QueuePositions, starts_s
from bot.jobs.render_times import RenderTimes
from bot.models import Job, Scope, UserId
from bot.store.jobs import Render
from tests.builders import NOON, a_job, a_spec

DEADLINE_S = 5.0
SPEC = a_spec(size="720x1280")


def job(number: int, member: int = 1, **changes: Any) -> Job:
    return a_job(number, member=UserId(member), spec=SPEC, **changes)


class Noon(Clock):
    """It is noon, and pauses end when the test says so."""

    def __init__(self) -> None:
        self.asleep = asyncio.Event()
        self.woken = asyncio.Event()

    def now(self) -> datetime:
        return NOON

    async def sleep(self, seconds: float) -> None:
        self.asleep.set()
        await self.woken.wait()
        self.woken.clear()


class Setup:
    """A queue with its positions, and what each card was told."""

    def __init__(self, slots: int) -> None:
        self.clock = Noon()
        self.circuit_breaker = CircuitBreakers(lambda: 0.0, lambda _seconds, _call: None)
        self.queue = JobQueue(slots, self.circuit_breaker)
        self.render_times = RenderTimes()
        self.told: dict[int, list[QueuePosition]] = {}
        self.positions = QueuePositions(
            self.queue, self.render_times, self._show, clock=self.clock, queue_timeout=timedelta(hours=2)
        )
        self._turns: list[asyncio.Task[None]] = []

    def knows(self, took_s: float) -> None:
        took = timedelta(seconds=took_s)
        self.render_times.learn([Render(SPEC.model, SPEC.seconds, SPEC.size, NOON - took, took)] * 5)

    async def enqueue(self, *jobs: Job) -> None:
        self._turns += [asyncio.create_task(self.queue.acquire(job)) for job in jobs]
        await self._settle()

    async def is_counted(self) -> None:
        """The pause that is under way is over."""
        async with asyncio.timeout(DEADLINE_S):
            await self.clock.asleep.wait()
        self.clock.asleep.clear()
        self.clock.woken.set()
        await self._settle()

    def newest(self) -> dict[int, QueuePosition]:
        return {number: told[-1] for number, told in self.told.items()}

    async def close(self) -> None:
        await self.positions.close()
        for acquire in self._turns:
            acquire.cancel()
        await asyncio.gather(*self._turns, return_exceptions=True)

    def _show(self, job: Job, standing: QueuePosition) -> None:
        self.told.setdefault(int(job.id), []).append(standing)

    async def _settle(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)


@pytest.fixture
async def setup() -> AsyncIterator[Setup]:
    found = Setup(slots=2)
    yield found
    await found.close()


async def test_everybody_in_the_queue_is_told_their_place_and_when_they_start(setup: Setup) -> None:
    setup.knows(100.0)
    setup.queue.occupy(job(101, member=1))
    setup.queue.occupy(job(102, member=2), for_s=40.0)
    await setup.enqueue(job(1, member=1), job(2, member=2), job(3, member=3), job(4, member=3))

    await setup.is_counted()

    told = setup.newest()
    assert {number: standing.position for number, standing in told.items()} == {3: 1, 1: 2, 2: 3, 4: 4}
    in_s = {n: round((standing.starts_at - NOON).total_seconds()) for n, standing in told.items() if standing.starts_at}
    assert 60 <= in_s[3] < in_s[1] == 100
    assert (in_s[2], in_s[4]) == (in_s[3] + 100, 200)


async def test_without_a_history_the_place_is_told_alone(setup: Setup) -> None:
    setup.queue.occupy(job(101))
    setup.queue.occupy(job(102))
    await setup.enqueue(job(1))

    await setup.is_counted()

    assert setup.newest() == {1: QueuePosition(position=1)}


async def test_a_start_beyond_the_time_in_the_queue_is_not_promised(setup: Setup) -> None:
    setup.knows(100.0)
    setup.queue.occupy(job(101))
    setup.queue.occupy(job(102))
    await setup.enqueue(job(1, at=NOON - timedelta(hours=2) + timedelta(seconds=50)), job(2))

    await setup.is_counted()

    assert setup.newest()[1] == QueuePosition(position=1)
    assert setup.newest()[2].starts_at is not None


async def test_those_who_move_up_are_told_and_nobody_else(setup: Setup) -> None:
    setup.queue.occupy(job(101, member=8))
    setup.queue.occupy(job(102, member=9))
    await setup.enqueue(*(job(number, member=number) for number in range(1, 5)))
    await setup.is_counted()

    setup.queue.release(job(101, member=8))
    await setup.is_counted()

    places = {number: [standing.position for standing in told] for number, told in setup.told.items()}
    assert places == {1: [1], 2: [2, 1], 3: [3, 2], 4: [4, 3]}


async def test_however_often_the_queue_changes_it_is_counted_once_a_pause(setup: Setup) -> None:
    setup.queue.occupy(job(101, member=101))
    setup.queue.occupy(job(102, member=102))
    await setup.enqueue(*(job(number, member=number) for number in range(1, 101)))
    await setup.is_counted()

    for number in [101, 102, *range(1, 58)]:
        setup.queue.release(job(number))
        await asyncio.sleep(0)
    await setup.is_counted()

    assert [standing.position for standing in setup.told[100]] == [100, 41]
    assert max(len(told) for told in setup.told.values()) == 2


async def test_a_start_that_hardly_moves_is_not_told_again(setup: Setup) -> None:
    setup.knows(100.0)
    setup.queue.occupy(job(101, member=8))
    setup.queue.occupy(job(102, member=9), for_s=30.0)
    await setup.enqueue(job(1, member=1))
    await setup.is_counted()

    setup.queue.occupy(job(102, member=9), for_s=35.0)
    await setup.enqueue(job(2, member=2))
    await setup.is_counted()

    assert len(setup.told[1]) == 1
    assert len(setup.told[2]) == 1


async def test_who_is_held_is_told_why_and_takes_no_place(setup: Setup) -> None:
    setup.queue.occupy(job(101, member=8))
    setup.queue.occupy(job(102, member=9))
    elsewhere = Scope(5)
    setup.queue.pause(elsewhere)
    await setup.enqueue(job(1, member=1, scope=elsewhere), job(2, member=2))
    await setup.is_counted()
    held = setup.newest()

    setup.queue.resume(elsewhere)
    await setup.is_counted()

    assert held == {1: QueuePosition(hold_reason=HoldReason.PAUSED), 2: QueuePosition(position=1)}
    assert setup.newest() == {1: QueuePosition(position=1), 2: QueuePosition(position=2)}


async def test_while_the_service_is_not_used_nobody_has_a_place(setup: Setup) -> None:
    for number in range(FAILURE_THRESHOLD):
        setup.circuit_breaker.report(job(200 + number, member=number), Outcome.LOST)
    await setup.enqueue(job(1))

    await setup.is_counted()

    assert setup.newest() == {1: QueuePosition(hold_reason=HoldReason.CIRCUIT_OPEN)}


async def test_while_the_service_asks_to_wait_a_free_slot_starts_nobody_before(setup: Setup) -> None:
    setup.knows(100.0)
    setup.queue.pause_for("default", 30.0)
    await setup.enqueue(job(1, member=1), job(2, member=2), job(3, member=3))

    await setup.is_counted()

    starts = [standing.starts_at for _, standing in sorted(setup.newest().items())]
    assert all(starts)
    waits_s = [(start - NOON).total_seconds() for start in starts if start]
    assert waits_s[0] == pytest.approx(30, abs=1)
    assert waits_s[1] == pytest.approx(30, abs=1)
    assert waits_s[2] == pytest.approx(130, abs=1)


async def test_who_comes_back_into_the_queue_is_told_again(setup: Setup) -> None:
    setup.queue.occupy(job(101, member=8))
    setup.queue.occupy(job(102, member=9))
    await setup.enqueue(job(1), job(2, member=2))
    await setup.is_counted()

    setup.queue.release(job(101, member=8))
    setup.queue.occupy(job(103, member=8))
    setup.queue.release(job(1))
    setup.queue.occupy(job(104, member=8))
    await setup.enqueue(job(1))  # in the same state: no slot was free when it was about to be sent
    await setup.is_counted()

    assert [standing.position for standing in setup.told[1]] == [1, 1]


@settings(deadline=None)
@given(
    frees_s=st.lists(st.floats(0, 1_000) | st.just(math.inf), min_size=1, max_size=8),
    fewer=st.integers(0, 7),
    takes_s=st.lists(st.floats(1, 500) | st.just(math.inf), max_size=20),
)
def test_a_queue_is_estimated_as_it_goes_when_everybody_takes_what_was_expected(
    frees_s: list[float], fewer: int, takes_s: list[float]
) -> None:
    slots = max(1, len(frees_s) - fewer)
    queue = [job(number) for number in range(len(takes_s))]

    starts = list(starts_s(queue, frees_s, slots, lambda one: takes_s[one.id]))

    assert starts == sorted(starts)
    ends = [start + takes for start, takes in zip(starts, takes_s, strict=True)]
    for start in starts:
        if not math.isinf(start):
            running = sum(free > start for free in frees_s)
            running += sum(begun <= start < end for begun, end in zip(starts, ends, strict=True))
            assert running <= slots
