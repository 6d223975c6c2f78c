"""Jobs a second and CPU a job: one process on SQLite, and one to three on PostgreSQL.

    uv run python benchmarks/throughput.py [--jobs 300] [--processes 3]

The real bot between a local Discord and a local provider whose videos take no time; the next job is asked for as soon
as one is answered. The local servers use a core of their own, so jobs a second are a lower bound, and CPU a job is the
figure to plan with. It is counted for the bot's processes, for the helpers that fit pictures, and for PostgreSQL.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from sandbox.discord.world import Guild
from sandbox.process import BotProcess
from tests.cluster import Cluster
from tests.e2e.stage import OVER, Stage
from tests.faults.several import guilds_of_each_shard
from tests.postgres_server import PostgresServer

SETTINGS = {
    "QUOTA_DEFAULT_CREDITS": "1000000", "BUDGET_CREDITS": "100000000", "MAX_JOBS_PER_USER": "10000",
    "MAX_CONCURRENT_JOBS": "10000", "POLL_SECONDS": "1", "PROGRESS_SECONDS": "5", "LOG_LEVEL": "WARNING",
    "TAKEOVER_SECONDS": "30",
}  # fmt: skip
WITHIN_S = 500.0
Place = tuple[Stage, list[BotProcess], list[Guild], PostgresServer | None]


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU in seconds, of the bot itself, of its helpers, and of PostgreSQL."""

    bot_s: float
    helpers_s: float
    database_s: float


def cost(bots: Sequence[BotProcess], server: PostgresServer | None) -> Cost:
    """Until now."""
    own = [psutil.Process(bot.pid).cpu_times() for bot in bots]
    database = 0.0
    if server is not None and server.pid is not None:
        for process in [(main := psutil.Process(server.pid)), *main.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                database += times.user + times.system
    return Cost(
        sum(times.user + times.system for times in own),
        sum(times.children_user + times.children_system for times in own),
        database,
    )


@contextlib.asynccontextmanager
async def on_sqlite() -> AsyncIterator[Place]:
    """One process."""
    stage = Stage(SETTINGS, render_s=0.0)
    try:
        await stage.start()
        assert stage.bot is not None
        yield stage, [stage.bot], [stage.discord.world.guild], None
    finally:
        await stage.stop()


@contextlib.asynccontextmanager
async def on_postgres(
    processes: int,
) -> AsyncIterator[Place]:
    """So many processes; written through to the disk."""
    server = await asyncio.to_thread(PostgresServer.make)
    cluster = Cluster(server.address(), processes=processes, settings=SETTINGS, render_s=0.0)
    try:
        guilds = await guilds_of_each_shard(cluster)
        await cluster.start()
        yield cluster, list(cluster.bots.values()), guilds, server
    finally:
        await cluster.stop()
        await asyncio.to_thread(server.close)


async def measure(
    what: str,
    jobs: int,
    place: contextlib.AbstractAsyncContextManager[Place],
) -> None:
    """Asks for so many videos at once, and prints what they cost."""
    async with place as (stage, bots, guilds, server):
        before, began = cost(bots, server), time.monotonic()
        asked = []
        for number in range(jobs):
            guild = guilds[number % len(guilds)]
            person = stage.discord.world.add_member(f"member{number}", guild=guild)
            used = await stage.animate(person, channel=guild.general, prompt=f"video {number}")
            answer = await used.answer(timeout=30)
            if answer is not None and not answer.is_ephemeral:  # else refused: the machine was too slow
                asked.append(answer)

        def are_over() -> bool:
            return all(any(word in card.text() for word in OVER) for card in asked)

        await stage.discord.wait_for(are_over, WITHIN_S, "every video")
        took_s, after = time.monotonic() - began, cost(bots, server)
    jobs = len(asked)
    bot_ms = 1000 * (after.bot_s - before.bot_s) / jobs
    helpers_ms = 1000 * (after.helpers_s - before.helpers_s) / jobs
    database_ms = 1000 * (after.database_s - before.database_s) / jobs
    print(f"| {what} | {jobs / took_s:.1f} | {bot_ms:.1f} | {helpers_ms:.1f} | {database_ms:.1f} |", flush=True)


async def main() -> None:
    parser = argparse.ArgumentParser(description="Measure jobs a second and CPU a job.")
    parser.add_argument("--jobs", type=int, default=300)
    parser.add_argument("--processes", type=int, default=3, help="up to so many on PostgreSQL")
    options = parser.parse_args()
    print("| database and processes | jobs/s | bot, ms CPU a job | its helpers | PostgreSQL |\n|---|---|---|---|---|")
    await measure("SQLite, 1", options.jobs, on_sqlite())
    for processes in range(1, options.processes + 1):
        await measure(f"PostgreSQL, {processes}", options.jobs, on_postgres(processes))


if __name__ == "__main__":
    asyncio.run(main())
