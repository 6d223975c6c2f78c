"""First answers come first: while any is under way, work that can wait does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

WAITS_AT_MOST_S = 2.0
"""A bot that is asked without a pause still has to do the work."""
LASTS_S = 0.05
"""So long after the last answer others may still come: many who ask at once do not ask in the same millisecond."""


class InteractionPriority:
    """Counts the commands that Discord waits for. Measured: `benchmarks/first_answer.py`."""

    def __init__(self) -> None:
        self._open = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._ending: asyncio.TimerHandle | None = None  # the last answer is through
        self._giving_up: asyncio.TimerHandle | None = None  # somebody waits

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        """Around a command, up to its first answer."""
        self._open += 1
        self._idle.clear()
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None
        try:
            yield
        finally:
            self._open -= 1
            if not self._open:
                self._ending = asyncio.get_running_loop().call_later(LASTS_S, self._end)

    async def wait_until_idle(self) -> None:
        """Waits until nobody waits for an answer, and a moment longer; no longer than `WAITS_AT_MOST_S` in all.

        The first who waits starts a timer for all: with one for each, a burst of commands made hundreds of them.
        """
        if self._idle.is_set():
            return
        if self._giving_up is None:
            self._giving_up = asyncio.get_running_loop().call_later(WAITS_AT_MOST_S, self._give_up)
        await self._idle.wait()

    def _end(self) -> None:
        self._ending = None
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None
        self._idle.set()

    def _give_up(self) -> None:
        """Whoever waits goes on; whoever comes from now on waits anew."""
        self._giving_up = None
        self._idle.set()
        self._idle.clear()
