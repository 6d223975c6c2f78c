"""The buttons of a card, as its member, a moderator and a stranger press them; before and after a restart."""

from __future__ import annotations

import asyncio

import pytest

from sandbox.discord.exchange import Exchange
from sandbox.discord.messages import Interaction, Message
from sandbox.discord.permissions import Permission
from sandbox.discord.world import Person
from tests.e2e.asking import alone, shown_again
from tests.e2e.conftest import Build
from tests.e2e.stage import DONE, Stage

NOT_YOURS = "Only the member who asked for this video can do that."


def labels(card: Message) -> list[str]:
    return [button.label for button in card.buttons]


async def press(stage: Stage, card: Message, label: str, *, by: Person | None = None) -> Interaction:
    custom_id = next(button.custom_id for button in card.buttons if button.label == label)
    assert custom_id is not None
    return await stage.discord.press(by or stage.mia, card, custom_id)


async def told(stage: Stage, card: Message, label: str, *, by: Person | None = None) -> str:
    """What is said to the one who pressed, alone."""
    return (await alone(await press(stage, card, label, by=by))).text()


async def restart(stage: Stage) -> None:
    assert stage.bot is not None
    await stage.bot.stop()
    await stage.start_bot()


async def test_each_state_has_the_buttons_that_fit_it(build: Build) -> None:
    stage = await build({"MAX_CONCURRENT_JOBS": "1"}, render_s=None)
    _, card = await stage.rendering()
    waiting = await (await stage.animate()).answer()
    assert waiting is not None

    assert (labels(card), labels(waiting)) == (["Hide"], ["Cancel"])
    for job in stage.provider.jobs.values():
        stage.provider.finish(job.id)
    await stage.until(card, DONE)
    assert labels(card) == ["Again", "Edit", "Continue", "Delete"]


async def test_cancel_in_the_queue_gives_all_credits_back_and_is_too_late_after(build: Build) -> None:
    stage = await build({"MAX_CONCURRENT_JOBS": "1"}, render_s=None)
    await stage.rendering()
    waiting = await (await stage.animate()).answer()
    assert waiting is not None
    await restart(stage)

    assert await told(stage, waiting, "Cancel", by=stage.admin) == NOT_YOURS
    pressed = await press(stage, waiting, "Cancel")
    await stage.until(waiting, "Video canceled")

    assert pressed.message is waiting
    assert "Your 4 credits are back." in waiting.text()
    assert stage.states() == ["rendering", "cancelled"]


async def test_cancel_on_a_card_that_has_grown_old_is_too_late_and_leaves_the_way_to_it(build: Build) -> None:
    """The token of a press that was answered with a message of its own does not reach the card."""
    stage = await build(render_s=None)
    shown_again = asyncio.Event()

    async def hold(phase: str, exchange: Exchange) -> None:
        if phase == "before" and exchange.method == "PATCH":
            await shown_again.wait()

    stage.discord.on_exchange(hold)
    card = await (await stage.animate()).answer()
    assert card is not None
    await stage.booked(lambda: stage.states() == ["rendering"])

    assert await told(stage, card, "Cancel") == (
        "It is too late to cancel this video. The request was already sent to the video service."
    )
    shown_again.set()
    (job,) = stage.provider.jobs.values()
    stage.provider.finish(job.id)
    await stage.until(card, DONE)
    assert [file.data for file in card.media] == [job.video]


async def test_cancel_in_a_list_that_has_grown_old_is_too_late(build: Build) -> None:
    stage = await build({"MAX_CONCURRENT_JOBS": "1"}, render_s=None)
    await stage.rendering()
    waiting = await (await stage.animate()).answer()
    assert waiting is not None
    listed = await alone(await stage.discord.invoke(stage.mia, "videos"))
    (job,) = stage.provider.jobs.values()
    stage.provider.finish(job.id)
    await stage.until(waiting, "Rendering")

    assert await told(stage, listed, "Cancel") == (
        "It is too late to cancel this video. The request was already sent to the video service."
    )
    assert stage.states() == ["delivered", "rendering"]


async def test_a_hidden_card_goes_and_its_video_waits_in_the_list(build: Build) -> None:
    stage = await build(render_s=None)
    _, card = await stage.rendering()
    assert await told(stage, card, "Hide", by=stage.discord.world.people["ana"]) == NOT_YOURS

    hidden = await press(stage, card, "Hide")
    assert await stage.told(hidden, 1) == [
        "The message is hidden. You can find the video in `/videos` when it is ready."
    ]
    assert card.deleted
    await restart(stage)
    (job,) = stage.provider.jobs.values()
    stage.provider.finish(job.id)
    await stage.booked(lambda: stage.states() == ["undelivered"])
    await restart(stage)

    assert [message for message in stage.discord.history if message.media] == []
    listed = await alone(await stage.discord.invoke(stage.mia, "videos"))
    assert labels(listed) == ["Show again", "Delete"]
    shown = await press(stage, listed, "Show again")
    await stage.discord.wait_for(lambda: shown.message is not None and shown.message.media, 10, "the video")
    assert shown.message is not None
    assert [file.data for file in shown.message.media] == [job.video]


