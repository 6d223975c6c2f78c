"""Progress on cards: one edit in flight per card, newest state wins, only on change, never faster than set."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from bot.chat.cards import Cards, Face, Shown, elapsed_s
from bot.chat.routes import TROUBLE, Fate, Route, fate_of
from bot.chat.ways import Ways
from bot.jobs.port import Outlook, Progress
from bot.models import ChannelId, Job, JobId

log = logging.getLogger(__name__)

CHANNEL_EDITS = 20
CHANNEL_WINDOW_S = 60.0
"""At most so many edits by the bot's own token in a channel; the last edit of a card is not counted."""
OLD_AFTER = timedelta(hours=1)
"""Discord allows 3 edits in 6 s a channel for messages over an hour old: only the last edit is made there."""
LEAVE_BEFORE = timedelta(seconds=60)
"""So long before its end a token makes its last edit, where nothing else reaches the card."""


class Edits:
    """Owns one task per card that changes. `last` must come before a card's final edit."""

    def __init__(self, ways: Ways, cards: Cards, *, every_s: float, now: Callable[[], datetime]) -> None:
        self._ways = ways
        self._cards = cards
        self._every_s = every_s
        self._now = now
        self._wanted: dict[JobId, Shown] = {}
        self._tasks: dict[JobId, asyncio.Task[None]] = {}
        self._in_channel: dict[ChannelId, deque[float]] = {}
        self._closed: set[JobId] = set()
        self._pausing: set[JobId] = set()
        self._newest: dict[JobId, Shown] = {}
        self._leaving: dict[JobId, asyncio.TimerHandle] = {}

    def show(self, job: Job, outlook: Outlook | None) -> None:
        """Wants the card to look so; returns at once."""
        if job.card.message is None or job.card.finished or job.id in self._closed:
            return
        counts_time = isinstance(outlook, Progress) and outlook.due is None
        shown = Shown(job, outlook, elapsed_s(job, self._now()) if counts_time else 0)
        self._wanted[job.id] = self._newest[job.id] = shown
        if job.id not in self._leaving and self._ways.only_token(job):
            left = (job.card.token_ends_at - LEAVE_BEFORE - self._now()).total_seconds()
            self._leaving[job.id] = asyncio.get_running_loop().call_later(max(0.0, left), self._leave, job.id)
        self._start(job.id)

    def _start(self, job_id: JobId) -> None:
        if job_id not in self._tasks:
            task = asyncio.create_task(self._run(job_id), name=f"card-{job_id}")
            self._tasks[job_id] = task
            task.add_done_callback(lambda _: self._tasks.pop(job_id, None))

    def _leave(self, job_id: JobId) -> None:
        """The token is about to die and nothing else reaches the card: its last edit leaves a button."""
        newest = self._newest.get(job_id)
        if newest is not None and job_id not in self._closed:
            self._wanted[job_id] = replace(newest, leaving=True)
            self._closed.add(job_id)
            self._start(job_id)

    async def last(self, job: Job) -> None:
        """No more progress on this card; waits for the edit in flight, so that none lands after the final one.

        A pause between two edits is not waited for: a finished video does not stand in line behind it.
        """
        self._closed.add(job.id)
        self._wanted.pop(job.id, None)
        task = self._tasks.get(job.id)
        if task is not None:
            if job.id in self._pausing:
                task.cancel()
            await asyncio.wait({task})

    def forget(self, job: Job) -> None:
        """The card is done."""
        self._newest.pop(job.id, None)
        self._closed.discard(job.id)
        timer = self._leaving.pop(job.id, None)
        if timer is not None:
            timer.cancel()

    async def close(self) -> None:
        """Drops what is wanted and ends every task."""
        for timer in self._leaving.values():
            timer.cancel()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _run(self, job_id: JobId) -> None:
        loop = asyncio.get_running_loop()
        face: Face | None = None
        while (wanted := self._wanted.pop(job_id, None)) is not None:
            started = loop.time()
            if wanted.face != face and await self._edit(wanted):
                face = wanted.face
            if job_id in self._closed and job_id not in self._wanted:
                return
            self._pausing.add(job_id)
            try:
                await asyncio.sleep(max(0.0, self._every_s - (loop.time() - started)))
            finally:
                self._pausing.discard(job_id)

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
                await self._ways.shut(job, routes[0])
            elif fate is Fate.REMOVED:
                await self._ways.removed(job)
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
