"""What a process does with what others, which share its store, have found out: circuits, slots, their part of edits."""

from __future__ import annotations

import asyncio

import pytest

from bot.chat.edit_rate_limit import Window
from bot.errors import CircuitOpen
from bot.jobs.circuit_breaker import FAILURE_THRESHOLD, FIRST_PAUSE_S, CircuitBreaker, State
from bot.jobs.outcomes import JobOutcome, Outcome
from bot.models import FailureKind, JobId, UserId
from bot.store.queued_jobs import QueuedJob
from tests.builders import NOON, a_job
from tests.unit.test_circuit_breaker import World, job
from tests.unit.test_queue import a_queue, enqueue, granted, settle, stop

BALANCE = FailureKind.BALANCE


OPEN = ("sora-2", BALANCE, 10.0, FIRST_PAUSE_S, None)
HALF_OPEN = ("sora-2", BALANCE, -1.0, FIRST_PAUSE_S, None)


def opened(world: World) -> CircuitBreaker:
    world.circuit_breaker.report(job(1), Outcome.BALANCE_EMPTY)
    return world.circuit_breaker


class TestCircuits:
    def test_one_that_another_process_opened_is_open_here_and_half_open_after_its_pause(self) -> None:
        world = World()

        world.circuit_breaker.use_shared([OPEN])

        assert world.circuit_breaker.state("sora-2") is State.OPEN
        world.passes(10.0)
        assert world.circuit_breaker.state("sora-2") is State.HALF_OPEN

    def test_one_that_another_process_closed_is_closed_here(self) -> None:
        world = World()
        breaker = opened(world)
        breaker.use_shared([OPEN])

        breaker.use_shared([])

        assert breaker.state("sora-2") is State.CLOSED

    def test_one_that_the_others_do_not_know_yet_stays_open(self) -> None:
        breaker = opened(World())

        breaker.use_shared([])

        assert breaker.state("sora-2") is State.OPEN

    def test_each_change_that_is_seen_here_is_told(self) -> None:
        world, told = World(), list[tuple[str, FailureKind, int]]()
        breaker = world.circuit_breaker
        breaker.changed = lambda model, kind: told.append((model, kind, len(breaker.opened())))

        opened(world)
        world.passes()
        breaker.report(job(2), Outcome.ACCEPTED)

        assert told == [("sora-2", BALANCE, 1), ("sora-2", BALANCE, 0)]

    def test_while_another_process_tries_it_nothing_goes_here(self) -> None:
        world = World()
        breaker = world.circuit_breaker
        breaker.use_shared([(*HALF_OPEN[:4], JobId(9))])

        assert not breaker.may_go(job(1))
        with pytest.raises(CircuitOpen):
            breaker.admit(JobId(1), "sora-2")
        breaker.use_shared([HALF_OPEN])
        assert breaker.may_go(job(1))

    def test_a_probe_that_this_process_has_taken_over_is_settled_here(self) -> None:
        world = World()
        breaker = world.circuit_breaker
        breaker.use_shared([(*HALF_OPEN[:4], JobId(9))])

        breaker.report(job(9), Outcome.BALANCE_EMPTY)

        assert breaker.state("sora-2") is State.OPEN

    def test_a_probe_that_told_nothing_is_told_by_its_number(self) -> None:
        world, freed = World(), list[JobId]()
        breaker = world.circuit_breaker
        breaker.freed = freed.append
        breaker.use_shared([HALF_OPEN])

        breaker.granted(job(9))
        breaker.report(job(9), Outcome.NEVER_SENT)

        assert freed == [9]

    def test_a_key_that_was_changed_in_another_process_is_tried_here_at_once_too(self) -> None:
        world = World()
        opened(world).use_shared([("sora-2", BALANCE, 0.0, FIRST_PAUSE_S, None)])

        assert world.circuit_breaker.state("sora-2") is State.HALF_OPEN


