"""Events of the gateway with fields null or left out, as Discord sends of channels that the bot may not view."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import discord
import pytest

from bot.chat.gateway_events import HIDDEN_NAME, tolerate

GUILD, CHANNEL, BOT = 810, 820, 830
TYPES = {"text": 0, "voice": 2, "category": 4, "news": 5, "stage": 13, "forum": 15, "media": 16}
FORM = {
    "name": "cats", "position": 3, "topic": None, "nsfw": True, "rate_limit_per_user": 5, "bitrate": 64_000,
    "user_limit": 5, "parent_id": None, "flags": 0, "default_auto_archive_duration": 60, "last_message_id": None,
    "available_tags": [{"id": "5", "name": "tag", "emoji_id": None, "emoji_name": None, "moderated": False}],
    "permission_overwrites": [{"id": str(GUILD), "type": 0, "allow": "0", "deny": "2048"}],
}  # fmt: skip
KEPT = ("position", "parent_id")


@pytest.fixture
def parsers() -> dict[str, Any]:
    """Of a client that has logged in."""
    client = discord.Client(intents=discord.Intents(guilds=True))
    state = client._connection
    state.user = cast("Any", SimpleNamespace(id=BOT))
    tolerate(state.parsers)
    return {"state": state, **state.parsers}


def channel(kind: int, *, hidden: str | None = None) -> dict[str, Any]:
    """As it is sent where the bot may view it; `hidden`: with its other fields `null`, or `absent`."""
    base = {"id": str(CHANNEL + kind), "type": kind, "guild_id": str(GUILD)}
    if hidden is None:
        return base | FORM
    denied = [{"id": str(GUILD), "type": 0, "allow": "0", "deny": "1024"}]
    seen = base | {name: FORM[name] for name in KEPT}
    seen |= {"name": HIDDEN_NAME, "flags": 1 << 17, "permission_overwrites": denied}
    return (dict.fromkeys(FORM) if hidden == "null" else {}) | seen


def guild(*channels: Any) -> dict[str, Any]:
    """A server the bot is in."""
    return {"id": str(GUILD), "name": "Home", "unavailable": False, "channels": list(channels)}


@pytest.mark.parametrize("hidden", ["null", "absent"])
async def test_a_server_with_channels_that_the_bot_may_not_view_is_read(parsers: dict[str, Any], hidden: str) -> None:
    parsers["GUILD_CREATE"](guild(*[channel(kind, hidden=hidden) for kind in TYPES.values()]))

    (found,) = parsers["state"].guilds
    assert len(found.channels) == len(TYPES)
    assert {one.name for one in found.channels} == {HIDDEN_NAME}


@pytest.mark.parametrize("hidden", ["null", "absent"])
@pytest.mark.parametrize("kind", TYPES.values(), ids=TYPES)
async def test_a_channel_can_be_hidden_and_shown_again(parsers: dict[str, Any], kind: int, hidden: str) -> None:
    parsers["GUILD_CREATE"](guild(channel(kind)))
    found = parsers["state"].guilds[0].get_channel(CHANNEL + kind)

    parsers["CHANNEL_UPDATE"](channel(kind, hidden=hidden))
    assert found.name == HIDDEN_NAME
    parsers["CHANNEL_UPDATE"](channel(kind))
    assert found.name == "cats"


@pytest.mark.parametrize("kind", TYPES.values(), ids=TYPES)
async def test_a_new_channel_may_tell_nothing_but_its_id_and_type(parsers: dict[str, Any], kind: int) -> None:
    parsers["GUILD_CREATE"](guild())
    parsers["CHANNEL_CREATE"]({"id": str(CHANNEL), "type": kind, "guild_id": str(GUILD), "name": None})

    assert parsers["state"].guilds[0].get_channel(CHANNEL).name == HIDDEN_NAME


async def test_a_server_of_which_a_part_cannot_be_read_is_known_all_the_same(
    parsers: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    strange = {"id": "no number", "type": 0}

    parsers["GUILD_CREATE"](guild(channel(0), strange))

    assert [one.id for one in parsers["state"].guilds] == [GUILD]
    assert "an event GUILD_CREATE could not be read: ValueError" in caplog.text


@pytest.mark.parametrize(
    ("event", "data"),
    [
        ("CHANNEL_UPDATE", None),
        ("CHANNEL_CREATE", {"type": 0, "guild_id": str(GUILD)}),
        ("GUILD_CREATE", {"id": "no number"}),
        ("THREAD_CREATE", {"guild_id": str(GUILD)}),
        ("THREAD_LIST_SYNC", {"guild_id": str(GUILD), "threads": None}),
        ("GUILD_ROLE_UPDATE", {"guild_id": str(GUILD), "role": {}}),
        ("GUILD_DELETE", {}),
        ("INTERACTION_CREATE", {"id": "1"}),
    ],
)
async def test_an_event_that_cannot_be_read_is_logged_and_left_out(
    parsers: dict[str, Any], caplog: pytest.LogCaptureFixture, event: str, data: Any
) -> None:
    parsers["GUILD_CREATE"](guild())

    parsers[event](data)

    assert f"an event {event} could not be read" in caplog.text
