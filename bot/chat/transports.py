"""The two transports to a card's message, the interaction's token and the bot's own, as plain calls."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import discord
from discord import ui
from discord.http import MultipartParameters, handle_message_parameters

from bot.chat.cloudflare_block import CloudflareBlock
from bot.chat.discord_errors import TROUBLE, ErrorKind, Transport, error_kind_of, own_upload_limit
from bot.chat.send_once import SendOnce
from bot.chat.upload_limits import KnownLimits
from bot.jobs.chat_protocol import CardMemory
from bot.models import ChannelId, GuildId, Job, JobId, MessageId

NOBODY = discord.AllowedMentions.none()
TOKEN_MARGIN = timedelta(seconds=5)
"""A token this close to its end is not tried any more: our clock and Discord's may differ."""
EDIT_WITHIN_S = 20.0
UPLOAD_WITHIN_S = 1_800.0
SAME_NONCE_PAUSES_S = (0.5, 2.0)
"""Discord returns the message already there for a nonce seen in the last minutes, so it may be sent again."""

_ENDINGS = (
    (0, b"\x1aE\xdf\xa3", "webm"),
    (8, b"AVI ", "avi"),
    (8, b"WEBP", "webp"),
    (8, b"qt  ", "mov"),
    (0, b"GIF8", "gif"),
    (0, b"OggS", "ogv"),
    (0, b"FLV\x01", "flv"),
    (0, b"\0\0\x01\xba", "mpg"),
    (0, b"G", "ts"),
)


