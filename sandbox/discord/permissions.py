"""The bits of what one may do, and the sets people and bots usually have."""

import enum


class Permission(enum.IntFlag):
    """topics/permissions.mdx#bitwise-permission-flags, those that matter here."""

    ADMINISTRATOR = 1 << 3
    MANAGE_GUILD = 1 << 5
    VIEW_CHANNEL = 1 << 10
    SEND_MESSAGES = 1 << 11
    MANAGE_MESSAGES = 1 << 13
    EMBED_LINKS = 1 << 14
    ATTACH_FILES = 1 << 15
    READ_MESSAGE_HISTORY = 1 << 16
    MENTION_EVERYONE = 1 << 17
    USE_EXTERNAL_EMOJIS = 1 << 18
    USE_APPLICATION_COMMANDS = 1 << 31
    MANAGE_THREADS = 1 << 34
    SEND_MESSAGES_IN_THREADS = 1 << 38
    USE_EXTERNAL_APPS = 1 << 50


P = Permission
ALL = Permission((1 << 51) - 1)
NONE = Permission(0)
READ_AND_WRITE = (
    P.VIEW_CHANNEL | P.SEND_MESSAGES | P.READ_MESSAGE_HISTORY | P.ATTACH_FILES | P.EMBED_LINKS
    | P.SEND_MESSAGES_IN_THREADS
)  # fmt: skip
EVERYONE = READ_AND_WRITE | P.USE_APPLICATION_COMMANDS | P.USE_EXTERNAL_APPS | P.USE_EXTERNAL_EMOJIS
APP_IN_PRIVATE = P.ATTACH_FILES | P.EMBED_LINKS | P.MENTION_EVERYONE  # receiving-and-responding.mdx:49
