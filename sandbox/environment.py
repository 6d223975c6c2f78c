"""All that the bot is tried with: a local Discord, local providers, and the bot between them."""

import asyncio
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

from sandbox.discord.server import LocalDiscord
from sandbox.process import BOT, BotProcess, Spawn
from sandbox.providers.base import LocalProvider
from sandbox.providers.chat_model import LocalChatModel
from sandbox.providers.registry import make_provider


class Environment:
    """Starts in order, ends in order. `settings` go over the defaults, which have those of all providers.

    A `folder` that is given is kept; without one there is a temporary folder, which is deleted at the end.
    """

    def __init__(
        self,
        *,
        settings: Mapping[str, str] | None = None,
        discord: LocalDiscord | None = None,
        provider: LocalProvider | None = None,
        more_providers: Sequence[LocalProvider] = (),
        chat_model: LocalChatModel | None = None,
        folder: Path | None = None,
        arguments: Sequence[str] = BOT,
        spawn: Spawn = asyncio.create_subprocess_exec,
    ) -> None:
        self.discord = discord or LocalDiscord()
        self.provider = provider or make_provider()
        self.more_providers = list(more_providers)
        self.chat_model = chat_model
        self._keeps = folder is not None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="animate-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        self._settings = dict(settings or {})
        self.arguments = arguments
        self.spawn = spawn
        self.bot: BotProcess | None = None

    @property
    def providers(self) -> list[LocalProvider]:
        """All of them: the first, and those beside it."""
        return [self.provider, *self.more_providers]

    @property
    def database(self) -> Path:
        """The bot's SQLite file."""
        return self.folder / "animate.db"

    def settings(self) -> dict[str, str]:
        """What the bot is started with."""
        return {
            **self.settings_of_yours(),
            "DATABASE_URL": f"sqlite:///{self.database}",
            "DATA_DIR": str(self.folder / "data"),
            "POLL_SECONDS": "0.5",
            "PROGRESS_SECONDS": "0.5",
            **self._settings,
        }

    def settings_of_yours(self, *, provider: bool = True) -> dict[str, str]:
        """What any other bot needs, to work here."""
        discord = {"DISCORD_TOKEN": self.discord.token, "DISCORD_API_URL": self.discord.api_url}
        for each in reversed(self.providers if provider else []):  # where two name the same, the first decides
            discord |= each.bot_settings(self.folder)
        return discord if self.chat_model is None else discord | self.chat_model.bot_settings()

    def use(self, settings: Mapping[str, str]) -> None:
        """Other settings from the bot's next start on."""
        self._settings.update(settings)

    async def change_provider(self, provider: LocalProvider) -> None:
        """Makes it the first one, started if need be; those that were here stay, for the videos they are making."""
        others = [each for each in self.providers if each is not provider]
        if len(others) == len(self.providers):
            await provider.start()
        self.provider, self.more_providers = provider, others

    async def start(self, *, bot: bool = True) -> None:
        """The servers, then the bot; returns once the bot is connected."""
        await self.discord.start()
        for provider in self.providers:
            await provider.start()
        if self.chat_model is not None:
            await self.chat_model.start()
        if bot:
            await self.start_bot()

    async def start_bot(self, *, wait: bool = True) -> BotProcess:
        """Starts the bot, again after it has ended. Raises BotEndedError where it ends before it is connected."""
        self.bot = BotProcess(self.folder, self.settings(), self.arguments, spawn=self.spawn)
        gateway = self.discord.gateway
        before = list(gateway.sessions.values())  # the new bot may resume one of them, too
        await self.bot.start()
        if wait:
            await self.bot.meanwhile(
                self.discord.wait_for(
                    lambda: any(session not in before for session in gateway.live), 20, "a bot to identify"
                )
            )
        return self.bot

    async def stop(self) -> None:
        """Everything down, nothing left behind, also where one of them does not end well."""
        async with AsyncExitStack() as stack:
            if not self._keeps:
                stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
            stack.push_async_callback(self.discord.stop)
            for provider in self.providers:
                stack.push_async_callback(provider.stop)
            if self.chat_model is not None:
                stack.push_async_callback(self.chat_model.stop)
            if self.bot is not None and self.bot.is_running:
                await self.bot.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.stop()
