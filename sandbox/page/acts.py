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
class Act:
    """One thing a person does. `files` by the name of the field they were put into."""

    person: Person
    asked: Mapping[str, Any]
    files: Mapping[str, Sequence[Upload]] = field(default_factory=dict)

    def word(self, name: str) -> str:
        """Raises `Refused` where it is missing."""
        value = self.asked.get(name)
        if not isinstance(value, str):
            raise Refused(f"There is no “{name}” in what the page asked for.")
        return value


class Acts:
    def __init__(self, discord: LocalDiscord, view: View) -> None:
        self._discord = discord
        self._view = view
        self._deeds = {
            "invoke": self._invoke, "menu": self._menu, "press": self._press, "submit": self._submit,
            "post": self._post, "delete": self._delete, "dismiss": self._dismiss, "speak": self._speak,
        }  # fmt: skip

    async def do(self, act: Act) -> Wire:
        """Does it and returns what the tab is to know at once: a modal that opens. Raises `Refused`."""
        if (deed := self._deeds.get(act.word("do"))) is None:
            raise Refused("The page asked for something that the sandbox does not know.")
        try:
            return await deed(act)
        except CannotInvoke as error:
            raise Refused(str(error)) from error
        except ApiError as error:
            raise Refused(f"Discord would not take that: {error.body['message']}") from error

    async def _invoke(self, act: Act) -> Wire:
        place, command = self._place(act), act.word("command")
        kinds = {option["name"]: option["type"] for option in self._options(act.person, place, command)}
        values: dict[str, OptionValue | None] = {name: files[0] for name, files in act.files.items() if files}
        for name, value in dict(act.asked.get("options") or {}).items():
            values[name] = self._thing(value) if kinds.get(name) in _THINGS else value
        return await self._answered(await self._discord.invoke_with(act.person, command, values, channel=place))

    def _options(self, person: Person, place: Channel, command: str) -> list[Wire]:
        """The declared options; none for what is not there, which the door refuses."""
        level = [one for one in self._discord.offered(person, place) if one["type"] == CHAT]
        for word in command.split():
            level = next((one.get("options") or [] for one in level if one["name"] == word), [])
        return level

    async def _menu(self, act: Act) -> Wire:
        return await self._answered(await self._discord.menu(act.person, act.word("command"), self._message(act)))

    async def _press(self, act: Act) -> Wire:
        message, custom_id = self._message(act), act.word("custom_id")
        return await self._answered(
            await self._discord.press(act.person, message, custom_id, values=act.asked.get("values"))
        )

    async def _submit(self, act: Act) -> Wire:
        opened = next((one for one in self._discord.interactions if str(one.id) == act.word("interaction")), None)
        if opened is None:
            raise Refused("That form is gone.")
        kinds = {one["custom_id"]: one["type"] for one in fields_of(opened.response_data)}
        values: dict[str, Any] = dict(act.files)
        for name, value in dict(act.asked.get("values") or {}).items():
            things = kinds.get(name) in _THING_SELECTS
            values[name] = [self._thing(key) for key in value] if things else value
        return await self._answered(await self._discord.submit(act.person, opened, values))

    async def _post(self, act: Act) -> Wire:
        files = [file for files in act.files.values() for file in files]
        await self._discord.post(act.person, act.word("content"), *files, channel=self._place(act))
        return {}

    async def _delete(self, act: Act) -> Wire:
        await self._discord.delete_message(self._message(act))
        return {}

    async def _dismiss(self, act: Act) -> Wire:
        self._view.dismissed.add(self._message(act).id)
        self._discord.changes.notify()
        return {}

    async def _speak(self, act: Act) -> Wire:
        act.person.locale = act.word("locale")
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

    def _place(self, act: Act) -> Channel:
        place = next((one for one in self._view.places(act.person) if str(one.id) == act.word("place")), None)
        if place is None:
            raise Refused("That channel is gone, or you cannot see it.")
        return place

    def _message(self, act: Act) -> Message:
        key = act.word("message")
        for place in self._view.places(act.person):
            for message in self._view.messages(place, act.person):
                if str(message.id) == key:
                    return message
        raise Refused("That message is gone.")

    def _thing(self, key: object) -> Thing:
        world = self._discord.world
        things: list[Thing] = [*world.people.values(), *world.guild.roles.values(), *world.channels.values()]
        for thing in things:
            if str(thing.id) == key:
                return thing
        raise Refused("Nobody and nothing is called that here.")
