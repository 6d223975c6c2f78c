"""What a process does with what others, which share its store, have found out: circuits, slots, their part of edits."""

from __future__ import annotations

import asyncio
from collections import Counter

from bot.chat.edit_rate_limit import Window
from bot.jobs.circuit_breaker import FIRST_PAUSE_S, CircuitBreaker, Outcome, State
from bot.models import FailureKind
from tests.unit.test_circuit_breaker import World, job
from tests.unit.test_queue import a_queue, enqueue, granted, stop

BALANCE = FailureKind.BALANCE


def opened(world: World) -> CircuitBreaker:
    world.circuit_breaker.report(job(1), Outcome.BALANCE_EMPTY)
    return world.circuit_breaker


class TestCircuits:
    def test_one_that_another_process_opened_is_open_here_and_half_open_after_its_pause(self) -> None:
        world = World()

        world.circuit_breaker.use_shared([("sora-2", BALANCE, 10.0, FIRST_PAUSE_S)])

        assert world.circuit_breaker.state("sora-2") is State.OPEN
        world.passes(10.0)
        assert world.circuit_breaker.state("sora-2") is State.HALF_OPEN

    def test_one_that_another_process_closed_is_closed_here(self) -> None:
        world = World()
        breaker = opened(world)
        breaker.use_shared(breaker.opened())

        breaker.use_shared([])

        assert breaker.state("sora-2") is State.CLOSED

    def test_one_that_the_others_do_not_know_yet_stays_open(self) -> None:
        breaker = opened(World())

        breaker.use_shared([])

        assert breaker.state("sora-2") is State.OPEN

    def test_each_change_that_is_seen_here_is_told(self) -> None:
        world, told = World(), []
        world.circuit_breaker.changed = lambda: told.append(world.circuit_breaker.opened())

        opened(world)
        world.passes()
        world.circuit_breaker.report(job(2), Outcome.TAKEN)

        assert [len(each) for each in told] == [1, 0]


class TestSlots:
    async def test_those_of_other_processes_are_taken_here_until_they_are_free(self) -> None:
        queue = a_queue(2)
        queue.use_shared(Counter({"gptproto": 2}))
        turns = await enqueue(queue, [job(1)])
        assert granted(turns) == set()

        queue.use_shared(Counter({"gptproto": 1}))
        await asyncio.sleep(0.01)

        assert granted(turns) == {1}
        await stop(turns)


class TestEdits:
    def test_a_window_is_shared_out_and_never_shut(self) -> None:
        window = Window(20, 60.0)
        window.share(3)
        for _ in range(6):
            assert window.wait_s(0.0) == 0
            window.take(0.0)
        assert window.wait_s(0.0) > 0

        window.share(40)
        assert window.wait_s(120.0) == 0
        window.take(120.0)
        assert window.wait_s(120.0) == 120.0
