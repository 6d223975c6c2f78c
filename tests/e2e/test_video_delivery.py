"""A finished video finds its member, once, whatever Discord does not take; and its card says where it is."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.discord import Permission, Upload, cloudflare_block
from sandbox.discord.exchange import CUT, Cut, Exchange, Phase, Reply
from sandbox.discord.messages import Message
from sandbox.discord.world import Channel
from sandbox.providers.jobs import VideoJob
from tests.e2e.conftest import Build
from tests.e2e.stage import DONE, Stage, png
from tests.thorough import mostly_thorough

BY_BOT = "PATCH /channels/{channel_id}/messages/{message_id}"
BY_TOKEN = "PATCH /webhooks/{webhook_id}/{webhook_token}/messages/{message_id}"
POST_BY_BOT = "POST /channels/{channel_id}/messages"
POST_BY_TOKEN = "POST /webhooks/{webhook_id}/{webhook_token}"
READY = "Your video is ready"
KEPT = "The video could not be posted here."
LOST = Reply(500, {"message": "500: Internal Server Error", "code": 0})


def finish(stage: Stage) -> VideoJob:
    (job,) = stage.provider.jobs.values()
    stage.provider.finish(job.id)
    return job


def direct(stage: Stage) -> list[Message]:
    return stage.discord.messages(stage.discord.world.dm(stage.mia))


async def press(stage: Stage, message: Message, label: str) -> None:
    (button,) = [button for button in message.buttons if button.label == label]
    await stage.discord.press(stage.mia, message, button.custom_id or "")


def shown(messages: list[Message]) -> list[bytes | None]:
    return [file.data for message in messages for file in message.media]


def kept(stage: Stage) -> list[bytes | None]:
    return [path.read_bytes() for path in (stage.folder / "data" / "videos").iterdir()]


def taken_but(stage: Stage, operation: str, answer: Reply | Cut = LOST, *, with_words: str = "") -> list[Exchange]:
    """Discord does what such requests ask and answers them so; those it did it to."""
    method, _, template = operation.partition(" ")
    struck: list[Exchange] = []

    async def lose(phase: Phase, exchange: Exchange) -> Reply | Cut | None:
        fits = (exchange.method, exchange.route) == (method, template) and with_words in str(exchange.body)
        if phase != "inside" or not fits:
            return None
        struck.append(exchange)
        return answer

    stage.discord.on_exchange(lose)
    return struck


def refuse_uploads(stage: Stage, operation: str, answer: Reply) -> list[Exchange]:
    """Requests of that kind are refused where they bring a file."""
    method, _, template = operation.partition(" ")
    struck: list[Exchange] = []

    async def refuse(phase: Phase, exchange: Exchange) -> Reply | None:
        if phase != "before" or (exchange.method, exchange.route) != (method, template) or not exchange.files:
            return None
        struck.append(exchange)
        return answer

    stage.discord.on_exchange(refuse)
    return struck


NO_FILES = Reply(403, {"message": "Missing Permissions", "code": 50013})
NOT_ON_CARDS = Reply(400, {"message": "Invalid Form Body", "code": 50035})


@pytest.mark.parametrize("dms_open", mostly_thorough([True, False], by_default=[True]))
async def test_where_the_upload_alone_is_refused_the_card_says_where_the_video_is(
    build: Build, *, dms_open: bool
) -> None:
    stage = await build(render_s=None)
    stage.mia.dms_open = dms_open
    asked, card = await stage.rendering()

    stage.discord.kill_token(asked)
    stage.discord.world.general.deny(stage.discord.world.bot, Permission.ATTACH_FILES)
    job = finish(stage)
    said = await stage.until(card, READY)
    await stage.booked(lambda: stage.states() == ["delivered" if dms_open else "undelivered"])

    assert ("sent as a direct message" in said) is dms_open
    assert ("/videos" in said) is not dms_open
    assert shown(direct(stage)) == ([job.video] if dms_open else [])
    assert kept(stage) == ([] if dms_open else [job.video])


async def test_in_an_archived_thread_a_message_with_the_video_opens_it(build: Build) -> None:
    stage = await build(render_s=None)
    thread = stage.discord.world.add_thread("cats")
    asked, card = await stage.rendering(channel=thread)

    stage.discord.kill_token(asked)
    stage.discord.world.set_thread(thread, archived=True)
    job = finish(stage)
    await stage.until(card, "in the next message")
    await stage.settled()

    assert shown(stage.public(thread)) == [job.video]
    assert direct(stage) == []
    assert stage.states() == ["delivered"]


@pytest.mark.parametrize("dms_open", mostly_thorough([True, False], by_default=[True]))
async def test_in_a_locked_thread_the_video_goes_to_its_member_or_is_kept(build: Build, *, dms_open: bool) -> None:
    stage = await build(render_s=None)
    stage.mia.dms_open = dms_open
    thread = stage.discord.world.add_thread("cats")
    await stage.rendering(channel=thread)

    stage.discord.world.set_thread(thread, archived=True, locked=True)
    job = finish(stage)
    await stage.booked(lambda: stage.states() == ["delivered" if dms_open else "undelivered"])

    assert shown(direct(stage)) == ([job.video] if dms_open else [])


async def test_a_video_that_fails_in_an_archived_thread_says_so_on_its_card(build: Build) -> None:
    stage = await build(render_s=None)
    thread = stage.discord.world.add_thread("cats")
    asked, card = await stage.rendering(channel=thread, prompt="[fail]")

    stage.discord.kill_token(asked)
    stage.discord.world.set_thread(thread, archived=True)
    finish(stage)
    await stage.until(card, "No video")

    assert stage.states() == ["failed"]


async def test_less_than_announced_is_learnt_and_the_video_made_smaller(build: Build) -> None:
    stage = await build()
    world = stage.discord.world
    world.guild.upload_limit = stage.mia.upload_limit = 50_000_000
    world.taken_bytes = 8_500_000

    card = await stage.over(await stage.animate(prompt="a whale [big]"), within_s=60)
    await stage.settled()

    (posted,) = card.media
    assert len(posted.data) <= world.taken_bytes
    assert DONE in card.text()
    assert stage.states() == ["delivered"]


async def test_what_no_place_takes_ends_in_true_words(build: Build) -> None:
    stage = await build()
    refuse_uploads(stage, BY_TOKEN, Reply(413, {"message": "Request entity too large", "code": 40005}))

    card = await stage.over(await stage.animate(), within_s=40)
    await stage.settled()

    assert "too large to upload here" in card.text()
    assert "50 M" not in card.text()
    assert "10 M" not in card.text()
    assert stage.states() == ["undelivered"]


@pytest.mark.parametrize("answer", mostly_thorough([LOST, CUT], by_default=[CUT]), ids=["500", "cut"])
@pytest.mark.parametrize("route", mostly_thorough([POST_BY_BOT, POST_BY_TOKEN], [POST_BY_BOT]), ids=["bot", "token"])
async def test_a_ping_that_discord_took_without_a_word_is_sent_once(
    build: Build, route: str, answer: Reply | Cut
) -> None:
    stage = await build(render_s=None)
    channel: Channel = stage.discord.world.general if route == POST_BY_BOT else stage.discord.world.restricted
    person = stage.mia if route == POST_BY_BOT else stage.admin
    _, card = await stage.rendering(person=person, channel=channel)
    assert stage.bot is not None
    await stage.bot.stop()
    stage.age(60)
    await stage.start_bot()

    struck = taken_but(stage, route, answer, with_words=READY)
    finish(stage)
    await stage.until(card, DONE)
    await stage.discord.wait_for(lambda: struck, 10, "the mention")
    await stage.settled()
    await stage.bot.stop()

    assert len([message for message in stage.public(channel) if message.pinged]) == 1


@pytest.mark.parametrize("answer", mostly_thorough([LOST, CUT], by_default=[CUT]), ids=["500", "cut"])
@pytest.mark.parametrize("reached", mostly_thorough([True, False], by_default=[True]), ids=["bot", "token"])
async def test_a_video_beside_its_card_that_discord_took_without_a_word_stands_there_once(
    build: Build, answer: Reply | Cut, *, reached: bool
) -> None:
    stage = await build(render_s=None)
    channel = stage.discord.world.general if reached else stage.discord.world.restricted
    _, card = await stage.rendering(person=stage.mia if reached else stage.admin, channel=channel)

    refuse_uploads(stage, BY_TOKEN, NOT_ON_CARDS)
    struck = taken_but(stage, POST_BY_BOT if reached else POST_BY_TOKEN, answer)
    job = finish(stage)
    await stage.discord.wait_for(lambda: struck, 10, "the video beside")
    await stage.until(card, READY, within_s=30)
    await stage.booked(lambda: stage.states() == ["undelivered"])

    assert shown(stage.public(channel)) == [job.video]
    assert shown(direct(stage)) == []
    assert kept(stage) == [job.video]
    assert "/videos" in card.text()


@pytest.mark.thorough
async def test_a_direct_message_that_discord_took_without_a_word_is_sent_once(build: Build) -> None:
    stage = await build(render_s=None)
    _, card = await stage.rendering()
    await stage.discord.delete_message(card)

    lost: list[Exchange] = []

    async def lose(phase: Phase, exchange: Exchange) -> Reply | None:
        if phase != "inside" or exchange.method != "POST" or not exchange.files or len(lost) == 2:
            return None
        lost.append(exchange)
        return LOST

    stage.discord.on_exchange(lose)
    job = finish(stage)
    await stage.booked(lambda: stage.states() == ["delivered"])

    assert len(lost) == 2
    assert shown(direct(stage)) == [job.video]


@pytest.mark.thorough
async def test_direct_messages_that_are_opened_too_fast_are_opened_a_little_later(build: Build) -> None:
    stage = await build(render_s=None)
    _, card = await stage.rendering()
    await stage.discord.delete_message(card)

    too_fast = Reply(400, {"message": "You are opening direct messages too fast.", "code": 40003})
    stage.discord.refuse("POST /users/@me/channels", too_fast, times=2)
    job = finish(stage)
    await stage.booked(lambda: stage.states() == ["delivered"])

    assert shown(direct(stage)) == [job.video]


async def test_where_replies_are_not_taken_the_ping_comes_without_one(build: Build) -> None:
    stage = await build(render_s=None)
    _, card = await stage.rendering()
    assert stage.bot is not None
    await stage.bot.stop()
    stage.age(60)
    world = stage.discord.world
    world.general.deny(world.bot, Permission.READ_MESSAGE_HISTORY)
    await stage.start_bot()

    finish(stage)
    await stage.until(card, DONE)
    await stage.discord.wait_for(lambda: len(stage.public()) == 2, 10, "the mention")

    assert stage.public()[1].pinged == [stage.mia.id]


async def test_a_link_alone_pings_whoever_waited_for_it(build: Build) -> None:
    stage = await build(render_s=None)
    stage.discord.world.guild.upload_limit = stage.mia.upload_limit = 1_000
    _, card = await stage.rendering()
    assert stage.bot is not None
    await stage.bot.stop()
    stage.age(60)
    await stage.start_bot()

    finish(stage)
    await stage.until(card, READY, within_s=40)
    await stage.discord.wait_for(lambda: len(stage.public()) == 2, 10, "the mention")

    assert stage.public()[1].pinged == [stage.mia.id]


async def test_a_late_video_is_shown_where_only_a_token_reaches_for_as_long_as_that_lives(build: Build) -> None:
    stage = await build({"JOB_TIMEOUT_MINUTES": "0.005"}, render_s=None)
    asked = await stage.animate(channel=stage.discord.world.foreign.channels[0])
    card = await asked.answer()
    assert card is not None
    said = await stage.until(card, "did not finish this video in time")
    assert "here or in `/videos`" in said

    job = finish(stage)
    await stage.until(card, DONE)
    await stage.booked(lambda: stage.states() == ["delivered"])

    assert shown([card]) == [job.video]


async def test_a_late_video_after_the_token_has_died_is_brought_by_the_cards_button(build: Build) -> None:
    stage = await build({"JOB_TIMEOUT_MINUTES": "0.005"}, render_s=None)
    asked = await stage.animate(channel=stage.discord.world.foreign.channels[0])
    card = await asked.answer()
    assert card is not None
    await stage.until(card, "did not finish this video in time")

    stage.discord.kill_token(asked)
    job = finish(stage)
    await stage.booked(lambda: stage.states() == ["undelivered"])
    await press(stage, card, "Show my video")
    await stage.until(card, DONE)

    assert shown([card]) == [job.video]
    await stage.booked(lambda: stage.states() == ["delivered"])


async def test_on_a_card_that_only_its_member_sees_the_video_is_kept_too(build: Build) -> None:
    stage = await build()
    foreign = stage.discord.world.foreign.channels[0]
    foreign.deny(stage.mia, Permission.USE_EXTERNAL_APPS)

    card = await stage.over(await stage.animate(channel=foreign))
    await stage.settled()

    (job,) = stage.provider.jobs.values()
    assert card.is_ephemeral
    assert "Only you can see this message. The video also stays in `/videos` until" in card.text()
    assert kept(stage) == [job.video]


@pytest.mark.parametrize("way", mostly_thorough(["card", "beside", "direct"], by_default=["card"]))
async def test_the_video_of_a_spoiler_is_a_spoiler_everywhere(build: Build, way: str) -> None:
    stage = await build(render_s=None)
    _, card = await stage.rendering(image=Upload("SPOILER_cat.png", png(), "image/png"))
    if way == "beside":
        refuse_uploads(stage, BY_TOKEN, NOT_ON_CARDS)
    if way == "direct":
        await stage.discord.delete_message(card)
    job = finish(stage)
    await stage.booked(lambda: stage.states() == ["delivered"])

    (message,) = [message for message in stage.discord.history if job.video in shown([message])]
    (file,) = message.media
    assert file.spoiler
    assert way == "beside" or [item["spoiler"] for item in _gallery(message)] == [True]


def _gallery(message: Message) -> list[dict[str, Any]]:
    (box,) = message.now["components"]
    return [item for part in box["components"] if part["type"] == 12 for item in part["items"]]


async def test_while_discords_edge_bars_the_address_nothing_is_sent(build: Build) -> None:
    stage = await build(render_s=None)
    _, card = await stage.rendering()

    stage.discord.refuse(BY_TOKEN, cloudflare_block(2), times=1)
    job = finish(stage)
    await stage.until(card, DONE)

    (block,) = [x for x in stage.discord.requests if x.status == 429]
    later = [x for x in stage.discord.requests if x.part == "api" and x.at > block.at]
    assert later[0].at - block.at >= 1.5
    assert shown([card]) == [job.video]


async def test_shown_again_from_the_list_it_is_made_as_small_as_discord_takes_it(build: Build) -> None:
    stage = await build(render_s=None)
    world = stage.discord.world
    world.guild.upload_limit = stage.mia.upload_limit = 50_000_000
    _, card = await stage.rendering(prompt="a whale [big]")
    await press(stage, card, "Hide")
    await stage.discord.wait_for(lambda: card.deleted, 10, "the card to go")
    job = finish(stage)
    await stage.booked(lambda: stage.states() == ["undelivered"])
    assert job.video is not None

    world.taken_bytes = len(job.video) - 1
    listed = await (await stage.discord.invoke(stage.mia, "videos")).answer()
    assert listed is not None
    (button,) = [button for button in listed.buttons if button.label == "Show again"]
    pressed = await stage.discord.press(stage.mia, listed, button.custom_id or "")
    await stage.discord.wait_for(lambda: pressed.message is not None and pressed.message.media, 60, "the video")

    assert pressed.message is not None
    assert len(pressed.message.media[0].data) <= world.taken_bytes
    await stage.booked(lambda: stage.states() == ["delivered"])
