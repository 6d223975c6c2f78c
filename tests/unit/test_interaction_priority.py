"""Work that can wait does so while members wait for a first answer, and not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from bot.jobs.interaction_priority import LASTS_S, WAITS_AT_MOST_S, InteractionPriority
from tests.harness import SteppedLoop


@pytest.fixture
def loop() -> Iterator[SteppedLoop]:
    loop = SteppedLoop()
    yield loop
    loop.close()


def pass_by(loop: SteppedLoop, seconds: float) -> None:
    """Lets so much time go by, and whatever is due in it run."""

    async def run() -> None:
        loop.now_s += seconds
        for _ in range(10):
            await asyncio.sleep(0)

    loop.run_until_complete(run())


def waiting(loop: SteppedLoop, priority: InteractionPriority) -> asyncio.Task[None]:
    task = loop.create_task(priority.wait_until_idle())
    pass_by(loop, 0)
    return task


def test_work_goes_on_a_moment_after_the_last_answer(loop: SteppedLoop) -> None:
    priority = InteractionPriority()
    answer = priority.answering()
    answer.__enter__()
    work = waiting(loop, priority)

    loop.run_until_complete(exit_of(answer))
    pass_by(loop, LASTS_S / 2)
    assert not work.done()
    pass_by(loop, LASTS_S)
    assert work.done()
    assert waiting(loop, priority).done()


def test_another_command_in_that_moment_holds_it_up(loop: SteppedLoop) -> None:
    priority = InteractionPriority()
    first = priority.answering()
    first.__enter__()
    work = waiting(loop, priority)
    loop.run_until_complete(exit_of(first))
    second = priority.answering()
    second.__enter__()

    pass_by(loop, 2 * LASTS_S)
    assert not work.done()
    loop.run_until_complete(exit_of(second))
    pass_by(loop, 2 * LASTS_S)
    assert work.done()


def test_where_commands_never_end_work_goes_on_all_the_same(loop: SteppedLoop) -> None:
    priority = InteractionPriority()
    answer = priority.answering()
    answer.__enter__()
    early = waiting(loop, priority)
    pass_by(loop, WAITS_AT_MOST_S - 0.1)
    late = waiting(loop, priority)
    assert not early.done()

    pass_by(loop, 0.2)
    assert (early.done(), late.done()) == (True, True)

    again = waiting(loop, priority)
    pass_by(loop, WAITS_AT_MOST_S - 0.1)
    assert not again.done()
    pass_by(loop, 0.2)
    assert again.done()
    loop.run_until_complete(exit_of(answer))


async def exit_of(answer: object) -> None:
    """Its end, with the loop running as it does."""
    answer.__exit__(None, None, None)  # type: ignore[attr-defined]
