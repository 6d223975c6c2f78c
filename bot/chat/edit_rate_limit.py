"""How many edits may be made: a minute in a channel by the bot's own token, a second in all. Finished cards first."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from bot.models import ChannelId, JobId

CHANNEL_EDITS, CHANNEL_SPAN_S = 20, 60.0
KEPT_FOR_LAST = 15
"""Of these, progress leaves one for each card that may finish, up to so many: it never stands still for good."""
PROGRESS_APART_S = CHANNEL_SPAN_S / CHANNEL_EDITS
"""In a channel: at a start with many cards, progress must not take its share before all of them are known."""
PROGRESS_EDITS, PROGRESS_SPAN_S = 25, 0.5
"""All that one process edits for progress: each costs time. Discord bars a bot at 50 requests a second by its token."""
REFUSED, REFUSED_SPAN_S = 2_000, 600.0
"""Discord bars an address after 10,000 refused requests in ten minutes. Progress causes no more than so many."""
LOOKED_AT = 2
"""For each new channel so many of the others are looked at: more than come in, so all that rest go in the end."""


class Window:
    """At most `most` in any `span_s` seconds."""

    def __init__(self, most: int, span_s: float) -> None:
        self._most = most
        self._span_s = span_s
        self._of_all = (most, span_s)
        self._taken: deque[float] = deque()

    def is_empty(self, now: float) -> bool:
        """Whether none was taken of late."""
        while self._taken and self._taken[0] <= now - self._span_s:
            self._taken.popleft()
        return not self._taken

    def wait_s(self, now: float, *, keeping: int = 0) -> float:
        """How long until one more may be taken, so that `keeping` are still left after it; 0 for now."""
        if self.is_empty(now):
            return 0.0
        too_many = len(self._taken) + 1 + keeping - self._most
        return 0.0 if too_many <= 0 else self._taken[too_many - 1] + self._span_s - now

    def share(self, processes: int) -> None:
        """This process's part, of so many that have the same; never less than one, then in a longer time."""
        most, span_s = self._of_all
        self._most = max(1, most // processes)
        self._span_s = span_s if most >= processes else span_s * processes / most

    def record(self, now: float) -> None:
        """One is taken."""
        self._taken.append(now)


@dataclass(eq=False, slots=True)
class _Queue:
    """Whoever waits for a window, in the order they came."""

    window: Window
    apart: Window = field(default_factory=lambda: Window(1, PROGRESS_APART_S))
    last: asyncio.Lock = field(default_factory=asyncio.Lock)
    progress: asyncio.Lock = field(default_factory=asyncio.Lock)
    unfinished: set[JobId] = field(default_factory=set)

    def share(self, processes: int) -> None:
        """As `Window.share`."""
        self.window.share(processes)
        self.apart.share(processes)


class EditRateLimit:
    """Cards ask before each edit, and wait in here for their turn; cancelling them is safe."""

    def __init__(self, now: Callable[[], float], sleep: Callable[[float], Awaitable[None]]) -> None:
        self._now = now
        self._sleep = sleep
        self._all = _Queue(Window(PROGRESS_EDITS, PROGRESS_SPAN_S))
        self._refused = Window(REFUSED, REFUSED_SPAN_S)
        self._channels: OrderedDict[ChannelId, _Queue] = OrderedDict()
        self._processes = 1

    def share(self, processes: int) -> None:
        """So many processes edit cards from now on, and any of them any card: each has its part of what Discord counts.

        Edits by the commands' tokens are not counted there, so what one process edits in all stays as it is.
        """
        self._processes = processes
        for queue in self._channels.values():
            queue.share(processes)
        self._refused.share(processes)

    async def last(self, channel: ChannelId) -> None:
        """For a card's last edit by the bot's own token."""
        queue = self._queue(channel)
        async with queue.last:
            await self._acquire(queue.window, lambda: 0)

    async def progress(self, channel: ChannelId) -> None:
        """For any other edit by the bot's own token."""
        queue = self._queue(channel)
        async with queue.progress:
            await self._acquire(queue.apart, lambda: 0)
            kept = max(0, min(KEPT_FOR_LAST // self._processes, CHANNEL_EDITS // self._processes - 1))
            await self._acquire(queue.window, lambda: min(len(queue.unfinished), kept))

    async def anywhere(self) -> None:
        """For any edit but a card's last, whatever its transport."""
        async with self._all.progress:
            while (wait_s := self._refused.wait_s(self._now())) > 0:
                await self._sleep(wait_s)
            await self._acquire(self._all.window, lambda: 0)

    def refused(self) -> None:
        """Discord, or an edge before it, refused an edit of progress."""
        self._refused.record(self._now())

    def begun(self, channel: ChannelId, job: JobId) -> None:
        """This card's last edit is still to come."""
        self._queue(channel).unfinished.add(job)

    def finished(self, channel: ChannelId, job: JobId) -> None:
        """Nothing need be kept for this card any more."""
        if channel in self._channels:
            self._channels[channel].unfinished.discard(job)

    async def _acquire(self, window: Window, keeping: Callable[[], int]) -> None:
        while (wait_s := window.wait_s(self._now(), keeping=keeping())) > 0:
            await self._sleep(wait_s)
        window.record(self._now())

    def _queue(self, channel: ChannelId) -> _Queue:
        if channel not in self._channels:
            for _ in range(min(LOOKED_AT, len(self._channels))):
                known, queue = self._channels.popitem(last=False)
                if not self._is_idle(queue):
                    self._channels[known] = queue
            self._channels[channel] = _Queue(Window(CHANNEL_EDITS, CHANNEL_SPAN_S))
            self._channels[channel].share(self._processes)
        return self._channels[channel]

    def _is_idle(self, queue: _Queue) -> bool:
        in_use = queue.unfinished or queue.last.locked() or queue.progress.locked()
        return not in_use and queue.window.is_empty(self._now())
