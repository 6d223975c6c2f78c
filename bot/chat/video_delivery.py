"""A finished video to its member: on the card, else in a message beside it, else in direct messages.

An edit may be repeated. A message may not: it is claimed in the store before it is sent, and the claim is given back
only where Discord certainly did not take it. So a video that was taken without a word stands there once.
"""

from __future__ import annotations

import asyncio
import logging
import random
from datetime import timedelta
from pathlib import Path

import aiohttp
import discord

from bot.chat import text
from bot.chat.cards import Cards, kept_until
from bot.chat.discord_errors import TROUBLE, ErrorKind, Transport, error_kind_of, told
from bot.chat.last_edit import ASIDE_TRIED_FOR_S, UPLOAD_TRIED_FOR_S, LastEdit, asked_s
from bot.chat.transports import Transports, filename_of
from bot.i18n.translations import TranslationCatalog
from bot.jobs import backoff
from bot.jobs.chat_protocol import Delivery, DeliveryOutcome, PostMemory
from bot.models import DIRECT, Job, Show

log = logging.getLogger(__name__)

POST_TRIED_FOR_S = 60.0
SAME_NONCE_FOR = timedelta(minutes=2)
"""Discord remembers a nonce for "the past few minutes": so long the same message may be sent again under it."""
OPENING_TOO_FAST = 40003
"""Direct messages are opened too fast; says nothing about this member."""


