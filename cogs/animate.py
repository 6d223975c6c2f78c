"""/animate: a picture and a prompt become a card."""

from __future__ import annotations

from functools import partial
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.catalog import Catalog
from bot.chat import option_labels
from bot.chat.client import AnimateBot
from bot.chat.command_translator import localized
from bot.chat.interaction_info import picture_of
from bot.chat.modals import LONGEST_PROMPT
from bot.chat.video_requests import VideoRequest, VideoRequests
from bot.i18n.marking import N_
from bot.i18n.translations import TranslationCatalog
from bot.models import Show, VideoSpec


class Animate(commands.Cog):
    """What can be chosen comes from the catalog, so it is put into the command when the cog is made."""

    def __init__(self, translation_catalog: TranslationCatalog, catalog: Catalog, requests: VideoRequests) -> None:
        self._translation_catalog = translation_catalog
        self._catalog = catalog
        self._requests = requests
        self.offer()

    def offer(self) -> None:
        """Puts what the catalog has now into the command."""
        translation_catalog, catalog = self._translation_catalog, self._catalog
        models = [
            app_commands.Choice(
                name=localized(translation_catalog, partial(option_labels.model_label, model)), value=model.id
            )
            for model in catalog.models
        ]
        lengths = [
            app_commands.Choice(
                name=localized(translation_catalog, partial(option_labels.seconds_label, catalog, n)), value=n
            )
            for n in catalog.seconds
        ]
        sizes = [
            app_commands.Choice(
                name=localized(translation_catalog, partial(option_labels.size_label, catalog, size)), value=size
            )
            for size in catalog.sizes
        ]
        app_commands.choices(model=models, size=sizes)(self.animate)
        app_commands.choices(seconds=lengths)(self.animate)
        shows = [
            app_commands.Choice(
                name=localized(translation_catalog, partial(option_labels.show_label, show)), value=show.value
            )
            for show in Show
        ]
        app_commands.choices(show=shows)(self.animate)

    @app_commands.command(name="animate", description=N_("Turn a picture into a video"))
    @app_commands.describe(
        image=N_("The picture to animate"),
        prompt=N_("What should happen in the video"),
        model=N_("The model that makes the video (leave empty for the default)"),
        seconds=N_("How long the video is (leave empty for the default)"),
        size=N_("Size of the video (leave empty for the cheapest that fits the picture)"),
        show=N_("Who sees the video (leave empty to show it here)"),
    )
    async def animate(
        self,
        interaction: discord.Interaction[Any],
        image: discord.Attachment,
        prompt: app_commands.Range[str, 1, LONGEST_PROMPT],
        model: str | None = None,
        seconds: int | None = None,
        size: str | None = None,
        show: str | None = None,
    ) -> None:
        """Takes the request as it was typed."""
        spec = VideoSpec(model or "", prompt, seconds or 0, size, show=show)
        await self._requests.take(interaction, VideoRequest(spec, picture_of(image)))


async def setup(bot: AnimateBot, catalog: Catalog, requests: VideoRequests) -> None:
    """Adds the command."""
    cog = Animate(bot.translation_catalog, catalog, requests)
    await bot.add_cog(cog)
    bot.offers.append(cog.offer)
