"""What a person does on the page becomes what they do at the local Discord."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.discord.cdn import Upload
from sandbox.discord.commands import CHAT, CannotInvoke, Option, OptionValue
from sandbox.discord.components import Kind
from sandbox.discord.messages import Answer, Interaction, InteractionKind, Message, NotAnswered
from sandbox.discord.modals import fields_of
from sandbox.discord.rules import ApiError
from sandbox.discord.server import LocalDiscord
from sandbox.discord.wire import Wire
from sandbox.discord.world import Channel, Person, Role
from sandbox.page.view import View

Thing = Person | Role | Channel
_THINGS = {Option.USER, Option.ROLE, Option.CHANNEL, Option.MENTIONABLE}
_THING_SELECTS = {Kind.USER_SELECT, Kind.ROLE_SELECT, Kind.CHANNEL_SELECT, Kind.MENTIONABLE_SELECT}


class Refused(Exception):
    """It cannot be done; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Action:
    """One thing a person does. `files` by the name of the field they were put into."""

    person: Person
    asked: Mapping[str, Any]
    files: Mapping[str, Sequence[Upload]] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """Raises `Refused` where it is missing."""
        value = self.asked.get(name)
        if not isinstance(value, str):
            raise Refused(f"The page left out “{name}”. Reload it.")
        return value


class Actions:
    def __init__(self, discord: LocalDiscord, view: View) -> None:
        self._discord = discord
        self._view = view
        self._handlers = {
            "invoke": self._invoke, "menu": self._menu, "press": self._press, "submit": self._submit,
            "post": self._post, "delete": self._delete, "dismiss": self._dismiss, "speak": self._speak,
            "complete": self._complete,
        }  # fmt: skip

    async def perform(self, action: Action) -> Wire:
        """Does it and returns what the tab is to know at once: a modal that opens. Raises `Refused`."""
        if (handler := self._handlers.get(action.text("action"))) is None:
            raise Refused("The sandbox does not know this action. Reload the page.")
        try:
            return await handler(action)
        except CannotInvoke as error:
            raise Refused(str(error)) from error
        except ApiError as error:
            raise Refused(f"Discord refuses this: {error.body['message']}") from error

    async def _invoke(self, action: Action) -> Wire:
        place, command = self._place(action), action.text("command")
        kinds = {option["name"]: option["type"] for option in self._options(action.person, place, command)}
        values: dict[str, OptionValue | None] = {name: files[0] for name, files in action.files.items() if files}
        for name, value in dict(action.asked.get("options") or {}).items():
            values[name] = self._thing(value) if kinds.get(name) in _THINGS else value
        return await self._answered(await self._discord.invoke_with(action.person, command, values, channel=place))

    async def _complete(self, action: Action) -> Wire:
        """The choices for an option while it is typed."""
        place, command, focused = self._place(action), action.text("command"), action.text("option")
        typed = dict(action.asked.get("options") or {})
        try:
            return {"choices": await self._discord.complete(action.person, command, focused, typed, channel=place)}
        except NotAnswered:
            return {"choices": [], "failed": "Loading options failed."}

    def _options(self, person: Person, place: Channel, command: str) -> list[Wire]:
        """The declared options; none for what is not there, which the local Discord refuses."""
        level = [one for one in self._discord.offered(person, place) if one["type"] == CHAT]
        for word in command.split():
            level = next((one.get("options") or [] for one in level if one["name"] == word), [])
        return level

    async def _menu(self, action: Action) -> Wire:
        return await self._answered(
            await self._discord.menu(action.person, action.text("command"), self._message(action))
        )

    async def _press(self, action: Action) -> Wire:
        message, custom_id = self._message(action), action.text("custom_id")
        return await self._answered(
            await self._discord.press(action.person, message, custom_id, values=action.asked.get("values"))
        )

    async def _submit(self, action: Action) -> Wire:
        opened = next((one for one in self._discord.interactions if str(one.id) == action.text("interaction")), None)
        if opened is None:
            raise Refused("This form is no longer there.")
        kinds = {one["custom_id"]: one["type"] for one in fields_of(opened.response_data)}
        values: dict[str, Any] = dict(action.files)
        for name, value in dict(action.asked.get("values") or {}).items():
            things = kinds.get(name) in _THING_SELECTS
            values[name] = [self._thing(key) for key in value] if things else value
        return await self._answered(await self._discord.submit(action.person, opened, values))

    async def _post(self, action: Action) -> Wire:
        files = [file for files in action.files.values() for file in files]
        await self._discord.post(action.person, action.text("content"), *files, channel=self._place(action))
        return {}

    async def _delete(self, action: Action) -> Wire:
        await self._discord.delete_message(self._message(action))
        return {}

    async def _dismiss(self, action: Action) -> Wire:
        self._view.dismissed.add(self._message(action).id)
        self._discord.changes.notify()
        return {}

    async def _speak(self, action: Action) -> Wire:
        action.person.locale = action.text("locale")
        self._discord.changes.notify()
        return {}

    async def _answered(self, asked: Interaction) -> Wire:
        try:
            await asked.answer()
        except NotAnswered as error:
            failed = "This interaction failed." if asked.kind == InteractionKind.COMPONENT else f"{error}."
            raise Refused(failed) from error
        if asked.response_type == Answer.MODAL:
            return {"modal": asked.response_data | {"interaction": str(asked.id)}}
        return {}

    def _place(self, action: Action) -> Channel:
        place = next((one for one in self._view.places(action.person) if str(one.id) == action.text("place")), None)
        if place is None:
            raise Refused("This channel was deleted, or you cannot see it.")
        return place

    def _message(self, action: Action) -> Message:
        key = action.text("message")
        for place in self._view.places(action.person):
            for message in self._view.messages(place, action.person):
                if str(message.id) == key:
                    return message
        raise Refused("This message was deleted.")

    def _thing(self, key: object) -> Thing:
        world = self._discord.world
        things: list[Thing] = [*world.people.values(), *world.guild.roles.values(), *world.channels.values()]
        for thing in things:
            if str(thing.id) == key:
                return thing
        raise Refused("This member, role or channel is no longer there.")