class TestOutcomes:
    """Each of two processes hears what the other one sees."""

    def two(self) -> tuple[CircuitBreaker, CircuitBreaker]:
        one, other = World().circuit_breaker, World().circuit_breaker
        one.seen = lambda seen: other.count_remote(JobOutcome.unpacked(seen.packed("mine"))[1])
        other.seen = lambda seen: one.count_remote(JobOutcome.unpacked(seen.packed("mine"))[1])
        return one, other

    def test_what_is_lost_in_a_row_is_counted_over_all(self) -> None:
        breakers = self.two()

        for number in range(FAILURE_THRESHOLD):
            assert {breaker.state("sora-2") for breaker in breakers} == {State.CLOSED}
            breakers[number % 2].report(job(number), Outcome.LOST)

        assert {breaker.state("sora-2") for breaker in breakers} == {State.OPEN}

    def test_an_answer_to_any_process_ends_the_row(self) -> None:
        breakers = self.two()
        for number in range(FAILURE_THRESHOLD - 1):
            breakers[0].report(job(number), Outcome.LOST)

        breakers[1].report(job(8), Outcome.ACCEPTED)
        breakers[0].report(job(9), Outcome.LOST)

        assert {breaker.state("sora-2") for breaker in breakers} == {State.CLOSED}

    def test_while_all_goes_well_nothing_is_told(self) -> None:
        told, breaker = list[JobOutcome](), World().circuit_breaker
        breaker.seen = told.append

        for outcome in (Outcome.ACCEPTED, Outcome.ENDED, Outcome.REFUSED, Outcome.NEVER_SENT):
            breaker.report(job(1), outcome)

        assert told == []


def elsewhere(number: int, member: int = 1, *, provider: str = "gptproto", sent: bool = False) -> QueuedJob:
    """A job that another process carries."""
    one = a_job(number, member=UserId(member))
    return QueuedJob(one.id, provider, one.scope, one.member, one.created_at, one.spec, NOON if sent else None)


class TestSlots:
    async def test_those_of_other_processes_are_taken_here_until_they_are_free(self) -> None:
        queue = a_queue(2)
        queue.use_shared([elsewhere(8, sent=True), elsewhere(9, sent=True)], NOON)
        turns = await enqueue(queue, [job(1)])
        assert granted(turns) == set()

        queue.use_shared([elsewhere(8, sent=True)], NOON)
        await settle()

        assert granted(turns) == {1}
        await stop(turns)

    async def test_one_that_this_process_takes_over_has_one_slot(self) -> None:
        queue = a_queue(2)
        queue.use_shared([elsewhere(1, sent=True)], NOON)
        queue.occupy(job(1))

        turns = await enqueue(queue, [job(2)])

        assert granted(turns) == {2}
        await stop(turns)


class TestOrder:
    async def test_a_member_who_waits_in_another_process_comes_before_one_with_more_videos(self) -> None:
        queue = a_queue(2)
        queue.occupy(job(1, member=1))
        queue.use_shared([elsewhere(5, sent=True)], NOON)
        turns = await enqueue(queue, [job(2, member=1), job(3, member=1)])
        queue.use_waiting([elsewhere(4, member=2)])

        assert [int(each.id) for each in queue.eligible()] == [4, 2, 3]
        queue.use_shared([], NOON)
        await settle()
        assert granted(turns) == set()

        queue.use_shared([elsewhere(4, member=2, sent=True)], NOON)
        queue.use_waiting([])
        queue.release(job(1))
        await settle()
        assert granted(turns) == {2}
        await stop(turns)

    async def test_a_slot_is_kept_only_for_so_long(self) -> None:
        queue = a_queue(1, give_way_s=0.05)
        queue.use_waiting([elsewhere(1)])
        turns = await enqueue(queue, [job(2)])
        assert granted(turns) == set()

        async with asyncio.timeout(5):
            await turns[2]

        assert queue.eligible() == [elsewhere(1)]

    async def test_where_there_are_slots_for_both_nobody_waits(self) -> None:
        queue = a_queue(2)
        queue.use_waiting([elsewhere(1)])

        turns = await enqueue(queue, [job(2)])

        assert granted(turns) == {2}

    async def test_what_another_provider_is_to_make_keeps_no_slot_where_there_are_enough(self) -> None:
        queue = a_queue(2)
        queue.use({"gptproto": 1})
        queue.use_waiting([elsewhere(1, provider="another")])

        turns = await enqueue(queue, [job(2)])

        assert granted(turns) == {2}


class TestEdits:
    def test_a_window_is_shared_out_and_never_shut(self) -> None:
        window = Window(20, 60.0)
        window.share(3)
        for _ in range(6):
            assert window.wait_s(0.0) == 0
            window.record(0.0)
        assert window.wait_s(0.0) > 0

        window.share(40)
        assert window.wait_s(120.0) == 0
        window.record(120.0)
        assert window.wait_s(120.0) == 120.0
