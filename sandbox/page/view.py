"""What a person sees of the local Discord, in pieces that are told anew when they change. Does nothing itself."""

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass

from sandbox.discord.messages import Message
from sandbox.discord.people import upload_limit
from sandbox.discord.permissions import Permission
from sandbox.discord.server import LocalDiscord
from sandbox.discord.wire import Wire
from sandbox.discord.world import Channel, Context, Person, permissions_in

SHOWN_MESSAGES = 100
"""Of a place, the newest."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of what a tab shows. Equal versions look the same."""

    version: Hashable
    told: Callable[[], object]


def plain(value: object) -> Piece:
    """A piece that is small enough to be its own version."""
    return Piece(repr(value), lambda: value)


class View:
    def __init__(self, discord: LocalDiscord) -> None:
        self._discord = discord
        self.dismissed: set[int] = set()
        """Private messages that their person has put away."""

    def pieces(self, person: Person) -> Iterator[tuple[str, Piece]]:
        """Everything, by a key of its own."""
        yield "world", plain(self._world(person))
        for place in self.places(person):
            yield f"place:{place.id}", plain(self._place(place, person))
            for message in self.messages(place, person)[-SHOWN_MESSAGES:]:
                yield f"message:{message.id}", self._message(message, person)

    def places(self, person: Person) -> list[Channel]:
        """The channels of their servers that they may see, then their direct messages with the bot."""
        world = self._discord.world
        there = [channel for guild in world.guilds.values() for channel in guild.channels]
        seen = [channel for channel in there if permissions_in(channel, person) & Permission.VIEW_CHANNEL]
        return [*seen, world.dm(person)]

    def messages(self, place: Channel, person: Person) -> list[Message]:
        return [one for one in self._discord.messages(place, as_seen_by=person) if one.id not in self.dismissed]

    def _world(self, person: Person) -> Wire:
        world = self._discord.world
        members = world.guild.members
        return {
            "me": str(person.id),
            "bot": {"id": str(world.bot.id), "name": world.bot.wire()["global_name"]},
            "people": [
                {
                    "id": str(one.id),
                    "key": key,
                    "name": one.wire()["global_name"],
                    "locale": one.locale,
                    "roles": [role.name for role in members[one.id].roles] if one.id in members else [],
                    "owns": one is world.guild.owner,
                    "installed": one.installed,
                }
                for key, one in world.people.items()
            ],
            "roles": [{"id": str(role.id), "name": role.name} for role in world.guild.roles.values()],
        }

    def _place(self, place: Channel, person: Person) -> Wire:
        guild, world = place.guild, self._discord.world
        held = permissions_in(place, person)
        return {
            "id": str(place.id),
            "name": place.name if guild else world.bot.wire()["global_name"],
            "server": guild.name if guild else None,
            "note": self._note(place, person),
            "writable": bool(held & place.to_write),
            "limit": upload_limit(person, place),
            "commands": self._discord.offered(person, place),
        }

    def _note(self, place: Channel, person: Person) -> str:
        guild, bot = place.guild, self._discord.world.bot
        if self._discord.world.context(place) is Context.BOT_DM:
            return "Your direct messages with the bot."
        if guild is not None and not guild.has_bot:
            if person.installed:
                return "This server has not added the bot. You installed it for yourself, so you can use it here."
            return "This server has not added the bot. Only people who installed it for themselves can use it here."
        if not permissions_in(place, bot) & Permission.VIEW_CHANNEL:
            return "The bot cannot see this channel, but you can use its commands here."
        return "The bot is on this server."

    def _message(self, message: Message, person: Person) -> Piece:
        def told() -> Wire:
            return message.now | {"private": message.is_ephemeral, "pinged": person.id in message.pinged}

        return Piece(len(message.revisions), told)
