"""The real bot, which writes once a second how many tasks it has: lines of time and number, in the file `COUNTS`."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from bot import app, garbage_collection, log
from bot.settings import Settings


async def count(file: Path) -> None:
    """Until it is cancelled; keeps nothing in memory."""
    with file.open("a", encoding="utf-8", buffering=1) as counts:
        while True:
            counts.write(f"{time.time()} {len(asyncio.all_tasks())}\n")
            await asyncio.sleep(1)


async def main() -> None:
    """Runs until SIGTERM."""
    garbage_collection.begin()
    settings = Settings.load()
    log.set_up(settings.log_level, settings.log_format, settings.secrets)
    counting = asyncio.create_task(count(Path(os.environ["COUNTS"])))
    try:
        await app.run(settings)
    finally:
        counting.cancel()


if __name__ == "__main__":
    asyncio.run(main())