class VideoDelivery:
    """One try of a delivery; its waits are bounded, and cancelling it is safe."""

    def __init__(
        self,
        transports: Transports,
        last_edit: LastEdit,
        cards: Cards,
        translation_catalog: TranslationCatalog,
        memory: PostMemory,
    ) -> None:
        self._transports = transports
        self._last_edit = last_edit
        self._cards = cards
        self._translation_catalog = translation_catalog
        self._memory = memory
        self._rng = random.Random()  # noqa: S311 - jitter

    async def bring(self, job: Job, video: Path, *, reencoded: bool) -> Delivery:
        """By the best transport that takes it. Where none does, the card says where the video is."""
        size_bytes = (await asyncio.to_thread(video.stat)).st_size
        transports = self._transports.open(job)
        if not transports:
            return await self._privately(job, video, size_bytes)
        transport = transports[0]
        if size_bytes > self._transports.upload_limit(job, transport):
            return await self._link_only(job, size_bytes)
        if job.card.request is not None:  # the card is that of other videos, too
            await self._look(job)
            return await self._beside(job, video, size_bytes, alt=text.alt_text(job.spec.prompt))
        name = filename_of(job, video)
        error_kind = await self._last_edit.make(
            job,
            lambda plain: self._cards.delivered(job, name, plain=plain, reencoded=reencoded),
            [(job, video)],
            for_s=UPLOAD_TRIED_FOR_S,
        )
        match error_kind:
            case None:
                return Delivery(DeliveryOutcome.UPLOADED)
            case ErrorKind.TOO_LARGE:
                return await self._too_large(job, next(iter(self._transports.open(job)), None), size_bytes)
            case ErrorKind.PASSING:
                return await self._keep(job, DeliveryOutcome.LATER)
            case ErrorKind.REFUSED:  # for the words, perhaps
                return await self._beside(job, video, size_bytes, alt=None)
            case ErrorKind.ARCHIVED | ErrorKind.NOT_PERMITTED:
                return await self._beside(job, video, size_bytes, alt=text.alt_text(job.spec.prompt))
            case _:
                return await self._privately(job, video, size_bytes)

    async def _too_large(self, job: Job, transport: Transport | None, size_bytes: int) -> Delivery:
        """Discord takes less there than it has announced: once more with a smaller file, if there can be one."""
        if size_bytes > self._transports.upload_limit(job, transport) or self._transports.refused_size(
            job, transport, size_bytes
        ):
            return Delivery(DeliveryOutcome.TOO_LARGE)
        return await self._link_only(job, size_bytes)

    async def _link_only(self, job: Job, size_bytes: int) -> Delivery:
        if job.card.request is not None:
            return Delivery(DeliveryOutcome.LINK_ONLY)
        error_kind = await self._last_edit.make(
            job, lambda plain: self._cards.link_only(job, size_bytes, kept_until(job), plain=plain)
        )
        return Delivery(
            DeliveryOutcome.LINK_ONLY if error_kind is None else DeliveryOutcome.NOWHERE, card_tells=error_kind is None
        )

    async def _keep(self, job: Job, outcome: DeliveryOutcome = DeliveryOutcome.NOWHERE) -> Delivery:
        """The video waits for its member, and the card says so; no card is left at an earlier state."""
        if job.card.request is not None:
            return Delivery(outcome)
        error_kind = await self._last_edit.make(
            job, lambda plain: self._cards.kept(job, kept_until(job), plain=plain), for_s=ASIDE_TRIED_FOR_S
        )
        return Delivery(outcome, card_tells=error_kind is None)

    async def _beside(self, job: Job, video: Path, size_bytes: int, *, alt: str | None) -> Delivery:
        """Discord does not take the video on the card. A message opens an archived thread, too."""
        for transport in sorted(self._transports.open(job), key=lambda transport: transport is Transport.TOKEN):
            channel = job.card.channel if transport is Transport.BOT else None  # by the token there is no nonce
            claim = await self._memory.claim_post(job.id, channel, again_for=SAME_NONCE_FOR)
            if claim is None:
                return await self._keep(job)
            try:
                words = text.beside(self._translation_catalog.of(job.card.locale), job)
                message = await self._transports.post_beside(job, transport, words, video, alt)
            except TROUBLE as error:
                log.warning("job=%s video beside the card by %s: %s", job.id, transport.name, told(error))
                if not claim or may_be_accepted(error):
                    return await self._keep(job)
                await self._memory.release_post(job.id)
                if error_kind_of(error) is ErrorKind.TOO_LARGE:
                    return await self._too_large(job, transport, size_bytes)
            else:
                return Delivery(DeliveryOutcome.UPLOADED, job.card.channel, message)
        return await self._privately(job, video, size_bytes)

    async def _look(self, job: Job) -> None:
        """Nothing new comes where somebody deleted the card, though nobody edits that any more."""
        for transport in self._transports.open(job):
            try:
                await self._transports.look(job, transport)
            except TROUBLE as error:
                error_kind = error_kind_of(error)
                log.info("job=%s its card is not seen by %s: %s", job.id, transport.name, told(error))
                if error_kind is ErrorKind.REMOVED:
                    await self._transports.removed(job)
                elif error_kind is ErrorKind.TRANSPORT_DEAD:
                    await self._transports.mark_dead(job, transport)
                    continue
            return

    async def _privately(self, job: Job, video: Path, size_bytes: int) -> Delivery:
        """To the member's direct messages, for jobs of a server; elsewhere the card's button is for that.

        A private video goes there from everywhere: its card may have vanished from the member's screen.
        """
        if job.scope == DIRECT and job.spec.show != Show.ME and not self._transports.is_removed(job):
            return await self._keep(job)
        tries, begun = 0, asyncio.get_running_loop().time()
        while True:
            sent = await self._send_directly(job, video)
            if isinstance(sent, Delivery):
                return sent
            if sent is None:
                return await self._keep(job)
            error_kind = ErrorKind.PASSING if _opens_too_fast(sent) else error_kind_of(sent)
            if error_kind is ErrorKind.TOO_LARGE:
                return await self._too_large(job, None, size_bytes)
            if error_kind is not ErrorKind.PASSING:
                return await self._keep(job)
            pause_s = backoff.chat_pause(tries + 3, asked_s(sent), self._rng)
            if asyncio.get_running_loop().time() - begun + pause_s > POST_TRIED_FOR_S:
                return await self._keep(job, DeliveryOutcome.LATER)
            await asyncio.sleep(pause_s)
            tries += 1

    async def _send_directly(self, job: Job, video: Path) -> Delivery | BaseException | None:
        """One try; what went wrong, or None where it may not be sent any more."""
        claim: bool | None = None
        try:
            channel = await self._transports.open_direct(job)
            claim = await self._memory.claim_post(job.id, channel, again_for=SAME_NONCE_FOR)
            if claim is None:
                return None
            view = self._cards.delivered(job, filename_of(job, video), alone=True)
            message = await self._transports.send_privately(job, channel, view, video)
        except TROUBLE as error:
            log.warning("job=%s video to the member alone: %s", job.id, told(error))
            if claim and not may_be_accepted(error):
                await self._memory.release_post(job.id)
            return error
        return Delivery(DeliveryOutcome.UPLOADED, channel, message)


def may_be_accepted(error: BaseException) -> bool:
    """Whether Discord may have taken what was sent, although it did not say so."""
    if isinstance(error, discord.RateLimited | aiohttp.ClientConnectorError):
        return False  # never sent
    return not isinstance(error, discord.HTTPException) or error.status >= 500


def _opens_too_fast(error: BaseException) -> bool:
    return isinstance(error, discord.HTTPException) and error.code == OPENING_TOO_FAST
