"""/animate: a picture and a prompt become a card."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Any

import discord
from discord import app_commands

from bot.catalog import Catalog, Model
from bot.chat import refusals
from bot.chat.asking import card_of, picture_of, roles_of, scope_of
from bot.chat.cards import Cards, Shown
from bot.chat.client import answer_privately
from bot.chat.routes import TROUBLE, Fate, fate_of
from bot.chat.tongue import Tongue, Tongues, tongue_of
from bot.chat.translator import spoken
from bot.errors import AlreadyKnown, ProviderShut, ReservationRefused
from bot.jobs.service import Ask, Service
from bot.models import Job, JobId, MessageId, UserId
from bot.wording import mark

log = logging.getLogger(__name__)

CALLBACK_WITHIN_S = 40.0
"""discord.py tries a callback five times over 25 s when Discord answers 5xx."""

LABEL = 100
"""Discord's bound on the name of a choice."""


def setup(tree: app_commands.CommandTree[Any], tongues: Tongues, service: Service, cards: Cards) -> None:
    """Adds the command; its choices come from the catalog."""
    catalog = service.catalog
    models = [
        app_commands.Choice(name=spoken(tongues, partial(_model_label, model)), value=model.id)
        for model in catalog.models
    ]
    lengths = [
        app_commands.Choice(name=spoken(tongues, partial(_seconds_label, catalog, n)), value=n) for n in catalog.seconds
    ]
    sizes = [
        app_commands.Choice(name=spoken(tongues, partial(_size_label, catalog, size)), value=size)
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
        await answer_privately(interaction, refusals.provider_shut(tongue_of(interaction), error.kind))
    except ReservationRefused as error:
        log.info("interaction=%s user=%s refused: %s", interaction.id, interaction.user.id, error.reason)
        await answer_privately(
            interaction, refusals.refusal(tongue_of(interaction), error, ask.choice, service.catalog)
        )
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


def _model_label(model: Model, tongue: Tongue) -> str:
    least, most = min(model.sizes.values()), max(model.sizes.values())
    if least == most:
        label = tongue.counted(
            "{model} · {n} credit a second", "{model} · {n} credits a second", least, model=model.label
        )
    else:
        label = tongue.say("{model} · {least} to {most} credits a second", model=model.label, least=least, most=most)
    return label[:LABEL]


def _seconds_label(catalog: Catalog, seconds: int, tongue: Tongue) -> str:
    prices = [f"{m.label} {m.cheapest * seconds}" for m in catalog.models if seconds in m.seconds]
    return tongue.say("{seconds} seconds · {prices} credits", seconds=str(seconds), prices=", ".join(prices))[:LABEL]


def _size_label(catalog: Catalog, size: str, tongue: Tongue) -> str:
    prices = [f"{m.label} {m.sizes[size]}" for m in catalog.models if size in m.sizes]
    return tongue.say("{size} · {prices} a second", size=size, prices=", ".join(prices))[:LABEL]
