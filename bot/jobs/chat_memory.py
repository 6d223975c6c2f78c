"""What the chat remembers, kept in the store: it imports no store itself."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from bot.errors import StoreError
from bot.jobs.context import Clock
from bot.models import ChannelId, GatewaySession, JobId
from bot.store import cards, command_hashes, gateway_sessions
from bot.store.database import Store, Unit

log = logging.getLogger(__name__)

LEFT_WITHIN_S = 1.0


class StoredCommands:
    """Keeps in the store which commands were synced."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def synced_hash(self, application: int, api: str) -> str | None:
        """Hash of the payload, or None."""
        return await self._store.read(command_hashes.synced_hash(application, api))

    async def remember_hash(self, application: int, api: str, payload_hash: str) -> None:
        """Discord took this payload."""
        await self._store.write(command_hashes.remember_hash(application, api, payload_hash))


class StoredSessions:
    """Keeps in the store the gateway's sessions that one process leaves to the next; else commands are missed."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self.now = clock.now

    async def leave(self, sessions: Sequence[GatewaySession]) -> None:
        """For the next process."""
        try:
            await self._store.write(gateway_sessions.leave(sessions, now=self.now()), start_within_s=LEFT_WITHIN_S)
        except StoreError as error:
            log.warning("the next process cannot resume what this one has heard: %s", error)

    async def claim(self, is_mine: Callable[[int], bool], shards: int) -> list[GatewaySession]:
        """What the process before has left."""
        try:
            if not await self._store.read(gateway_sessions.are_left()):
                return []
            return await self._store.write(gateway_sessions.claim(is_mine, shards, now=self.now()))
        except StoreError as error:
            log.warning("what the process before this one has heard is not resumed: %s", error)
            return []


class StoredCards:
    """Keeps in the store what is learnt of the transports to a card; what cannot be kept is learnt again."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def token_died(self, job: JobId) -> None:
        """The interaction's token is dead."""
        await self._keep(cards.drop_token(job))

    async def bot_lost_access(self, job: JobId) -> None:
        """The bot's own token cannot reach the card any more."""
        await self._keep(cards.drop_bot_access(job))

    async def card_removed(self, job: JobId) -> None:
        """Somebody deleted the card."""
        await self._keep(cards.mark_removed(job, now=datetime.now(UTC)))

    async def claim_post(self, job: JobId, channel: ChannelId | None, *, again_for: timedelta) -> bool | None:
        """Whether the video may be sent as a message of its own; True for the first time, False for another."""
        try:
            unit = cards.claim_post(job, channel, now=datetime.now(UTC), again_for=again_for)
            return await self._store.write(unit)
        except StoreError as error:
            log.warning("job=%s its video is not sent for now: %s", job, error)
            return None

    async def release_post(self, job: JobId) -> None:
        """The first such message was certainly not taken."""
        await self._keep(cards.release_post(job))

    async def _keep(self, unit: Unit[object]) -> None:
        try:
            await self._store.write(unit)
        except StoreError as error:
            log.warning("what was learnt of a card was not kept: %s", error)
