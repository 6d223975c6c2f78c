"""Where a command comes from decides whose credits count and which ways lead to its card."""

from __future__ import annotations

import pytest

from sandbox.discord.cdn import Upload
from sandbox.discord.permissions import Permission
from tests.e2e.asking import told
from tests.e2e.conftest import Build
from tests.e2e.stage import DONE, Stage


async def test_in_a_direct_message_the_direct_quota_counts(build: Build) -> None:
    stage = await build({"DIRECT_CREDITS": "8"})
    channel = stage.discord.world.dm(stage.mia)

    card = await stage.over(await stage.animate(channel=channel))
    quota = await stage.reply(stage.mia, "quota", channel=channel)
    at_home = await stage.reply(stage.mia, "quota")

    assert DONE in card.text()
    assert quota.startswith("**4 credits left** · 4 credits used today")
    assert at_home.startswith("**20 credits left** · 0 credits used today")


async def test_where_only_the_member_has_the_bot_the_token_finishes_the_card(stage: Stage) -> None:
    channel = stage.discord.world.foreign.channels[0]

    card = await stage.over(await stage.animate(channel=channel))
    await stage.settled()

    assert DONE in card.text()
    assert stage.rows("SELECT scope FROM jobs") == [(0,)]
    assert stage.rows("SELECT bot_reaches_at FROM cards") == [(None,)]


async def test_in_a_channel_the_bot_cannot_see_the_token_finishes_the_card(stage: Stage) -> None:
    card = await stage.over(await stage.animate(stage.admin, channel=stage.discord.world.restricted))
    await stage.settled()

    assert DONE in card.text()
    assert stage.rows("SELECT bot_reaches_at FROM cards") == [(None,)]


async def test_a_server_that_is_not_on_the_list_is_refused_privately(build: Build) -> None:
    stage = await build({"ALLOWED_GUILDS": "1"})

    answer = await (await stage.animate()).answer()

    assert answer is not None
    assert answer.is_ephemeral
    assert (
        answer.text()
        == "This bot is not available in this server. Ask the person who runs this bot to allow the server."
    )
    assert stage.rows("SELECT * FROM jobs") == []


async def test_admin_commands_forged_from_elsewhere_are_refused(stage: Stage) -> None:
    for channel in (stage.discord.world.dm(stage.mia), stage.discord.world.foreign.channels[0]):
        asked = await stage.discord.invoke(
            stage.mia, "animate-admin quota set", channel=channel, forge=True, user=stage.mia, credits=1000
        )
        answer = await asked.answer()
        assert answer is not None
        assert answer.is_ephemeral
        assert answer.text() == (
            "This command works only in servers that have added the bot. Ask a server admin to add it."
        )
    assert stage.rows("SELECT * FROM ledger") == []


@pytest.mark.parametrize(
    ("upload", "words"),
    [
        (Upload("notes.pdf", b"%PDF-1.7 ...", "application/pdf"), "picture"),
        (Upload("empty.png", b"", "image/png"), "empty"),
    ],
    ids=["no-picture", "empty"],
)
async def test_what_the_payload_shows_is_refused_privately_at_once(stage: Stage, upload: Upload, words: str) -> None:
    asked = await stage.discord.invoke(stage.mia, "animate", image=upload, prompt="a hat")
    answer = await asked.answer()

    assert answer is not None
    assert answer.is_ephemeral
    assert words in answer.text()
    assert stage.rows("SELECT * FROM ledger") == []


async def test_what_only_the_bytes_show_takes_the_card_away_and_tells_the_member_alone(stage: Stage) -> None:
    fake = Upload("cat.png", b"\x89PNG\r\n\x1a\n" + b"not really" * 50, "image/png")
    asked = await stage.discord.invoke(stage.mia, "animate", image=fake, prompt="a hat")
    card = await asked.answer()
    assert card is not None
    await stage.discord.wait_for(lambda: card.deleted, 10, "the card to be taken away")
    await stage.settled()

    (word,) = await stage.told(asked, 1)
    assert word.endswith("Your 4 credits are back.")
    assert stage.public() == []
    assert stage.states() == ["failed"]
    assert stage.provider.requests == []


async def test_before_discord_has_told_of_the_server_everything_is_as_after_it(build: Build) -> None:
    """After READY each server comes in by itself, and a command may be there before it."""
    stage = await build(start=False)
    world = stage.discord.world
    adults, mute = world.add_channel("adults"), world.add_channel("mute")
    adults.nsfw = True
    mute.deny(world.bot, Permission.SEND_MESSAGES)
    thread = world.add_thread("late", adults)
    stage.discord.gateway.tells_guilds = False
    await stage.start_bot()

    assert await told(stage, "quota role", role=world.artist, credits=5) == (
        f"Members with the role <@&{world.artist.id}> now have this quota: 5 credits per day. Before: no quota set."
    )
    assert await told(stage, "models", role_or_channel="@Artist", models="sora-2") == (
        f"<@&{world.artist.id}> can only use these models: Sora 2. Before: all models."
    )
    assert await told(stage, "models", role_or_channel="#general", models="sora-2") == (
        f"<#{world.general.id}> can only use these models: Sora 2. Before: all models."
    )
    assert (await told(stage, "log", channel=mute)).startswith(f"The bot cannot post in <#{mute.id}>.")
    gone = "One of your choices no longer exists. Choose again."
    assert await told(stage, "log", by=stage.admin, channel=world.foreign.general) == gone
    assert await told(stage, "log", channel=adults) == f"Videos are now logged in <#{adults.id}>. Before: no channel."
    await told(stage, "rules", age_restricted_only=True)
    card = await stage.over(await stage.animate(channel=thread))

    assert DONE in card.text()
    assert stage.rows("SELECT 1 FROM cards WHERE bot_reaches_at IS NOT NULL") == [(1,)]
