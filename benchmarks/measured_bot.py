"""The real bot, with a watch on its event loop: at its end it writes what it saw to the file `LAGS`."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path

from bot import allocator, garbage_collection
from bot.__main__ import load_aiohttp

allocator.keep_little()  # as the bot itself begins
garbage_collection.begin()
load_aiohttp()

from bot import app, log  # noqa: E402
from bot.settings import Settings  # noqa: E402

TICK_S = 0.01


async def watch(lags: list[tuple[float, float, float]]) -> None:
    """Notes when each tick comes, by how much it is late, and for how long the loop itself was at work; in seconds."""
    while True:
        due, worked = time.monotonic() + TICK_S, time.thread_time()
        await asyncio.sleep(TICK_S)
        now = time.monotonic()
        lags.append((now, now - due, time.thread_time() - worked))


async def main() -> None:
    """Runs until SIGTERM."""
    settings = Settings.load()
    log.set_up(settings.log_level, settings.log_format, settings.secrets)
    lags: list[tuple[float, float, float]] = []
    watching = asyncio.create_task(watch(lags))
    try:
        await app.run(settings)
    finally:
        watching.cancel()
        Path(os.environ["LAGS"]).write_text(json.dumps(lags), "utf-8")  # noqa: ASYNC240 - at the end


if __name__ == "__main__":
    asyncio.run(main())
