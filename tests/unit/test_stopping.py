"""How the process takes itself apart, where a whole bot would have to be stopped within a millisecond of its life."""

from __future__ import annotations

import asyncio
import gc
import types
from typing import Any, cast

from bot.app import App, _stop
from bot.jobs.answers_first import AnswersFirst


class _Bot:
    """A client that is stopped right before its login opens a connection: aiohttp then finds its connector closed."""

    def __init__(self) -> None:
        self.stopping = False
        self._closed = asyncio.Event()

    async def start(self) -> None:
        await self._closed.wait()
        raise ConnectionError("Connector is closed.")

    async def close(self) -> None:
        self._closed.set()
        await asyncio.sleep(0)  # and login goes on to its end


class _Tasks:
    async def stop(self) -> None:
        pass


async def test_a_login_that_breaks_because_of_the_stop_leaves_no_traceback_behind() -> None:
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    bot = _Bot()
    starting = asyncio.create_task(bot.start())
    await asyncio.sleep(0)

    service = types.SimpleNamespace(answers_first=AnswersFirst(), retention=_Tasks())
    app = types.SimpleNamespace(bot=bot, worker=_Tasks(), service=service)
    await _stop(cast("App", app), starting)
    del starting
    gc.collect()

    assert told == []
