"""Work that can wait does, while members wait for a first answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.models import JobState, UserId
from tests.harness import Harness


@pytest.fixture
def bot(tmp_path: Path) -> Iterator[Harness]:
    with Harness(tmp_path) as bot:
        yield bot


def test_no_picture_is_decoded_while_members_wait_for_an_answer_but_for_half_a_second_each(
    bot: Harness,
) -> None:
    bot.chat.pictures[UserId(1)] = "passing"
    job = bot.ask(1)
    with bot.somebody_waits():
        bot.chat.pictures.clear()
        bot.passes(60.0, steps=1)
        assert bot.chat.fetched > 1
        assert bot.state(job) is JobState.WAITING
        bot.passes(0.4, steps=1)
        assert bot.state(job) is JobState.WAITING
        bot.passes(0.2, steps=1)
        assert bot.state(job) is JobState.RENDERING


def test_those_who_ask_a_moment_later_are_answered_before_the_work_begins(bot: Harness) -> None:
    with bot.somebody_waits():
        job = bot.ask(1)
    bot.passes(0.04, steps=1)
    assert bot.state(job) is JobState.WAITING
    with bot.somebody_waits():
        bot.passes(0.04, steps=1)
        assert bot.state(job) is JobState.WAITING
    bot.passes(0.06, steps=1)
    assert bot.state(job) is JobState.RENDERING
