"""Who and what exists: people, servers, roles, channels, and who may do what where. Not what is said."""

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from sandbox.discord.default_fields import EMPTY_OF_GUILD, USUAL_OF_CHANNEL, USUAL_OF_GUILD
from sandbox.discord.hidden_channels import Hides, hidden
from sandbox.discord.permissions import ALL, EVERYONE, NONE, READ_AND_WRITE, Permission
from sandbox.discord.wire import Clock, Snowflakes, Wire, iso

MIB = 1024 * 1024
BASE_UPLOAD_LIMIT = 20_000_000
BOOST_UPLOAD_LIMITS = {0: BASE_UPLOAD_LIMIT, 1: BASE_UPLOAD_LIMIT, 2: 50 * MIB, 3: 100 * MIB}
"""As documented since 2026-09-04 (reference.mdx#uploading-files); the boosts as discord.py has them."""


class ChannelType(enum.IntEnum):
    TEXT = 0
    DM = 1
    VOICE = 2
    GROUP_DM = 3
    CATEGORY = 4
    NEWS = 5
    THREAD = 11
    STAGE = 13
    FORUM = 15
    MEDIA = 16


class Context(enum.IntEnum):
    """receiving-and-responding.mdx#interaction-object-interaction-context-types."""

    GUILD = 0
    BOT_DM = 1
    PRIVATE_CHANNEL = 2


@dataclass(eq=False, slots=True)
class Person:
    """Somebody with an account; also the bot. `installed`: they have installed the app for themselves."""

    id: int
    name: str
    locale: str = "en-US"
    installed: bool = False
    dms_open: bool = True
    upload_limit: int = BASE_UPLOAD_LIMIT
    is_bot: bool = False

    def account(self) -> Wire:
        """As its owner sees it."""
        return self.wire() | {"mfa_enabled": False, "locale": self.locale, "verified": True, "email": None}

    def wire(self) -> Wire:
        return {
            "id": str(self.id), "username": self.name, "global_name": self.name.title(), "avatar": None,
            "discriminator": "0", "public_flags": 0, "flags": 0, "bot": self.is_bot, "primary_guild": None,
        }  # fmt: skip


@dataclass(eq=False, slots=True)
class Role:
    id: int
    name: str
    permissions: Permission
    position: int

    def wire(self) -> Wire:
        colours = {"primary_color": 0, "secondary_color": None, "tertiary_color": None}
        return {
            "id": str(self.id), "name": self.name, "permissions": str(int(self.permissions)),
            "position": self.position, "color": 0, "colors": colours, "hoist": False, "managed": False,
            "mentionable": False, "flags": 0, "icon": None, "unicode_emoji": None,
        }  # fmt: skip


@dataclass(eq=False, slots=True)
class Channel:
    id: int
    type: ChannelType
    name: str
    guild: "Guild | None" = None
    position: int = 0
    people: tuple[Person, ...] = ()
    """Who is in it, for private channels."""
    parent: "Channel | None" = None
    """Of a thread, the channel whose permissions count in it."""
    archived: bool = False
    locked: bool = False
    nsfw: bool = False
    overwrites: dict[int, tuple[Permission, Permission]] = field(default_factory=dict)
    """Allowed and denied, by id of role or person."""

    @property
    def to_write(self) -> Permission:
        """What one needs to write in it."""
        return Permission.SEND_MESSAGES if self.parent is None else Permission.SEND_MESSAGES_IN_THREADS

    def allow(self, target: Person | Role, permissions: Permission) -> None:
        allowed, denied = self.overwrites.get(target.id, (NONE, NONE))
        self.overwrites[target.id] = (allowed | permissions, denied & ~permissions)

    def deny(self, target: Person | Role, permissions: Permission) -> None:
        allowed, denied = self.overwrites.get(target.id, (NONE, NONE))
        self.overwrites[target.id] = (allowed & ~permissions, denied | permissions)

    def wire(self) -> Wire:
        base: Wire = {"id": str(self.id), "type": int(self.type), "flags": 0, "last_message_id": None}
        if self.guild is None:
            recipients = [person.wire() for person in self.people if not person.is_bot]
            group = {"name": self.name, "icon": None, "owner_id": str(self.people[0].id)}
            return base | {"recipients": recipients} | (group if self.type is ChannelType.GROUP_DM else {})
        if self.parent is not None:
            return base | {
                "name": self.name, "guild_id": str(self.guild.id), "parent_id": str(self.parent.id),
                "owner_id": str(self.guild.owner.id), "message_count": 0, "member_count": 1, "total_message_sent": 0,
                "rate_limit_per_user": 0, "thread_metadata": {
                    "archived": self.archived, "locked": self.locked, "auto_archive_duration": 1440,
                    "archive_timestamp": "2026-01-01T00:00:00+00:00",
                },
            }  # fmt: skip
        roles = self.guild.roles
        overwrites = [
            {"id": str(key), "type": 0 if key in roles else 1, "allow": str(int(yes)), "deny": str(int(no))}
            for key, (yes, no) in self.overwrites.items()
        ]
        return base | {
            "name": self.name, "position": self.position, "guild_id": str(self.guild.id), "parent_id": None,
            "topic": None, "nsfw": self.nsfw, "rate_limit_per_user": 0, "permission_overwrites": overwrites,
        } | USUAL_OF_CHANNEL.get(self.type, {})  # fmt: skip


