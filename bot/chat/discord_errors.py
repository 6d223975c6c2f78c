"""What an error from Discord means for a transport of a card. Codes: Discord's "Opcodes and Status Codes" page.

Only a code that speaks about the transport ends it. A status alone (an edge's page, a reset token of the bot) passes.
"""

from __future__ import annotations

import enum
import errno

import aiohttp
import discord

UNKNOWN_CHANNEL = 10003
UNKNOWN_GUILD = 10004
UNKNOWN_MESSAGE = 10008
UNKNOWN_USER = 10013
UNKNOWN_WEBHOOK = 10015
UNKNOWN_INTERACTION = 10062
REQUEST_TOO_LARGE = 40005
ALREADY_ACKNOWLEDGED = 40060
MISSING_ACCESS = 50001
NOT_OUR_MESSAGE = 50005
MEMBER_TAKES_NO_MESSAGES = 50007
MISSING_PERMISSIONS = 50013
INVALID_WEBHOOK_TOKEN = 50027
INVALID_RECIPIENTS = 50033
THREAD_ARCHIVED = 50083
NO_SHARED_SERVER = 50278
THREAD_LOCKED = 160005
REPLY_WITHOUT_HISTORY = 160009
REPLY_TO_AGE_RESTRICTED = 160010

DEAD_TRANSPORT_CODES = frozenset(
    {
        UNKNOWN_CHANNEL,
        UNKNOWN_GUILD,
        UNKNOWN_USER,
        UNKNOWN_WEBHOOK,
        UNKNOWN_INTERACTION,
        MISSING_ACCESS,
        NOT_OUR_MESSAGE,
        MEMBER_TAKES_NO_MESSAGES,
        INVALID_WEBHOOK_TOKEN,
        INVALID_RECIPIENTS,
        NO_SHARED_SERVER,
    }
)
"""They say that this transport is closed, and will be tomorrow."""

TROUBLE = (discord.HTTPException, discord.RateLimited, aiohttp.ClientError, OSError, TimeoutError)
"""Everything a call to Discord may raise; `error_kind_of` tells what it means."""

UPLOAD_LIMITS = {0: 20_000_000, 1: 20_000_000, 2: 50_000_000, 3: 100_000_000}
"""Bytes that one file may have by a server's boosts. discord.py still has 10 MiB for the first two."""


class Transport(enum.Enum):
    """What reaches a message: one of two tokens."""

    TOKEN = enum.auto()  # the interaction's: 15 minutes, works everywhere
    BOT = enum.auto()  # the bot's own: for ever, where the bot sees the channel


class ErrorKind(enum.Enum):
    """What an error says."""

    TRANSPORT_DEAD = enum.auto()  # closed for good; try the other
    REMOVED = enum.auto()  # the message is gone: somebody deleted it
    ARCHIVED = enum.auto()  # its thread is archived or locked: no edit, but a new message may open it
    NOT_PERMITTED = enum.auto()  # a permission is missing for this act; without the file, say, it may be taken
    NO_REPLY = enum.auto()  # replies are not taken there: send it without the reference
    REFUSED = enum.auto()  # Discord does not take this content
    TOO_LARGE = enum.auto()  # the upload is over the limit
    PASSING = enum.auto()  # says nothing about this transport or this content: try again, within a bound


_ERROR_KINDS = {
    UNKNOWN_MESSAGE: ErrorKind.REMOVED,
    THREAD_ARCHIVED: ErrorKind.ARCHIVED,
    THREAD_LOCKED: ErrorKind.ARCHIVED,
    MISSING_PERMISSIONS: ErrorKind.NOT_PERMITTED,
    REPLY_WITHOUT_HISTORY: ErrorKind.NO_REPLY,
    REPLY_TO_AGE_RESTRICTED: ErrorKind.NO_REPLY,
    REQUEST_TOO_LARGE: ErrorKind.TOO_LARGE,
    **dict.fromkeys(DEAD_TRANSPORT_CODES, ErrorKind.TRANSPORT_DEAD),
}


def error_kind_of(error: BaseException) -> ErrorKind:
    """Reads an error of discord.py or of the network."""
    if not isinstance(error, discord.HTTPException):
        return ErrorKind.PASSING
    if error.code in _ERROR_KINDS:
        return _ERROR_KINDS[error.code]
    if error.status == 413:
        return ErrorKind.TOO_LARGE
    if error.status == 400 and is_discords(error):
        return ErrorKind.REFUSED
    return ErrorKind.PASSING


def is_discords(error: discord.HTTPException) -> bool:
    """Whether Discord's API itself answered, and no proxy or edge before it: those send pages."""
    return bool(error.response.headers.get("Content-Type", "").startswith("application/json"))


def told(error: BaseException) -> str:
    """An error for the log: its kind and codes, never its words. They may hold an address with a token in it."""
    name = type(error).__name__
    if isinstance(error, discord.HTTPException):
        return f"{name} {error.status}, code {error.code}"
    if isinstance(error, aiohttp.ClientResponseError):
        return f"{name} {error.status}"
    if isinstance(error, OSError) and error.errno is not None:
        return f"{name} {errno.errorcode.get(error.errno, error.errno)}"
    return name


def own_upload_limit(boosts: int) -> int:
    """Bytes that one file may have by the bot's own token, by the tier of the server's boosts; 0 in direct messages."""
    return UPLOAD_LIMITS.get(boosts, UPLOAD_LIMITS[0])
