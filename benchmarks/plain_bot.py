"""The baseline: a discord.py bot that declares /animate and only answers, with a card of the same shape."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import discord
import yarl
from discord import app_commands, ui
from discord.ext import commands
from discord.gateway import DiscordWebSocket
from discord.http import Route


class PlainBot(commands.AutoShardedBot):
    """Connects as the real bot does."""

    async def setup_hook(self) -> None:
        shards, url, _ = await self.http.get_bot_gateway()
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(url)
        self.shard_count = shards
        await self.tree.sync()


async def main() -> None:
    """Runs until killed."""
    Route.BASE = os.environ["DISCORD_API_URL"]
    bot = PlainBot(
        command_prefix=commands.when_mentioned,
        help_command=None,
        intents=discord.Intents(guilds=True),
        max_messages=None,
    )

    @bot.tree.command(name="animate", description="Only answers")
    @app_commands.describe(image="A picture", prompt="Words")
    async def animate(interaction: discord.Interaction[Any], image: discord.Attachment, prompt: str) -> None:  # noqa: ARG001 - as declared
        view = ui.LayoutView(timeout=None)
        view.add_item(
            ui.Container(
                ui.TextDisplay("### ⏳ In line"),
                ui.TextDisplay(f"```\n{prompt}\n```"),
                ui.TextDisplay("Your clip starts as soon as there is room."),
                ui.TextDisplay(f"-# <@{interaction.user.id}>"),
            )
        )
        await interaction.response.send_message(view=view, allowed_mentions=discord.AllowedMentions.none())

    await bot.start(os.environ["DISCORD_TOKEN"])


if __name__ == "__main__":
    asyncio.run(main())
