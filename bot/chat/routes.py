"""What an error from Discord means for a way to a card. Codes: Discord's "Opcodes and Status Codes" page."""

from __future__ import annotations

import enum

import aiohttp
import discord

UNKNOWN_CHANNEL = 10003
UNKNOWN_MESSAGE = 10008
UNKNOWN_WEBHOOK = 10015
UNKNOWN_INTERACTION = 10062
REQUEST_TOO_LARGE = 40005
ALREADY_ACKNOWLEDGED = 40060
INVALID_WEBHOOK_TOKEN = 50027

THREAD_ARCHIVED = 50083

TROUBLE = (discord.HTTPException, discord.RateLimited, aiohttp.ClientError, OSError, TimeoutError)
"""Everything a call to Discord may raise; `fate_of` tells what it means."""


class Route(enum.Enum):
    """Two ways to a message."""

    TOKEN = enum.auto()  # the interaction's: 15 minutes, works everywhere
    BOT = enum.auto()  # the bot's own: for ever, where the bot sees the channel


class Fate(enum.Enum):
    """What an error says."""

    ROUTE_DEAD = enum.auto()  # this way is closed for good; try the other
    REMOVED = enum.auto()  # the message is gone: somebody deleted it
    REFUSED = enum.auto()  # Discord does not take this content
    TOO_LARGE = enum.auto()  # the upload is over the limit
    PASSING = enum.auto()  # try again


def fate_of(error: BaseException) -> Fate:
    """Reads an error of discord.py or of the network."""
    if not isinstance(error, discord.HTTPException):
        return Fate.PASSING
    if error.code == UNKNOWN_MESSAGE:
        return Fate.REMOVED
    if error.code in (
        INVALID_WEBHOOK_TOKEN,
        UNKNOWN_WEBHOOK,
        UNKNOWN_INTERACTION,
        UNKNOWN_CHANNEL,
        THREAD_ARCHIVED,
    ):
        return Fate.ROUTE_DEAD
    if error.code == REQUEST_TOO_LARGE or error.status == 413:
        return Fate.TOO_LARGE
    if error.status == 400:
        return Fate.REFUSED
    if error.status in (401, 403, 404):
        return Fate.ROUTE_DEAD
    return Fate.PASSING
