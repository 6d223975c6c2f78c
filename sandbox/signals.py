"""Runs an environment until its work is done or a signal ends it: Ctrl-C, SIGTERM, a closed terminal."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

from sandbox.environment import Environment

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def run_in(environment: Environment, work: Coroutine[Any, Any, int], *, ended: int | None = None) -> int:
    """The work's exit code, or `ended` (without it 128 and the signal) where a signal ended it.

    The first signal ends the work and stops the environment; another one kills the bot, so that this is quick.
    """
    told: list[int] = []
    loop, task = asyncio.get_running_loop(), asyncio.create_task(work)

    def tell(number: int) -> None:
        told.append(number)
        if len(told) == 1 and not task.done():
            task.cancel()
        elif environment.bot is not None:
            environment.bot.kill()

    for number in SIGNALS:
        loop.add_signal_handler(number, tell, number)
    try:
        return await task
    except asyncio.CancelledError:
        if not told:
            raise
        return 128 + told[0] if ended is None else ended
    finally:
        await environment.stop()
        for number in SIGNALS:
            loop.remove_signal_handler(number)
