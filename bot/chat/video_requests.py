"""From a request for a video, however it was made, to its card: reserve, then answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import discord

from bot.catalog import Catalog, last_choices, styles
from bot.chat import refusals, text
from bot.chat.cards import Cards, Shown
from bot.chat.client import answer_privately
from bot.chat.discord_errors import TROUBLE, ErrorKind, error_kind_of, told
from bot.chat.first_answer import Answer, body_of, send_card
from bot.chat.interaction_info import card_of, place_of, roles_of, scope_of, user_of
from bot.chat.spendable_credits import Spendable
from bot.errors import AlreadyKnown, CircuitOpen, ReservationRefused, StoreError, UserError
from bot.i18n.translations import translations_of
from bot.jobs.service import Ask, Service
from bot.models import DIRECT, Card, Job, JobId, Picture, Scope, Show, UserId, VideoSpec
from bot.server_rules import Place

log = logging.getLogger(__name__)

CALLBACK_WITHIN_S = 40.0
"""It is tried five times over 25 s when Discord answers 5xx."""
LAST_WITHIN_S = 0.5
"""Discord waits 3 s for a list or a form."""


class Send(Protocol):
    """Sends the first answer; `bot.chat.first_answer.send_card` is one."""

    def __call__(self, interaction: discord.Interaction[Any], body: bytes, /) -> Awaitable[Answer | None]: ...


@dataclass(frozen=True, slots=True)
class VideoRequest:
    """A video as a member asks for it. `picture_author` where it is another's; `again_of` where a card was pressed.

    `last_picture` describes the one at `spec.last_image`, where that is new.
    """

    spec: VideoSpec  # as it was typed
    picture: Picture
    picture_author: UserId | None = None
    again_of: JobId | None = None
    continues: JobId | None = None  # the last frame of its video is the picture; `picture` describes that
    from_form: bool = False  # then a refusal hands the prompt back
    is_open: bool = False  # what was left out is as the member last chose it, where that fits
    last_picture: Picture | None = None

    @property
    def shown_picture(self) -> Picture:
        """The picture; a spoiler where the member wants that, or the last picture is one."""
        has_spoiler = self.last_picture is not None and self.last_picture.spoiler
        return replace(self.picture, spoiler=True) if has_spoiler or self.spec.show == Show.SPOILER else self.picture


def edited(job: Job, spec: VideoSpec, last_picture: Picture | None) -> VideoRequest:
    """What a form asks for that began with `job`: another video of its picture."""
    return VideoRequest(spec, job.picture, job.picture_author, job.id, from_form=True, last_picture=last_picture)


class VideoRequests:
    """Takes requests. What a limit refuses is told here; whatever else goes wrong is the caller's to explain."""

    def __init__(self, service: Service, cards: Cards, send: Send = send_card) -> None:
        self._service = service
        self._cards = cards
        self._send = send
        self.spendable = Spendable(service)

    async def check_others(self, interaction: discord.Interaction[Any], author: UserId | None) -> None:
        """Raises UserError where a picture that `author` posted may not be animated by whoever asks here and now.

        `take` asks this of every request; whoever opens a form asks it before, so that nothing is typed in vain.
        """
        if author is None or author == interaction.user.id:
            return
        scope = scope_of(interaction)
        if scope == DIRECT:
            raise UserError(text.ONLY_OWN_PICTURES_HERE)
        if not await self._service.admin.others_allowed(scope):
            raise UserError(text.ONLY_OWN_PICTURES)

    async def offered(self, interaction: discord.Interaction[Any]) -> Catalog:
        """What whoever asks may use here and now; whoever opens a form asks it before.

        Raises UserError where they can make no video here, StoreUnavailable.
        """
        return await self._offered(scope_of(interaction), roles_of(interaction.user), await place_of(interaction))

    async def _offered(self, scope: Scope, roles: Sequence[int], place: Place) -> Catalog:
        return self._service.catalog.only(await self._service.rules.models(scope, roles, place))

    async def handle(self, interaction: discord.Interaction[Any], request: VideoRequest) -> None:
        """Reserves and shows the card. Raises UserError, with nothing reserved, and StoreUnavailable."""
        with self._service.interaction_priority.answering():
            chosen = await self._answered(interaction, request)
        if chosen is not None:
            await self._remember(*chosen)

    async def _answered(
        self, interaction: discord.Interaction[Any], request: VideoRequest
    ) -> tuple[VideoSpec, Job] | None:
        """What a member chose by themselves, and what was made of it; otherwise None."""
        catalog, personal_data = self._service.catalog, self._service.personal_data
        if request.is_open:
            personal_data.ask_last_choices(user_of(interaction))
        scope, roles, place = scope_of(interaction), roles_of(interaction.user), await place_of(interaction)
        offered = await self._offered(scope, roles, place)
        if request.is_open:
            last = await personal_data.last_choices(user_of(interaction))
            typed = last_choices.with_last(offered, request.spec, last)
            request = request if typed is request.spec else replace(request, spec=typed)
        is_offered = not request.spec.model or offered.offered(request.spec.model) is not None
        within = offered if is_offered else catalog  # the service says what is not allowed
        spec = within.complete(styles.styled(catalog, request.spec))
        await self.check_others(interaction, request.picture_author)
        ask = Ask(
            interaction=JobId(interaction.id),
            scope=scope,
            member=UserId(interaction.user.id),
            roles=roles,
            place=place,
            spec=spec,
            picture=request.shown_picture,
            last_picture=request.last_picture,
            card=_card(interaction, spec),
            picture_author=request.picture_author,
            again_of=request.again_of,
            continues=request.continues,
        )
        drawn: list[bytes] = []  # while the disk is at work
        try:
            jobs = await self._service.animate(ask, meanwhile=lambda jobs: drawn.append(self._drawn(jobs)))
        except AlreadyKnown as error:
            log.info("%s replayed by the gateway; ignored", error)
        except CircuitOpen as error:
            await _refuse(interaction, request, refusals.circuit_open(translations_of(interaction), error))
        except ReservationRefused as error:
            log.info("interaction=%s user=%s refused: %s", interaction.id, interaction.user.id, error.reason)
            await _refuse(interaction, request, refusals.refusal(translations_of(interaction), error, spec, offered))
        else:
            await self._show(interaction, jobs, drawn)
            if request.again_of is None:
                return request.spec, jobs[0]
        return None

    @property
    def most_takes(self) -> int:
        """So many takes of one request a member may have in progress."""
        return self._service.most_takes

    async def _show(self, interaction: discord.Interaction[Any], jobs: Sequence[Job], drawn: Sequence[bytes]) -> None:
        """The first answer, which is the card of all takes.

        Whatever ends this, every job has an owner then. Where the outcome of the answer is not known the service finds
        out before anything is paid.
        """
        shown: Answer | None = None
        try:
            shown = await self._answer(interaction, jobs, drawn)
        finally:
            for job in jobs:
                if shown is None:
                    self._service.card_unsure(job)
                else:
                    self._service.card_shown(job, shown.message, ephemeral=shown.ephemeral)

    async def _remember(self, typed: VideoSpec, job: Job) -> None:
        """Once all are answered who ask at once; if the process ends before, the member's choices are as before."""
        await self._service.interaction_priority.wait_until_idle()
        try:
            await self._service.personal_data.remember_choices(job.member, typed, job.spec)
        except StoreError as error:
            log.warning("job=%s the member's choices are not remembered: %s", job.id, error)

    async def last_choices(self, interaction: discord.Interaction[Any]) -> VideoSpec | None:
        """What the member last chose, for a list or a form; None too where the store does not tell it soon."""
        try:
            async with asyncio.timeout(LAST_WITHIN_S):
                return await self._service.personal_data.last_choices(user_of(interaction))
        except (TimeoutError, StoreError):
            return None

    def _drawn(self, jobs: Sequence[Job], *, plain: bool = False) -> bytes:
        takes = tuple(map(Shown, jobs)) if len(jobs) > 1 else ()
        view = self._cards.progress(Shown(jobs[0], plain=plain, takes=takes))
        return body_of(view, ephemeral=jobs[0].card.ephemeral)

    async def _answer(
        self, interaction: discord.Interaction[Any], jobs: Sequence[Job], drawn: Sequence[bytes]
    ) -> Answer | None:
        job = jobs[0]
        for plain in (False, True):
            try:
                async with asyncio.timeout(CALLBACK_WITHIN_S):
                    body = drawn[-1] if drawn and not plain else self._drawn(jobs, plain=plain)
                    return await self._send(interaction, body)
            except TROUBLE as error:
                log.warning("job=%s first answer: %s", job.id, told(error))
                if error_kind_of(error) is ErrorKind.REFUSED and not interaction.response.is_done() and not plain:
                    continue  # AutoMod, say: once more without the prompt
                return None
        return None


def _card(interaction: discord.Interaction[Any], spec: VideoSpec) -> Card:
    """For the member alone where they want that; the bot's direct messages are so anyway."""
    card = card_of(interaction)
    is_private_place = card.guild is None and card.bot_reaches
    return replace(card, ephemeral=True) if spec.show == Show.ME and not is_private_place else card


async def _refuse(interaction: discord.Interaction[Any], request: VideoRequest, sentence: str) -> None:
    typed = [text.typed(translations_of(interaction), request.spec.prompt)] if request.from_form else []
    await answer_privately(interaction, "\n".join([sentence, *typed]))
