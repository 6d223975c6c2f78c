"""Cards and videos to Discord: implements `bot.jobs.port.Chat`."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path

import discord
from discord import ui

from bot.chat import privacy, text
from bot.chat.budget import Budget
from bot.chat.cards import Cards, key_of
from bot.chat.edits import Edits
from bot.chat.fetching import PictureFetcher
from bot.chat.routes import TROUBLE, Fate, Route, fate_of
from bot.chat.tongue import Tongue, Tongues
from bot.chat.ways import EDIT_WITHIN_S, Ways, filename_of
from bot.errors import ChatUnavailable, PictureRefused
from bot.jobs import pace
from bot.jobs.port import CardMemory, Delivery, FoundCard, Outcome, Outlook
from bot.models import DIRECT, ChannelId, FailureKind, Job, MessageId

log = logging.getLogger(__name__)

ASIDES_END_S = 2.0
FIRST_LINE_WITHIN_S = 3.0
"""By one token discord.py sends one thing after another, for 25 s when Discord is unwell: the card would wait."""


class DiscordChat:
    """Owns the edits under way. Its waiting calls retry passing trouble until they know, or are cancelled."""

    def __init__(
        self,
        client: discord.Client,
        cards: Cards,
        memory: CardMemory,
        tongues: Tongues,
        *,
        progress_s: float,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._cards = cards
        self._tongues = tongues
        self._now = now
        self._ways = Ways(client, memory, now=now)
        self._budget = Budget(time.monotonic, asyncio.sleep)
        self._edits = Edits(self._ways, cards, self._budget, every_s=progress_s, now=now)
        self._rng = random.Random()  # noqa: S311 - jitter
        self._pictures = PictureFetcher(discord.http.Route.BASE)
        self._asides: set[asyncio.Task[object]] = set()

    async def find_card(self, job: Job) -> FoundCard | None:
        """GET, never PATCH: the answer may be another bot's card, with the same token."""
        if job.card.token is None or self._now() >= job.card.token_ends_at:
            return None
        try:
            message = await self._ways.original(job)
        except TROUBLE as error:
            if fate_of(error) in (Fate.ROUTE_DEAD, Fate.REMOVED):
                return None
            raise ChatUnavailable(f"GET @original: {error}") from error
        return FoundCard(MessageId(message.id), message.flags.ephemeral, is_ours=key_of(message) == job.key)

    async def fetch_picture(self, job: Job) -> bytes:
        """From Discord's own hosts alone."""
        return await self._pictures.fetch(job.picture)

    def show(self, job: Job, outlook: Outlook | None = None) -> None:
        """Progress; returns at once."""
        self._edits.show(job, outlook)

    def log_job(self, job: Job, channel: ChannelId) -> None:
        """Lists the job; a channel that cannot be written to is logged."""
        self._aside(self._log_job(job, channel))

    async def finish(self, job: Job, refused: PictureRefused | None = None) -> None:
        """The neutral line for all, the reason for the member alone."""
        await self._edits.last(job)
        if job.card.message is None:
            return
        if job.failure is FailureKind.PICTURE and Route.TOKEN in self._ways.open(job):
            private = text.picture_refused(self._member_of(job), refused, job.clip.credits)
            if await self._whisper(job, private) and await self._take_away(job):
                return
        await self._last_edit(job, lambda plain: self._cards.ended(job, plain=plain))
        if job.failure is not None:
            private_line = text.private_line(self._member_of(job), job.failure, job.clip.credits)
            if private_line is not None:
                await self._whisper(job, private_line)

    def upload_limit(self, job: Job) -> int:
        """By the way that is open, else that of direct messages."""
        routes = self._ways.open(job)
        if routes:
            return self._ways.upload_limit(job, routes[0])
        return min(job.card.upload_limit_bytes, discord.utils.DEFAULT_FILE_SIZE_LIMIT_BYTES)

    async def deliver(self, job: Job, video: Path, *, reencoded: bool) -> Delivery:
        """The video on its card; over the limit the link alone; a card that is gone: to the member alone."""
        await self._edits.last(job)
        size_bytes = (await asyncio.to_thread(video.stat)).st_size
        routes = self._ways.open(job)
        if not routes:
            return await self._deliver_privately(job, video)
        fate: Fate | None = Fate.TOO_LARGE
        if size_bytes <= self._ways.upload_limit(job, routes[0]):
            name = filename_of(job)
            fate = await self._last_edit(
                job, lambda plain: self._cards.delivered(job, name, plain=plain, reencoded=reencoded), video
            )
            if fate is Fate.REFUSED:
                beside = await self._post_beside(job, video)
                if isinstance(beside, Delivery):
                    return beside
                fate = beside
        if fate is None:
            return Delivery(Outcome.HELD)
        if fate is Fate.TOO_LARGE:
            fate = await self._last_edit(job, lambda plain: self._cards.link_only(job, size_bytes, plain=plain))
            if fate is None:
                return Delivery(Outcome.LINK_ONLY)
        return await self._deliver_privately(job, video)

    async def ping(self, job: Job) -> MessageId | None:
        """One short reply, by the way that is open; what goes wrong is logged."""
        for route in self._ways.open(job)[:1]:
            try:
                tongue = self._member_of(job)
                return await self._ways.reply(job, route, text.ping(tongue, job), privacy.quiet(tongue, job.id))
            except TROUBLE as error:
                log.info("job=%s not pinged by %s: %s", job.id, route.name, error)
        return None

    def introduce(self, job: Job) -> None:
        """One of at most four follow-ups; Discord takes five where a member alone has installed the app.

        The others: a video beside its card, the ping, and a private word on a failure.
        """
        self._aside(
            self._whisper(job, privacy.first_line(self._member_of(job), job.endpoint), within_s=FIRST_LINE_WITHIN_S)
        )

    async def take_away(self, channel: ChannelId, message: MessageId) -> bool:
        """By the bot's own token; what is out of its reach is logged."""
        try:
            await self._ways.remove(channel, message)
        except TROUBLE as error:
            fate = fate_of(error)
            if fate is not Fate.REMOVED:
                log.info("message=%s in channel=%s not deleted: %s (%s)", message, channel, fate.name, error)
            return fate is not Fate.PASSING
        return True

    def forget(self, job: Job) -> None:
        """What is remembered of its ways and its progress is dropped."""
        self._ways.forget(job)
        self._edits.forget(job)

    async def close(self) -> None:
        """Ends what is under way and closes every connection."""
        await self._edits.close()
        if self._asides:
            await asyncio.wait(self._asides, timeout=ASIDES_END_S)
        await self._ways.close()
        await self._pictures.close()

    def _aside(self, work: Coroutine[object, object, object]) -> None:
        """Said beside the work on a card, which does not wait for it."""
        task = asyncio.create_task(work)
        self._asides.add(task)
        task.add_done_callback(self._asides.discard)

    def _member_of(self, job: Job) -> Tongue:
        return self._tongues.of(job.card.member_locale)

    async def _log_job(self, job: Job, channel: ChannelId) -> None:
        try:
            line = text.log_line(self._tongues.of(job.card.locale), job)
            await self._ways.post(channel, job.card.guild, line, nonce=f"log-{job.key}")
        except TROUBLE as error:
            log.warning("job=%s not listed in the log channel %s: %s", job.id, channel, error)

    async def _deliver_privately(self, job: Job, video: Path) -> Delivery:
        """To the member's direct messages, for jobs of a server; elsewhere the card's button is the way."""
        if job.scope == DIRECT and not self._ways.is_removed(job):
            return Delivery(Outcome.NOWHERE)
        tries = 0
        while True:
            try:
                view = self._cards.delivered(job, filename_of(job), alone=True)
                message = await self._ways.send_privately(job, view, video)
            except TROUBLE as error:
                log.warning("job=%s video to the member alone: %s", job.id, error)
                if fate_of(error) is not Fate.PASSING:
                    return Delivery(Outcome.NOWHERE)
            else:
                return Delivery(Outcome.HELD, ChannelId(message.channel.id), MessageId(message.id))
            await asyncio.sleep(pace.retry_pause(tries, self._rng))
            tries += 1

    async def _last_edit(
        self, job: Job, view: Callable[[bool], ui.LayoutView], video: Path | None = None
    ) -> Fate | None:
        """Edits until it is made (None) or the returned fate ends it; a refused card is tried once without prompt."""
        plain, tries = False, 0
        while routes := self._ways.open(job):
            if routes[0] is Route.BOT:
                await self._budget.last(job.card.channel)
            try:
                await self._ways.edit(job, routes[0], view(plain), video)
            except TROUBLE as error:
                fate = fate_of(error)
                log.warning("job=%s last edit by %s: %s (%s)", job.id, routes[0].name, fate.name, error)
                if fate is Fate.ROUTE_DEAD:
                    await self._ways.shut(job, routes[0])
                elif fate is Fate.REMOVED:
                    await self._ways.removed(job)
                    return fate
                elif fate is Fate.REFUSED and not plain:
                    plain = True
                elif fate is not Fate.PASSING:
                    return fate
                else:
                    await asyncio.sleep(pace.retry_pause(tries, self._rng))
                    tries += 1
            else:
                return None
        return Fate.ROUTE_DEAD

    async def _post_beside(self, job: Job, video: Path) -> Delivery | Fate:
        """Discord refused the video on the card: a message of its own, then the card without it."""
        for route in self._ways.open(job):
            try:
                message = await self._ways.post_beside(
                    job, route, text.beside(self._tongues.of(job.card.locale), job), video
                )
            except TROUBLE as error:
                log.warning("job=%s video beside the card by %s: %s", job.id, route.name, error)
                if fate_of(error) is Fate.TOO_LARGE:
                    return Fate.TOO_LARGE
            else:
                await self._last_edit(job, lambda _: self._cards.posted(job))
                return Delivery(Outcome.HELD, job.card.channel, message)
        return Fate.ROUTE_DEAD

    async def _whisper(self, job: Job, sentence: str, *, within_s: float = EDIT_WITHIN_S) -> bool:
        """Tells the member alone, once; a word that cannot be said is logged."""
        if Route.TOKEN not in self._ways.open(job):
            log.info("job=%s the member could not be told privately: no token", job.id)
            return False
        try:
            await self._ways.whisper(job, sentence, within_s=within_s)
        except TROUBLE as error:
            log.warning("job=%s private word: %s", job.id, error)
            return False
        return True

    async def _take_away(self, job: Job) -> bool:
        for route in self._ways.open(job):
            try:
                await self._ways.delete(job, route)
            except TROUBLE as error:
                if fate_of(error) is Fate.REMOVED:
                    return True
                log.warning("job=%s card not deleted by %s: %s", job.id, route.name, error)
            else:
                return True
        return False
