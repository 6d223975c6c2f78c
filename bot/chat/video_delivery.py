"""A finished video to its member: on the card, else in a message beside it, else in direct messages.

An edit may be repeated. A message may not: it is claimed in the store before it is sent, and the claim is given back
only where Discord certainly did not take it. So a video that was taken without a word stands there once.
"""

from __future__ import annotations

import asyncio
import logging
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import discord

from bot.chat import text
from bot.chat.cards import Cards
from bot.chat.last_edit import ASIDE_TRIED_FOR_S, UPLOAD_TRIED_FOR_S, LastEdit, asked_s
from bot.chat.routes import TROUBLE, Fate, Route, fate_of, told
from bot.chat.tongue import Tongues
from bot.chat.ways import Ways, filename_of
from bot.jobs import pace
from bot.jobs.port import Delivery, Outcome, PostMemory
from bot.models import DIRECT, KEPT_FOR, Job, JobState

log = logging.getLogger(__name__)

POST_TRIED_FOR_S = 60.0
SAME_NONCE_FOR = timedelta(minutes=2)
"""Discord remembers a nonce for "the past few minutes": so long the same message may be sent again under it."""
OPENING_TOO_FAST = 40003
"""Direct messages are opened too fast; says nothing about this member."""


class VideoDelivery:
    """One try of a delivery; its waits are bounded, and cancelling it is safe."""

    def __init__(self, ways: Ways, last_edit: LastEdit, cards: Cards, tongues: Tongues, memory: PostMemory) -> None:
        self._ways = ways
        self._last_edit = last_edit
        self._cards = cards
        self._tongues = tongues
        self._memory = memory
        self._rng = random.Random()  # noqa: S311 - jitter

    async def bring(self, job: Job, video: Path, *, reencoded: bool) -> Delivery:
        """By the best way that takes it. Where none does, the card says where the video is."""
        size_bytes = (await asyncio.to_thread(video.stat)).st_size
        routes = self._ways.open(job)
        if not routes:
            return await self._privately(job, video, size_bytes)
        route = routes[0]
        if size_bytes > self._ways.upload_limit(job, route):
            return await self._link_only(job, size_bytes)
        name = filename_of(job, video)
        fate = await self._last_edit.make(
            job,
            lambda plain: self._cards.delivered(job, name, plain=plain, reencoded=reencoded),
            video,
            for_s=UPLOAD_TRIED_FOR_S,
        )
        match fate:
            case None:
                return Delivery(Outcome.HELD)
            case Fate.TOO_LARGE:
                return await self._too_large(job, next(iter(self._ways.open(job)), None), size_bytes)
            case Fate.PASSING:
                return await self._keep(job, Outcome.LATER)
            case Fate.REFUSED | Fate.ARCHIVED | Fate.NOT_PERMITTED:
                return await self._beside(job, video, size_bytes)
            case _:
                return await self._privately(job, video, size_bytes)

    async def _too_large(self, job: Job, route: Route | None, size_bytes: int) -> Delivery:
        """Discord takes less there than it has announced: once more with a smaller file, if there can be one."""
        if size_bytes > self._ways.upload_limit(job, route) or self._ways.refused_size(job, route, size_bytes):
            return Delivery(Outcome.TOO_LARGE)
        return await self._link_only(job, size_bytes)

    async def _link_only(self, job: Job, size_bytes: int) -> Delivery:
        fate = await self._last_edit.make(
            job, lambda plain: self._cards.link_only(job, size_bytes, kept_until(job), plain=plain)
        )
        return Delivery(Outcome.LINK_ONLY if fate is None else Outcome.NOWHERE, card_tells=fate is None)

    async def _keep(self, job: Job, outcome: Outcome = Outcome.NOWHERE) -> Delivery:
        """The video waits for its member, and the card says so; no card is left at an earlier state."""
        fate = await self._last_edit.make(
            job, lambda plain: self._cards.kept(job, kept_until(job), plain=plain), for_s=ASIDE_TRIED_FOR_S
        )
        return Delivery(outcome, card_tells=fate is None)

    async def _beside(self, job: Job, video: Path, size_bytes: int) -> Delivery:
        """Discord does not take the video on the card. A message opens an archived thread, too."""
        for route in sorted(self._ways.open(job), key=lambda route: route is Route.TOKEN):
            channel = job.card.channel if route is Route.BOT else None  # by the token there is no nonce
            claim = await self._memory.claim_post(job.id, channel, again_for=SAME_NONCE_FOR)
            if claim is None:
                return await self._keep(job)
            try:
                words = text.beside(self._tongues.of(job.card.locale), job)
                message = await self._ways.post_beside(job, route, words, video)
            except TROUBLE as error:
                log.warning("job=%s video beside the card by %s: %s", job.id, route.name, told(error))
                if not claim or may_be_taken(error):
                    return await self._keep(job)
                await self._memory.release_post(job.id)
                if fate_of(error) is Fate.TOO_LARGE:
                    return await self._too_large(job, route, size_bytes)
            else:
                return Delivery(Outcome.HELD, job.card.channel, message)
        return await self._privately(job, video, size_bytes)

    async def _privately(self, job: Job, video: Path, size_bytes: int) -> Delivery:
        """To the member's direct messages, for jobs of a server; elsewhere the card's button is the way."""
        if job.scope == DIRECT and not self._ways.is_removed(job):
            return await self._keep(job)
        tries, begun = 0, asyncio.get_running_loop().time()
        while True:
            sent = await self._send_directly(job, video)
            if isinstance(sent, Delivery):
                return sent
            if sent is None:
                return await self._keep(job)
            fate = Fate.PASSING if _opens_too_fast(sent) else fate_of(sent)
            if fate is Fate.TOO_LARGE:
                return await self._too_large(job, None, size_bytes)
            if fate is not Fate.PASSING:
                return await self._keep(job)
            pause_s = pace.chat_pause(tries + 3, asked_s(sent), self._rng)
            if asyncio.get_running_loop().time() - begun + pause_s > POST_TRIED_FOR_S:
                return await self._keep(job, Outcome.LATER)
            await asyncio.sleep(pause_s)
            tries += 1

    async def _send_directly(self, job: Job, video: Path) -> Delivery | BaseException | None:
        """One try; what went wrong, or None where it may not be sent any more."""
        claim: bool | None = None
        try:
            channel = await self._ways.open_direct(job)
            claim = await self._memory.claim_post(job.id, channel, again_for=SAME_NONCE_FOR)
            if claim is None:
                return None
            view = self._cards.delivered(job, filename_of(job, video), alone=True)
            message = await self._ways.send_privately(job, channel, view, video)
        except TROUBLE as error:
            log.warning("job=%s video to the member alone: %s", job.id, told(error))
            if claim and not may_be_taken(error):
                await self._memory.release_post(job.id)
            return error
        return Delivery(Outcome.HELD, channel, message)


def kept_until(job: Job) -> datetime:
    """When a video that could not be shown is deleted."""
    return (job.state_at if job.state in (JobState.UNDELIVERED, JobState.DELIVERED) else datetime.now(UTC)) + KEPT_FOR


def may_be_taken(error: BaseException) -> bool:
    """Whether Discord may have taken what was sent, although it did not say so."""
    if isinstance(error, discord.RateLimited | aiohttp.ClientConnectorError):
        return False  # never sent
    return not isinstance(error, discord.HTTPException) or error.status >= 500


def _opens_too_fast(error: BaseException) -> bool:
    return isinstance(error, discord.HTTPException) and error.code == OPENING_TOO_FAST
