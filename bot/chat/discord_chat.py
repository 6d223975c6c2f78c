"""Cards and videos to Discord: implements `bot.jobs.chat_protocol.Chat`."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import discord
from discord import ui

from bot.chat import failures, privacy, text
from bot.chat.cards import kept_until, key_of
from bot.chat.cloudflare_block import CloudflareBlock
from bot.chat.deletion import delete_message
from bot.chat.discord_errors import TROUBLE, ErrorKind, Transport, error_kind_of, told
from bot.chat.edit_rate_limit import EditRateLimit
from bot.chat.edits import Edits
from bot.chat.last_edit import ASIDE_TRIED_FOR_S, LastEdit
from bot.chat.picture_download import PictureFetcher
from bot.chat.posted_video import posted_address, stream
from bot.chat.take_cards import TakeCards, ready_count
from bot.chat.take_delivery import TakeDelivery
from bot.chat.transports import EDIT_WITHIN_S, Transports
from bot.chat.video_delivery import VideoDelivery, may_be_accepted
from bot.errors import ChatUnavailable, PictureRefused
from bot.i18n.translations import TranslationCatalog, Translations
from bot.jobs.chat_protocol import Delivery, DeliveryOutcome, FoundCard, PostMemory, ProgressView
from bot.models import ChannelId, FailureKind, Job, JobId, JobState, MessageId, PendingDeletion

log = logging.getLogger(__name__)

ASIDES_END_S = 2.0
FIRST_LINE_WITHIN_S = 3.0
"""It is said in passing."""


class DiscordChat:
    """Owns the edits under way. Its waiting calls retry passing trouble until they know, or are cancelled."""

    def __init__(
        self,
        client: discord.Client,
        cards: TakeCards,
        memory: PostMemory,
        translation_catalog: TranslationCatalog,
        *,
        cloudflare_block: CloudflareBlock | None = None,
        progress_s: float,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._cards = cards
        self._translation_catalog = translation_catalog
        self._now = now
        self._transports = Transports(client, memory, cloudflare_block, now=now)
        self._rate_limit = EditRateLimit(time.monotonic, asyncio.sleep)
        self._edits = Edits(self._transports, cards, self._rate_limit, every_s=progress_s, now=now)
        self._pictures = PictureFetcher(discord.http.Route.BASE)
        self._last_edit = LastEdit(self._transports, self._rate_limit)
        self._videos = VideoDelivery(self._transports, self._last_edit, cards, translation_catalog, memory)
        self._takes = TakeDelivery(self._transports, self._last_edit, cards)
        self._told: dict[JobId, set[FailureKind]] = {}
        self._asides: set[asyncio.Task[object]] = set()

    async def find_card(self, job: Job) -> FoundCard | None:
        """GET, never PATCH: the answer may be another bot's card, with the same token."""
        if job.card.token is None or self._now() >= job.card.token_ends_at:
            return None
        try:
            message = await self._transports.original(job)
        except TROUBLE as error:
            if error_kind_of(error) in (ErrorKind.TRANSPORT_DEAD, ErrorKind.REMOVED):
                return None
            raise ChatUnavailable(f"GET @original: {told(error)}") from error
        return FoundCard(MessageId(message.id), message.flags.ephemeral, is_ours=key_of(message) == job.key)

    async def fetch_picture(self, job: Job, *, last: bool = False) -> bytes:
        """From Discord's own hosts alone."""
        return await self._pictures.fetch((job.spec.last_picture if last else None) or job.picture)

    async def fetch_video(self, job: Job, address: str) -> AsyncIterator[bytes] | None:
        """By the bot's own token where that reaches the message: what it then says of the file is signed anew."""
        found = await posted_address(self._client, job, address)
        return stream(found) if found else None

    def show(self, job: Job, progress_view: ProgressView | None = None) -> None:
        """Progress; returns at once."""
        self._edits.show(job, progress_view)

    def show_takes(self, takes: Sequence[Job]) -> None:
        """Progress of all that share a card; returns at once."""
        self._edits.show_takes(takes)

    async def deliver_takes(self, takes: Sequence[Job], videos: Mapping[JobId, Path]) -> DeliveryOutcome:
        """All videos on the card."""
        await self._edits.last(takes[0])
        return await self._takes.bring(takes, videos)

    async def finish_takes(self, takes: Sequence[Job], refused: PictureRefused | None = None) -> bool:
        """How each take stands; where the picture alone is at fault, the card goes and the member is told why."""
        first = takes[0]
        await self._edits.last(first)
        if first.card.message is None:
            return False
        if all(take.failure is FailureKind.PICTURE for take in takes) and Transport.TOKEN in self._transports.open(
            first
        ):
            total = sum(take.spec.credits for take in takes)
            private = failures.picture_refused(self._member_of(first), refused, total)
            if await self._send_ephemeral(first, private) and await self._delete_card(first):
                return False
        error_kind = await self._takes.tell(takes)
        if error_kind is ErrorKind.ARCHIVED:
            words = text.over(self._translation_catalog.of(first.card.locale), *takes)
            if count := ready_count(takes):
                words = text.mention(self._member_of(first), first, count)
            if await self._open_thread(first, words):
                await self._takes.tell(takes)
        return error_kind is None

    async def _tell_alone(self, job: Job, request: JobId) -> None:
        told = self._told.setdefault(request, set())
        if job.failure is None or job.failure in told:
            return
        line = failures.private_line(self._member_of(job), job.failure, job.spec.credits)
        if line is not None:
            told.add(job.failure)
            await self._send_ephemeral(job, line)

    def log_job(self, job: Job, channel: ChannelId) -> None:
        """Lists the job; a channel that cannot be written to is logged."""
        self._aside(self._log_job(job, channel))

    async def finish(self, job: Job, refused: PictureRefused | None = None) -> None:
        """The neutral line for all, the reason for the member alone; or in which message the video is.

        Of one of several takes, the reason for the member alone, once for each.
        """
        if job.card.request is not None:
            await self._tell_alone(job, job.card.request)
            return
        await self._edits.last(job)
        if job.card.message is None:
            return
        if job.state is JobState.DELIVERED:
            ready = text.mention(self._member_of(job), job)
            if job.card.shown_message is None:  # only its member has seen it, in private
                await self._finish(job, lambda plain: self._cards.kept(job, kept_until(job), plain=plain), ready)
            else:
                await self._finish(job, lambda _: self._cards.posted(job), ready)
            return
        if job.failure is FailureKind.PICTURE and Transport.TOKEN in self._transports.open(job):
            private = failures.picture_refused(self._member_of(job), refused, job.spec.credits)
            if await self._send_ephemeral(job, private) and await self._delete_card(job):
                return
        await self._finish(
            job,
            lambda plain: self._cards.ended(job, plain=plain),
            text.over(self._translation_catalog.of(job.card.locale), job),
        )
        if job.failure is not None:
            private_line = failures.private_line(self._member_of(job), job.failure, job.spec.credits)
            if private_line is not None:
                await self._send_ephemeral(job, private_line)

    def upload_limit(self, job: Job) -> int:
        """By the transport that is open, else by direct messages."""
        return self._transports.upload_limit(job, next(iter(self._transports.open(job)), None))

    async def deliver(self, job: Job, video: Path, *, reencoded: bool) -> Delivery:
        """The video on its card; over the limit the link alone; a card that is gone: to the member alone.

        One of several takes in a message of its own.
        """
        if job.card.request is None:
            await self._edits.last(job)
        return await self._videos.bring(job, video, reencoded=reencoded)

    async def show_address(self, job: Job) -> bool:
        """Where the provider has the video that cannot be fetched yet."""
        if job.card.request is not None:  # whoever carries the first take says so
            return False
        await self._edits.last(job)
        error_kind = await self._last_edit.make(
            job, lambda plain: self._cards.not_fetched(job, plain=plain), for_s=ASIDE_TRIED_FOR_S
        )
        return error_kind is None

    async def mention(self, job: Job, count: int = 1) -> MessageId | None:
        """One short reply, never twice: by another transport only where Discord has certainly not taken it."""
        for transport in sorted(self._transports.open(job), key=lambda transport: transport is Transport.TOKEN):
            try:
                translations = self._member_of(job)
                return await self._transports.reply(
                    job, transport, text.mention(translations, job, count), privacy.quiet(translations, job.id)
                )
            except TROUBLE as error:
                log.info("job=%s not mentioned by %s: %s", job.id, transport.name, told(error))
                if may_be_accepted(error):
                    return None
        return None

    def introduce(self, job: Job) -> None:
        """One of at most four follow-ups; Discord takes five where a member alone has installed the app.

        The others: a video beside its card, the mention, and a private word on a failure.
        """
        self._aside(
            self._send_ephemeral(
                job, privacy.first_line(self._member_of(job), job.endpoint), within_s=FIRST_LINE_WITHIN_S
            )
        )

    async def delete_message(self, message: PendingDeletion) -> bool:
        """What is out of reach is logged."""
        try:
            await delete_message(self._client, message)
        except TROUBLE as error:
            error_kind, (channel, number) = error_kind_of(error), (message.channel, message.message)
            if error_kind is not ErrorKind.REMOVED:
                log.info("message=%s in channel=%s not deleted: %s (%s)", number, channel, error_kind.name, told(error))
            return error_kind is not ErrorKind.PASSING
        return True

    def forget(self, job: Job) -> None:
        """What is remembered of its transports and its progress is dropped."""
        self._transports.forget(job)
        self._edits.forget(job)
        self._told.pop(job.id, None)

    def share(self, processes: int) -> None:
        """So many processes edit cards: this one has its part of what Discord takes of all."""
        self._rate_limit.share(processes)

    def edits_if(self, is_current: Callable[[], bool]) -> None:
        """Shows progress only while that is so: another process may have shown the video in the meantime."""
        self._edits.is_current = is_current

    async def close(self) -> None:
        """Ends what is under way and closes every connection."""
        await self._edits.close()
        if self._asides:
            await asyncio.wait(self._asides, timeout=ASIDES_END_S)
        await self._transports.close()
        await self._pictures.close()

    def _aside(self, work: Coroutine[object, object, object]) -> None:
        """Said beside the work on a card, which does not wait for it."""
        task = asyncio.create_task(work)
        self._asides.add(task)
        task.add_done_callback(self._asides.discard)

    def _member_of(self, job: Job) -> Translations:
        return self._translation_catalog.of(job.card.member_locale)

    async def _log_job(self, job: Job, channel: ChannelId) -> None:
        try:
            line = text.log_line(self._translation_catalog.of(job.card.locale), job)
            await self._transports.post(channel, job.card.guild, line, nonce=f"log-{job.key}")
        except TROUBLE as error:
            log.warning("job=%s not listed in the log channel %s: %s", job.id, channel, told(error))

    async def _finish(self, job: Job, view: Callable[[bool], ui.LayoutView], words: str) -> None:
        """A card in an archived thread takes no edit before a message has opened the thread."""
        if await self._last_edit.make(job, view) is not ErrorKind.ARCHIVED or job.card.ephemeral:
            return
        if await self._open_thread(job, words):
            await self._last_edit.make(job, view)

    async def _open_thread(self, job: Job, words: str) -> bool:
        """By a message below the card."""
        try:
            quiet = privacy.quiet(self._member_of(job), job.id)
            await self._transports.reply(job, Transport.BOT, words, quiet)
        except TROUBLE as error:
            log.warning("job=%s its thread stays archived: %s", job.id, told(error))
            return False
        return True

    async def _send_ephemeral(self, job: Job, sentence: str, *, within_s: float = EDIT_WITHIN_S) -> bool:
        """Tells the member alone, once; a word that cannot be said is logged."""
        if Transport.TOKEN not in self._transports.open(job):
            log.info("job=%s the member could not be told privately: no token", job.id)
            return False
        try:
            await self._transports.send_ephemeral_followup(job, sentence, within_s=within_s)
        except TROUBLE as error:
            log.warning("job=%s private word: %s", job.id, told(error))
            return False
        return True

    async def _delete_card(self, job: Job) -> bool:
        for transport in self._transports.open(job):
            try:
                await self._transports.delete(job, transport)
            except TROUBLE as error:
                if error_kind_of(error) is ErrorKind.REMOVED:
                    return True
                log.warning("job=%s card not deleted by %s: %s", job.id, transport.name, told(error))
            else:
                return True
        return False