@dataclass(eq=False, slots=True)
class Member:
    person: Person
    joined_at: float
    roles: list[Role] = field(default_factory=list)

    def wire(self) -> Wire:
        return {
            "roles": [str(role.id) for role in self.roles], "joined_at": iso(self.joined_at), "nick": None,
            "avatar": None, "premium_since": None, "pending": False, "flags": 0,
            "communication_disabled_until": None,
        }  # fmt: skip


@dataclass(eq=False, slots=True)
class Guild:
    """A server. `has_bot`: the bot is a member; `has_commands`: the app is installed to it."""

    id: int
    name: str
    owner: Person
    has_bot: bool = True
    has_commands: bool = True
    locale: str = "en-US"
    boost_tier: int = 0
    upload_limit: int | None = None
    """Set in place of what the boost tier gives."""
    hides: Hides | None = Hides.ABSENT
    """How its channels are told that the bot may not view; None: as before, in full."""
    roles: dict[int, Role] = field(default_factory=dict)
    channels: list[Channel] = field(default_factory=list)
    threads: list[Channel] = field(default_factory=list)
    members: dict[int, Member] = field(default_factory=dict)

    @property
    def everyone(self) -> Role:
        return self.roles[self.id]

    @property
    def general(self) -> Channel:
        return self.channels[0]

    @property
    def file_limit(self) -> int:
        return BOOST_UPLOAD_LIMITS[self.boost_tier] if self.upload_limit is None else self.upload_limit

    def wire(self, bot: Person) -> Wire:
        members = [self.members[bot.id].wire() | {"user": bot.wire(), "deaf": False, "mute": False}]
        return USUAL_OF_GUILD | {name: [] for name in EMPTY_OF_GUILD} | {
            "id": str(self.id), "name": self.name, "unavailable": False, "owner_id": str(self.owner.id),
            "member_count": len(self.members), "premium_tier": self.boost_tier,
            "joined_at": members[0]["joined_at"], "preferred_locale": self.locale,
            "roles": [role.wire() for role in self.roles.values()],
            "channels": [self.told(channel, bot) for channel in self.channels], "members": members,
            "threads": [thread.wire() for thread in self.threads if not thread.archived],
        }  # fmt: skip

    def told(self, channel: Channel, bot: Person) -> Wire:
        """A channel as the gateway tells of it."""
        may_view = channel.parent is not None or permissions_in(channel, bot) & Permission.VIEW_CHANNEL
        return channel.wire() if may_view or self.hides is None else hidden(channel.wire(), self.id, self.hides)


Publish = Callable[[str, Wire, int], None]


