"""Where a command comes from decides whose credits count and which ways lead to its card."""

from __future__ import annotations

import pytest

from sandbox.discord.cdn import Upload
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