async def test_a_card_hidden_by_a_moderator_brings_the_video_to_its_member_alone(build: Build) -> None:
    stage = await build(render_s=None)
    _, card = await stage.rendering()
    ana = stage.discord.world.people["ana"]
    stage.discord.world.general.allow(ana, Permission.MANAGE_MESSAGES)

    await press(stage, card, "Hide", by=ana)
    await stage.discord.wait_for(lambda: card.deleted, 10, "the card to go")
    (job,) = stage.provider.jobs.values()
    stage.provider.finish(job.id)
    await stage.booked(lambda: stage.states() == ["delivered"])

    private = stage.discord.world.dm(stage.mia)
    assert [[file.data for file in message.media] for message in stage.discord.messages(private)] == [[job.video]]
    public = [message for message in stage.discord.messages(stage.discord.world.general) if not message.is_ephemeral]
    assert public == []


async def test_hiding_while_the_paid_request_is_under_way_keeps_its_slot_and_its_video(build: Build) -> None:
    stage = await build({"MAX_CONCURRENT_JOBS": "1"}, render_s=None)
    stage.provider.settings.slow_seconds = 1.0
    stage.provider.faults.inject("create:slow")
    asked = await stage.animate()
    card = await asked.answer()
    assert card is not None
    await stage.until(card, "Sending")

    await press(stage, card, "Hide")
    await stage.discord.wait_for(lambda: card.deleted, 10, "the card to go")
    await stage.booked(lambda: stage.states() == ["rendering"])
    second = await (await stage.animate()).answer()
    assert second is not None
    await stage.booked(lambda: stage.rows("SELECT COUNT(message) FROM cards") == [(2,)])

    assert stage.states() == ["rendering", "waiting"]
    (job,) = stage.provider.jobs.values()
    stage.provider.finish(job.id)
    await stage.booked(lambda: stage.states()[0] == "undelivered")
    await stage.booked(lambda: stage.states()[1] == "rendering")


async def test_again_makes_the_same_once_more_after_a_restart_and_one_at_a_time(build: Build) -> None:
    stage = await build({"MAX_JOBS_PER_USER": "5"})
    first = await stage.over(await stage.animate(seconds=8))
    await stage.settled()
    await restart(stage)
    stage.provider.settings.render_seconds = None

    assert await told(stage, first, "Again", by=stage.admin) == NOT_YOURS
    second = await (await press(stage, first, "Again")).answer()
    assert second is not None
    assert second is not first
    await stage.until(second, "Rendering")
    assert await told(stage, first, "Again") == (
        "This video is already being made again. Nothing was charged. Wait for it to finish, then try again."
    )
    one, two = stage.provider.jobs.values()
    assert (two.prompt, two.model, two.seconds, two.size) == (one.prompt, one.model, one.seconds, one.size)
    stage.provider.finish(two.id)
    await stage.until(second, DONE)
    await stage.settled()

    assert await told(stage, first, "Again") == (
        "This video costs 8 credits. You have 4 credits left. Nothing was charged. "
        f"You can make this now: Sora 2 · 4 s = 4 credits. Your quota renews <t:{_midnight(stage)}:R>."
    )
    assert DONE in first.text()
    assert stage.provider.creates == 2


def _midnight(stage: Stage) -> int:
    ((day,),) = stage.rows("SELECT MAX(day) FROM jobs")
    assert isinstance(day, int)
    return (day + 1) * 86_400


async def test_a_week_later_the_card_says_kindly_that_its_picture_is_gone(stage: Stage) -> None:
    card = await stage.over(await stage.animate())
    await stage.settled()
    assert stage.bot is not None
    await stage.bot.stop()
    stage.age(8 * 86_400)
    for file in (stage.folder / "data" / "pictures").iterdir():
        file.unlink()
    await stage.start_bot()

    for label in ("Again", "Edit"):
        assert await told(stage, card, label) == (
            "The bot no longer keeps the picture of this video. Nothing was charged. Use `/animate` with the "
            "picture again."
        )
    assert stage.states() == ["delivered"]


@pytest.mark.parametrize("who", ["member", "moderator"])
async def test_delete_takes_the_message_away_and_only_its_member_the_rest(stage: Stage, who: str) -> None:
    card = await stage.over(await stage.animate())
    await stage.settled()
    ana = stage.discord.world.people["ana"]
    assert await told(stage, card, "Delete", by=ana) == NOT_YOURS
    stage.discord.world.general.allow(ana, Permission.MANAGE_MESSAGES)

    (job,) = stage.provider.jobs.values()
    if who == "member":
        question = await alone(await press(stage, card, "Delete"))
        assert labels(question) == ["Delete", "Keep it"]
        await press(stage, question, "Keep it")
        await stage.until(question, "Nothing was deleted.")
        assert not card.deleted
        question = await alone(await press(stage, card, "Delete"))
        await press(stage, question, "Delete")
        await stage.until(question, "The video is deleted.")
    else:
        assert await stage.told(await press(stage, card, "Delete", by=ana), 1) == [
            "The message is deleted. The member who asked for the video can find the video in `/videos` for 7 days."
        ]
    await stage.discord.wait_for(lambda: card.deleted, 10, "the card to go")

    listed = (await alone(await stage.discord.invoke(stage.mia, "videos"))).text()
    kept = list((stage.folder / "data" / "pictures").iterdir())
    if who == "member":
        assert listed == "You have no videos yet. Make one with `/animate`."
        assert kept == []
    else:
        assert "✅ done" in listed
        assert len(kept) == 1
        assert [await shown_again(stage) for _ in range(2)] == [job.video, job.video]
