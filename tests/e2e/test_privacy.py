"""What a member can know, take along and delete, as they meet it; and what goes by itself when a server is left."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest

from sandbox.discord.exchange import Exchange, Phase, Reply
from sandbox.discord.messages import Interaction, Message
from sandbox.discord.world import Person
from tests.e2e.asking import alone, quota
from tests.e2e.conftest import Build
from tests.e2e.stage import DONE, FIRST_LINE, Stage
from tests.thorough import mostly_thorough

TOLD = (
    "Your picture and prompt are sent to `127.0.0.1` to make the video. Use `/privacy` to see, export or "
    "delete what the bot keeps."
)
WORDS = "SELECT id FROM jobs WHERE prompt <> '' OR picture_url <> '' OR result_url IS NOT NULL"
PLACES = "SELECT job FROM cards WHERE channel <> 0 OR message IS NOT NULL OR token IS NOT NULL"


async def _page(stage: Stage, person: Person | None = None) -> Message:
    return await alone(await stage.discord.invoke(person or stage.mia, "privacy"))


async def _press(stage: Stage, message: Message, label: str, *, by: Person | None = None) -> Interaction:
    button = next(button for button in message.buttons if button.label == label)
    return await stage.discord.press(by or stage.mia, message, button.custom_id or "")


async def _turned(stage: Stage, message: Message, label: str, words: str) -> str:
    """Presses and waits until the message itself says that."""
    await _press(stage, message, label)
    return await stage.until(message, words)


async def _restart(stage: Stage) -> None:
    assert stage.bot is not None
    assert await stage.bot.stop() == 0
    await stage.start_bot()


async def _long_video(stage: Stage) -> Message:
    """A video that took a minute."""
    _, card = await stage.rendering()
    assert stage.bot is not None
    await stage.bot.stop()
    stage.age(60)
    (job,) = [job for job in stage.provider.jobs.values() if not job.is_over]
    stage.provider.finish(job.id)
    await stage.start_bot()
    await stage.until(card, DONE)
    await stage.settled()
    return card


async def test_everybody_is_told_once_where_their_picture_goes(stage: Stage) -> None:
    world = stage.discord.world

    first = await stage.animate(channel=world.foreign.channels[0])
    await stage.over(first)
    await stage.discord.wait_for(lambda: first.followups, 10, "the first line")
    second = await stage.animate()
    await stage.over(second)
    await _restart(stage)
    third, other = await stage.animate(), await stage.animate(world.people["ana"])
    for asked in (third, other):
        await stage.over(asked)
    await stage.settled()
    await stage.discord.wait_for(lambda: other.followups, 10, "the other's first line")

    said = [[word.text() for word in asked.followups] for asked in (first, second, third, other)]
    assert said == [[TOLD], [], [], [TOLD]]
    assert first.followups[0].is_ephemeral
    assert stage.states() == ["delivered"] * 4


async def test_nobody_is_told_where_a_picture_goes_that_was_never_sent(stage: Stage) -> None:
    refused = await stage.animate(picture=b"<html>no picture</html>")
    (reason,) = await stage.told(refused, 1)
    first = await stage.animate()
    await stage.over(first)
    await stage.settled()
    await stage.discord.wait_for(lambda: first.followups, 10, "the first line")

    assert "Your 4 credits are back." in reason
    assert [word.text() for word in refused.followups] == [reason]
    assert [word.text() for word in first.followups] == [TOLD]


async def test_a_first_line_that_discord_does_not_take_fails_nothing_and_is_not_said_again(stage: Stage) -> None:
    async def refuse(phase: Phase, exchange: Exchange) -> Reply | None:
        is_it = FIRST_LINE in str(exchange.body)
        return Reply(500, {"message": "500", "code": 0}) if phase == "before" and is_it else None

    stage.discord.on_exchange(refuse)
    first = await stage.over(await stage.animate())
    stage.discord.remove(refuse)
    second = await stage.animate()
    await stage.over(second)
    await stage.settled()

    assert DONE in first.text()
    assert second.followups == []


async def test_pings_are_turned_off_by_the_pinged_member_alone_and_stay_off_until_turned_on(build: Build) -> None:
    stage = await build({"QUOTA_DEFAULT_CREDITS": "100"}, render_s=None)
    await _long_video(stage)
    await stage.discord.wait_for(lambda: len(stage.public()) == 2, 10, "the mention")
    mention = stage.public()[1]
    assert [button.label for button in mention.buttons] == ["Mute mentions"]
    await stage.booked(lambda: stage.rows("SELECT mention_message FROM cards") == [(mention.id,)])

    others = await alone(await _press(stage, mention, "Mute mentions", by=stage.admin))
    own = await alone(await _press(stage, mention, "Mute mentions"))
    assert others.text().startswith("Only the member who was mentioned can mute these mentions.")
    assert (
        own.text()
        == "Mentions are muted. The bot no longer mentions you anywhere. Turn mentions on again with `/privacy`."
    )
    await _long_video(stage)
    assert len(stage.public()) == 3  # two cards, one mention

    page = await _page(stage)
    await _press(stage, page, "Unmute mentions")
    await stage.discord.wait_for(lambda: "Mute mentions" in [b.label for b in page.buttons], 10, "the page")
    assert stage.rows("SELECT mentions_muted_at FROM users") == [(None,)]


async def test_a_member_gets_a_copy_of_what_is_kept_also_by_a_button_of_an_earlier_process(stage: Stage) -> None:
    await stage.over(await stage.animate())
    await stage.over(await stage.animate(stage.admin, prompt="another's wish"))
    await stage.settled()
    page = await _page(stage)
    await _restart(stage)

    pressed = await _press(stage, page, "Export my data")
    answer = await alone(pressed)
    await stage.discord.wait_for(lambda: answer.media, 10, "the file")

    (file,) = answer.media
    found = json.loads(file.data)
    assert file.filename == "my-data.json"
    assert found["member"] == str(stage.mia.id)
    assert [(spec["prompt"], spec["state"]) for spec in found["videos"]] == [("puts on a hat", "delivered")]
    assert [line["credits"] for line in found["credit_lines"]] == [-4]
    for other in (b"another's wish", str(stage.admin.id).encode(), *_tokens(stage)):
        assert other not in file.data


def _tokens(stage: Stage) -> list[bytes]:
    found = [interaction.token.encode() for interaction in stage.discord.interactions]
    assert len(found) > 2
    return found


async def test_a_member_deletes_their_data_and_what_is_paid_for_still_comes(build: Build) -> None:
    stage = await build({"MAX_CONCURRENT_JOBS": "1", "MAX_JOBS_PER_USER": "9", "QUOTA_DEFAULT_CREDITS": "50"})
    others = await stage.over(await stage.animate(stage.admin))
    done = await stage.over(await stage.animate())
    stage.provider.settings.render_seconds = None
    _, running = await stage.rendering()
    waiting = await (await stage.animate()).answer()
    assert waiting is not None
    await stage.booked(lambda: stage.rows("SELECT COUNT(message) FROM cards") == [(4,)])

    page = await _page(stage)
    await _turned(stage, page, "Delete my data", "This cannot be undone.")
    assert stage.rows(WORDS) != []
    await _turned(stage, page, "Keep it", "What the bot keeps about you")
    await _turned(stage, page, "Delete my data", "This cannot be undone.")
    said = await _turned(stage, page, "Delete", "Your data is deleted")

    assert "**1 video is still being made.**" in said
    assert page.buttons == []
    await stage.discord.wait_for(lambda: done.deleted and waiting.deleted, 15, "the messages to go")
    assert stage.states() == ["delivered", "delivered", "rendering", "cancelled"]
    assert (await quota(stage, stage.mia)).startswith("**42 credits left**")
    assert (await stage.reply(stage.mia, "videos")).count("video `") == 1  # the one under way

    assert stage.bot is not None
    stage.bot.kill()
    await stage.bot.wait()
    (job,) = [job for job in stage.provider.jobs.values() if not job.is_over]
    stage.provider.finish(job.id)
    await stage.start_bot()
    await stage.until(running, DONE)
    (first, *_) = stage.rows("SELECT id FROM jobs ORDER BY id")
    await stage.booked(lambda: stage.rows(WORDS) == stage.rows(PLACES.replace("token", "guild")) == [first])

    assert [file.data for file in running.media] == [job.video]
    assert not running.deleted
    assert DONE in others.text()
    theirs = {f"{job}.copy.jpg" for (job,) in stage.rows(f"SELECT id FROM jobs WHERE member <> {stage.mia.id}")}
    await stage.booked(lambda: {file.name for file in (stage.folder / "data" / "pictures").iterdir()} == theirs)
    await stage.booked(lambda: list((stage.folder / "data" / "videos").iterdir()) == [])


async def test_a_video_in_a_message_beside_its_card_is_deleted_with_it(stage: Stage) -> None:
    refused = Reply(400, {"message": "Invalid Form Body", "code": 50035})

    async def no_uploads(phase: Phase, exchange: Exchange) -> Reply | None:
        return refused if phase == "before" and exchange.method == "PATCH" and exchange.files else None

    stage.discord.on_exchange(no_uploads)
    card = await stage.over(await stage.animate())
    await stage.settled()
    _, beside = stage.public()
    assert [file.data for file in beside.media] == [job.video for job in stage.provider.jobs.values()]

    page = await _page(stage)
    await _turned(stage, page, "Delete my data", "This cannot be undone.")
    await _turned(stage, page, "Delete", "Your data is deleted")

    await stage.discord.wait_for(lambda: card.deleted and beside.deleted, 15, "both messages to go")
    await stage.booked(lambda: stage.rows("SELECT * FROM pending_deletions") == [])


@pytest.mark.parametrize("comes_back", mostly_thorough([True, False], by_default=[True]))
async def test_a_server_that_removes_the_bot_is_forgotten_a_month_later(build: Build, *, comes_back: bool) -> None:
    stage = await build()
    world = stage.discord.world
    await stage.over(await stage.animate())
    await stage.settled()
    await stage.reply(stage.admin, "animate-admin quota default", credits=70)

    world.remove_bot(world.guild)
    await stage.booked(lambda: stage.rows("SELECT COUNT(left_at) FROM guilds") == [(1,)])
    if comes_back:
        world.add_bot(world.guild)
        await stage.booked(lambda: stage.rows("SELECT COUNT(left_at) FROM guilds") == [(0,)])
    assert stage.bot is not None
    await stage.bot.stop()
    _age(stage, timedelta(days=31))
    await stage.start_bot()

    if comes_back:
        await stage.over(await stage.animate())
        assert stage.rows("SELECT default_credits FROM servers") == [(70,)]
        return
    await stage.booked(lambda: stage.rows("SELECT * FROM guilds") == [])
    assert stage.rows(WORDS) == stage.rows(PLACES) == stage.rows("SELECT * FROM servers") == []
    assert [member < 0 for (member,) in stage.rows("SELECT member FROM jobs")] == [True]  # type: ignore[operator]  # a number
    assert stage.rows("SELECT SUM(credits) FROM budget_usage") == [(4,)]


async def test_a_server_that_was_left_while_the_bot_was_down_is_noticed(stage: Stage) -> None:
    await stage.over(await stage.animate())
    await stage.settled()
    assert stage.bot is not None
    await stage.bot.stop()
    world = stage.discord.world
    world.remove_bot(world.guild)

    await stage.start_bot()

    await stage.booked(lambda: stage.rows("SELECT COUNT(left_at) FROM guilds") == [(1,)])
    assert stage.rows(WORDS) != []


def _age(stage: Stage, by: timedelta) -> None:
    """While the bot is down: servers were left, and used, so much earlier."""
    ms = int(by.total_seconds() * 1000)
    with closing(sqlite3.connect(stage.database, timeout=5)) as connection, connection:
        connection.execute("UPDATE guilds SET left_at = left_at - ?", (ms,))
        connection.execute("UPDATE ledger SET at = at - ?", (ms,))
