"""Reads commands as Discord writes them out: `/animate-admin quota set user:@mia credits:40`."""

import mimetypes
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sandbox.discord.cdn import Upload
from sandbox.discord.commands import Option
from sandbox.discord.world import World

_TRUTH = {"true": True, "false": False}
_CHAT_INPUT = 1
"""The type of a command that is typed; the others stand in menus."""
_OPTION = re.compile(r"(?:^|\s)([a-z_]+):")


class CommandNotUnderstood(ValueError):
    """The command cannot be understood; its text says why."""


def parse(text: str, commands: list[dict[str, Any]], world: World) -> tuple[str, dict[str, Any]]:
    """The command's full name and its options. Raises CommandNotUnderstood."""
    every = list(_OPTION.finditer(text))
    head = text[: every[0].start()] if every else text
    name = " ".join(head.strip().removeprefix("/").split())
    declared = {option["name"]: option for option in _options(name, commands)}
    if every and every[0][1] not in declared:
        raise CommandNotUnderstood(
            f"/{name} has no option {every[0][1]}. Its options are {', '.join(declared) or 'none'}."
        )
    marks = [mark for mark in every if mark[1] in declared]  # other words with a colon belong to a value
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    given = {mark[1]: text[mark.end() : end].strip() for mark, end in zip(marks, ends, strict=False)}
    return name, {key: _value(key, text, declared[key], world) for key, text in given.items()}


def _options(name: str, commands: list[dict[str, Any]]) -> list[dict[str, Any]]:
    level = commands
    for word in name.split():
        found = next((command for command in level if command["name"] == word), None)
        if found is None:
            typed = [f"/{command['name']}" for command in commands if command.get("type", _CHAT_INPUT) == _CHAT_INPUT]
            raise CommandNotUnderstood(f"There is no command /{name}. The commands are {', '.join(typed)}.")
        level = found.get("options", [])
    return level


def _value(key: str, text: str, option: dict[str, Any], world: World) -> object:
    """The value that is meant. One of the option's choices can be given as Discord shows it, or as it is sent."""
    for choice in option.get("choices") or ():
        if text.casefold() == choice["name"].casefold():
            return choice["value"]
    roles = {role.name: role for role in world.guild.roles.values()}
    channels = {channel.name: channel for channel in world.guild.channels}
    readers: dict[Option, Callable[[str], object]] = {
        Option.INTEGER: int,
        Option.BOOLEAN: lambda word: _TRUTH[word.lower()],
        Option.NUMBER: float,
        Option.USER: lambda name: world.people[name.removeprefix("@")],
        Option.ROLE: lambda name: roles[name.removeprefix("@")],
        Option.CHANNEL: lambda name: channels[name.removeprefix("#")],
        Option.MENTIONABLE: lambda name: (roles | world.people)[name.removeprefix("@")],
        Option.ATTACHMENT: lambda path: upload(Path(path)),
    }
    try:
        return readers.get(Option(option["type"]), str)(text)
    except (ValueError, KeyError, OSError) as error:
        if option["type"] == Option.BOOLEAN:
            raise CommandNotUnderstood(f"{key}:{text} is not understood. Write True or False.") from error
        there = f"Members: {', '.join(world.people)}. Roles: {', '.join(roles)}. Channels: {', '.join(channels)}."
        raise CommandNotUnderstood(f"{key}:{text} is not a value that {key} takes. {there}") from error


def upload(path: Path) -> Upload:
    """A file as Discord's client would attach it. Raises OSError."""
    return Upload(path.name, path.read_bytes(), mimetypes.guess_type(path.name)[0])
