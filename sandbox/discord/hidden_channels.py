"""Channels that the bot may not view, as the gateway tells of them."""

import enum

from sandbox.discord.permissions import Permission
from sandbox.discord.wire import Wire

NAME = "___hidden___"
FLAG = 1 << 17
_SHOWN = ("id", "type", "guild_id", "position", "parent_id")


class Hides(enum.Enum):
    """What becomes of the other fields. Discord's change log allows both."""

    ABSENT = enum.auto()
    NULL = enum.auto()


def hidden(channel: Wire, guild_id: int, how: Hides) -> Wire:
    """Id, type and place stay; the name is no name, and one overwrite denies everybody the view."""
    seen: Wire = {name: channel[name] for name in _SHOWN}
    denied = {"id": str(guild_id), "type": 0, "allow": "0", "deny": str(int(Permission.VIEW_CHANNEL))}
    seen |= {"name": NAME, "flags": FLAG, "permission_overwrites": [denied]}
    return dict.fromkeys(channel) | seen if how is Hides.NULL else seen
