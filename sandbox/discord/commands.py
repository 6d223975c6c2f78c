"""Commands as Discord keeps them and as its client offers them: who sees which, and what may be typed in."""

import enum
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sandbox.discord.cdn import Cdn, Upload
from sandbox.discord.permissions import Permission
from sandbox.discord.rules import Code, Form, refusal
from sandbox.discord.wire import Snowflakes, Wire
from sandbox.discord.world import Channel, Context, Guild, Person, Role, guild_permissions, permissions_in

OptionValue = str | int | float | bool | Person | Role | Channel | Upload
_NAME = re.compile(r"[-_'\w]{1,32}")
_BIGGEST = 2**53


class CannotInvoke(Exception):
    """Discord's client would not let this person do that. The sentence says why."""


class Option(enum.IntEnum):
    """application-commands.mdx#application-command-object-application-command-option-type."""

    SUBCOMMAND = 1
    GROUP = 2
    STRING = 3
    INTEGER = 4
    BOOLEAN = 5
    USER = 6
    CHANNEL = 7
    ROLE = 8
    MENTIONABLE = 9
    NUMBER = 10
    ATTACHMENT = 11


_KINDS: dict[int, tuple[type, ...]] = {
    Option.STRING: (str,),
    Option.INTEGER: (int,),
    Option.BOOLEAN: (bool,),
    Option.USER: (Person,),
    Option.CHANNEL: (Channel,),
    Option.ROLE: (Role,),
    Option.MENTIONABLE: (Person, Role),
    Option.NUMBER: (float, int),
    Option.ATTACHMENT: (Upload,),
}
_GUESSES: dict[type, int] = {
    bool: Option.BOOLEAN, int: Option.INTEGER, float: Option.NUMBER, str: Option.STRING,
    Upload: Option.ATTACHMENT, Person: Option.USER, Role: Option.ROLE, Channel: Option.CHANNEL,
}  # fmt: skip
CHAT, USER_MENU, MESSAGE_MENU, ENTRY_POINT = 1, 2, 3, 4


class CommandBook:
    """What the bot has put, globally (key None) and by server."""

    def __init__(self, application_id: int, new_id: Snowflakes) -> None:
        self._application_id = application_id
        self._new_id = new_id
        self.puts = 0
        self.by_scope: dict[int | None, list[Wire]] = {None: []}

    def put(self, scope: int | None, declared: list[Wire]) -> list[Wire]:
        """Replaces all commands of the scope; one that was there keeps its id."""
        form = Form()
        for number, command in enumerate(declared):
            _check_declaration(form, number, command)
        form.settle()
        there = self.by_scope.get(scope, [])
        if any(c["type"] == ENTRY_POINT for c in there) and all(c.get("type") != ENTRY_POINT for c in declared):
            raise refusal(Code.ENTRY_POINT_LEFT_OUT)
        ids = {(c["type"], c["name"]): c["id"] for c in there}
        self.puts += 1
        commands = self.by_scope.setdefault(scope, [])
        commands[:] = [self._stored(command, ids) for command in declared]
        return commands

    def upsert(self, scope: int | None, command: Wire) -> Wire:
        """One command, in place of that with its id, or else of its name and type."""
        form = Form()
        _check_declaration(form, 0, command)
        form.settle()
        commands, kind = self.by_scope.setdefault(scope, []), command.get("type") or CHAT
        key = command.get("id")
        place = next(
            (n for n, c in enumerate(commands) if c["id"] == key or (c["type"], c["name"]) == (kind, command["name"])),
            len(commands),
        )
        ids = {(kind, command["name"]): commands[place]["id"]} if place < len(commands) else {}
        commands[place : place + 1] = [self._stored(command, ids)]
        return commands[place]

    def of_id(self, scope: int | None, key: str) -> Wire:
        found = next((command for command in self.by_scope.get(scope, []) if command["id"] == key), None)
        if found is None:
            raise refusal(Code.UNKNOWN_COMMAND)
        return found

    def shown(self, guild: Guild | None) -> list[Wire]:
        """A server's own commands before those of everywhere."""
        return [*(self.by_scope.get(guild.id, []) if guild else []), *self.by_scope[None]]

    def find(self, name: str, kind: int, guild: Guild | None) -> Wire:
        """The command of that name as this place shows it. Raises `CannotInvoke`."""
        shown = self.shown(guild)
        for command in shown:
            if command["name"] == name and command["type"] == kind:
                return command
        names = ", ".join(f"/{c['name']}" for c in shown if c["type"] == kind) or "none"
        raise CannotInvoke(f"There is no command {name} here. The commands are {names}.")

    def _stored(self, command: Wire, ids: dict[tuple[int, str], str]) -> Wire:
        kind = command.get("type") or CHAT
        needed, options = command.get("default_member_permissions"), command.get("options")
        return {"description": "", "nsfw": False, "contexts": None, "dm_permission": True} | command | {
            "id": ids.get((kind, command["name"])) or str(self._new_id()),
            "application_id": str(self._application_id),
            "version": str(self._new_id()),
            "type": kind,
            "default_member_permissions": None if needed is None else str(needed),
            "integration_types": command.get("integration_types") or [0],
            **({"options": [_said(option) for option in options]} if options else {}),
        }  # fmt: skip


