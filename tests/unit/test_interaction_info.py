"""What an interaction says of its member, also while the bot has not been told of the server yet."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import discord

from bot.chat.interaction_info import roles_of

USER = {"id": "1", "username": "ana", "discriminator": "0", "avatar": None}
MEMBER = {"user": USER, "roles": ["7", "8"], "joined_at": None, "deaf": False, "mute": False, "flags": 0}


def a_member() -> discord.Member:
    state = cast(
        Any, SimpleNamespace(shard_count=1, member_cache_flags=None, store_user=lambda data: discord.Object(1))
    )
    unknown = cast(Any, SimpleNamespace(id=5, get_role=lambda _id: None, default_role=None, _state=state))
    return discord.Member(data=cast(Any, MEMBER), guild=unknown, state=state)


def test_a_members_roles_are_known_before_their_server_is() -> None:
    """Commands right after a start were counted by the server's default quota, and gifts for a role did not come."""
    member = a_member()
    assert member.roles == []
    assert roles_of(member) == [7, 8]


def test_outside_of_servers_nobody_has_roles() -> None:
    assert roles_of(cast(discord.User, discord.Object(1))) == []
