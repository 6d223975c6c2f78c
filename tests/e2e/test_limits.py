"""Quotas and the budget under a race, through the whole bot: never passed, not by one credit."""

from __future__ import annotations

import asyncio

import pytest

from sandbox.discord.messages import Interaction
from sandbox.discord.world import Person
from tests.e2e.asking import plain
from tests.e2e.conftest import Build
from tests.e2e.stage import Stage
from tests.thorough import mostly_thorough

MANY = 20
CROWD = 200


async def _at_once(stage: Stage, people: list[Person]) -> list[Interaction]:
    return list(await asyncio.gather(*(stage.animate(person) for person in people)))


async def _verdicts(asked: list[Interaction]) -> tuple[int, list[str]]:
    """How many were taken, and what the others read; every refusal must be private."""
    answers = await asyncio.gather(*(one.answer() for one in asked))
    assert all(answer is not None for answer in answers)
    refused = [answer for answer in answers if answer is not None and answer.is_ephemeral]
    return len(answers) - len(refused), [answer.text() for answer in refused]


@pytest.mark.parametrize("crowd", mostly_thorough([0, 50, CROWD], by_default=[0, 50]))
@pytest.mark.parametrize(
    ("settings", "taken", "words"),
    [
        (
            {"QUOTA_DEFAULT_CREDITS": "12", "MAX_JOBS_PER_USER": "50"},
            3,
            "This video costs 4 credits. You have 0 credits left.",
        ),
        ({"QUOTA_DEFAULT_CREDITS": "1000", "MAX_JOBS_PER_USER": "2"}, 2, "You already have 2 videos in progress"),
    ],
    ids=["quota", "jobs-per-user"],
)
async def test_twenty_commands_at_once_get_exactly_what_fits(
    build: Build, settings: dict[str, str], taken: int, words: str, crowd: int
) -> None:
    stage = await build({"BUDGET_CREDITS": "1000000", **settings}, render_s=None)
    others = [stage.discord.world.add_member(f"member{n}") for n in range(crowd)]

    loading = asyncio.create_task(_at_once(stage, others))
    asked = await _at_once(stage, [stage.mia] * MANY)
    accepted, refusals = await _verdicts(asked)
    crowd_accepted, _ = await _verdicts(await loading)

    assert (accepted, len(refusals)) == (taken, MANY - taken)
    assert all(text.startswith(words) for text in refusals)
    assert crowd_accepted == crowd


async def test_the_budget_is_not_passed_by_five_members_at_once(build: Build) -> None:
    stage = await build({"BUDGET_CREDITS": "8", "MAX_JOBS_PER_USER": "50"}, render_s=None)
    people = [stage.discord.world.add_member(f"member{n}") for n in range(5)]

    accepted, refusals = await _verdicts(await _at_once(stage, people * 4))

    assert accepted == 2
    assert {plain(refusal) for refusal in refusals} == {
        "This video would exceed what the bot may spend right now. Nothing was charged. Try again <t>."
    }
    assert stage.rows("SELECT SUM(credits) FROM budget_usage") == [(8,)]


async def test_no_more_jobs_are_at_the_provider_than_set(build: Build) -> None:
    stage = await build({"MAX_CONCURRENT_JOBS": "2", "BUDGET_CREDITS": "1000"}, render_s=None)
    people = [stage.discord.world.add_member(f"member{n}") for n in range(5)]
    asked = await _at_once(stage, people)
    assert (await _verdicts(asked))[0] == 5

    for done in range(5):
        await stage.provider.wait_for(lambda done=done: len(stage.provider.jobs) >= min(5, done + 2), 10, "two at work")  # type: ignore[misc]
        at_work = [job for job in stage.provider.jobs.values() if not job.is_over]
        assert len(at_work) <= 2
        stage.provider.finish(at_work[0].id)
        await stage.provider.wait_for(lambda job=at_work[0]: job.downloads, 10, "the download")  # type: ignore[misc]
    for one in asked:
        await stage.over(one)
