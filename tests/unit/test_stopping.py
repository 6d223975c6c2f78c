"""How the process takes itself apart, where a whole bot would have to be stopped within a millisecond of its life."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import types
from pathlib import Path
from typing import Any, cast

from bot.app import App, _stop
from bot.jobs.interaction_priority import InteractionPriority


class _Bot:
    """A client that is stopped right before its login opens a connection: aiohttp then finds its connector closed."""

    def __init__(self) -> None:
        self.former = types.SimpleNamespace(leave=_nothing_heard)
        self._closed = asyncio.Event()

    def stop_answering(self) -> None:
        pass

    async def start(self) -> None:
        await self._closed.wait()
        raise ConnectionError("Connector is closed.")

    async def close(self) -> None:
        self._closed.set()
        await asyncio.sleep(0)  # and login goes on to its end


async def _nothing_heard(*, can_answer: bool) -> None:
    assert can_answer


class _Tasks:
    async def stop(self) -> None:
        pass


async def test_a_login_that_breaks_because_of_the_stop_leaves_no_traceback_behind() -> None:
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    bot = _Bot()
    starting = asyncio.create_task(bot.start())
    await asyncio.sleep(0)

    service = types.SimpleNamespace(interaction_priority=InteractionPriority(), retention=_Tasks())
    app = types.SimpleNamespace(bot=bot, worker=_Tasks(), service=service, frozen=asyncio.Event())
    await _stop(cast("App", app), starting)
    del starting
    gc.collect()

    assert told == []


STRUCK_AT_THE_START = """
import asyncio, os, signal
from bot import app
from bot.settings import Settings
from bot.store.sqlite import Writer

class Struck(Writer):
    def __init__(self, *given, **named):
        super().__init__(*given, **named)
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGTERM)

asyncio.run(app.run(Settings.load(), writer=Struck))
"""


async def test_a_hangup_while_the_bot_starts_does_not_end_it(tmp_path: Path) -> None:
    settings = {"DISCORD_TOKEN": "token", "VIDEO_API_KEY": "key", "DISCORD_API_URL": "http://127.0.0.1:9/api/v10"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STRUCK_AT_THE_START, cwd=tmp_path,
        env={**os.environ, **settings, "PYTHONPATH": str(Path.cwd())}, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip

    async with asyncio.timeout(30):
        assert await process.wait() == 0
