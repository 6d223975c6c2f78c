"""Answers of the provider that are easily misread, through the whole bot: a paid video comes, and is paid once."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import Build
from tests.e2e.stage import DONE, Stage

NEW_KEY = "sk-new-9876543210"


async def test_an_error_that_calls_itself_a_status_ends_no_job(stage: Stage) -> None:
    stage.provider.faults.inject("poll:503-job", times=5)

    card = await stage.over(await stage.animate())

    (job,) = stage.provider.jobs.values()
    assert DONE in card.text()
    assert [file.data for file in card.media] == [job.video]
    assert stage.rows("SELECT SUM(credits) FROM member_usage") == [(4,)]


async def test_a_file_packed_in_parts_without_saying_so_arrives_whole(stage: Stage) -> None:
    stage.provider.faults.inject("file:gzip-unsaid", times=None)
    stage.provider.faults.inject("content:gzip-unsaid", times=None)

    card = await stage.over(await stage.animate())

    (job,) = stage.provider.jobs.values()
    assert [file.data for file in card.media] == [job.video]


async def test_a_job_told_of_in_a_500_is_refunded_and_its_video_still_comes(stage: Stage) -> None:
    stage.provider.faults.inject("create:500-job")

    card = await (await stage.animate()).answer()
    assert card is not None
    await stage.until(card, DONE)
    await stage.settled()

    (job,) = stage.provider.jobs.values()
    assert stage.provider.creates == 1
    assert stage.states() == ["delivered"]
    assert [file.data for file in card.media] == [job.video]
    assert stage.rows("SELECT SUM(credits) FROM member_usage") == [(0,)]
    assert stage.rows("SELECT SUM(credits) FROM budget_usage") == [(4,)]  # the operator has paid


@pytest.mark.parametrize("auth", ["auto", "bearer"])
async def test_with_another_provider_set_the_old_one_is_not_given_the_new_key(build: Build, auth: str) -> None:
    stage = await build(render_s=None)
    await stage.rendering()
    assert stage.bot is not None
    await stage.bot.stop()
    asked_before = len(stage.provider.requests)
    stage.use({"VIDEO_API_URL": "http://127.0.0.1:9/v1", "VIDEO_API_KEY": NEW_KEY, "VIDEO_API_AUTH": auth})
    await stage.start_bot()
    (job,) = stage.provider.jobs.values()
    stage.provider.finish(job.id)
    await stage.provider.wait_for(
        lambda: any(x.route == "poll" for x in stage.provider.requests[asked_before:]), 10, "a poll after the change"
    )

    later = stage.provider.requests[asked_before:]
    assert later
    assert not [x for x in later if "authorization" in x.headers]
    assert NEW_KEY not in str([x.headers for x in later])
    assert NEW_KEY not in stage.bot.log()
    assert stage.bot.log().count("asks for them without a key") == 1
