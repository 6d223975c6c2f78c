"""“Animate this” on a message: its picture, and what a form asks, become a card."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.catalog.last_choices import with_last
from bot.chat import text
from bot.chat.client import AnimateBot
from bot.chat.interaction_info import user_of
from bot.chat.modals import Filled, VideoForm
from bot.chat.pictures import Found, pictures_in
from bot.chat.video_requests import VideoRequest, VideoRequests
from bot.errors import UserError
from bot.i18n.translations import translations_of
from bot.models import UserId, VideoSpec

NAME = "Animate this"


class AnimateThis(commands.Cog):
    """A context menu: discord.py has no decorator for one in a cog, so it is added when the cog is loaded."""

    def __init__(self, tree: app_commands.CommandTree[Any], requests: VideoRequests) -> None:
        self._tree = tree
        self._requests = requests
        self._menu = app_commands.ContextMenu(name=NAME, callback=self.animate_this)

    async def cog_load(self) -> None:
        """Adds the context menu."""
        self._tree.add_command(self._menu)

    async def cog_unload(self) -> None:
        """Removes it."""
        self._tree.remove_command(self._menu.name, type=self._menu.type)

    async def animate_this(self, interaction: discord.Interaction[Any], message: discord.Message) -> None:
        """Opens the form."""
        author = UserId(message.author.id)
        await self._requests.check_others(interaction, author)
        found = pictures_in(message)
        if not found:
            raise UserError(text.NO_PICTURE)

        async def submitted(answer: discord.Interaction[Any], filled: Filled) -> None:
            await self._handle(answer, filled, found, author)

        catalog, left = await self._requests.offered(interaction), await self._requests.spendable.of(interaction)
        last = await self._requests.last_choices(interaction)
        spec = None if last is None else with_last(catalog, VideoSpec(), replace(last, style=None))
        form = VideoForm(translations_of(interaction), NAME, catalog, submitted, pictures=found, spec=spec, left=left)
        await interaction.response.send_modal(form)

    async def _handle(
        self, interaction: discord.Interaction[Any], filled: Filled, found: list[Found], author: UserId
    ) -> None:
        others = None if author == user_of(interaction) else author
        picture = found[filled.picture].picture
        await self._requests.handle(
            interaction, VideoRequest(filled.spec, picture, others, from_form=True, last_picture=filled.last_picture)
        )


async def setup(bot: AnimateBot, requests: VideoRequests) -> None:
    """Adds the context menu."""
    await bot.add_cog(AnimateThis(bot.tree, requests))
