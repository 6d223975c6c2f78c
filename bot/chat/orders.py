"""From a wish for a clip, however it was made, to its card: reserve, then answer."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

import discord

from bot.catalog import Choice
from bot.chat import text
from bot.chat.asking import card_of, roles_of, scope_of
from bot.chat.cards import Cards, Shown
from bot.chat.routes import TROUBLE, Fate, fate_of
from bot.errors import AlreadyKnown, ProviderShut, ReservationRefused, UserError
from bot.jobs.service import Ask, Service
from bot.models import Job, JobId, MessageId, Picture, UserId

log = logging.getLogger(__name__)

CALLBACK_WITHIN_S = 40.0
"""discord.py tries a callback five times over 25 s when Discord answers 5xx."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A clip as a member asks for it. `picture_author` where it is another's; `again_of` where a card was pressed."""

    prompt: str
    choice: Choice
    picture: Picture
    picture_author: UserId | None = None
    again_of: JobId | None = None


class Orders:
    """Takes wishes. What is refused is told in a sentence; whatever else goes wrong is the caller's to explain."""

    def __init__(self, service: Service, cards: Cards) -> None:
        self._service = service
        self._cards = cards

    async def take(self, interaction: discord.Interaction[Any], wish: Wish) -> None:
        """Reserves and shows the card. Raises UserError, with nothing reserved, and StoreUnavailable."""
        ask = Ask(
            interaction=JobId(interaction.id),
            scope=scope_of(interaction),
            member=UserId(interaction.user.id),
            roles=roles_of(interaction.user),
            prompt=wish.prompt,
            choice=wish.choice,
            picture=wish.picture,
            card=card_of(interaction),
            picture_author=wish.picture_author,
            again_of=wish.again_of,
        )
        with self._service.answering.one():
            try:
                job = await self._service.animate(ask)
            except AlreadyKnown as error:
                log.info("%s replayed by the gateway; ignored", error)
            except ProviderShut as error:
                raise UserError(text.provider_shut(error.kind)) from error
            except ReservationRefused as error:
                log.info("interaction=%s user=%s refused: %s", interaction.id, interaction.user.id, error.reason)
                raise UserError(text.refusal(error, ask.choice, self._service.catalog)) from error
            else:
                await self._show(interaction, job)

    async def _show(self, interaction: discord.Interaction[Any], job: Job) -> None:
        """The first answer. Where its fate is not known the service finds out before anything is paid."""
        for plain in (False, True):
            try:
                async with asyncio.timeout(CALLBACK_WITHIN_S):
                    answer = await interaction.response.send_message(
                        view=self._cards.progress(Shown(job, plain=plain)),
                        allowed_mentions=discord.AllowedMentions.none(),
                    )
            except TROUBLE as error:
                log.warning("job=%s first answer: %s", job.id, error)
                if fate_of(error) is Fate.REFUSED and not interaction.response.is_done() and not plain:
                    continue  # AutoMod, say: once more without the prompt
                break
            if answer.message_id is None:
                break
            self._service.card_shown(job, MessageId(answer.message_id), ephemeral=answer.is_ephemeral())
            return
        self._service.card_unsure(job)
