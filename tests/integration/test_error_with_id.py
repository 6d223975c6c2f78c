"""A create answered with an error and an id beside it: refunded as lost, asked for, and delivered if a video comes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.models import JobState
from tests.harness import MODELS, Harness
from tests.ledger_audit import differences

HOUR_S = 3_600.0


@pytest.fixture
def bot(tmp_path: Path) -> Iterator[Harness]:
    with Harness(tmp_path) as harness:
        yield harness
        assert harness.context.queue.at_provider == 0
        assert harness.looked(differences) == []
        assert max(harness.provider.made.values(), default=0) <= 1


def back(bot: Harness) -> list[tuple[str, int]]:
    return bot.rows("SELECT reason, from_budget FROM ledger WHERE kind = 'refund'")


@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_video_that_comes_is_delivered_once_though_the_member_has_the_credits_back(
    bot: Harness,
    is_restarted: bool,  # noqa: FBT001 - a column
) -> None:
    bot.provider.moods[MODELS[0]] = "lost but named"
    job = bot.ask()
    assert bot.state(job) is JobState.TIMED_OUT
    assert back(bot) == [("lost_answer", 0)]  # the budget keeps its share: the operator may have paid
    assert job in bot.chat.closed
    if is_restarted:
        bot.kill()
        bot.begin()

    bot.provider.finishes()
    bot.passes(HOUR_S)

    assert bot.state(job) is JobState.DELIVERED
    assert bot.chat.delivered == {job: 1}
    assert bot.provider.creates == 1
    assert len(back(bot)) == 1


def test_an_id_that_was_none_is_given_up_after_a_day(bot: Harness) -> None:
    bot.provider.moods[MODELS[0]] = "lost but named"
    job = bot.ask()
    bot.provider.denies = True
    bot.passes(25 * HOUR_S, steps=200)

    assert bot.state(job) is JobState.FAILED
    assert bot.rows("SELECT failure FROM jobs") == [("lost_answer",)]
    assert len(back(bot)) == 1


def test_a_key_that_stays_unsettled_is_what_the_member_reads(bot: Harness) -> None:
    bot.provider.moods[MODELS[0]] = "unsettled"
    job = bot.ask()
    bot.passes(HOUR_S, steps=60)

    assert bot.state(job) is JobState.FAILED
    assert bot.rows("SELECT failure FROM jobs") == [("key",)]
    assert bot.provider.made == {}
