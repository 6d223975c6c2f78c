"""What the gateway tells is made fit for discord.py, where one field too few in one event would end the bot."""

from __future__ import annotations

import logging
from collections.abc import Callable, MutableMapping
from typing import Any

from bot.chat.discord_errors import UPLOAD_LIMITS

log = logging.getLogger(__name__)

Event = dict[str, Any]
Parser = Callable[[Event], Any]

HIDDEN_NAME = "___hidden___"
CHANNEL = {
    "name": HIDDEN_NAME,
    "position": 0,
    "bitrate": 64_000,
    "user_limit": 0,
    "nsfw": False,
    "flags": 0,
    "rate_limit_per_user": 0,
    "default_auto_archive_duration": 1440,
    "default_thread_rate_limit_per_user": 0,
    "default_forum_layout": 0,
    "video_quality_mode": 1,
    "available_tags": (),
    "permission_overwrites": (),
}
"""In place of what is null or left out of a channel that the bot may not view."""
OVERWRITE = {"type": 0, "allow": "0", "deny": "0"}
SESSION = ("READY", "RESUMED")
"""Without them there is no session: an error in one ends the connection as it always did."""


def tolerate(parsers: MutableMapping[str, Parser]) -> None:
    """Puts a guard before each of discord.py's parsers: what it cannot read is logged and left out."""
    for event, parse in list(parsers.items()):
        if event not in SESSION:
            parsers[event] = _guarded(event, parse)


def _guarded(event: str, parse: Parser) -> Parser:
    def read(data: Event) -> bool:
        try:
            parse(_MENDS[event](data) if event in _MENDS else data)
        except Exception as error:  # noqa: BLE001 - whatever it is, one event must not end the bot
            log.error("an event %s could not be read: %s", event, type(error).__name__)  # noqa: TRY400 - its words are a stranger's
            return False
        return True

    def guarded(data: Event) -> None:
        if not read(data) and event == "GUILD_CREATE":
            read({**data, "channels": [], "threads": []})  # a server without its channels: answers need none

    return guarded


def _channel(data: Event) -> Event:
    channel = _filled(data, CHANNEL)
    channel["permission_overwrites"] = [
        _filled(overwrite, OVERWRITE) for overwrite in channel["permission_overwrites"] if overwrite
    ]
    return channel


def _guild(data: Event) -> Event:
    filled = dict(data)
    if "channels" in data:
        filled["channels"] = [_channel(channel) for channel in data["channels"] or () if channel]
    if "threads" in data:
        filled["threads"] = data["threads"] or []
    return filled


def _interaction(data: Event) -> Event:
    return _filled(data, {"attachment_size_limit": UPLOAD_LIMITS[0], "entitlements": ()})


def _filled(data: Event, defaults: dict[str, Any]) -> Event:
    return {**data, **{name: value for name, value in defaults.items() if data.get(name) is None}}


_MENDS: dict[str, Callable[[Event], Event]] = {
    "GUILD_CREATE": _guild,
    "GUILD_UPDATE": _guild,
    "CHANNEL_CREATE": _channel,
    "CHANNEL_UPDATE": _channel,
    "CHANNEL_DELETE": _channel,
    "INTERACTION_CREATE": _interaction,
}
