"""The line before the provider: who is next, and that its bound is never passed nor a slot lost."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.jobs.circuit_breaker import FIRST_PAUSE_S
from bot.jobs.outcomes import Outcome
from bot.jobs.provider_breakers import CircuitBreakers
from bot.jobs.queue import JobQueue, in_order
from bot.jobs.remote_jobs import GIVE_WAY_S
from bot.models import Job, UserId
from bot.store.queued_jobs import QueuedJob
from tests.builders import a_job, a_spec

DEADLINE_S = 10.0


def job(number: int, member: int = 1) -> Job:
    return a_job(number, member=UserId(member))


def a_queue(slots: int, *, give_way_s: float = GIVE_WAY_S) -> JobQueue:
    return JobQueue(slots, CircuitBreakers(lambda: 0.0, lambda _seconds, _call: None), give_way_s=give_way_s)


async def settle() -> None:
    """Lets every task go as far as it can without time passing."""
    for _ in range(5):
        await asyncio.sleep(0)


async def enqueue(queue: JobQueue, jobs: Sequence[Job]) -> dict[int, asyncio.Task[None]]:
    """Lets the jobs wait for their turn, in this order."""
    turns = {job.id: asyncio.create_task(queue.acquire(job)) for job in jobs}
    await settle()
    return {int(number): task for number, task in turns.items()}


def granted(turns: Mapping[int, asyncio.Task[None]]) -> set[int]:
    return {number for number, task in turns.items() if task.done() and not task.cancelled()}


async def stop(turns: Mapping[int, asyncio.Task[None]]) -> None:
    for task in turns.values():
        task.cancel()
    await asyncio.gather(*turns.values(), return_exceptions=True)


def next_in_the_queue(waiting: Sequence[Job], at_provider: Mapping[UserId, int]) -> Job | None:
    """The rule as DESIGN words it: the fewest of its member's jobs at the provider or ahead of it, then the oldest."""

    def before(one: Job) -> tuple[int, int]:
        ahead = sum(other.member == one.member and other.id < one.id for other in waiting)
        return at_provider.get(one.member, 0) + ahead, one.id

    return min(waiting, key=before, default=None)


class TestOrder:
    def test_nobody_is_in_the_queue_where_nobody_waits(self) -> None:
        assert in_order([], {}) == []

    def test_of_one_member_the_oldest_goes_first(self) -> None:
        assert in_order([job(3), job(1), job(2)], {}) == [job(1), job(2), job(3)]

    def test_a_member_with_nothing_at_the_provider_comes_before_one_with_a_job_there(self) -> None:
        waiting = [job(1, member=1), job(9, member=2)]

        assert in_order(waiting, {UserId(1): 1}) == [job(9, member=2), job(1, member=1)]
        assert in_order(waiting, {UserId(1): 1, UserId(2): 1}) == [job(1, member=1), job(9, member=2)]

    def test_members_take_turns_however_many_jobs_one_of_them_brings(self) -> None:
        waiting = [*(job(n, member=1) for n in range(1, 6)), job(6, member=2), job(7, member=3), job(8, member=2)]

        assert [int(one.id) for one in in_order(waiting, {})] == [1, 6, 7, 2, 8, 3, 4, 5]

    @settings(deadline=None)
    @given(
        members=st.lists(st.integers(1, 5), max_size=30),
        held=st.dictionaries(st.integers(1, 5), st.integers(1, 4)),
        order=st.randoms(use_true_random=False),
    )
    def test_everybodys_place_is_when_they_go_by_the_rule_one_after_another(
        self, members: list[int], held: dict[int, int], order: random.Random
    ) -> None:
        waiting = [job(number, member) for number, member in enumerate(members)]
        order.shuffle(waiting)
        at_provider = Counter({UserId(member): count for member, count in held.items()})
        places = in_order(waiting, at_provider)

        went = []
        while (first := next_in_the_queue(waiting, at_provider)) is not None:
            went.append(first)
            at_provider[first.member] += 1
            waiting.remove(first)

        assert places == went


class CountedQueue(JobQueue):
    """Counts how often it was put in order."""

    sorted_times = 0

    def eligible(self) -> list[Job | QueuedJob]:
        self.sorted_times += 1
        return super().eligible()


