"""What nothing needs any more goes by itself: words, files, names, messages, servers that were left."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Collection
from datetime import datetime, timedelta

from bot.errors import StoreError
from bot.jobs import backoff
from bot.jobs.context import JobContext
from bot.jobs.worker import Worker
from bot.models import KEPT_FOR, GuildId, Keeping, Limits, PendingDeletion, Scope, UserId
from bot.store import cards, erasure, memberships, pending_deletions, prompt_help, pseudonyms
from bot.store.database import Unit

log = logging.getLogger(__name__)

EVERY = timedelta(days=1)
LEFT_FOR = timedelta(days=30)
"""A server's data outlives the bot's leaving by so much: the bot may be added again."""
PROMPTS_AT_ONCE = 500
"""A unit keeps the writer busy: many old prompts go in several."""
BETWEEN_DELETES_S = 1.0
"""Discord takes about five a second in a channel, fewer of old messages; nobody waits for these."""
SHARED_LOOK_S = 60.0
"""So often it is looked for messages that another process was to delete, and has ended before it did."""


class Retention:
    """Owns two tasks: one looks once a day, and oftener while an erasure is open; one deletes messages, one by one."""

    def __init__(
        self,
        context: JobContext,
        worker: Worker,
        *,
        keeping: Keeping,
        limits: Limits,
        shared_look_s: float = SHARED_LOOK_S,
    ) -> None:
        self._context = context
        self._worker = worker
        self._limits = limits
        self._look_s = None if context.dispatch is None else shared_look_s
        self.keeping = keeping
        self._due = context.clock.now()
        self._handles_guild: memberships.HandlesGuild = lambda _guild: False  # until Discord has told of every server
        self._woken = asyncio.Event()
        self._deletion_added = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begins with a look; returns at once."""
        self._tasks = [
            asyncio.create_task(self._look(), name="retention"),
            asyncio.create_task(self._sweep(), name="deletions"),
        ]

    async def stop(self) -> None:
        """Leaves what is not done to the next start."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def forget(self, member: UserId) -> int:
        """The member wants to be forgotten; tells how many of their jobs go on, to be erased when they end.

        Raises StoreUnavailable; then nothing has happened.
        """
        erased = await self._context.store.write(erasure.request(member, now=self._context.clock.now()))
        log.info(
            "user=%s deleted their data: %s jobs erased, %s still in progress", member, len(erased.jobs), erased.running
        )
        await self._follow_up(erased)
        self._woken.set()
        return erased.running

    async def guilds_seen(
        self, there: Collection[GuildId], handles_guild: memberships.HandlesGuild = memberships.everywhere
    ) -> None:
        """Of the servers that this process handles, the bot is a member of these. Raises StoreUnavailable."""
        if await self._context.store.read(memberships.is_news(there, handles_guild)):
            now = self._context.clock.now()
            for guild in await self._context.store.write(memberships.seen(there, handles_guild, now=now)):
                _log_left(guild)
        self._handles_guild = handles_guild
        self._due = self._context.clock.now()
        self._woken.set()

    async def guild_joined(self, guild: GuildId) -> None:
        """The bot was added, perhaps again: nothing of the server goes. Raises StoreUnavailable."""
        await self._context.store.write(memberships.joined(guild))

    async def guild_left(self, guild: GuildId) -> None:
        """The bot was removed. Raises StoreUnavailable; the next start finds out, too."""
        await self._context.store.write(memberships.left(guild, now=self._context.clock.now()))
        _log_left(guild)

    def sweep(self) -> None:
        """Messages are to be deleted that nobody else will delete."""
        self._deletion_added.set()

    async def _look(self) -> None:
        looks = 0
        while True:
            try:
                if self._context.clock.now() >= self._due:
                    self._due = self._context.clock.now() + EVERY
                    await self._purge()
                looks = looks + 1 if await self._carry_out_erasures() else 0
            except Exception as error:  # noqa: BLE001 - logged there, and tried again
                _log_trouble(error)
                self._due = self._context.clock.now()
                looks += 1
            rest = backoff.look_again_pause(looks) if looks else (self._due - self._context.clock.now()).total_seconds()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(rest):
                    await self._woken.wait()
                looks = 0
            self._woken.clear()

    async def _carry_out_erasures(self) -> bool:
        """Whether some are still open."""
        for member in await self._context.store.read(erasure.open_erasures()):
            await self._follow_up(
                await self._context.store.write(erasure.carry_out(member, now=self._context.clock.now()))
            )
        return bool(await self._context.store.read(erasure.open_erasures()))

    async def _follow_up(self, erased: erasure.Erased) -> None:
        """The files, and the tasks that hold what is gone from the store."""
        self.sweep()
        if erased.jobs:
            await asyncio.to_thread(self._context.files.forget_all, set(erased.jobs))
        for job in erased.pictures:
            await asyncio.to_thread(self._context.files.forget_copy, job)
        for job in erased.open_cards:
            await self._worker.recheck(job)
        if erased.open_cards:  # a task that was at work may have written a picture in the meantime
            await asyncio.to_thread(self._context.files.forget_all, set(erased.open_cards))

    async def _purge(self) -> None:
        now, store = self._context.clock.now(), self._context.store
        for job in await store.read(erasure.dead_tokens(now=now)):
            await store.write(cards.drop_dead_token(job, now=now))
        await self._purge_prompts(now)
        if await store.read(prompt_help.has_old(now=now)):
            await store.write(prompt_help.purge(now=now))
        needed = await store.read(erasure.needing_files(undelivered_since=now - KEPT_FOR))
        files = self._context.files
        await asyncio.to_thread(files.purge, "pictures", older_than=self.keeping.pictures, spare=needed)
        await asyncio.to_thread(files.purge, "videos", older_than=KEPT_FOR, spare=needed)
        if self.keeping.prompts is not None:
            await asyncio.to_thread(files.purge, "stills", older_than=self.keeping.prompts, spare=())
        for member in await store.read(pseudonyms.erased_people()):
            if await store.write(pseudonyms.forget_name(member, self._limits, now=now)):
                log.info("the id of a member who deleted their data is gone")
        due = memberships.to_purge(left_before=now - LEFT_FOR)
        for guild in await store.read(due):
            if self._handles_guild(guild):  # else the bot may have been added again while this process was down
                await self._purge_guild(guild, due)

    async def _purge_prompts(self, now: datetime) -> None:
        if self.keeping.prompts is None:
            return
        unit = erasure.old_prompts(asked_before=now - self.keeping.prompts, at_most=PROMPTS_AT_ONCE)
        while old := await self._context.store.read(unit):
            await self._context.store.write(erasure.drop_prompts(old))
            log.info("deleted the prompts and links of %s old jobs", len(old))

    async def _purge_guild(self, guild: GuildId, due: Unit[list[GuildId]]) -> None:
        for member in await self._context.store.read(memberships.people_of(guild)):
            await self._context.store.write(pseudonyms.pseudonymize_member(Scope(guild), member))
        # In the unit: somebody may use the bot there in this very moment.
        gone = await self._context.store.write(lambda tx: memberships.purge(guild)(tx) if guild in due(tx) else None)
        if gone is None:
            return
        await asyncio.to_thread(self._context.files.forget_all, set(gone))
        self._worker.resume(Scope(guild))
        log.info("guild=%s removed the bot %s ago: its data is deleted", guild, LEFT_FOR)

    async def _sweep(self) -> None:
        """Deletes our messages that nobody wants any more, until there are none, then waits for more."""
        tries, last = 0, None
        while True:
            if self._deletion_added.is_set():
                last = None  # what has to be deleted soon comes first
            self._deletion_added.clear()
            try:
                last = await self._context.store.read(pending_deletions.following(last))
                if last is None:
                    await self._more_to_delete()
                    continue
                decided = self._is_out_of_reach(last) or await self._context.chat.delete_message(last)
                if decided:
                    await self._context.persist(pending_deletions.forget(last.message))
            except Exception as error:  # noqa: BLE001 - logged there, and tried again
                _log_trouble(error)
                decided = False
            tries = 0 if decided else tries + 1
            await self._context.clock.sleep(
                BETWEEN_DELETES_S if decided else backoff.retry_pause(tries + 3, self._context.rng)
            )

    async def _more_to_delete(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._look_s):
                await self._deletion_added.wait()

    def _is_out_of_reach(self, message: PendingDeletion) -> bool:
        """Whether the token that alone reached the message has ended; then it stays."""
        if message.token_ends_at is None or self._context.clock.now() < message.token_ends_at:
            return False
        log.info("message=%s in channel=%s not deleted: its token has ended", message.message, message.channel)
        return True


def _log_left(guild: GuildId) -> None:
    log.info("guild=%s removed the bot: its data will be deleted in %s, unless the bot is added again", guild, LEFT_FOR)


def _log_trouble(error: Exception) -> None:
    """At the edge of a task, which goes on."""
    trace = None if isinstance(error, StoreError | OSError) else error
    log.warning("data could not be deleted, trying again: %s", error, exc_info=trace)
