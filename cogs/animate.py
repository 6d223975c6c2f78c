"""/animate, and “Animate this” on a message: a picture and a prompt become a card."""

from __future__ import annotations

from functools import partial
from typing import Any

import discord
from discord import app_commands

from bot.catalog import Catalog
from bot.chat import choices, text
from bot.chat.asking import picture_of
from bot.chat.modals import LONGEST_PROMPT, ClipForm, Filled
from bot.chat.orders import Orders, Wish
from bot.chat.pictures import pictures_in
from bot.chat.tongue import Tongues, tongue_of
from bot.chat.translator import spoken
from bot.errors import UserError
from bot.jobs.service import Service
from bot.models import UserId
from bot.wording import mark

ANIMATE_THIS = "Animate this"


def setup(tree: app_commands.CommandTree[Any], tongues: Tongues, service: Service, orders: Orders) -> None:
    """Adds both commands; their choices come from the catalog."""
    _add_animate(tree, tongues, service.catalog, orders)
    _add_animate_this(tree, service.catalog, orders)


def _add_animate(tree: app_commands.CommandTree[Any], tongues: Tongues, catalog: Catalog, orders: Orders) -> None:
    models = [
        app_commands.Choice(name=spoken(tongues, partial(choices.model_label, model)), value=model.id)
        for model in catalog.models
    ]
    lengths = [
        app_commands.Choice(name=spoken(tongues, partial(choices.seconds_label, catalog, n)), value=n)
        for n in catalog.seconds
    ]
    sizes = [
        app_commands.Choice(name=spoken(tongues, partial(choices.size_label, catalog, size)), value=size)
        for size in catalog.sizes
    ]

    @tree.command(name="animate", description=mark("Turn a picture into a video"))
    @app_commands.describe(
        image=mark("The picture to animate"),
        prompt=mark("What should happen in the video"),
        model=mark("Which model makes it"),
        seconds=mark("How long the video is"),
        size=mark("Width x height; left out, the cheapest of the picture's orientation"),
    )
    @app_commands.choices(model=models)
    @app_commands.choices(seconds=lengths)
    @app_commands.choices(size=sizes)
    async def animate(
        interaction: discord.Interaction[Any],
        image: discord.Attachment,
        prompt: app_commands.Range[str, 1, LONGEST_PROMPT],
        model: str | None = None,
        seconds: int | None = None,
        size: str | None = None,
    ) -> None:
        await orders.take(interaction, Wish(prompt, catalog.choose(model, seconds, size), picture_of(image)))


def _add_animate_this(tree: app_commands.CommandTree[Any], catalog: Catalog, orders: Orders) -> None:
    async def animate_this(interaction: discord.Interaction[Any], message: discord.Message) -> None:
        author = UserId(message.author.id)
        await orders.check_others(interaction, author)
        found = pictures_in(message)
        if not found:
            raise UserError(text.NO_PICTURE)

        async def submitted(answer: discord.Interaction[Any], filled: Filled) -> None:
            choice = catalog.choose(filled.model, filled.seconds, filled.size)
            others = None if author == answer.user.id else author
            await orders.take(
                answer, Wish(filled.prompt, choice, found[filled.picture].picture, others, from_form=True)
            )

        form = ClipForm(tongue_of(interaction), ANIMATE_THIS, catalog, submitted, pictures=found, clip=None)
        await interaction.response.send_modal(form)

    tree.add_command(app_commands.ContextMenu(name=ANIMATE_THIS, callback=animate_this))
