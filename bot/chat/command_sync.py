"""Sends the commands to Discord when they have changed. That it refuses them keeps the bot from nothing else."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Iterable
from typing import Any, Protocol

import discord
from discord import app_commands
from discord.http import HTTPClient, Route

from bot.chat.command_translator import CommandTranslator
from bot.chat.discord_errors import TROUBLE, is_discords, told
from bot.errors import StoreError

log = logging.getLogger(__name__)

FIRST_WITHIN_S = 10.0
"""The connection waits so long for the first try."""
WITHIN_S = 180.0
"""Each later one; discord.py repeats by itself for 25 s, and waits out a 429 of a minute."""
PAUSES_S = (60.0, 300.0, 900.0)
LATER_S = 3_600.0
TRIES = 26
"""A day or so: Discord takes 200 new commands a day. Then the next start tries."""
TOLD_LENGTH = 300
OURS = (1, 2, 3)
"""Typed commands and menus. What is of another type (4, the Entry Point of Activities) is not ours to remove."""
READ_ONLY = ("application_id", "guild_id", "version", "name_localized", "description_localized")

Payload = dict[str, Any]
Tree = app_commands.CommandTree[Any]


class SyncMemory(Protocol):
    """Remembers which commands Discord last took, per application and API root."""

    async def synced_hash(self, application: int, api: str) -> str | None:
        """Hash of the commands, or None."""

    async def remember_hash(self, application: int, api: str, commands_hash: str) -> None:
        """Discord took these commands."""


class CommandSync:
    """Tries once at start, then by itself until it is done. Its owner closes it."""

    def __init__(self, memory: SyncMemory, translator: CommandTranslator, *, api_url: str, force: bool) -> None:
        self._memory = memory
        self._translator = translator
        self._api_url = api_url
        self._force = force
        self._fault: str | None = None
        self._task: asyncio.Task[None] | None = None

    async def begin(self, http: HTTPClient, application: int, tree: Tree) -> None:
        """Returns after one try. Where it failed the bot goes on with what Discord has."""
        if not await self._tried(http, application, tree, FIRST_WITHIN_S):
            self._task = asyncio.create_task(self._try_on(http, application, tree), name="command-sync")

    def faults(self) -> list[str]:
        """In words, for whoever watches the process."""
        return [] if self._fault is None else [self._fault]

    async def close(self) -> None:
        """Ends what is under way; the next start begins anew."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _try_on(self, http: HTTPClient, application: int, tree: Tree) -> None:
        for tries in range(1, TRIES):
            await asyncio.sleep(PAUSES_S[tries - 1] if tries <= len(PAUSES_S) else LATER_S)
            if await self._tried(http, application, tree, WITHIN_S):
                return
        log.error("the commands will not be sent again until the next start")

    async def _tried(self, http: HTTPClient, application: int, tree: Tree, within_s: float) -> bool:
        try:
            async with asyncio.timeout(within_s):
                await self._send(http, application, tree)
        except (*TROUBLE, StoreError, KeyError, TypeError, ValueError) as error:  # the last three: no answer of Discord
            fault = f"the commands could not be updated at Discord, the previous ones stay in use: {_why(error)}"
            log.log(logging.INFO if fault == self._fault else logging.ERROR, "%s", fault)
            self._fault = fault
            return False
        self._fault = None
        return True

    async def _send(self, http: HTTPClient, application: int, tree: Tree) -> None:
        english: list[Payload] = [dict(command.to_dict(tree)) for command in tree.get_commands()]
        made_from = json.dumps(english, sort_keys=True) + self._translator.fingerprint()
        digest = hashlib.sha256(made_from.encode()).hexdigest()
        known = await self._memory.synced_hash(application, self._api_url)
        there = await _commands_at_discord(http, application)
        foreign = [command for command in there if command["type"] not in OURS]
        names = ", ".join(name for name, _ in _names(english))
        if not self._force and known == digest and _names(there) == _names([*english, *foreign]):
            log.info("commands unchanged: %s", names)
            return
        payload = [dict(await each.get_translated_payload(tree, self._translator)) for each in tree.get_commands()]
        await http.bulk_upsert_global_commands(application, payload=[*payload, *map(_kept, foreign)])
        await self._memory.remember_hash(application, self._api_url, digest)
        self._force = False
        log.info("commands synced: %s", names)


async def _commands_at_discord(http: HTTPClient, application: int) -> list[Payload]:
    """With the words in all languages: what is not ours is sent back as it is."""
    route = Route("GET", "/applications/{application_id}/commands", application_id=application)
    there = await http.request(route, params={"with_localizations": "true"})
    if not isinstance(there, list):
        raise TypeError("no list of commands")
    return there


def _kept(foreign: Payload) -> Payload:
    """A command as it is told, in the words in which it is sent: permissions are a number there."""
    command = {name: value for name, value in foreign.items() if name not in READ_ONLY}
    needed = command.get("default_member_permissions")
    return command if needed is None else {**command, "default_member_permissions": int(needed)}


def _why(error: BaseException) -> str:
    """Discord's own words hold nothing secret; others' are left out."""
    if isinstance(error, discord.HTTPException) and is_discords(error):
        words = " ".join(error.text.split())
        return f"{told(error)} ({words[:TOLD_LENGTH]})"
    return told(error)


def _names(payload: Iterable[Payload]) -> list[tuple[str, int]]:
    return sorted((command["name"], int(command.get("type", 1))) for command in payload)
