"""Units that wait together: a writer that is kept busy, and what each caller is answered."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from bot.store.command_hashes import remember_hash
from bot.store.database import Store, Tx, Unit

DEADLINE_S = 20.0


@contextlib.asynccontextmanager
async def busy(store: Store, unit: Unit[Any] = lambda _: None) -> AsyncIterator[None]:
    """Keeps the writer inside a transaction, after `unit`; what is submitted meanwhile is the next batch."""
    entered, release = threading.Event(), threading.Event()

    def hold(tx: Tx) -> None:
        unit(tx)
        entered.set()
        assert release.wait(DEADLINE_S)

    holding = asyncio.create_task(store.write(hold))
    assert await asyncio.to_thread(entered.wait, DEADLINE_S)
    try:
        yield
    finally:
        release.set()
        await holding


async def submit(*calls: Coroutine[Any, Any, Any]) -> list[asyncio.Task[Any]]:
    """Starts calls and lets each come as far as waiting for its answer."""
    tasks = [asyncio.create_task(call) for call in calls]
    await asyncio.sleep(0)
    return tasks


async def outcomes(tasks: list[asyncio.Task[Any]]) -> list[object]:
    async with asyncio.timeout(DEADLINE_S):
        return list(await asyncio.gather(*tasks, return_exceptions=True))


def hashes(tx: Tx) -> dict[int, str]:
    return {row["application"]: row["hash"] for row in tx.all("SELECT application, hash FROM commands")}


def note(number: int) -> Unit[None]:
    return remember_hash(number, "api", f"hash {number}")


class Wrong(Exception):
    """A unit's own."""


def note_and_fail(number: int) -> Unit[None]:
    def unit(tx: Tx) -> None:
        note(number)(tx)
        raise Wrong(number)

    return unit


def same(number: int, _: Tx) -> int:
    return number
