"""The real bot, with a watch on its event loop: at its end it writes what it saw to the file `LAGS`.

Where `COUNTS` names a file, it gets a line each second: the time, the tasks of jobs, and the transactions that wrote.
The tasks are counted anew as long as a file of that name with `.tasks` behind it is there: it takes a while with many.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

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


async def count(file: Path, commits: list[None]) -> None:
    """Until it is cancelled."""
    carried, counted = 0, file.with_name(f"{file.name}.tasks")
    with file.open("w", encoding="utf-8", buffering=1) as counts:
        while True:
            if counted.exists():
                carried = sum(task.get_name().startswith("job-") for task in asyncio.all_tasks())
            counts.write(f"{time.monotonic()} {carried} {len(commits)}\n")
            await asyncio.sleep(1)


def counting(settings: Settings, commits: list[None]) -> Any:
    """The writing connection of the settings' database, which notes each transaction."""
    if isinstance(settings.database, Path):
        from bot.store.sqlite import Writer
    else:
        from bot.store.postgres import Writer  # type: ignore[assignment]  # either has what is used here

    class Counting(Writer):
        def commit_now(self) -> None:
            super().commit_now()
            commits.append(None)

    return Counting


async def main() -> None:
    """Runs until SIGTERM."""
    settings = Settings.load()
    log.set_up(settings.log_level, settings.log_format, settings.secrets)
    lags: list[tuple[float, float, float]] = []
    commits: list[None] = []
    watching = [asyncio.create_task(watch(lags))]
    if counts := os.environ.get("COUNTS"):
        watching.append(asyncio.create_task(count(Path(counts), commits)))
    try:
        await app.run(settings, writer=counting(settings, commits) if counts else None)
    finally:
        for task in watching:
            task.cancel()
        Path(os.environ["LAGS"]).write_text(json.dumps(lags), "utf-8")  # noqa: ASYNC240 - at the end


if __name__ == "__main__":
    asyncio.run(main())
