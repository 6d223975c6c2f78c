"""Acting as people: what they type, press and post becomes interactions and messages."""

import contextlib
import secrets
from collections.abc import Mapping

from sandbox.discord.cdn import Cdn, Upload
from sandbox.discord.commands import (
    CHAT,
    MESSAGE_MENU,
    CannotInvoke,
    CommandBook,
    Filling,
    OptionValue,
    check_visible,
    installs,
)
from sandbox.discord.components import Kind, walk
from sandbox.discord.exchange import SentFile
from sandbox.discord.messages import Answer, Interaction, InteractionKind, Message
from sandbox.discord.modals import Typed, filled
from sandbox.discord.permissions import APP_IN_PRIVATE, Permission
from sandbox.discord.posts import Posts
from sandbox.discord.tokens import TokenRoutes
from sandbox.discord.wire import Wire
from sandbox.discord.world import Channel, Context, Person, World, permissions_in


class People:
    def __init__(self, world: World, cdn: Cdn, posts: Posts, book: CommandBook, tokens: TokenRoutes) -> None:
        self._world = world
        self._cdn = cdn
        self._posts = posts
        self._book = book
        self._tokens = tokens

    def offered(self, person: Person, channel: Channel) -> list[Wire]:
        """The commands that the client shows this person in this place."""
        shown: list[Wire] = []
        with contextlib.suppress(CannotInvoke):
            self._check_may_use(person, channel)
            for command in self._book.shown(channel.guild):
                with contextlib.suppress(CannotInvoke):
                    check_visible(command, person, channel, self._world.context(channel))
                    shown.append(command)
        return shown

    def invoke(
        self,
        person: Person,
        command: str,
        channel: Channel,
        options: Mapping[str, OptionValue | None],
        *,
        forge: bool,
    ) -> Interaction:
        name, *path = command.removeprefix("/").split()
        found = self._command(person, name, CHAT, channel, forge=forge)
        filling = Filling(self._cdn, self._world.bot, channel.guild, forge=forge)
        filled = filling.fill(found, path, options)
        data: Wire = {"id": found["id"], "name": name, "type": CHAT, "options": filled.options}
        if filled.resolved:
            data["resolved"] = filled.resolved
        return self._begin(person, channel, InteractionKind.COMMAND, data, self._owners(found, person, channel))

    def complete(
        self, person: Person, command: str, channel: Channel, typed: Mapping[str, OptionValue | None], focused: str
    ) -> Interaction:
        """What the client asks for while somebody types into an option with a list."""
        name, *path = command.removeprefix("/").split()
        found = self._command(person, name, CHAT, channel, forge=False)
        filling = Filling(self._cdn, self._world.bot, channel.guild, forge=False)
        options = filling.partly(found, path, typed, focused)
        data: Wire = {"id": found["id"], "name": name, "type": CHAT, "options": options}
        return self._begin(person, channel, InteractionKind.AUTOCOMPLETE, data, self._owners(found, person, channel))

    def menu(self, person: Person, name: str, message: Message, *, forge: bool) -> Interaction:
        if not message.is_shown_to(person) and not forge:
            raise CannotInvoke(f"{person.name} cannot see this message.")
        found = self._command(person, name, MESSAGE_MENU, message.channel, forge=forge)
        key = str(message.id)
        resolved = {"messages": {key: message.now}}
        data = {"id": found["id"], "name": name, "type": MESSAGE_MENU, "target_id": key, "resolved": resolved}
        owners = self._owners(found, person, message.channel)
        return self._begin(person, message.channel, InteractionKind.COMMAND, data, owners)

    def press(
        self, person: Person, message: Message, custom_id: str, values: list[str] | None, *, forge: bool
    ) -> Interaction:
        """Presses a button, or picks `values` in a select."""
        components = [c for c in walk(message.now["components"]) if c.get("custom_id") == custom_id]
        if not forge:
            if not message.is_shown_to(person):
                raise CannotInvoke(f"{person.name} cannot see this message.")
            if not components or components[0].get("disabled"):
                there = [c["custom_id"] for c in walk(message.now["components"]) if "custom_id" in c]
                raise CannotInvoke(f"The message has no button {custom_id!r}; it has {there}.")
        kind = components[0]["type"] if components else Kind.BUTTON
        data: Wire = {"custom_id": custom_id, "component_type": int(kind), "id": 1}
        if components:
            data["id"] = components[0]["id"]
        if values is not None:
            data["values"] = values
        owners = self._owners(None, person, message.channel)
        return self._begin(person, message.channel, InteractionKind.COMPONENT, data, owners, source=message)

    def submit(self, person: Person, opened: Interaction, values: Mapping[str, Typed], *, forge: bool) -> Interaction:
        """Submits the modal that an interaction was answered with; forged, also one that never was."""
        if not forge and (opened.person is not person or not opened.has_modal_open):
            raise CannotInvoke(f"{person.name} has not opened this form.")
        is_modal = opened.response_type == Answer.MODAL
        modal = opened.response_data if is_modal else {"custom_id": "forged", "components": []}
        filling = Filling(self._cdn, self._world.bot, opened.channel.guild, forge=forge)
        data = filled(modal, values, filling.resolve, forge=forge)
        kind, owners = InteractionKind.MODAL_SUBMIT, opened.owners
        opened.submitted = self._begin(person, opened.channel, kind, data, owners, source=opened.source, opener=opened)
        return opened.submitted

    def post(
        self, person: Person, channel: Channel, content: str, files: tuple[Upload, ...], unfurled: Wire
    ) -> Message:
        """A message of a person, as they type it. Raises `ApiError` for what Discord would not take.

        `unfurled`: embeds that Discord makes of links, and stickers, as they stand in the message.
        """
        sent = [SentFile(number, file.filename, file.data) for number, file in enumerate(files)]
        message = self._posts.send(channel, person, {"content": content}, sent, limit=upload_limit(person, channel))
        message.now.update(unfurled)
        return message

    def _command(self, person: Person, name: str, kind: int, channel: Channel, *, forge: bool) -> Wire:
        try:
            command = self._book.find(name, kind, channel.guild)
            if not forge:
                self._check_may_use(person, channel)
                check_visible(command, person, channel, self._world.context(channel))
        except CannotInvoke:
            if not forge:
                raise
            command = {"id": str(self._world.new_id()), "name": name, "integration_types": [0, 1]}
        return command

    def _check_may_use(self, person: Person, channel: Channel) -> None:
        held = permissions_in(channel, person)
        if not held & Permission.VIEW_CHANNEL:
            raise CannotInvoke(f"{person.name} cannot see #{channel.name}.")
        if not held & Permission.USE_APPLICATION_COMMANDS:
            raise CannotInvoke(f"{person.name} cannot use commands in #{channel.name}.")

    def _owners(self, command: Wire | None, person: Person, channel: Channel) -> Wire:
        return installs(command, person, channel, self._world.context(channel))

    def _begin(
        self,
        person: Person,
        channel: Channel,
        kind: int,
        data: Wire,
        owners: Wire,
        *,
        source: Message | None = None,
        opener: Interaction | None = None,
    ) -> Interaction:
        key, guild, context = self._world.new_id(), channel.guild, self._world.context(channel)
        payload: Wire = {
            "id": str(key), "application_id": str(self._world.bot.id), "type": kind, "version": 1,
            "token": secrets.token_urlsafe(96), "data": data, "channel": channel.wire(),
            "channel_id": str(channel.id), "context": int(context), "locale": person.locale,
            "entitlements": [], "authorizing_integration_owners": owners,
            "attachment_size_limit": upload_limit(person, channel),
            "app_permissions": str(int(self._app_permissions(person, channel))),
        }  # fmt: skip
        if guild is None:
            payload["user"] = person.wire()
        else:
            permissions = str(int(permissions_in(channel, person)))
            held = guild.members[person.id].wire() if person.id in guild.members else {"roles": [], "flags": 0}
            member = held | {"user": person.wire(), "permissions": permissions, "deaf": False, "mute": False}
            payload |= {
                "member": member, "guild_id": str(guild.id), "guild_locale": guild.locale,
                "guild": {"id": str(guild.id), "locale": guild.locale, "features": []},
            }  # fmt: skip
        if source is not None:
            payload["message"] = source.now
        interaction = Interaction(
            key, payload["token"], kind, person, channel, self._world.clock(), payload,
            payload["attachment_size_limit"], user_installed_only="0" not in owners, source=source, opener=opener,
        )  # fmt: skip
        self._tokens.add(interaction)
        self._world.publish("INTERACTION_CREATE", payload, guild.id if guild is not None else 0)
        return interaction

    def _app_permissions(self, person: Person, channel: Channel) -> Permission:
        """Where the bot is no member no source says more than "what the app may do there"; the person's own
        permissions, View Channel with them, are the harder case for a bot that takes this for membership.
        """
        if channel.guild is None:
            own = Permission.USE_EXTERNAL_EMOJIS if self._world.context(channel) is Context.BOT_DM else Permission(0)
            return APP_IN_PRIVATE | own
        return permissions_in(channel, self._world.bot if channel.guild.has_bot else person)


def upload_limit(person: Person, channel: Channel) -> int:
    """The larger of the person's and the server's (reference.mdx:430)."""
    guild = channel.guild
    if guild is None:
        return person.upload_limit
    return guild.file_limit if guild.upload_limit is not None else max(person.upload_limit, guild.file_limit)