def _said(option: Wire) -> Wire:
    """An option without what was sent as null."""
    told = {name: value for name, value in option.items() if value is not None}
    return told | ({"options": [_said(inner) for inner in told["options"]]} if "options" in told else {})


def _check_declaration(form: Form, number: int, command: Wire) -> None:
    form.check_published(("ApplicationCommandUpdateRequest",), command, (number,))
    name = command.get("name") or ""
    if (command.get("type") or CHAT) != CHAT:
        return
    if not _NAME.fullmatch(name) or name != name.lower():
        form.add((number, "name"), "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")
    if not command.get("description"):
        form.add((number, "description"), "BASE_TYPE_REQUIRED", "This field is required")


def check_visible(command: Wire, person: Person, channel: Channel, context: Context) -> None:
    """Raises `CannotInvoke` when the client would not show the command to this person in this place."""
    name = command["name"]
    if command["contexts"] is not None and context not in command["contexts"]:
        raise CannotInvoke(f"/{name} cannot be used in this kind of channel ({context.name.lower()}).")
    owners = installs(command, person, channel, context)
    if not owners:
        raise CannotInvoke(f"/{name} cannot be used here: neither this server nor {person.name} has added the bot.")
    needed = command["default_member_permissions"]
    guild = channel.guild
    if guild is not None and needed is not None and "0" in owners:
        held, asked = guild_permissions(guild, person), Permission(int(needed))
        if not held & Permission.ADMINISTRATOR and (not asked or held & asked != asked):
            raise CannotInvoke(f"/{name} is hidden from {person.name}, who does not have the permissions for it.")


def installs(command: Wire | None, person: Person, channel: Channel, context: Context) -> Wire:
    """`authorizing_integration_owners`: "0" the server (or "0" in the bot's DM), "1" the person."""
    types = command["integration_types"] if command is not None else [0, 1]
    owners: Wire = {}
    if 0 in types and channel.guild is not None and channel.guild.has_commands:
        owners["0"] = str(channel.guild.id)
    if 0 in types and context is Context.BOT_DM:
        owners["0"] = "0"
    if 1 in types and person.installed:
        owners["1"] = str(person.id)
    return owners


@dataclass(slots=True)
class Filled:
    """The options as the interaction carries them, and what they resolve to."""

    options: list[Wire] = field(default_factory=list)
    resolved: Wire = field(default_factory=dict)


