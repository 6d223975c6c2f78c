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
        self._ending: asyncio.TimerHandle | None = None

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
                self._ending = asyncio.get_running_loop().call_later(LASTS_S, self._idle.set)

    async def wait_until_idle(self, at_most_s: float = WAITS_AT_MOST_S) -> None:
        """Waits until nobody waits for an answer, and a moment longer; no longer than `at_most_s` in all."""
        if not self._idle.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(at_most_s):
                    await self._idle.wait()
