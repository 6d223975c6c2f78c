"""Answers of the store that are asked for again and again, held in memory until what they tell changes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

from bot.store.database import Store, Unit

K = TypeVar("K")
V = TypeVar("V")

SHARED_S = 5.0
"""So long a change that another process of the bot made may be missed."""
ALONE_S = 600.0
"""Every change is noted here; yet nothing is believed for longer."""
MOST = 2_000


class StoreCache(Generic[K, V]):
    """The newest answers, up to `MOST`; those who ask at once for the same share one question.

    `changed` tells the key whose answer an event of the store (`Store.observe`) makes untrue, None where it makes none.
    """

    def __init__(
        self,
        store: Store,
        unit_of: Callable[[K], Unit[V]],
        changed: Callable[[object], K | None],
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._unit_of = unit_of
        self._changed = changed
        self._now_s = now_s
        self._life_s = SHARED_S if store.is_shared else ALONE_S
        self._held: dict[K, tuple[float, asyncio.Task[V]]] = {}  # the oldest first
        store.observe(self._drop)

    async def of(self, key: K) -> V:
        """Raises StoreUnavailable."""
        return await asyncio.shield(self.ask(key))

    def ask(self, key: K) -> asyncio.Task[V]:
        """Begins the question, where it is one: whoever needs the answer soon need not wait for another one first."""
        now_s = self._now_s()
        held = self._held.get(key)
        if held is not None and now_s - held[0] < self._life_s:
            return held[1]
        self._held.pop(key, None)
        self._make_room(now_s)
        task = asyncio.create_task(self._store.read(self._unit_of(key)))
        task.add_done_callback(partial(self._answered, key))
        self._held[key] = now_s, task
        return task

    def _make_room(self, now_s: float) -> None:
        while self._held:
            oldest, (asked_s, _) = next(iter(self._held.items()))
            if now_s - asked_s < self._life_s and len(self._held) < MOST:
                return
            del self._held[oldest]

    def _answered(self, key: K, task: asyncio.Task[V]) -> None:
        """What failed is asked anew."""
        failed = task.cancelled() or task.exception() is not None
        if failed and self._held.get(key, (0.0, None))[1] is task:
            del self._held[key]

    def _drop(self, event: object) -> None:
        """What is asked from now on sees the change; a question under way may have been too early for it."""
        key = self._changed(event)
        if key is not None:
            self._held.pop(key, None)
