"""Work in a town that ends by itself, by Ctrl-C, by SIGTERM or with its terminal, and leaves nothing behind."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

from sandbox.environment import Town

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def run_in(town: Town, work: Coroutine[Any, Any, int], *, ended: int | None = None) -> int:
    """The work's exit code, or `ended` (without it 128 and the signal) where a signal ended it.

    Only the first signal ends the work; the town then stops undisturbed, and another signal kills the bot to hurry it.
    """
    told: list[int] = []
    loop, task = asyncio.get_running_loop(), asyncio.create_task(work)

    def tell(number: int) -> None:
        told.append(number)
        if len(told) == 1 and not task.done():
            task.cancel()
        elif town.bot is not None:
            town.bot.kill()

    for number in SIGNALS:
        loop.add_signal_handler(number, tell, number)
    try:
        return await task
    except asyncio.CancelledError:
        if not told:
            raise
        return 128 + told[0] if ended is None else ended
    finally:
        await town.stop()
        for number in SIGNALS:
            loop.remove_signal_handler(number)
