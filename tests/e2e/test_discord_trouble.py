"""Discord as it is on a bad day: dead tokens, lost answers, broken sessions, another bot with the same token."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.discord.exchange import CUT, Cut, Exchange, Phase, Reply
from sandbox.process import BotProcess
from tests.e2e.conftest import Build
from tests.e2e.stage import DONE, Stage

CALLBACK = "/interactions/{interaction_id}/{interaction_token}/callback"
BY_TOKEN = "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}"
BY_BOT = "/channels/{channel_id}/messages/{message_id}"


def _edits(stage: Stage, route: str, status: int) -> int:
    return sum((x.method, x.route, x.status) == ("PATCH", route, status) for x in stage.discord.requests)


async def test_a_token_dead_from_the_start_of_rendering_leaves_the_message_to_the_bots_own(build: Build) -> None:
    stage = await build(render_s=None)
    asked, card = await stage.rendering()

    stage.discord.kill_token(asked)
    (job,) = stage.provider.jobs.values()
    stage.provider.finish(job.id)
    finished = await stage.over(asked)

    assert finished is card
    assert DONE in card.text()
    assert [file.data for file in card.media] == [job.video]
    assert _edits(stage, BY_TOKEN, 401) == 1  # the dead way is tried once, never hammered
    assert _edits(stage, BY_BOT, 200) >= 1


async def test_a_token_that_died_while_the_bot_was_down_changes_nothing(build: Build) -> None:
    stage = await build(render_s=None)
    asked, card = await stage.rendering()
    assert stage.bot is not None
    stage.bot.kill()
    await stage.bot.wait()

    stage.discord.kill_token(asked)
    (job,) = stage.provider.jobs.values()
    stage.provider.finish(job.id)
    await stage.start_bot()

    assert await stage.over(asked) is card
    assert [file.data for file in card.media] == [job.video]
    assert len(stage.public()) == 1


@pytest.mark.parametrize("answer", [Reply(500, {"message": "500", "code": 0}), CUT], ids=["500", "cut"])
async def test_an_answer_that_discord_took_but_did_not_confirm_is_one_card_and_one_job(
    build: Build, answer: Reply | Cut
) -> None:
    stage = await build()
    struck = False

    async def lose(phase: Phase, exchange: Exchange) -> Reply | Cut | None:
        nonlocal struck
        if struck or phase != "inside" or exchange.route != CALLBACK:
            return None
        struck = True
        return answer

    stage.discord.on_exchange(lose)
    asked = await stage.animate()
    await stage.over(asked)
    await stage.settled()

    assert struck
    assert stage.states() == ["delivered"]
    assert len(stage.public()) == 1
    assert len(stage.provider.jobs) == 1
    if answer is not CUT:  # discord.py asked again by itself
        assert [x.code for x in stage.discord.requests if x.route == CALLBACK][-1] == 40060


async def test_two_bots_with_one_token_make_one_card_and_one_job_of_a_command(build: Build) -> None:
    stage = await build()
    other_folder = stage.folder / "other"
    other_folder.mkdir()
    settings = {
        **stage.settings(),
        "DATABASE_URL": f"sqlite:///{other_folder}/animate.db",
        "DATA_DIR": str(other_folder / "data"),
    }
    other = BotProcess(other_folder, settings, spawn=stage.spawn)
    await other.start()
    await stage.discord.wait_ready(20, sessions=2)
    try:
        for _ in range(2):
            await stage.over(await stage.animate())
        await stage.settled()
        for database in (stage.database, other_folder / "animate.db"):
            await stage.booked(lambda database=database: not _open_jobs(stage, database))  # type: ignore[misc]
    finally:
        assert await other.stop() == 0

    assert len(stage.public()) == 2
    assert len(stage.provider.jobs) == 2
    both = stage.states() + [str(s) for (s,) in stage.rows_of(other_folder / "animate.db", "SELECT state FROM jobs")]
    assert sorted(both) == ["cancelled", "cancelled", "delivered", "delivered"]


def _open_jobs(stage: Stage, database: Any) -> bool:
    return bool(stage.rows_of(database, "SELECT 1 FROM jobs WHERE state NOT IN ('delivered', 'cancelled')"))


async def test_a_new_session_and_a_resumed_one_take_commands_and_double_none(build: Build) -> None:
    stage = await build({"MAX_JOBS_PER_USER": "9", "QUOTA_DEFAULT_CREDITS": "100"})
    gateway = stage.discord.gateway

    await stage.discord.invalid_session()
    await stage.discord.wait_for(lambda: gateway.identifies == 2, 15, "a new session")
    await stage.over(await stage.animate())

    await stage.discord.gateway_drop()
    await stage.discord.wait_for(lambda: not gateway.live, 15, "the connection to be gone")
    missed = await stage.animate()  # replayed by RESUME, and perhaps too late for an answer
    await stage.discord.wait_for(lambda: gateway.resumes == 1, 15, "a resumed session")
    await stage.over(await stage.animate())
    await stage.settled()

    cards = stage.public()
    assert len(cards) == (2 if missed.message is None else 3)
    assert len(stage.provider.jobs) == len(cards)
    assert stage.states().count("delivered") == len(cards)


async def test_a_card_that_discord_refuses_is_shown_without_the_prompt(build: Build) -> None:
    stage = await build()
    blocked = Reply(400, {"message": "Message was blocked by AutoMod.", "code": 200000})

    async def automod(phase: Phase, exchange: Exchange) -> Reply | Cut | None:
        is_card = exchange.route in {CALLBACK, BY_TOKEN} and exchange.method in {"POST", "PATCH"}
        return blocked if phase == "before" and is_card and "puts on a hat" in str(exchange.body) else None

    stage.discord.on_exchange(automod)
    card = await stage.over(await stage.animate())

    (job,) = stage.provider.jobs.values()
    assert "puts on a hat" not in card.text()
    assert [file.data for file in card.media] == [job.video]


@pytest.mark.parametrize("dms_open", [True, False])
async def test_a_card_removed_by_a_moderator_gets_nothing_new_in_the_channel(build: Build, *, dms_open: bool) -> None:
    stage = await build(render_s=None)
    stage.mia.dms_open = dms_open
    _, card = await stage.rendering()

    await stage.discord.delete_message(card)
    (job,) = stage.provider.jobs.values()
    stage.provider.finish(job.id)
    end = "delivered" if dms_open else "undelivered"
    await stage.booked(lambda: stage.states() == [end])

    assert stage.public() == []
    private = stage.discord.messages(stage.discord.world.dm(stage.mia))
    assert [file.data for message in private for file in message.media] == ([job.video] if dms_open else [])
    videos = stage.folder / "data" / "videos"
    await stage.booked(lambda: bool(list(videos.iterdir())) is not dms_open)  # a moment after the books
    assert [file.read_bytes() for file in videos.iterdir()] == ([] if dms_open else [job.video])
    refused = [x for x in stage.discord.requests if x.status in {401, 403, 404}]
    assert 1 <= len(refused) <= 3


async def test_an_undelivered_video_is_offered_again_at_start_and_shown_from_the_list(build: Build) -> None:
    stage = await build(render_s=None)
    stage.mia.dms_open = False
    _, card = await stage.rendering()
    await stage.discord.delete_message(card)
    (job,) = stage.provider.jobs.values()
    stage.provider.finish(job.id)
    await stage.booked(lambda: stage.states() == ["undelivered"])
    refused = len([x for x in stage.discord.requests if x.status >= 400])

    assert stage.bot is not None
    await stage.bot.stop()
    await stage.start_bot()
    listed = await (await stage.discord.invoke(stage.mia, "videos")).answer()
    assert listed is not None
    assert "done, kept for you" in listed.text()
    (button,) = [button for button in listed.buttons if button.label == "Show again"]
    shown = await stage.discord.press(stage.mia, listed, button.custom_id or "")
    await stage.discord.wait_for(lambda: shown.message is not None and shown.message.media, 10, "the video")

    assert shown.message is not None
    assert [file.data for file in shown.message.media] == [job.video]
    assert shown.message.is_ephemeral
    await stage.booked(lambda: stage.states() == ["delivered"])
    again = len([x for x in stage.discord.requests if x.status >= 400]) - refused
    assert again <= 1  # the dead card is remembered over the restart; only the closed direct messages are tried


async def test_where_only_a_token_reaches_a_button_brings_the_video(build: Build) -> None:
    stage = await build(render_s=None)
    asked, card = await stage.rendering(channel=stage.discord.world.foreign.channels[0])
    assert stage.bot is not None
    await stage.bot.stop()

    stage.shorten_token(20)
    await stage.start_bot()
    await stage.until(card, "Press the button")
    stage.discord.kill_token(asked)
    (job,) = stage.provider.jobs.values()
    stage.provider.finish(job.id)
    await stage.booked(lambda: stage.states() == ["undelivered"])
    (button,) = card.buttons
    assert button.label == "Show my video"
    stranger = await stage.discord.press(stage.admin, card, button.custom_id or "")
    refusal = await stranger.answer()
    assert refusal is not None
    assert refusal.text() == "Only the member who asked for this video can do that."
    await stage.discord.press(stage.mia, card, button.custom_id or "")
    await stage.until(card, DONE)

    assert [file.data for file in card.media] == [job.video]
    await stage.booked(lambda: stage.states() == ["delivered"])
