"""Wakes whoever waits for the other takes of a request: after each move of one of them, and when told to look."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

from bot.models import JobId
from bot.store.jobs import Moved


class TakeEvents:
    """Of this process alone: what others move is found by looking at the store now and then."""

    def __init__(self) -> None:
        self._waiting: dict[JobId, set[asyncio.Event]] = {}

    @contextlib.contextmanager
    def of(self, request: JobId) -> Iterator[asyncio.Event]:
        """An event that is set whenever a take of the request has changed; whoever waits clears it before a look."""
        changed = asyncio.Event()
        self._waiting.setdefault(request, set()).add(changed)
        try:
            yield changed
        finally:
            self._waiting[request].discard(changed)
            if not self._waiting[request]:
                del self._waiting[request]

    def wake(self, request: JobId) -> None:
        """Something of the request has changed."""
        for changed in self._waiting.get(request, ()):
            changed.set()

    def heard(self, event: object) -> None:
        """To be given to `Store.observe`."""
        if isinstance(event, Moved) and event.job.card.request is not None:
            self.wake(event.job.card.request)


async def changed_within(changed: asyncio.Event, seconds: float) -> None:
    """Waits for the event, for so long at most."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await changed.wait()
