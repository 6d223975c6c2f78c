"""Metrics for Prometheus. Loaded only where HTTP_PORT is set: without it nothing of this costs anything.

Counters are raised where something happens: `Instruments`. Gauges are read when somebody asks: `scrape`. The parts of
the bot do not know of either: `bot.app` hands them an observer, a wrapped provider, a listener.
"""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Callable, Coroutine
from datetime import datetime
from pathlib import Path

import aiohttp
import discord
from prometheus_client import CollectorRegistry, Info, ProcessCollector
from prometheus_client.exposition import generate_latest

from bot.catalog import Catalog
from bot.chat.client import AnimateBot
from bot.errors import StoreError
from bot.jobs.backups import Backups
from bot.jobs.context import JobContext
from bot.metrics.discord_requests import DiscordRequests
from bot.metrics.instruments import Instruments
from bot.metrics.providers import measured
from bot.metrics.scrape import BackupTimes, Folders, Gauges, Memory
from bot.models import Limit
from bot.providers.protocols import Provider
from bot.store.database import Store
from bot.store.metrics_queries import figures
from bot.version import VERSION
from bot.wire_config import ProviderConfig

LOOKS_AT_LOOP_S = 0.5
DATABASE_WITHIN_S = 2.0


class Metrics:
    """Owns the registry, and a task that looks at the loop. Watch the bot once it is put together, and close it."""

    def __init__(self, catalog: Catalog, *, api_url: str, now: Callable[[], datetime], budget: Limit) -> None:
        self._registry = CollectorRegistry()
        self._instruments = Instruments(self._registry, catalog)
        self._requests = DiscordRequests(self._instruments, api_url, now)
        self._now = now
        self._budget = budget
        ProcessCollector(registry=self._registry)
        Info("animate_build", "Versions of the bot, Python and discord.py.", registry=self._registry).info(
            {"version": VERSION, "python": platform.python_version(), "discord_py": discord.__version__}
        )
        self._looking: asyncio.Task[None] | None = None
        self._scraping: asyncio.Task[bytes] | None = None

    def connecting(self, connect: Callable[[ProviderConfig], Provider]) -> Callable[[ProviderConfig], Provider]:
        """As `connect`, with calls that are counted."""
        return measured(connect, self._instruments)

    def listen(self, trace: aiohttp.TraceConfig) -> None:
        """For each session that sends requests to Discord."""
        self._requests.listen(trace)

    def measure(self, store: Store) -> None:
        """What the store commits, and how long that takes."""
        store.observe(self._instruments.committed)
        store.measure(self._instruments.batched)

    def watch(
        self,
        bot: AnimateBot,
        context: JobContext,
        data: Path,
        database: Path | None,
        clock_ahead_s: Callable[[], float],
        backups: Backups | None,
    ) -> None:
        """From here on a scrape can be answered. `database` is None where it is no file."""
        self._backups = backups
        self._bot, self._context, self._clock_ahead_s = bot, context, clock_ahead_s
        self._folders = Folders(data, database)
        for event in ("connect", "resumed", "disconnect"):
            bot.add_listener(self._counting(event.removesuffix("d")), f"on_shard_{event}")
        self._looking = asyncio.create_task(self._look_at_loop(), name="loop-lag")

    async def close(self) -> None:
        """Ends what goes on beside the bot."""
        tasks = [task for task in (self._looking, self._scraping) if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def exposition(self) -> bytes:
        """In Prometheus's text format. Whoever asks while another scrape is under way gets the same."""
        if self._scraping is None:
            self._scraping = asyncio.create_task(self._scrape(), name="scrape")
            self._scraping.add_done_callback(self._scraped)
        return await asyncio.shield(self._scraping)

    def _scraped(self, _: asyncio.Task[bytes]) -> None:
        self._scraping = None

    async def _scrape(self) -> bytes:
        """What the loop holds is read on it, in one go; files and text are a thread's."""
        try:
            async with asyncio.timeout(DATABASE_WITHIN_S):
                found = await self._context.store.read(figures(self._budget, self._now()))
        except (StoreError, TimeoutError):
            found = None
        gauges = Gauges(self._memory(), found, self._budget, self._folders, self._instruments)
        return await asyncio.to_thread(self._written, gauges)

    def _written(self, gauges: Gauges) -> bytes:
        self._instruments.begin_at_zero()
        of_now = CollectorRegistry()
        of_now.register(gauges)
        return generate_latest(self._registry) + generate_latest(of_now)

    def _memory(self) -> Memory:
        queue, backups = self._context.queue, self._backups
        oldest = queue.oldest
        return Memory(
            queue_jobs=queue.waiting,
            queue_held=len(queue.held()),
            queue_oldest_s=0.0 if oldest is None else self._context.clock.since(oldest).total_seconds(),
            slots_used=queue.at_provider,
            slots=queue.slots,
            circuits=self._context.circuit_breakers.counts(),
            shards=None
            if not self._bot.has_gateway
            else [
                float("nan") if shard.is_closed() else shard.latency for _, shard in sorted(self._bot.shards.items())
            ],
            clock_ahead_s=self._clock_ahead_s(),
            backups=None
            if backups is None
            else BackupTimes(
                every_s=backups.every.total_seconds(),
                last_s=0.0 if backups.last is None else backups.last.timestamp(),
                has_failed=backups.failure is not None,
            ),
        )

    def _counting(self, event: str) -> Callable[..., Coroutine[object, object, None]]:
        counter = self._instruments.gateway.labels(event)

        async def count(*_: object) -> None:
            counter.inc()

        return count

    async def _look_at_loop(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LOOKS_AT_LOOP_S
            await asyncio.sleep(LOOKS_AT_LOOP_S)
            self._instruments.loop_lag.observe(max(0.0, loop.time() - due))
