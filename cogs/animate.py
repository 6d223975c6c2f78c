"""/animate, and “Animate this” on a message: a picture and a prompt become a card."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands

from bot.catalog import Catalog
from bot.chat import choices, text
from bot.chat.asking import picture_of, scope_of
from bot.chat.modals import LONGEST_PROMPT, ClipForm, Filled
from bot.chat.orders import Orders, Wish
from bot.chat.pictures import pictures_in
from bot.errors import UserError
from bot.jobs.service import Service
from bot.models import DIRECT, UserId

ANIMATE_THIS = "Animate this"


def setup(tree: app_commands.CommandTree[Any], service: Service, orders: Orders) -> None:
    """Adds both commands; their choices come from the catalog."""
    _add_animate(tree, service.catalog, orders)
    _add_animate_this(tree, service, orders)


def _add_animate(tree: app_commands.CommandTree[Any], catalog: Catalog, orders: Orders) -> None:
    models = [app_commands.Choice(name=choices.model_label(model), value=model.id) for model in catalog.models]
    lengths = [app_commands.Choice(name=choices.seconds_label(catalog, n), value=n) for n in catalog.seconds]
    sizes = [app_commands.Choice(name=choices.size_label(catalog, size), value=size) for size in catalog.sizes]

    @tree.command(name="animate", description="Turn a picture into a video")
    @app_commands.describe(
        image="The picture to animate",
        prompt="What should happen in the video",
        model="Which model makes it",
        seconds="How long the video is",
        size="Width x height; left out, the cheapest of the picture's orientation",
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


def _add_animate_this(tree: app_commands.CommandTree[Any], service: Service, orders: Orders) -> None:
    catalog = service.catalog

    async def animate_this(interaction: discord.Interaction[Any], message: discord.Message) -> None:
        author = UserId(message.author.id)
        if author != interaction.user.id:
            await _check_others(interaction, service)
        found = pictures_in(message)
        if not found:
            raise UserError(text.NO_PICTURE)

        async def submitted(answer: discord.Interaction[Any], filled: Filled) -> None:
            choice = catalog.choose(filled.model, filled.seconds, filled.size)
            others = None if author == answer.user.id else author
            await orders.take(answer, Wish(filled.prompt, choice, found[filled.picture].picture, others))

        form = ClipForm(ANIMATE_THIS, catalog, submitted, pictures=found, clip=None)
        await interaction.response.send_modal(form)

    tree.add_command(app_commands.ContextMenu(name=ANIMATE_THIS, callback=animate_this))


async def _check_others(interaction: discord.Interaction[Any], service: Service) -> None:
    scope = scope_of(interaction)
    if scope == DIRECT:
        raise UserError(text.ONLY_OWN_PICTURES_HERE)
    if not await service.admin.others_allowed(scope):
        raise UserError(text.ONLY_OWN_PICTURES)
