"""/videos as its member uses it; videos that come late; the one mention."""

from __future__ import annotations

from sandbox.discord.messages import Message
from sandbox.providers.jobs import VideoJob
from tests.e2e.conftest import Build
from tests.e2e.stage import DONE, Stage


async def _listed(stage: Stage) -> Message:
    message = await (await stage.discord.invoke(stage.mia, "videos")).answer()
    assert message is not None
    assert message.is_ephemeral
    return message


async def _press(stage: Stage, message: Message, label: str) -> None:
    button = next(button for button in message.buttons if button.label == label)
    seen = len(message.revisions)
    await stage.discord.press(stage.mia, message, button.custom_id or "")
    await stage.discord.wait_for(lambda: len(message.revisions) > seen, 10, f"the list after {label}")


async def test_without_videos_the_list_says_how_to_make_one(stage: Stage) -> None:
    assert (await _listed(stage)).text() == "You have no videos yet. Make one with `/animate`."


async def test_a_finished_video_is_listed_with_its_place_and_deleted_for_good(stage: Stage) -> None:
    card = await stage.over(await stage.animate())
    await stage.settled()

    message = await _listed(stage)
    guild = stage.discord.world.guild.id
    assert "**✅ done**" in message.text()
    assert [(b.label, b.url) for b in message.buttons if b.url] == [
        ("Go to message", f"https://discord.com/channels/{guild}/{card.channel_id}/{card.id}")
    ]
    await _press(stage, message, "Delete")
    assert message.text() == ("Delete this video for good? Its message, prompt, picture and file cannot be restored.")
    await _press(stage, message, "Keep it")
    assert "**✅ done**" in message.text()
    assert not card.deleted
    await _press(stage, message, "Delete")
    await _press(stage, message, "Delete")

    assert message.text() == "You have no videos yet. Make one with `/animate`."
    await stage.discord.wait_for(lambda: card.deleted, 10, "the card to be taken away")
    assert stage.rows("SELECT prompt, picture_url, result_url FROM jobs") == [("", "", None)]
    quota = await stage.reply(stage.mia, "quota")
    assert quota.startswith("**16 credits left**")  # what was spent stays spent


async def test_a_waiting_video_is_cancelled_and_its_credits_are_back(build: Build) -> None:
    stage = await build({"MAX_CONCURRENT_JOBS": "1"}, render_s=None)
    await stage.animate()
    await stage.provider.wait_for(lambda: stage.provider.jobs, 10, "the first at the provider")
    second = await stage.animate(prompt="the second")
    card = await second.answer()
    assert card is not None
    await stage.booked(lambda: stage.rows("SELECT COUNT(message) FROM cards") == [(2,)])

    message = await _listed(stage)
    assert "⏳ in the queue" in message.text()
    await _press(stage, message, "Cancel")
    await stage.until(card, "Video canceled")

    assert "This video was canceled. Your 4 credits are back." in card.text().split("\n")
    assert "🚫 canceled" in message.text()
    assert stage.states() == ["rendering", "cancelled"]
    assert (await stage.reply(stage.mia, "quota")).startswith("**16 credits left**")
    assert len(stage.provider.jobs) == 1


async def test_buttons_of_another_or_of_nothing_get_a_private_sentence(stage: Stage) -> None:
    await stage.over(await stage.animate())
    await stage.settled()
    message = await _listed(stage)
    delete = next(button.custom_id for button in message.buttons if button.label == "Delete")
    assert delete is not None

    for person, custom_id, sentence in (
        (stage.admin, delete, "Only the member who asked for this video can do that."),
        (stage.mia, "job:delete:1", "This button no longer works."),
        (stage.mia, "job:nothing:1", "This button no longer works."),
    ):
        pressed = await stage.discord.press(person, message, custom_id, forge=True)
        answer = await pressed.answer()
        assert answer is not None
        assert answer.is_ephemeral
        assert answer.text() == sentence
    assert len(stage.rows("SELECT 1 FROM jobs WHERE deleted_at IS NULL")) == 1


async def test_a_video_after_its_deadline_is_refunded_and_still_delivered(build: Build) -> None:
    stage = await build({"JOB_TIMEOUT_MINUTES": "0.005"}, render_s=None)
    asked = await stage.animate()
    card = await asked.answer()
    assert card is not None
    await stage.until(card, "did not finish this video in time")
    await stage.booked(lambda: stage.states() == ["timed_out"])
    assert (await stage.reply(stage.mia, "quota")).startswith("**20 credits left**")

    (job,) = stage.provider.jobs.values()
    stage.provider.finish(job.id)
    await stage.until(card, DONE)

    assert [file.data for file in card.media] == [job.video]
    await stage.booked(lambda: stage.states() == ["delivered"])
    assert (await stage.reply(stage.mia, "quota")).startswith("**20 credits left**")  # refunded once, and for good
    assert stage.rows("SELECT COUNT(*) FROM ledger WHERE kind = 'refund'") == [(1,)]
    assert stage.rows("SELECT SUM(credits) FROM budget_usage") == [(4,)]


async def test_a_long_wait_ends_with_one_ping_and_a_short_one_with_none(build: Build) -> None:
    stage = await build(render_s=None)
    _, card = await stage.rendering()
    assert stage.bot is not None
    await stage.bot.stop()
    stage.age(60)
    await stage.start_bot()
    (job,) = stage.provider.jobs.values()
    stage.provider.finish(job.id)
    await stage.until(card, DONE)
    await stage.discord.wait_for(lambda: len(stage.public()) == 2, 10, "the mention")

    mention = stage.public()[1]
    assert mention.text() == f"<@{stage.mia.id}> Your video is ready."
    assert mention.pinged == [stage.mia.id]
    await stage.settled()
    await stage.bot.stop()
    await stage.start_bot()

    second = await stage.animate()
    (late,) = [job for job in await _new_jobs(stage, 2) if not job.is_over]
    stage.provider.finish(late.id)
    await stage.over(second)
    await stage.settled()
    assert len(stage.public()) == 3  # two cards, one mention


async def _new_jobs(stage: Stage, count: int) -> list[VideoJob]:
    await stage.provider.wait_for(lambda: len(stage.provider.jobs) == count, 10, "the next job")
    return list(stage.provider.jobs.values())