class Transports:
    """Edits, posts and deletes for one bot. Remembers dead transports, so that none is tried again and again.

    Uploads, and messages that have no nonce, go by `SendOnce`.
    """

    def __init__(
        self,
        client: discord.Client,
        memory: CardMemory,
        block: CloudflareBlock | None = None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._memory = memory
        self._now = now
        self._dead: dict[JobId, set[Transport]] = {}
        self._gone: set[JobId] = set()
        self._once = SendOnce(client, block or CloudflareBlock(time.monotonic))
        self._limits = KnownLimits(now)

    def open(self, job: Job) -> list[Transport]:
        """The transports still open, the better first."""
        card = job.card
        dead = self._dead.get(job.id, set())
        found: list[Transport] = []
        if card.message is None or card.removed:
            return found
        if card.token is not None and self._now() < card.token_ends_at - TOKEN_MARGIN and Transport.TOKEN not in dead:
            found.append(Transport.TOKEN)
        if card.bot_reaches and not card.ephemeral and Transport.BOT not in dead:
            found.append(Transport.BOT)
        return found

    async def mark_dead(self, job: Job, transport: Transport) -> None:
        """This transport is dead for this job, for good."""
        self._dead.setdefault(job.id, set()).add(transport)
        await (
            self._memory.token_died(job.id) if transport is Transport.TOKEN else self._memory.bot_lost_access(job.id)
        )

    async def removed(self, job: Job) -> None:
        """Somebody deleted the card: nothing new in that channel."""
        self._dead[job.id] = set(Transport)
        self._gone.add(job.id)
        await self._memory.card_removed(job.id)

    def is_removed(self, job: Job) -> bool:
        """Whether somebody deleted the card."""
        return job.card.removed or job.id in self._gone

    def only_token(self, job: Job) -> bool:
        """The card can be reached by the token alone, and will be out of reach once that is dead."""
        return self.open(job) == [Transport.TOKEN]

    def forget(self, job: Job) -> None:
        """What is remembered of its transports is dropped."""
        self._dead.pop(job.id, None)
        self._gone.discard(job.id)

    def upload_limit(self, job: Job, transport: Transport | None) -> int:
        """Bytes one file may have by this transport, or in the member's direct messages.

        The member's own limit ends with the token; then only the server's counts. What Discord refused counts, too, and
        nothing else where this process has not been told of the server's boosts: right after a start, or at all.
        """
        limit = job.card.upload_limit_bytes
        boosts: int | None = 0
        if transport is Transport.BOT and job.card.guild is not None:
            guild = self._client.get_guild(job.card.guild)
            boosts = None if guild is None or guild.unavailable else guild.premium_tier
        if transport is not Transport.TOKEN and boosts is not None:
            limit = min(limit, own_upload_limit(boosts))
        return self._limits.lower_of(limit, _place(job, transport))

    def refused_size(self, job: Job, transport: Transport | None, size_bytes: int) -> bool:
        """Discord takes no file of this size there. Whether a smaller one is worth a try."""
        return self._limits.refused(_place(job, transport), size_bytes)

    async def edit(
        self, job: Job, transport: Transport, view: ui.LayoutView, videos: Sequence[tuple[Job, Path]] = ()
    ) -> None:
        """One edit of the job's card, with the uploads if there are any; raises what discord.py raises."""
        assert job.card.message is not None
        if videos:
            await self._upload(job, transport, view, videos)
            return
        async with asyncio.timeout(EDIT_WITHIN_S):
            if transport is Transport.TOKEN:
                await self._webhook(job).edit_message(job.card.message, view=view, allowed_mentions=NOBODY)
            else:
                await self._message(job).edit(view=view, allowed_mentions=NOBODY)

    async def look(self, job: Job, transport: Transport) -> None:
        """Finds out whether the card stands; raises what discord.py raises."""
        assert job.card.message is not None
        async with asyncio.timeout(EDIT_WITHIN_S):
            if transport is Transport.TOKEN:
                await self._webhook(job).fetch_message(job.card.message)
            else:
                await self._message(job).fetch()

    async def post_beside(self, job: Job, transport: Transport, words: str, video: Path, alt: str | None) -> MessageId:
        """The video in a message of its own, after Discord refused it on the card."""
        sent = await self._post(job, transport, "clip", UPLOAD_WITHIN_S, content=words, video=video, alt=alt)
        return MessageId(int(sent["id"]))

    async def open_direct(self, job: Job) -> ChannelId:
        """The channel of the member's direct messages."""
        async with asyncio.timeout(EDIT_WITHIN_S):
            return ChannelId((await self._client.create_dm(discord.Object(job.member))).id)

    async def send_privately(self, job: Job, channel: ChannelId, view: ui.LayoutView, video: Path) -> MessageId:
        """The video to the member's direct messages; Discord refuses where they take none."""
        async with asyncio.timeout(UPLOAD_WITHIN_S):
            with _message(file=file_of(job, video), view=view, nonce=f"video-{job.key}", allowed_mentions=NOBODY) as dm:
                sent = await self._once.by_bot("POST", f"/channels/{channel}/messages", dm)
        return MessageId(int(sent["id"]))

    async def reply(self, job: Job, transport: Transport, sentence: str, view: ui.View) -> MessageId:
        """A short message below the card that mentions its member."""
        mention = discord.AllowedMentions(
            everyone=False, roles=False, replied_user=False, users=[discord.Object(job.member)]
        )
        sent = await self._post(
            job, transport, "mention", EDIT_WITHIN_S, content=sentence, view=view, allowed_mentions=mention
        )
        return MessageId(int(sent["id"]))

    async def post(self, channel: ChannelId, guild: GuildId | None, sentence: str, *, nonce: str) -> None:
        """A message of its own; Discord returns the one already there for a nonce seen in the last minutes."""
        async with asyncio.timeout(EDIT_WITHIN_S):
            target = self._client.get_partial_messageable(channel, guild_id=guild)
            await target.send(sentence, nonce=nonce, allowed_mentions=NOBODY, suppress_embeds=True)

    async def delete(self, job: Job, transport: Transport) -> None:
        """Takes the card away."""
        assert job.card.message is not None
        async with asyncio.timeout(EDIT_WITHIN_S):
            if transport is Transport.TOKEN:
                await self._webhook(job).delete_message(job.card.message)
            else:
                await self._message(job).delete()

    async def send_ephemeral_followup(self, job: Job, sentence: str, *, within_s: float = EDIT_WITHIN_S) -> None:
        """A follow-up only the member sees; by the token alone, and once: it has no nonce."""
        private = discord.MessageFlags(ephemeral=True)
        async with asyncio.timeout(within_s):
            with _message(content=sentence, flags=private, allowed_mentions=NOBODY) as words:
                await self._once.by_token("POST", _hook(job), words, wait="1")

    async def original(self, job: Job) -> discord.WebhookMessage:
        """The answer to the interaction, by the token."""
        async with asyncio.timeout(EDIT_WITHIN_S):
            return await self._webhook(job).fetch_message("@original")  # type: ignore[arg-type]  # the endpoint takes it

    async def close(self) -> None:
        """Closes the session for uploads."""
        await self._once.close()

    async def _upload(
        self, job: Job, transport: Transport, view: ui.LayoutView, videos: Sequence[tuple[Job, Path]]
    ) -> None:
        async with asyncio.timeout(UPLOAD_WITHIN_S):
            files = [file_of(each, video) for each, video in videos]
            with _message(attachments=files, view=view, allowed_mentions=NOBODY) as card:
                if transport is Transport.TOKEN:
                    path = f"{_hook(job)}/messages/{job.card.message}"
                    await self._once.by_token("PATCH", path, card, with_components="1")
                else:
                    path = f"/channels/{job.card.channel}/messages/{job.card.message}"
                    await self._once.by_bot("PATCH", path, card)

    async def _post(
        self,
        job: Job,
        transport: Transport,
        kind: str,
        within_s: float,
        *,
        video: Path | None = None,
        alt: str | None = None,
        **words: Any,
    ) -> dict[str, Any]:
        """One message below the card. By the token it is sent once; by the bot's own again under the same nonce."""
        words = {"allowed_mentions": NOBODY, **words}
        async with asyncio.timeout(within_s):
            if transport is Transport.TOKEN:
                flags = {"flags": discord.MessageFlags(ephemeral=True)} if job.card.ephemeral else {}
                with _message(**_opened(job, video, alt), **flags, **words) as sent:
                    return await self._once.by_token("POST", _hook(job), sent, wait="1")
            below = self._message(job).to_reference(fail_if_not_exists=False).to_message_reference_dict()
            words |= {"nonce": f"{kind}-{job.key}", "message_reference": below}
            pauses = iter(SAME_NONCE_PAUSES_S)
            while True:
                try:
                    with _message(**_opened(job, video, alt), **words) as sent:
                        return await self._once.by_bot("POST", f"/channels/{job.card.channel}/messages", sent)
                except TROUBLE as error:
                    error_kind, pause_s = error_kind_of(error), next(pauses, None)
                    if error_kind in (ErrorKind.NO_REPLY, ErrorKind.REFUSED) and words.pop("message_reference", None):
                        continue  # without Read Message History, say, there are no replies
                    if error_kind is not ErrorKind.PASSING or pause_s is None or isinstance(error, discord.RateLimited):
                        raise
                await asyncio.sleep(pause_s)

    def _webhook(self, job: Job) -> discord.Webhook:
        assert job.card.token is not None
        hook = discord.Webhook.partial(
            job.card.application, job.card.token, client=self._client, session=self._once.session
        )
        hook.type = discord.WebhookType.application  # else discord.py refuses ephemeral follow-ups
        hook.proxy, hook.proxy_auth = self._client.http.proxy, self._client.http.proxy_auth
        return hook

    def _message(self, job: Job) -> discord.PartialMessage:
        assert job.card.message is not None
        channel = self._client.get_partial_messageable(job.card.channel, guild_id=job.card.guild)
        return channel.get_partial_message(job.card.message)


def filename_of(job: Job, video: Path) -> str:
    """ASCII letters, digits, - _ and . only: Discord's rule for attachment:// names. Its prefix marks a spoiler.

    The ending is what the file is: nearly always an MP4, unless it could not be made one.
    """
    with video.open("rb") as file:
        head = file.read(16)
    ending = next((ending for at, mark, ending in _ENDINGS if head.startswith(mark, at)), "mp4")
    return f"SPOILER_video-{job.key}.{ending}" if job.picture.spoiler else f"video-{job.key}.{ending}"


def file_of(job: Job, video: Path, *, alt: str | None = None) -> discord.File:
    """The video as it is uploaded, open; whoever sends it closes it. On a card the gallery has the alt text."""
    return discord.File(video, filename=filename_of(job, video), description=alt)


def _message(**parts: Any) -> MultipartParameters:
    """The body of a request; as a context it closes its files."""
    return handle_message_parameters(**parts)


def _opened(job: Job, video: Path | None, alt: str | None) -> dict[str, discord.File]:
    return {} if video is None else {"file": file_of(job, video, alt=alt)}


def _hook(job: Job) -> str:
    return f"/webhooks/{job.card.application}/{job.card.token}"


def _place(job: Job, transport: Transport | None) -> tuple[object, ...]:
    """Where one limit holds: a member's own by their token; the server's, or the channel's, by the bot's."""
    if transport is None:
        return ("direct", job.member)
    there = job.card.guild or job.card.channel
    return (there, job.member) if transport is Transport.TOKEN else (there,)
