"""The real bot, which at SIGUSR1 sends Discord forty requests by its own token, as fast as they go."""

from __future__ import annotations

import asyncio
import signal

from discord.http import Route

from bot import app, log
from bot.settings import Settings

REQUESTS = 40


async def chat(settings: Settings) -> None:
    """Runs until it is killed."""
    tasks = set[asyncio.Task[object]]()
    async with app.assemble(settings) as assembled:
        http = assembled.bot.http

        def ask() -> None:
            tasks.update(asyncio.create_task(http.request(Route("GET", "/users/@me"))) for _ in range(REQUESTS))

        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, ask)
        await assembled.bot.start(settings.discord_token.get_secret_value())


if __name__ == "__main__":
    settings = Settings.load()
    log.set_up(settings.log_level, settings.log_format, settings.secrets)
    asyncio.run(chat(settings))
