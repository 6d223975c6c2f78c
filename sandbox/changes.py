"""Waiting for something to become true in a server on the same loop, without asking again and again."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Changes:
    """Wakes whoever waits for a predicate to become true. `details` are told where it does not in time."""

    def __init__(self, details: Callable[[], str] = str) -> None:
        self._changed = asyncio.Event()
        self._details = details

    def notify(self) -> None:
        """To be called after each change."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def next(self) -> Coroutine[Any, Any, object]:
        """To be awaited: ends at the first change after this call."""
        return self._changed.wait()

    async def wait_for(self, predicate: Callable[[], T], deadline_s: float, what: str) -> T:
        """What `predicate` says once that is true. Raises TimeoutError, which names `what`."""
        try:
            async with asyncio.timeout(deadline_s):
                while not (found := predicate()):
                    await self._changed.wait()
                return found
        except TimeoutError:
            raise TimeoutError(f"{what} did not come within {deadline_s:g} s{self._details()}") from None
