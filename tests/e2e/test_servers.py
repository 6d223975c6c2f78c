"""Every server of /v1/videos in its recorded dialect, and each error code of the seed, through the whole bot."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.providers.mp4 import tiny_mp4
from sandbox.providers.openai import LocalOpenAI
from sandbox.providers.openai_dialects import DIALECTS
from sandbox.providers.openai_request import OpenAISettings
from tests.e2e.conftest import Build
from tests.e2e.stage import DONE, Stage
from tests.thorough import mostly_thorough

BACK = "Your 4 credits are back."
CHECK = "The person who runs this bot has to fix the problem."
KEY = f"The video service did not accept this bot's key. {BACK} {CHECK}"
TURNED_AWAY = f"The video service refused this bot's account. {BACK} {CHECK}"
NO_VIDEO = f"This video could not be made. {BACK}"
LOST = (
    f"The video service's answer was lost, so it is not known whether this video was made. {BACK} "
    "The bot will not send the request again by itself."
)
RULES = (
    f"The video service refused this video under its content rules. {BACK} "
    "Try another picture, or other words in the prompt."
)
WATCHED = ("Invalid", "{", "Traceback", "video_", "sk-", "http 4", "HTTP", "error")


@pytest.mark.parametrize("dialect", mostly_thorough(DIALECTS, by_default=["new-api-task", "tensorrt-llm"]))
async def test_each_servers_dialect_ends_in_a_posted_video_or_a_right_refusal(build: Build, dialect: str) -> None:
    videos = LocalOpenAI(render=tiny_mp4, settings=OpenAISettings(render_seconds=0.1), dialect=dialect)
    stage = await build(provider=videos)

    made = await stage.over(await stage.animate())
    (job,) = videos.jobs.values()
    failed = await stage.over(await stage.animate(prompt="[fail]"))
    await stage.settled()

    assert DONE in made.text()
    assert [file.data for file in made.media] == [job.video]
    assert f"The video service could not make this video. {BACK} Try again, perhaps with another prompt." in (
        failed.text().split("\n")
    )
    assert stage.states() == ["delivered", "failed"]


async def test_each_error_code_of_the_seed_at_create_as_the_member_reads_it(stage: Stage) -> None:
    """The key comes last: with it refused nothing more is sent."""
    for fault, public, private in (
        ("create:500-late", LOST, None),
        ("create:500", LOST, None),
        ("create:503-policy", NO_VIDEO, RULES),
        ("create:400-policy", NO_VIDEO, RULES),
        ("create:403", TURNED_AWAY, None),
        ("create:401", KEY, None),
    ):
        stage.provider.faults.inject(fault, times=None)
        asked = await stage.animate()
        card = await stage.over(asked)
        await stage.settled()
        words = await stage.told(asked, 0 if private is None else 1)
        stage.provider.faults.clear()

        said = card.text().split("\n")
        assert said[0] == "### ⚠️ No video"
        assert public in said, fault
        assert words == ([private] if private else []), fault
        for text in (card.text(), *words):
            assert not [word for word in WATCHED if word in text], fault
        assert stage.rows("SELECT SUM(credits) FROM member_usage") == [(0,)]


async def test_a_429_at_create_waits_and_is_sent_again(build: Build) -> None:
    stage = await build()
    stage.provider.settings.retry_after = "0"
    stage.provider.faults.inject("create:429", times=2)

    card = await stage.over(await stage.animate())

    assert DONE in card.text()
    assert stage.provider.creates == 3
    assert len(stage.provider.jobs) == 1


async def all_delivered(stage: Stage, *faults: dict[str, int]) -> None:
    """So many videos at once, each with faults of its own, and each ends as its video on its card, paid for once."""
    left = list(faults)

    async def spoil(phase: str, exchange: Any) -> None:
        if phase == "inside" and exchange.route == "create":
            stage.provider.jobs[exchange.job_id].faults.update(left.pop())

    stage.provider.on_exchange(spoil)
    asked = [await stage.animate() for _ in faults]
    cards = [await stage.over(one, within_s=30) for one in asked]

    assert left == []
    assert all(DONE in card.text() for card in cards)
    shown = [file.data for card in cards for file in card.media]
    assert sorted(shown) == sorted(job.video for job in stage.provider.jobs.values() if job.video)
    assert stage.provider.creates == len(shown) == len(faults)


MANY = {"MAX_JOBS_PER_USER": "10", "QUOTA_DEFAULT_CREDITS": "1000"}


async def test_no_error_code_at_status_gives_up_a_paid_job(build: Build) -> None:
    stage = await build({**MANY, "VIDEO_API_AUTH": "raw"})
    stage.provider.settings.retry_after = "0"

    await all_delivered(stage, *({f"poll:{code}": 5} for code in ("401", "403", "429", "500", "503", "404")))


async def test_polls_and_downloads_outlast_a_bad_spell(build: Build) -> None:
    stage = await build(MANY)

    await all_delivered(
        stage,
        {"poll:html": 3},
        {"poll:cut": 3},
        {"poll:huge": 1},
        {"poll:not-json": 3},
        {"file:404": 1, "content:404": 1},
        {"file:html": 1, "content:json": 1},
        {"file:cut": 1, "content:cut": 1},
        {"file:empty": 1, "content:redirect-elsewhere": 1},
    )
