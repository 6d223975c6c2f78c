"""The provider as it is on a bad day, through the whole bot: what the member reads, what is paid, what comes back."""

from __future__ import annotations

import pytest

from sandbox.providers.mp4 import tiny_mp4
from sandbox.providers.openai import LocalOpenAI
from sandbox.providers.openai_request import OpenAISettings
from tests.e2e.conftest import Build
from tests.e2e.stage import DONE, Stage

LOST = (
    "The video service's answer was lost, so it is not known whether this video was made. "
    "Your 4 credits are back. The bot will not send the request again by itself."
)


async def test_a_create_whose_answer_is_lost_is_never_sent_again(stage: Stage) -> None:
    asked = await stage.animate(prompt="[lost]")
    card = await stage.over(asked)
    await stage.settled()
    assert stage.bot is not None
    await stage.bot.stop()
    await stage.start_bot()
    quota = await stage.reply(stage.mia, "quota")

    assert len(stage.provider.jobs) == 1
    assert stage.provider.creates == 1
    assert stage.states() == ["unknown"]
    assert LOST in card.text()
    assert quota.startswith("**20 credits left**")
    assert stage.rows("SELECT SUM(credits) FROM budget_usage") == [(4,)]  # the operator may have paid


MODERATED = (
    "The video service refused this video under its content rules. Your 4 credits are back. "
    "Try another picture, or other words in the prompt."
)
NOT_MADE = "This video could not be made. Your 4 credits are back."
FAILED = "The video service could not make this video. Your 4 credits are back. Try again, perhaps with another prompt."
TURNED_AWAY = (
    "The video service refused this bot's account. Your 4 credits are back. "
    "The person who runs this bot has to fix the problem."
)


@pytest.mark.parametrize(
    ("word", "public", "private"),
    [
        ("[moderated]", NOT_MADE, MODERATED),
        ("[moderated-late]", NOT_MADE, MODERATED),
        ("[fail]", FAILED, None),
        ("[balance]", TURNED_AWAY, None),
    ],
)
async def test_a_refusal_is_told_in_our_words_and_the_credits_are_back(
    stage: Stage, word: str, public: str, private: str | None
) -> None:
    asked = await stage.animate(prompt=f"a hat {word}")
    card = await stage.over(asked)
    await stage.settled()

    assert public in card.text().split("\n")
    assert await stage.told(asked, 0 if private is None else 1) == ([private] if private else [])
    assert stage.states() == ["failed"]
    assert stage.rows("SELECT SUM(credits) FROM member_usage") == [(0,)]


@pytest.mark.parametrize("word", ["[flaky]", "[odd]", "[no-url]", "[private-url]", "[new-id]", "[busy]"])
async def test_odd_answers_still_end_in_the_video(stage: Stage, word: str) -> None:
    stage.provider.settings.retry_after = "0"
    card = await stage.over(await stage.animate(prompt=f"a hat {word}"))

    (job,) = stage.provider.jobs.values()
    assert DONE in card.text()
    assert [file.data for file in card.media] == [job.video]


async def test_a_create_in_flight_at_sigterm_is_not_lost(build: Build) -> None:
    stage = await build()
    stage.provider.settings.slow_seconds = 1.5
    stage.provider.faults.inject("create:slow")
    asked = await stage.animate()
    await stage.provider.wait_for(lambda: stage.provider.creates == 1, 10, "the create")

    assert stage.bot is not None
    stage.bot.terminate()
    assert await stage.bot.wait(20) == 0
    assert stage.states() == ["rendering"]
    await stage.start_bot()
    await stage.over(asked)

    assert stage.provider.creates == 1
    await stage.settled()
    assert stage.states() == ["delivered"]


async def test_a_refused_key_is_told_before_anything_is_reserved_from_then_on(build: Build) -> None:
    settings = OpenAISettings(render_seconds=0.1)
    stage = await build({"VIDEO_API_AUTH": "raw"}, provider=LocalOpenAI(render=tiny_mp4, settings=settings))
    await stage.over(await stage.animate())
    settings.auth = "bearer"  # the key as it is sent is refused from now on

    first = await stage.over(await stage.animate())
    second = await (await stage.animate()).answer()

    assert "The video service did not accept this bot's key." in first.text()
    assert second is not None
    assert second.is_ephemeral
    assert second.text() == (
        "The video service does not accept anything from this bot right now. Nothing was charged. The person "
        "who runs this bot has to fix the problem. Try again later."
    )
    await stage.settled()
    assert stage.states() == ["delivered", "failed"]


async def test_a_poll_that_is_told_to_come_later_comes_later(build: Build) -> None:
    stage = await build(render_s=None)
    asked, _ = await stage.rendering()
    (job,) = stage.provider.jobs.values()
    stage.provider.settings.retry_after = "1"
    stage.provider.faults.inject("poll:429")
    await stage.provider.wait_for(lambda: any(x.status == 429 for x in stage.provider.requests), 10, "a refused poll")
    stage.provider.finish(job.id)
    await stage.over(asked)

    polls = [x for x in stage.provider.requests if x.route == "poll" and x.job_id == job.id]
    refused = next(number for number, poll in enumerate(polls) if poll.status == 429)
    assert polls[refused + 1].at - polls[refused].at >= 1
