"""The real bot, which writes once a second how many tasks it has, and how many bytes SQLite holds.

The file `COUNTS` gets the lines.
"""

from __future__ import annotations

import _sqlite3
import asyncio
import ctypes
import os
from pathlib import Path

from bot import allocator, app, garbage_collection, log
from bot.settings import Settings


async def count(file: Path) -> None:
    """Until it is cancelled; keeps nothing in memory."""
    sqlite = ctypes.CDLL(getattr(_sqlite3, "__file__", None))  # it leads to the library, where it is not part of Python
    sqlite.sqlite3_memory_used.restype = ctypes.c_int64
    with file.open("a", encoding="utf-8", buffering=1) as counts:
        while True:
            counts.write(f"{len(asyncio.all_tasks())} {sqlite.sqlite3_memory_used()}\n")
            await asyncio.sleep(1)


async def main() -> None:
    """Runs until SIGTERM."""
    allocator.keep_little()
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