class World:
    """A home server (`guild`) with the bot, a `foreign` one without it, and a few people, by name."""

    def __init__(self, clock: Clock, application_id: int | None = None) -> None:
        self.clock = clock
        self.new_id = Snowflakes(clock)
        self.taken_bytes: int | None = None
        """What Discord takes of a file, whatever limit it has announced; None: what it has announced."""
        self.publish: Publish = lambda _event, _data, _guild_id: None
        self.bot = Person(application_id or self.new_id(), "animate-bot", is_bot=True)
        self.people: dict[str, Person] = {}
        self.guilds: dict[int, Guild] = {}
        self.channels: dict[int, Channel] = {}
        admin, mia, ana, newcomer = (self.add_person(name) for name in ("admin", "mia", "ana", "newcomer"))
        mia.installed = True
        self.guild = self.add_guild("Home", owner=admin, members=(mia, ana, newcomer))
        self.general = self.guild.general
        self.restricted = self.add_channel("restricted")
        self.restricted.deny(self.bot, Permission.VIEW_CHANNEL)
        self.artist = self.add_role("artist", members=(ana,))
        self.foreign = self.add_guild("Foreign", owner=admin, members=(mia, ana), has_bot=False, has_commands=False)

    def add_person(self, name: str, *, installed: bool = False, locale: str = "en-US") -> Person:
        person = self.people[name] = Person(self.new_id(), name, locale, installed)
        return person

    def add_member(
        self, name: str, *, guild: Guild | None = None, roles: Iterable[Role] = (), installed: bool = False
    ) -> Person:
        """Somebody (new or known by that name) joins a server, the home one unless said otherwise."""
        person = self.people.get(name) or self.add_person(name, installed=installed)
        self._join(guild or self.guild, person, roles)
        return person

    def leave(self, person: Person, guild: Guild | None = None) -> None:
        del (guild or self.guild).members[person.id]

    def add_role(
        self,
        name: str,
        *,
        guild: Guild | None = None,
        permissions: Permission = NONE,
        members: Iterable[Person] = (),
    ) -> Role:
        guild = guild or self.guild
        role = Role(self.new_id(), name, permissions, len(guild.roles))
        guild.roles[role.id] = role
        for person in members:
            guild.members[person.id].roles.append(role)
        return role

    def delete_role(self, role: Role) -> None:
        """Takes a role away from its server and from everybody there."""
        guild = next(guild for guild in self.guilds.values() if role.id in guild.roles)
        del guild.roles[role.id]
        for member in guild.members.values():
            member.roles = [held for held in member.roles if held is not role]
        for channel in guild.channels:
            channel.overwrites.pop(role.id, None)
        if guild.has_bot:
            self.publish("GUILD_ROLE_DELETE", {"guild_id": str(guild.id), "role_id": str(role.id)}, guild.id)

    def add_channel(self, name: str, *, guild: Guild | None = None, kind: ChannelType = ChannelType.TEXT) -> Channel:
        guild = guild or self.guild
        channel = Channel(self.new_id(), kind, name, guild, len(guild.channels))
        guild.channels.append(channel)
        self.channels[channel.id] = channel
        return channel

    def add_thread(self, name: str, parent: Channel | None = None) -> Channel:
        """A public thread, in the general channel unless said otherwise. `World.set_thread` archives and locks it."""
        parent = parent or self.general
        assert parent.guild is not None
        thread = Channel(self.new_id(), ChannelType.THREAD, name, parent.guild, parent=parent)
        parent.guild.threads.append(thread)
        self.channels[thread.id] = thread
        self._tell("THREAD_CREATE", thread)
        return thread

    def set_thread(self, thread: Channel, *, archived: bool, locked: bool = False) -> None:
        """A message opens an archived thread; a locked one, who may manage threads alone."""
        thread.archived, thread.locked = archived, locked
        self._tell("THREAD_UPDATE", thread)

    def remove_channel(self, channel: Channel) -> None:
        """Takes a channel away from its server; what was said there is `LocalDiscord.delete_channel`'s to remove."""
        assert channel.guild is not None
        del self.channels[channel.id]
        (channel.guild.channels if channel.parent is None else channel.guild.threads).remove(channel)
        self._tell("CHANNEL_DELETE" if channel.parent is None else "THREAD_DELETE", channel)

    def tell_permissions(self, channel: Channel) -> None:
        """Tells the bot of overwrites that were changed."""
        self._tell("CHANNEL_UPDATE", channel)

    def add_guild(
        self,
        name: str,
        *,
        owner: Person,
        members: Iterable[Person] = (),
        has_bot: bool = True,
        has_commands: bool = True,
    ) -> Guild:
        guild = Guild(self.new_id(), name, owner, has_bot, has_commands)
        self.guilds[guild.id] = guild
        guild.roles[guild.id] = Role(guild.id, "@everyone", EVERYONE, 0)
        self.add_channel("general", guild=guild)
        for person in (owner, *members):
            self._join(guild, person, ())
        if has_bot:
            self.add_bot(guild)
        return guild

    def add_bot(self, guild: Guild) -> None:
        """The bot joins, perhaps again; the event lacks `unavailable`, by which discord.py tells it from an outage."""
        guild.has_bot = guild.has_commands = True
        self._join(guild, self.bot, (self.add_role("bot", guild=guild, permissions=READ_AND_WRITE),))
        wire = guild.wire(self.bot)
        del wire["unavailable"]
        self.publish("GUILD_CREATE", wire, guild.id)

    def remove_bot(self, guild: Guild) -> None:
        """Somebody throws the bot out of a server; its commands go, too."""
        guild.has_bot = guild.has_commands = False
        self.leave(self.bot, guild)
        self.publish("GUILD_DELETE", {"id": str(guild.id)}, guild.id)

    def dm(self, person: Person) -> Channel:
        """The private channel of the bot and this person."""
        return self.private(person, self.bot)

    def private(self, *people: Person) -> Channel:
        """The private channel of exactly these people; more than two make a group."""
        for channel in self.channels.values():
            if channel.guild is None and set(channel.people) == set(people):
                return channel
        kind = ChannelType.DM if len(people) == 2 else ChannelType.GROUP_DM
        channel = Channel(self.new_id(), kind, "", people=people)
        self.channels[channel.id] = channel
        return channel

    def context(self, channel: Channel) -> Context:
        if channel.guild is not None:
            return Context.GUILD
        return Context.BOT_DM if self.bot in channel.people else Context.PRIVATE_CHANNEL

    def _tell(self, event: str, channel: Channel) -> None:
        if channel.guild is not None and channel.guild.has_bot:
            self.publish(event, channel.guild.told(channel, self.bot), channel.guild.id)

    def _join(self, guild: Guild, person: Person, roles: Iterable[Role]) -> None:
        guild.members[person.id] = Member(person, self.clock(), list(roles))