class TestQueue:
    async def test_so_many_go_at_once_and_the_next_when_one_leaves(self) -> None:
        queue = a_queue(2)
        turns = await enqueue(queue, [job(n, member=n) for n in range(1, 5)])
        first = granted(turns)

        queue.release(job(1))
        await settle()

        assert first == {1, 2}
        assert granted(turns) == {1, 2, 3}
        await stop(turns)

    async def test_a_newcomer_goes_before_the_second_job_of_one_who_is_there(self) -> None:
        queue = a_queue(2)
        queue.occupy(job(100, member=1))
        queue.occupy(job(101, member=3))
        turns = await enqueue(queue, [job(1, member=1), job(2, member=2)])

        queue.release(job(101))
        await settle()

        assert granted(turns) == {2}
        await stop(turns)

    async def test_leaving_twice_frees_one_slot(self) -> None:
        queue = a_queue(1)
        turns = await enqueue(queue, [job(n, member=n) for n in range(1, 4)])

        queue.release(job(1))
        queue.release(job(1))
        await settle()

        assert granted(turns) == {1, 2}
        await stop(turns)

    async def test_jobs_found_at_the_provider_hold_their_slots_also_beyond_the_bound(self) -> None:
        queue = a_queue(2)
        for number in (100, 101, 102):
            queue.occupy(job(number))
        turns = await enqueue(queue, [job(1)])

        seen = []
        for number in (100, 101, 102):
            queue.release(job(number))
            await settle()
            seen.append(granted(turns))

        assert seen == [set(), {1}, {1}]

    async def test_it_is_open_until_it_is_closed(self) -> None:
        queue = a_queue(1)
        queue.pause_for("default", 60.0)

        assert not queue.is_closed

    async def test_while_it_is_held_nobody_goes_and_then_all_that_may(self) -> None:
        queue = a_queue(2)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        queue.pause_for("default", 0.05)
        turns = await enqueue(queue, [job(n, member=n) for n in range(1, 4)])
        during = granted(turns)

        async with asyncio.timeout(DEADLINE_S):
            await turns[2]

        assert during == set()
        assert loop.time() - begun >= 0.05
        assert granted(turns) == {1, 2}
        await stop(turns)

    @pytest.mark.parametrize("opened", [None, "another model", "their model"])
    async def test_however_many_go_in_one_moment_they_are_put_in_order_a_few_times_alone(
        self, opened: str | None
    ) -> None:
        now = 0.0
        circuit_breaker = CircuitBreakers(lambda: now, lambda _seconds, _call: None)
        if opened is not None:
            model = "another" if opened == "another model" else job(1).spec.model
            circuit_breaker.report(a_job(1, spec=a_spec(model=model)), Outcome.BALANCE_EMPTY)
        now = FIRST_PAUSE_S
        queue = CountedQueue(1_000, circuit_breaker)
        queue.pause_for("default", 0.0)
        turns = await enqueue(queue, [job(number, member=number) for number in range(1, 1_001)])
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.wait(turns.values(), return_when=asyncio.FIRST_COMPLETED)
        for number in list(granted(turns)):
            circuit_breaker.report(job(number), Outcome.ACCEPTED)
        await settle()

        assert len(granted(turns)) == 1_000
        assert queue.sorted_times <= 4

    async def test_many_models_that_are_probed_in_one_moment_leave_others_their_turn_between_two_looks(self) -> None:
        now, models = 0.0, [f"model-{number}" for number in range(20)]
        circuit_breaker = CircuitBreakers(lambda: now, lambda _seconds, _call: None)
        for number, model in enumerate(models):
            circuit_breaker.report(a_job(number + 1, spec=a_spec(model=model)), Outcome.BALANCE_EMPTY)
        now = FIRST_PAUSE_S
        queue = CountedQueue(1_000, circuit_breaker)
        queue.pause_for("default", 0.0)
        ask = [a_job(n, member=UserId(n), spec=a_spec(model=models[n % 20])) for n in range(1, 201)]
        turns = await enqueue(queue, ask)

        looks = []
        async with asyncio.timeout(DEADLINE_S):
            while len(granted(turns)) < len(models):
                queue.sorted_times = 0
                await asyncio.sleep(0)
                looks.append(queue.sorted_times)
        await stop(turns)

        assert max(looks) == 1

    async def test_a_thousand_that_leave_in_one_moment_are_followed_after_one_look(self) -> None:
        queue = CountedQueue(1_000, CircuitBreakers(lambda: 0.0, lambda _seconds, _call: None))
        for number in range(1_000):
            queue.occupy(job(number))
        turns = await enqueue(queue, [job(number, member=number) for number in range(1_001, 2_001)])
        queue.sorted_times = 0

        for number in range(1_000):
            queue.release(job(number))
        await settle()

        assert len(granted(turns)) == 1_000
        assert queue.sorted_times <= 2

    async def test_a_probe_that_gives_its_slot_back_unsent_makes_room_for_the_next(self) -> None:
        now = 0.0
        circuit_breaker = CircuitBreakers(lambda: now, lambda _seconds, _call: None)
        circuit_breaker.report(job(1), Outcome.BALANCE_EMPTY)
        now = FIRST_PAUSE_S
        queue = JobQueue(5, circuit_breaker)
        turns = await enqueue(queue, [job(2, member=2), job(3, member=3)])
        first = granted(turns)

        turns[2].cancel()
        queue.release(job(2))
        await settle()

        assert first == {2}
        assert granted(turns) == {2, 3}

    async def test_a_shorter_hold_does_not_shorten_a_longer_one(self) -> None:
        queue = a_queue(1)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        queue.pause_for("default", 0.05)
        queue.pause_for("default", 0.001)

        async with asyncio.timeout(DEADLINE_S):
            await queue.acquire(job(1))

        assert loop.time() - begun >= 0.05

    async def test_once_closed_nobody_goes_any_more_also_after_a_hold(self) -> None:
        queue = a_queue(1)
        queue.pause_for("default", 0.0)
        queue.close()
        turns = await enqueue(queue, [job(1)])
        queue.pause_for("default", 0.0)
        await settle()

        assert queue.is_closed
        assert granted(turns) == set()
        await stop(turns)

    async def test_one_who_stops_waiting_takes_no_slot(self) -> None:
        queue = a_queue(1)
        turns = await enqueue(queue, [job(n, member=n) for n in range(1, 4)])

        turns[2].cancel()
        queue.release(job(1))
        await settle()

        assert turns[2].cancelled()
        assert granted(turns) == {1, 3}

    async def test_one_cancelled_in_the_moment_of_its_turn_gives_the_slot_back(self) -> None:
        queue = a_queue(1)
        turns = await enqueue(queue, [job(n, member=n) for n in range(1, 4)])

        queue.release(job(1))  # job 2 is granted, and has not noticed yet
        turns[2].cancel()
        await settle()

        assert turns[2].cancelled()
        assert granted(turns) == {1, 3}

    async def test_one_out_of_time_in_the_moment_of_its_turn_gives_the_slot_back(self) -> None:
        """As the worker waits: two hours in the queue, by `asyncio.timeout`."""
        queue = a_queue(1)
        queue.occupy(job(100))

        async def wait() -> None:
            async with asyncio.timeout(None) as limit:
                limits.append(limit)
                await queue.acquire(job(1))

        limits: list[asyncio.Timeout] = []
        waiting = asyncio.create_task(wait())
        await settle()
        limits[0].reschedule(asyncio.get_running_loop().time())
        queue.release(job(100))
        (outcome,) = await asyncio.gather(waiting, return_exceptions=True)

        assert isinstance(outcome, TimeoutError)
        async with asyncio.timeout(DEADLINE_S):
            await queue.acquire(job(2))

    @pytest.mark.parametrize("seed", range(20))
    async def test_whatever_happens_the_bound_holds_and_no_slot_is_lost(self, seed: int) -> None:
        rng = random.Random(seed)
        slots = rng.randrange(1, 4)
        queue, inside, most = a_queue(slots), 0, 0

        async def go(number: int) -> None:
            nonlocal inside, most
            one = job(number, member=rng.randrange(4))
            await queue.acquire(one)
            inside += 1
            most = max(most, inside)
            try:
                for _ in range(rng.randrange(6)):
                    await asyncio.sleep(0)
            finally:
                inside -= 1
                queue.release(one)

        tasks = [asyncio.create_task(go(number)) for number in range(60)]
        while not all(task.done() for task in tasks):
            rng.choice(tasks).cancel()
            for _ in range(rng.randrange(4)):
                await asyncio.sleep(0)
        await asyncio.gather(*tasks, return_exceptions=True)

        assert inside == 0
        assert most == slots
        turns = await enqueue(queue, [job(1000 + n, member=n) for n in range(slots)])
        assert len(granted(turns)) == slots