class Filling:
    """Turns what a person typed into the options of a declared command; unchecked when forged."""

    def __init__(self, cdn: Cdn, bot: Person, guild: Guild | None, *, forge: bool) -> None:
        self._cdn = cdn
        self._bot = bot
        self._folder = f"/ephemeral-attachments/{bot.id}"
        self._guild = guild
        self._forge = forge

    def fill(self, command: Wire, path: list[str], values: Mapping[str, OptionValue | None]) -> Filled:
        declared: list[Wire] = command.get("options") or []
        steps: list[tuple[str, int]] = []
        for depth, word in enumerate(path):
            inner = _named(declared, word)
            kind = inner["type"] if inner else Option.GROUP if depth < len(path) - 1 else Option.SUBCOMMAND
            if not self._forge and (inner is None or kind not in (Option.SUBCOMMAND, Option.GROUP)):
                raise CannotInvoke(f"/{command['name']} has no subcommand {word}.")
            steps.append((word, kind))
            declared = (inner or {}).get("options") or []
        if not self._forge and any(one["type"] in (Option.SUBCOMMAND, Option.GROUP) for one in declared):
            raise CannotInvoke(f"/{' '.join([command['name'], *path])} needs a subcommand.")
        filled = self._leaf(declared, {name: value for name, value in values.items() if value is not None})
        for word, kind in reversed(steps):
            filled.options = [{"name": word, "type": int(kind), "options": filled.options}]
        return filled

    def partly(
        self, command: Wire, path: list[str], typed: Mapping[str, OptionValue | None], focused: str
    ) -> list[Wire]:
        """The options as they are sent while one of them is typed: nothing is checked, and nothing resolved.

        What is typed into the focused one goes as text. Of the others only those of a declared type with a plain value
        go. Raises `CannotInvoke` where no list comes up.
        """
        declared: list[Wire] = command.get("options") or []
        for word in path:
            declared = (_named(declared, word) or {}).get("options") or []
        option = _named(declared, focused)
        if option is None or not option.get("autocomplete"):
            raise CannotInvoke(f"The option {focused} has no list.")
        sent = [
            {"name": each["name"], "type": int(each["type"]), "value": value}
            for each in declared
            if each["name"] != focused
            and isinstance(value := typed.get(each["name"]), str | int | float)
            and isinstance(value, _KINDS[each["type"]])
        ]
        text = typed.get(focused)
        sent.append({"name": focused, "type": int(option["type"]), "value": str(text or ""), "focused": True})
        for depth, word in reversed([*enumerate(path)]):
            kind = Option.SUBCOMMAND if depth == len(path) - 1 else Option.GROUP
            sent = [{"name": word, "type": int(kind), "options": sent}]
        return sent

    def _leaf(self, declared: list[Wire], values: Mapping[str, OptionValue]) -> Filled:
        if not self._forge:
            missing = [o["name"] for o in declared if o.get("required") and o["name"] not in values]
            if missing:
                raise CannotInvoke(f"These options are required: {_listed(missing)}.")
        filled = Filled()
        for name, given in values.items():
            option = _named(declared, name)
            if not self._forge:
                if option is None:
                    raise CannotInvoke(
                        f"There is no option {name}. The options are {', '.join(o['name'] for o in declared)}."
                    )
                check_value(option, given)
            kind = option["type"] if option else _GUESSES[type(given)]
            value = self.resolve(given, filled.resolved)
            filled.options.append({"name": name, "type": int(kind), "value": value})
        return filled

    def resolve(self, value: OptionValue, resolved: Wire) -> str | int | float | bool:
        if isinstance(value, Upload):
            file = self._cdn.store(value, self._folder, ephemeral=True)
            resolved.setdefault("attachments", {})[str(file.id)] = file.wire()
            return str(file.id)
        if isinstance(value, Person):
            resolved.setdefault("users", {})[str(value.id)] = value.wire()
            if self._guild is not None and value.id in self._guild.members:
                member = self._guild.members[value.id].wire()
                member["permissions"] = str(int(guild_permissions(self._guild, value)))
                resolved.setdefault("members", {})[str(value.id)] = member
            return str(value.id)
        if isinstance(value, Role | Channel):
            if isinstance(value, Role):
                kind, more = "roles", {"permissions": str(int(value.permissions))}
            else:
                own = str(int(permissions_in(value, self._bot)))
                kind, more = "channels", {"permissions": "0", "app_permissions": own}
            resolved.setdefault(kind, {})[str(value.id)] = value.wire() | more
            return str(value.id)
        return value


def _listed(values: Iterable[object]) -> str:
    return ", ".join(map(str, values))


def _named(options: list[Wire], name: str) -> Wire | None:
    return next((option for option in options if option["name"] == name), None)


def check_value(option: Wire, value: OptionValue) -> None:
    """Raises `CannotInvoke` for what the client's input field would not take."""
    name, kind = option["name"], option["type"]
    if not isinstance(value, _KINDS[kind]) or (isinstance(value, bool) and kind != Option.BOOLEAN):
        raise CannotInvoke(f"The option {name} takes a value of type {Option(kind).name.lower()}, not {value!r}.")
    choices = [choice["value"] for choice in option.get("choices") or []]
    if choices and value not in choices:
        raise CannotInvoke(f"The option {name} takes one of {_listed(choices)}, not {value!r}.")
    if isinstance(value, str):
        least, most = max(1, option.get("min_length") or 0), option.get("max_length") or 6000
        if not least <= len(value) <= most:
            raise CannotInvoke(f"The option {name} takes {least} to {most} characters, not {len(value)}.")
    elif isinstance(value, int | float):
        smallest, biggest = option.get("min_value", -_BIGGEST), option.get("max_value", _BIGGEST)
        if not smallest <= value <= biggest:
            raise CannotInvoke(f"The option {name} takes {smallest} to {biggest}, not {value}.")
    elif isinstance(value, Upload) and (kinds := option.get("file_types")):
        _check_extension(name, value, kinds)


def _check_extension(name: str, upload: Upload, kinds: list[str]) -> None:
    """`file_types` looks at the extension alone (reference.mdx:530-553)."""
    offered = upload.guessed_type.partition("/")[0]
    if not any(upload.filename.lower().endswith(kind) if kind.startswith(".") else kind == offered for kind in kinds):
        raise CannotInvoke(f"The option {name} takes {_listed(kinds)}, not {upload.filename}.")
