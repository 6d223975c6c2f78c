"""Progress on cards: one edit in flight per card, newest state wins, only on change, never faster than set."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

from bot.chat.cards import Cards, Shown, elapsed_s
from bot.chat.routes import TROUBLE, Fate, Route, fate_of
from bot.chat.ways import Ways
from bot.models import ChannelId, Job, JobId

log = logging.getLogger(__name__)

CHANNEL_EDITS = 20
CHANNEL_WINDOW_S = 60.0
"""At most so many edits by the bot's own token in a channel; the last edit of a card is not counted."""
OLD_AFTER = timedelta(hours=1)
"""Discord allows 3 edits in 6 s a channel for messages over an hour old: only the last edit is made there."""


class Edits:
    """Owns one task per card that changes. `last` must come before a card's final edit."""

    def __init__(self, ways: Ways, cards: Cards, *, every_s: float, now: Callable[[], datetime]) -> None:
        self._ways = ways
        self._cards = cards
        self._every_s = every_s
        self._now = now
        self._wanted: dict[JobId, Shown] = {}
        self._tasks: dict[JobId, asyncio.Task[None]] = {}
        self._percent: dict[JobId, int] = {}
        self._in_channel: dict[ChannelId, deque[float]] = {}
        self._closed: set[JobId] = set()

    def show(self, job: Job, percent: int | None) -> None:
        """Wants the card to look so; returns at once."""
        if job.card.message is None or job.card.finished or job.id in self._closed:
            return
        best = max(percent or 0, self._percent.get(job.id, 0))
        self._percent[job.id] = best
        self._wanted[job.id] = Shown(job, best, elapsed_s(job, self._now()))
        if job.id not in self._tasks:
            task = asyncio.create_task(self._run(job.id), name=f"card-{job.id}")
            self._tasks[job.id] = task
            task.add_done_callback(lambda _: self._tasks.pop(job.id, None))

    async def last(self, job: Job) -> None:
        """No more progress on this card; waits for the edit in flight, so that none lands after the final one."""
        self._closed.add(job.id)
        self._wanted.pop(job.id, None)
        task = self._tasks.get(job.id)
        if task is not None:
            await asyncio.wait({task})

    def forget(self, job: Job) -> None:
        """The card is done."""
        self._percent.pop(job.id, None)
        self._closed.discard(job.id)

    async def close(self) -> None:
        """Drops what is wanted and ends every task."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _run(self, job_id: JobId) -> None:
        loop = asyncio.get_running_loop()
        shown: Shown | None = None
        while (wanted := self._wanted.pop(job_id, None)) is not None:
            started = loop.time()
            if wanted != shown and await self._edit(wanted):
                shown = wanted
            if job_id in self._closed:
                return
            await asyncio.sleep(max(0.0, self._every_s - (loop.time() - started)))

    async def _edit(self, wanted: Shown) -> bool:
        job = wanted.job
        routes = self._ways.open(job)
        if not routes or not self._may(job, routes[0]):
            return False
        try:
            await self._ways.edit(job, routes[0], self._cards.progress(wanted))
        except TROUBLE as error:
            fate = fate_of(error)
            log.info("job=%s progress edit by %s: %s (%s)", job.id, routes[0].name, fate.name, error)
            if fate is Fate.ROUTE_DEAD:
                self._ways.shut(job, routes[0])
            elif fate is Fate.REMOVED:
                for route in Route:
                    self._ways.shut(job, route)
            return False
        return True

    def _may(self, job: Job, route: Route) -> bool:
        if self._now() - job.created_at > OLD_AFTER:
            return False
        if route is Route.TOKEN:
            return True
        times = self._in_channel.setdefault(job.card.channel, deque())
        now = asyncio.get_running_loop().time()
        while times and times[0] < now - CHANNEL_WINDOW_S:
            times.popleft()
        if len(times) >= CHANNEL_EDITS:
            return False
        times.append(now)
        return True
