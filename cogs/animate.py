"""/animate: a picture and a prompt become a card."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import discord
from discord import app_commands

from bot.catalog import Catalog, Model
from bot.chat import text
from bot.chat.asking import card_of, picture_of, roles_of, scope_of
from bot.chat.cards import Cards, Shown
from bot.chat.client import answer_privately
from bot.chat.routes import TROUBLE, Fate, fate_of
from bot.errors import AlreadyKnown, ProviderShut, ReservationRefused
from bot.jobs.service import Ask, Service
from bot.models import Job, JobId, MessageId, UserId

log = logging.getLogger(__name__)

CALLBACK_WITHIN_S = 40.0
"""discord.py tries a callback five times over 25 s when Discord answers 5xx."""


def setup(tree: app_commands.CommandTree[Any], service: Service, cards: Cards) -> None:
    """Adds the command; its choices come from the catalog."""
    catalog = service.catalog
    models = [app_commands.Choice(name=_model_label(model), value=model.id) for model in catalog.models]
    lengths = [app_commands.Choice(name=_seconds_label(catalog, n), value=n) for n in catalog.seconds]
    sizes = [app_commands.Choice(name=_size_label(catalog, size), value=size) for size in catalog.sizes]

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
        prompt: app_commands.Range[str, 1, 2000],
        model: str | None = None,
        seconds: int | None = None,
        size: str | None = None,
    ) -> None:
        choice = catalog.choose(model, seconds, size)
        ask = Ask(
            interaction=JobId(interaction.id),
            scope=scope_of(interaction),
            member=UserId(interaction.user.id),
            roles=roles_of(interaction.user),
            prompt=prompt,
            choice=choice,
            picture=picture_of(image),
            card=card_of(interaction),
        )
        with service.answering.one():
            await _answer(interaction, service, cards, ask)


async def _answer(interaction: discord.Interaction[Any], service: Service, cards: Cards, ask: Ask) -> None:
    try:
        job = await service.animate(ask)
    except AlreadyKnown as error:
        log.info("%s replayed by the gateway; ignored", error)
    except ProviderShut as error:
        await answer_privately(interaction, text.provider_shut(error.kind))
    except ReservationRefused as error:
        log.info("interaction=%s user=%s refused: %s", interaction.id, interaction.user.id, error.reason)
        await answer_privately(interaction, text.refusal(error, ask.choice, service.catalog))
    else:
        await _show(interaction, service, cards, job)


async def _show(interaction: discord.Interaction[Any], service: Service, cards: Cards, job: Job) -> None:
    """The first answer. Where its fate is not known the service finds out before anything is paid."""
    for plain in (False, True):
        try:
            async with asyncio.timeout(CALLBACK_WITHIN_S):
                answer = await interaction.response.send_message(
                    view=cards.progress(Shown(job, plain=plain)),
                    allowed_mentions=discord.AllowedMentions.none(),
                )
        except TROUBLE as error:
            log.warning("job=%s first answer: %s", job.id, error)
            if fate_of(error) is Fate.REFUSED and not interaction.response.is_done() and not plain:
                continue  # AutoMod, say: once more without the prompt
            break
        if answer.message_id is None:
            break
        service.card_shown(job, MessageId(answer.message_id), ephemeral=answer.is_ephemeral())
        return
    service.card_unsure(job)


def _model_label(model: Model) -> str:
    prices = sorted(set(model.sizes.values()))
    price = str(prices[0]) if len(prices) == 1 else f"{prices[0]} to {prices[-1]}"
    unit = "credit" if prices == [1] else "credits"
    return f"{model.label} · {price} {unit} a second"[:100]


def _seconds_label(catalog: Catalog, seconds: int) -> str:
    prices = [f"{m.label} {m.cheapest * seconds}" for m in catalog.models if seconds in m.seconds]
    return f"{seconds} seconds · {', '.join(prices)} credits"[:100]


def _size_label(catalog: Catalog, size: str) -> str:
    prices = [f"{m.label} {m.sizes[size]}" for m in catalog.models if size in m.sizes]
    return f"{size} · {', '.join(prices)} a second"[:100]
