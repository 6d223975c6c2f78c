"""Two processes carry one job at a time, as when one of them stood still: one of them sends it, and once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.jobs.queue import JobQueue
from bot.jobs.worker import Worker
from bot.models import JobId, JobState
from tests.builders import GUILD
from tests.harness import Harness

TAKEOVER_S = 30.0


@pytest.fixture
def bot(tmp_path: Path) -> Iterator[Harness]:
    harness = Harness(tmp_path)
    harness.intent_for = timedelta(seconds=TAKEOVER_S / 2)
    with harness:
        yield harness


def both_send(bot: Harness) -> JobId:
    """Both have waited for the job's turn; the other one is first, and its create has no answer yet."""
    bot.provider.gate.clear()
    bot.context.queue.pause(GUILD)
    job = bot.ask()
    other = replace(bot.context, queue=JobQueue(2, bot.context.circuit_breakers, {}), creates={})
    seen = bot.job(job)

    async def take_up() -> None:
        Worker(other).add(seen)

    bot.run(take_up())
    assert bot.state(job) is JobState.SUBMITTING
    bot.lets_go()
    return job


def test_who_comes_second_does_not_take_the_intent_of_the_first_for_its_own(bot: Harness) -> None:
    """Fault harness, seed 31, run 3: fal was paid twice."""
    job = both_send(bot)

    assert bot.provider.creates == 1

    bot.provider.gate.set()
    bot.passes(60.0)
    assert (bot.state(job), bot.provider.creates) == (JobState.RENDERING, 1)


def test_a_create_of_another_process_is_lost_only_once_that_process_counts_as_gone(bot: Harness) -> None:
    job = both_send(bot)

    bot.passes(TAKEOVER_S - 5.0)
    assert bot.state(job) is JobState.SUBMITTING

    bot.passes(10.0)
    assert bot.state(job) is JobState.UNKNOWN
    assert bot.provider.creates == 1
