"""First answers come first: while any is under way, work that can wait does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

WAITS_AT_MOST_S = 2.0
"""A bot that is asked without a pause still has to do the work."""


class Answering:
    """Counts the commands that Discord waits for. Measured: `benchmarks/first_answer.py`."""

    def __init__(self) -> None:
        self._open = 0
        self._quiet = asyncio.Event()
        self._quiet.set()

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        """Around a command, up to its first answer."""
        self._open += 1
        self._quiet.clear()
        try:
            yield
        finally:
            self._open -= 1
            if not self._open:
                self._quiet.set()

    async def quiet(self) -> None:
        """Waits until nobody waits for an answer, for two seconds at most."""
        if self._open:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WAITS_AT_MOST_S):
                    await self._quiet.wait()