def permissions_in(channel: Channel, person: Person) -> Permission:
    """topics/permissions.mdx#permission-overwrites, in its order; nothing for who is not there."""
    if channel.parent is not None:
        return permissions_in(channel.parent, person)
    guild = channel.guild
    if guild is None:
        return EVERYONE if person in channel.people else NONE
    member = guild.members.get(person.id)
    if member is None:
        return NONE
    held = guild_permissions(guild, person)
    if held & Permission.ADMINISTRATOR:
        return ALL
    allowed, denied = channel.overwrites.get(guild.id, (NONE, NONE))
    held = (held & ~denied) | allowed
    of_roles = [channel.overwrites[role.id] for role in member.roles if role.id in channel.overwrites]
    for _, denied in of_roles:
        held &= ~denied
    for allowed, _ in of_roles:
        held |= allowed
    allowed, denied = channel.overwrites.get(person.id, (NONE, NONE))
    held = (held & ~denied) | allowed
    return held if held & Permission.VIEW_CHANNEL else NONE


def guild_permissions(guild: Guild, person: Person) -> Permission:
    if person is guild.owner:
        return ALL
    held = guild.everyone.permissions
    for role in guild.members[person.id].roles:
        held |= role.permissions
    return ALL if held & Permission.ADMINISTRATOR else held
