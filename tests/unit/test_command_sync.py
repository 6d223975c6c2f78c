"""Commands are sent to Discord when they have changed, in whatever language."""

from __future__ import annotations

from typing import Any, cast

import discord
from discord import app_commands
from discord.http import HTTPClient

from bot.chat.command_sync import CommandSync
from bot.chat.command_translator import CommandTranslator
from bot.i18n.translations import TranslationCatalog


class _Translator(CommandTranslator):
    """As after a release in which translators have changed a file."""

    def __init__(self, changed: str = "") -> None:
        super().__init__(TranslationCatalog())
        self._changed = changed

    def fingerprint(self) -> str:
        return super().fingerprint() + self._changed


class _Memory:
    def __init__(self) -> None:
        self.kept: str | None = None

    async def synced_hash(self, application: int, api: str) -> str | None:
        return self.kept

    async def remember_hash(self, application: int, api: str, commands_hash: str) -> None:
        self.kept = commands_hash


class _Discord:
    """Keeps what it was sent, and how often that was."""

    def __init__(self) -> None:
        self.commands: list[dict[str, Any]] = []
        self.puts = 0

    async def request(self, route: object, **_: Any) -> list[dict[str, Any]]:
        return self.commands

    async def bulk_upsert_global_commands(self, application: int, payload: list[dict[str, Any]]) -> None:
        self.commands, self.puts = payload, self.puts + 1


def _tree() -> app_commands.CommandTree[Any]:
    tree: app_commands.CommandTree[Any] = app_commands.CommandTree(discord.Client(intents=discord.Intents.none()))

    @tree.command(name="videos", description="Your videos")
    async def videos(interaction: discord.Interaction[Any]) -> None: ...

    return tree


async def test_commands_are_sent_again_where_a_translation_has_changed_and_only_then() -> None:
    there, memory, tree = _Discord(), _Memory(), _tree()

    async def start(translator: CommandTranslator) -> int:
        sync = CommandSync(memory, translator, api_url="https://discord.com/api/v10", force=False)
        await sync.begin(cast("HTTPClient", there), 1, tree)
        assert sync.faults() == []
        return there.puts

    assert await start(_Translator()) == 1
    assert await start(_Translator()) == 1
    assert await start(_Translator("a word")) == 2
    assert await start(_Translator("a word")) == 2
