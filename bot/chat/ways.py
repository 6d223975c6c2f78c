"""The two ways to a card's message, the interaction's token and the bot's own, as plain calls of discord.py."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import discord
from discord import ui

from bot.chat.routes import Route
from bot.jobs.port import CardMemory
from bot.models import ChannelId, GuildId, Job, JobId, MessageId

NOBODY = discord.AllowedMentions.none()
TOKEN_MARGIN = timedelta(seconds=5)
"""A token this close to its end is not tried any more: our clock and Discord's may differ."""
EDIT_WITHIN_S = 20.0
UPLOAD_IDLE_S = 120.0
UPLOAD_WITHIN_S = 1_800.0


class Ways:
    """Edits, deletes and whispers for one bot. Remembers dead ways, so that none is hammered.

    Uploads go through a session of their own: discord.py's gives up after 300 s in all.
    """

    def __init__(
        self, client: discord.Client, memory: CardMemory, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._client = client
        self._memory = memory
        self._now = now
        self._dead: dict[JobId, set[Route]] = {}
        self._gone: set[JobId] = set()
        self._session: aiohttp.ClientSession | None = None

    def open(self, job: Job) -> list[Route]:
        """The ways still open, the better first."""
        card = job.card
        dead = self._dead.get(job.id, set())
        found: list[Route] = []
        if card.message is None or card.removed:
            return found
        if card.token is not None and self._now() < card.token_ends_at - TOKEN_MARGIN and Route.TOKEN not in dead:
            found.append(Route.TOKEN)
        if card.bot_reaches and not card.ephemeral and Route.BOT not in dead:
            found.append(Route.BOT)
        return found

    async def shut(self, job: Job, route: Route) -> None:
        """This way is dead for this job, for good."""
        self._dead.setdefault(job.id, set()).add(route)
        await (self._memory.token_died(job.id) if route is Route.TOKEN else self._memory.bot_barred(job.id))

    async def removed(self, job: Job) -> None:
        """Somebody deleted the card: nothing new in that channel."""
        self._dead[job.id] = set(Route)
        self._gone.add(job.id)
        await self._memory.card_removed(job.id)

    def is_removed(self, job: Job) -> bool:
        """Whether somebody deleted the card."""
        return job.card.removed or job.id in self._gone

    def only_token(self, job: Job) -> bool:
        """The card can be reached by the token alone, and will be out of reach once that is dead."""
        return self.open(job) == [Route.TOKEN]

    def forget(self, job: Job) -> None:
        """What is remembered of its ways is dropped."""
        self._dead.pop(job.id, None)
        self._gone.discard(job.id)

    def upload_limit(self, job: Job, route: Route) -> int:
        """Bytes one file may have. The member's own limit dies with the token; then only the server's counts."""
        limit = job.card.upload_limit_bytes
        if route is Route.BOT:
            guild = None if job.card.guild is None else self._client.get_guild(job.card.guild)
            limit = min(limit, guild.filesize_limit if guild else discord.utils.DEFAULT_FILE_SIZE_LIMIT_BYTES)
        return limit

    async def edit(self, job: Job, route: Route, view: ui.LayoutView, video: Path | None = None) -> None:
        """One edit, with the upload if there is one; raises what discord.py raises."""
        assert job.card.message is not None
        files = [] if video is None else [discord.File(video, filename=filename_of(job))]
        async with asyncio.timeout(EDIT_WITHIN_S if video is None else UPLOAD_WITHIN_S):
            if route is Route.TOKEN:
                hook = self._webhook(job)
                if files:
                    await hook.edit_message(job.card.message, view=view, attachments=files, allowed_mentions=NOBODY)
                else:
                    await hook.edit_message(job.card.message, view=view, allowed_mentions=NOBODY)
                return
            message = self._message(job)
            if files:
                await message.edit(view=view, attachments=files, allowed_mentions=NOBODY)
            else:
                await message.edit(view=view, allowed_mentions=NOBODY)

    async def post_beside(self, job: Job, route: Route, video: Path) -> MessageId:
        """The video in a message of its own, after Discord refused it on the card."""
        file = discord.File(video, filename=filename_of(job))
        async with asyncio.timeout(UPLOAD_WITHIN_S):
            if route is Route.TOKEN:
                posted: discord.Message = await self._webhook(job).send(
                    file=file, ephemeral=job.card.ephemeral, allowed_mentions=NOBODY, wait=True
                )
            else:
                message = self._message(job)
                # Discord returns the message already there for a nonce seen in the last minutes.
                posted = await message.channel.send(
                    file=file,
                    nonce=f"clip-{job.key}",
                    reference=message.to_reference(fail_if_not_exists=False),
                    allowed_mentions=NOBODY,
                )
            return MessageId(posted.id)

    async def send_privately(self, job: Job, view: ui.LayoutView, video: Path) -> discord.Message:
        """The video to the member's direct messages; Discord refuses where they take none."""
        async with asyncio.timeout(UPLOAD_WITHIN_S):
            channel = await self._client.create_dm(discord.Object(job.member))
            return await channel.send(
                view=view,
                file=discord.File(video, filename=filename_of(job)),
                nonce=f"clip-{job.key}",
                allowed_mentions=NOBODY,
            )

    async def reply(self, job: Job, route: Route, sentence: str, view: ui.View) -> MessageId:
        """A short message below the card that pings its member."""
        ping = discord.AllowedMentions(
            everyone=False, roles=False, replied_user=False, users=[discord.Object(job.member)]
        )
        async with asyncio.timeout(EDIT_WITHIN_S):
            if route is Route.TOKEN:
                sent: discord.Message = await self._webhook(job).send(
                    sentence, view=view, allowed_mentions=ping, wait=True
                )
            else:
                message = self._message(job)
                sent = await message.channel.send(
                    sentence,
                    view=view,
                    nonce=f"ping-{job.key}",
                    reference=message.to_reference(fail_if_not_exists=False),
                    allowed_mentions=ping,
                )
            return MessageId(sent.id)

    async def post(self, channel: ChannelId, guild: GuildId | None, sentence: str, *, nonce: str) -> None:
        """A message of its own; Discord returns the one already there for a nonce seen in the last minutes."""
        async with asyncio.timeout(EDIT_WITHIN_S):
            target = self._client.get_partial_messageable(channel, guild_id=guild)
            await target.send(sentence, nonce=nonce, allowed_mentions=NOBODY, suppress_embeds=True)

    async def remove(self, channel: ChannelId, message: MessageId) -> None:
        """Deletes a message of the bot's, by its own token."""
        async with asyncio.timeout(EDIT_WITHIN_S):
            await self._client.get_partial_messageable(channel).get_partial_message(message).delete()

    async def delete(self, job: Job, route: Route) -> None:
        """Takes the card away."""
        assert job.card.message is not None
        async with asyncio.timeout(EDIT_WITHIN_S):
            if route is Route.TOKEN:
                await self._webhook(job).delete_message(job.card.message)
            else:
                await self._message(job).delete()

    async def whisper(self, job: Job, sentence: str, *, within_s: float = EDIT_WITHIN_S) -> None:
        """A follow-up only the member sees; by the token alone."""
        async with asyncio.timeout(within_s):
            await self._webhook(job).send(sentence, ephemeral=True, allowed_mentions=NOBODY, wait=True)

    async def original(self, job: Job) -> discord.WebhookMessage:
        """The answer to the interaction, by the token."""
        async with asyncio.timeout(EDIT_WITHIN_S):
            return await self._webhook(job).fetch_message("@original")  # type: ignore[arg-type]  # the route takes it

    async def close(self) -> None:
        """Closes the session for uploads."""
        if self._session is not None:
            await self._session.close()

    def _webhook(self, job: Job) -> discord.Webhook:
        assert job.card.token is not None
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=15, sock_read=UPLOAD_IDLE_S)
            )
        hook = discord.Webhook.partial(job.card.application, job.card.token, client=self._client, session=self._session)
        hook.type = discord.WebhookType.application  # else discord.py refuses ephemeral follow-ups
        return hook

    def _message(self, job: Job) -> discord.PartialMessage:
        assert job.card.message is not None
        channel = self._client.get_partial_messageable(job.card.channel, guild_id=job.card.guild)
        return channel.get_partial_message(job.card.message)


def filename_of(job: Job) -> str:
    """ASCII letters, digits, - _ and . only: Discord's rule for attachment:// names."""
    return f"clip-{job.key}.mp4"
