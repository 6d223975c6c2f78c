"""What metrics cost: the start of the bot, and each poll, with HTTP_PORT set against without.

    uv run python benchmarks/metrics_cost.py [--rounds 7] [--jobs 3000] [--seconds 20]

The bot with and the bot without take turns, so that both have the same machine. CPU time is compared, which bears a
busy machine better than a clock. With HTTP_PORT the start also has the web server; while jobs are polled, somebody
scrapes every 15 seconds, as Prometheus would.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import socket
import statistics
import sys
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.figures import Figure, table
from benchmarks.many import SETTINGS, SETTLES_S, StandInProvider, fill, leave, start, taking_all
from sandbox.discord.server import LocalDiscord
from sandbox.environment import Environment

SCRAPED_EVERY_S = 15.0
LOADED_S = 2.0
"""After IDENTIFY, until whatever a start still does is done."""


@dataclass
class Turns:
    """Seconds of one thing, by the port that the bot had: 0 for none."""

    what: str
    port: int
    seconds: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))

    def figure(self, hold: float) -> Figure:
        """The ratio of the medians; both are printed."""
        without, with_port = (statistics.median(self.seconds[port]) for port in (0, self.port))
        print(f"{self.what}: {1000 * without:.3g} ms without, {1000 * with_port:.3g} ms with")
        return Figure(f"{self.what}, with metrics against without", with_port / without, "x", hold)


def free_port() -> int:
    with contextlib.closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def cpu_s(environment: Environment) -> float:
    """Of the bot, since its start."""
    assert environment.bot is not None
    used = psutil.Process(environment.bot.pid).cpu_times()
    return used.user + used.system


async def started(environment: Environment) -> tuple[float, float]:
    """Seconds from the start to IDENTIFY, and CPU seconds that the whole start takes."""
    _, took = await start(environment)
    await asyncio.sleep(LOADED_S)
    used = cpu_s(environment)
    await leave(environment)
    return took, used


async def scraped(port: int) -> float:
    """Forever; to be cancelled."""
    async with aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
                answer.raise_for_status()
                await answer.read()
            await asyncio.sleep(SCRAPED_EVERY_S)


async def polled(environment: Environment, provider: StandInProvider, port: int, seconds: float) -> float:
    """CPU seconds for each poll, with all that comes with it."""
    await start(environment)
    await asyncio.sleep(SETTLES_S)
    scraping = asyncio.create_task(scraped(port)) if port else None
    used, polls = cpu_s(environment), provider.polls
    await asyncio.sleep(seconds)
    each = (cpu_s(environment) - used) / (provider.polls - polls)
    if scraping is not None:
        if scraping.done():
            scraping.result()  # it never ends by itself: raises
        scraping.cancel()
    await leave(environment)
    return each


async def measured(rounds: int, count: int, seconds: float) -> list[Figure]:
    """With so many rounds of starts; each measurement of polls takes so long."""
    discord, provider = LocalDiscord(), StandInProvider()
    discord.on_exchange(taking_all(Counter()))
    environment = Environment(discord=discord, settings=SETTINGS)
    port = free_port()
    identify, loading, polling = (
        Turns(what, port) for what in ("start to IDENTIFY", "CPU of a start", "CPU of a poll")
    )
    try:
        await environment.start(bot=False)
        await provider.start()
        environment.use({"VIDEO_API_URL": provider.url, "VIDEO_API_AUTH": "bearer"})
        await started(environment)
        for _ in range(rounds):
            for each in (0, port):
                environment.use({"HTTP_PORT": str(each)})
                took, used = await started(environment)
                identify.seconds[each].append(took)
                loading.seconds[each].append(used)
        await fill(environment, provider.url, count)
        for _ in range(max(1, rounds // 2)):
            for each in (0, port):
                environment.use({"HTTP_PORT": str(each)})
                polling.seconds[each].append(await polled(environment, provider, each, seconds))
    finally:
        await provider.stop()
        await environment.stop()
    return [each.figure(hold) for each, hold in ((identify, 1.25), (loading, 1.25), (polling, 1.1))]


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure what metrics cost.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--jobs", type=int, default=3_000)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement of polls")
    options = parser.parse_args()
    began = time.monotonic()
    found = asyncio.run(measured(options.rounds, options.jobs, options.seconds))
    print(f"\n{table(found)}\n{time.monotonic() - began:.0f} s")
    return 0 if all(figure.is_held for figure in found) else 1


if __name__ == "__main__":
    sys.exit(main())
