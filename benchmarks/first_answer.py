"""First answer to /animate, reserved durably, against a bot that only answers; and memory with 200 members at once.

`uv run python benchmarks/first_answer.py`: both bots run as processes against the same local Discord, in turn, in
bursts of 1, 50 and 200 commands. Prints p50 and p99 from dispatch to answer, and their ratios.
"""

from __future__ import annotations

import asyncio
import io
import sqlite3
import statistics
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from sandbox.discord.cdn import Upload
from sandbox.discord.server import LocalDiscord
from sandbox.process import BOT, BotProcess
from sandbox.town import Town
from sandbox.videos.render import tiny_mp4
from sandbox.videos.server import LocalVideos
from sandbox.videos.weather import Weather

BURSTS = {1: 100, 50: 8, 200: 5}
"""Commands at once, and how often."""
CALLBACK = "/interactions/{interaction_id}/{interaction_token}/callback"
OPEN = {
    "QUOTA_DEFAULT_CREDITS": "1000000",
    "BUDGET_CREDITS": "1000000000",
    "MAX_JOBS_PER_USER": "10000",
    "POLL_SECONDS": "600",
    "PROGRESS_SECONDS": "5",
    "LOG_LEVEL": "WARNING",
}


def photo() -> bytes:
    """A JPEG of twelve megapixels, as a phone makes it."""
    gradient = Image.linear_gradient("L").resize((4000, 3000))
    buffer = io.BytesIO()
    Image.merge("RGB", (gradient, gradient.transpose(Image.Transpose.ROTATE_180), gradient)).save(buffer, "JPEG")
    return buffer.getvalue()


async def start_bot(town: Town, plain: bool) -> BotProcess:  # noqa: FBT001 - one of two
    """Starts one of the two bots and waits until it is connected."""
    arguments = (str(Path(__file__).with_name("plain_bot.py")),) if plain else BOT
    town.bot = BotProcess(town.folder, town.settings(), arguments)
    before = town.discord.command_puts
    await town.bot.start()
    await town.discord.wait_for(lambda: town.discord.command_puts > before or not plain, 20, "commands")
    await town.discord.wait_ready(20)
    return town.bot


async def burst(town: Town, size: int, upload: Upload) -> list[float]:
    """Seconds from dispatch to answer, for `size` commands at once by as many members."""
    sent: dict[int, float] = {}
    took: dict[int, float] = {}

    async def watch(phase: str, exchange: Any) -> None:
        if phase == "before" and exchange.route == CALLBACK:
            interaction = int(exchange.params["interaction_id"])
            took.setdefault(interaction, time.perf_counter() - sent[interaction])

    people = [town.discord.world.people[f"member{n}"] for n in range(size)]
    town.discord.on_exchange(watch)
    asked = []
    for person in people:
        started = time.perf_counter()
        interaction = await town.discord.invoke(person, "animate", image=upload, prompt="puts on a hat")
        sent[interaction.id] = started
        asked.append(interaction)
    await asyncio.gather(*(one.answer(3.5) for one in asked))  # NotAnswered where one came later than 3 s
    town.discord.remove(watch)
    await quiet(town)
    return list(took.values())


async def quiet(town: Town) -> None:
    """Waits until every job that was taken is at the provider and its card says so: a burst is measured by itself."""
    if not town.database.exists():
        return
    with closing(sqlite3.connect(town.database, timeout=10)) as books:
        busy = "SELECT 1 FROM jobs WHERE state IN ('waiting', 'submitting')"
        while books.execute(busy).fetchone():  # noqa: ASYNC110 - a database file tells nobody
            await asyncio.sleep(0.02)
    seen = -1
    while seen != len(town.discord.requests):
        seen = len(town.discord.requests)
        await asyncio.sleep(0.1)


async def measure(town: Town, *, plain: bool, upload: Upload) -> dict[int, list[float]]:
    """All bursts with one of the bots."""
    bot = await start_bot(town, plain)
    await burst(town, 1, upload)
    found = {
        size: [took for _ in range(times) for took in await burst(town, size, upload)] for size, times in BURSTS.items()
    }
    bot.kill()
    await bot.wait()
    await town.discord.wait_for(lambda: not town.discord.gateway.live, 10, "the bot to be gone")
    return found


async def memory(town: Town) -> tuple[float, float]:
    """RSS in MiB before and at its highest, while 200 members attach twelve megapixels at once."""
    bot = await start_bot(town, plain=False)
    process = psutil.Process(bot.pid)
    before = peak = process.memory_info().rss
    upload = Upload("photo.jpg", photo(), "image/jpeg")
    answers = asyncio.create_task(burst(town, 200, upload))
    already = len(town.videos.jobs)
    deadline = time.monotonic() + 180
    while len(town.videos.jobs) < already + 200 and time.monotonic() < deadline:
        peak = max(peak, process.memory_info().rss)
        await asyncio.sleep(0.02)
    await answers
    await bot.stop(60)
    return before / 2**20, peak / 2**20


def percentile(values: list[float], share: float) -> float:
    """In milliseconds."""
    return 1000 * sorted(values)[min(len(values) - 1, int(len(values) * share))]


async def main() -> None:
    """Prints the table."""
    discord = LocalDiscord()
    videos = LocalVideos(render=tiny_mp4, weather=Weather(render_seconds=None))
    town = Town(discord=discord, videos=videos, settings={**OPEN, "MAX_CONCURRENT_JOBS": "10000"})
    for number in range(max(BURSTS)):
        discord.world.add_member(f"member{number}")
    small = io.BytesIO()
    Image.new("RGB", (270, 480)).save(small, "PNG")
    upload = Upload("small.png", small.getvalue(), "image/png")
    try:
        await town.start(bot=False)
        baseline = await measure(town, plain=True, upload=upload)
        ours = await measure(town, plain=False, upload=upload)
        print("commands at once | only answers p50/p99 ms | reserved p50/p99 ms | ratio p50/p99 | slowest s")
        for size in BURSTS:
            base = [percentile(baseline[size], share) for share in (0.5, 0.99)]
            mine = [percentile(ours[size], share) for share in (0.5, 0.99)]
            ratios = [m / b for m, b in zip(mine, base, strict=True)]
            slowest = max(ours[size])
            print(
                f"{size:>16} | {base[0]:>9.1f} / {base[1]:<9.1f} | {mine[0]:>8.1f} / {mine[1]:<8.1f} |"
                f" {ratios[0]:.2f} / {ratios[1]:.2f} | {slowest:.2f}"
            )
        print(f"mean of single answers: {1000 * statistics.mean(ours[1]):.1f} ms")
        before, peak = await memory(town)
        print(
            f"200 members with a 12-megapixel photo at once: {before:.0f} MiB RSS before, {peak:.0f} MiB at its highest"
        )
    finally:
        await town.stop()


if __name__ == "__main__":
    asyncio.run(main())
