"""Up to 100,000 jobs under way: what they cost, on SQLite and with one and three processes on PostgreSQL.

    uv run python -m benchmarks.under_way [--jobs 1000 10000 100000] [--seconds 10] [--only sqlite 1 3]

The jobs render at a stand-in for the provider, without end. They are copied into the database while no bot runs: asking
for them would take an hour. Then the real bot is started on them, and once it carries all of them, this measures for a
while what they cost, and how soon a command beside them is answered; at last, how long a stop takes. The local Discord
and the provider run on the same machine: with three processes at their limit of 400 polls a second each, it is busy.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import json
import math
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.many import MEASURED, StandInProvider, carry, job_of, percentile, taking_all
from benchmarks.throughput import cost
from bot.models import JobState
from bot.providers.openai import ticket_of
from bot.store import postgres_move_backend, queue_entries
from bot.store.database import Store
from bot.store.move_backends import MoveBackend, SqliteMoveBackend
from sandbox.discord.cdn import Upload
from sandbox.discord.exchange import Exchange, Reply
from sandbox.discord.messages import NotAnswered
from sandbox.discord.server import LocalDiscord
from sandbox.discord.world import Guild
from sandbox.environment import Environment
from sandbox.process import BotProcess
from tests.postgres_server import PostgresServer

JOBS = (1_000, 10_000, 100_000)
PLACES = {"sqlite": "SQLite, 1 process", "1": "PostgreSQL, 1 process", "3": "PostgreSQL, 3 processes"}
SETTLES_S = 6.0
CARRIED_WITHIN_S = 200.0
ANSWERS = 15
APART_S = 0.3
SHARD_SHIFT = 22
FIRST = 20
"""The id of the job that the others are copies of."""
SETTINGS = {
    "MAX_CONCURRENT_JOBS": "10000", "POLL_SECONDS": "5", "PROGRESS_SECONDS": "5", "LOG_LEVEL": "ERROR",
    "JOB_TIMEOUT_MINUTES": "600", "QUOTA_DEFAULT_CREDITS": "1000000", "BUDGET_CREDITS": "100000000",
    "MAX_JOBS_PER_USER": "10000", "VIDEO_API_AUTH": "bearer", "OPERATOR_DIRECT_MESSAGES": "off",
}  # fmt: skip
HEAD = (
    "| | jobs | memory, MiB | CPU, cores | PostgreSQL | polls/s | lag p99, ms | longest | writes/s"
    " | first answer p50 / slowest, ms | connected, s | all taken up, s | stop, s |"
)


@dataclass(slots=True)
class Place:
    """Some processes of the bot on one database, stopped at first."""

    environment: Environment
    provider: StandInProvider
    guilds: list[Guild]
    server: PostgresServer | None
    processes: int
    bots: list[BotProcess]

    def folder(self, number: int) -> Path:
        return self.environment.folder / f"process-{number}"

    async def start(self, jobs: int) -> tuple[float, float]:
        """Seconds until every shard is connected, and until each job has its task in one of the processes."""
        began, gateway = time.monotonic(), self.environment.discord.gateway
        self.bots.clear()
        for number in range(self.processes):
            folder = self.folder(number)
            folder.mkdir(exist_ok=True)
            settings = self.environment.settings() | {"LAGS": str(folder / "lags"), "COUNTS": str(folder / "counts")}
            if self.server is not None:
                settings |= {"DATABASE_URL": self.server.address(), "TAKEOVER_SECONDS": "30"}
                settings |= {"SHARD_COUNT": str(self.processes), "SHARD_IDS": str(number)}
            (folder / "counts").write_text("")
            (folder / "counts.tasks").touch()
            self.bots.append(BotProcess(folder, settings, MEASURED))
            await self.bots[-1].start()
        connecting = self.environment.discord.wait_for(lambda: len(gateway.live) == self.processes, 60, "every shard")
        await self.bots[-1].meanwhile(connecting)
        connected_s = time.monotonic() - began
        while sum(row[1] for row in self.counts()) < jobs and time.monotonic() < began + CARRIED_WITHIN_S:  # noqa: ASYNC110
            await asyncio.sleep(0.2)  # a file tells nobody
        for number in range(self.processes):
            (self.folder(number) / "counts.tasks").unlink()
        return connected_s, time.monotonic() - began

    def counts(self) -> list[tuple[float, int, int]]:
        """The last line of each process: the time, the jobs' tasks, the transactions that wrote."""
        found = []
        for number in range(self.processes):
            lines = (self.folder(number) / "counts").read_text("utf-8").splitlines() or ["0 0 0"]
            at, jobs, commits = lines[-1].split()
            found.append((float(at), int(jobs), int(commits)))
        return found

    def lags(self, began: float, ended: float) -> list[float]:
        """In milliseconds, of all processes; once they have ended."""
        seen = [json.loads((self.folder(number) / "lags").read_text("utf-8")) for number in range(self.processes)]
        return [1000 * row[1] for rows in seen for row in rows if began <= row[0] <= ended]

    async def stop(self) -> float:
        """Seconds until the last of them has ended."""
        began, gateway = time.monotonic(), self.environment.discord.gateway
        for bot in self.bots:
            bot.terminate()
        for bot in self.bots:
            await bot.stop(120)
        took_s = time.monotonic() - began
        await self.environment.discord.wait_for(lambda: not gateway.live, 20, "the bots to be gone")
        return took_s

    @contextlib.contextmanager
    def books(self) -> Iterator[MoveBackend]:
        """The database, while no bot runs; what is done is kept."""
        if self.server is not None:
            with postgres_move_backend.stopped(self.server.address()) as side:
                yield side
                side.commit()
        else:
            with closing(sqlite3.connect(self.environment.database, isolation_level=None)) as connection:
                file = SqliteMoveBackend(connection)
                yield file
                file.commit()


def taking_those(edits: Counter[str]) -> Any:
    """As `taking_all`, for the cards of the copied jobs alone; the messages of members are the local Discord's."""
    take = taking_all(edits)

    async def taken(phase: str, exchange: Exchange) -> Reply | None:
        message = exchange.params.get("message_id", "")
        return await take(phase, exchange) if message.isdecimal() and int(message) < 1 << SHARD_SHIFT else None

    return taken


@contextlib.asynccontextmanager
async def place(name: str) -> AsyncIterator[Place]:
    """With the schema, and with the one job that the others are copies of."""
    processes = 1 if name == "sqlite" else int(name)
    discord, provider = LocalDiscord(), StandInProvider()
    discord.on_exchange(taking_those(Counter()))
    discord.shards, discord.gateway.max_concurrency = processes, processes
    environment = Environment(discord=discord, settings=SETTINGS)
    server = None if name == "sqlite" else await asyncio.to_thread(PostgresServer.make)
    found = Place(environment, provider, [], server, processes, [])
    try:
        await environment.start(bot=False)
        await provider.start()
        environment.use({"VIDEO_API_URL": provider.url})
        found.guilds = await guilds_of_each_shard(discord, processes)
        await found.start(0)  # makes the tables
        await found.stop()
        store = await Store.open(environment.database if server is None else server.address())
        job = job_of(FIRST, datetime.now(UTC) - timedelta(seconds=30), provider.url)
        await carry(store, job, JobState.RENDERING)
        await store.close()
        yield found
    finally:
        for bot in found.bots:
            bot.kill()
        await provider.stop()
        await environment.stop()
        if server is not None:
            await asyncio.to_thread(server.close)


async def guilds_of_each_shard(discord: LocalDiscord, shards: int) -> list[Guild]:
    """One server of each."""
    found: dict[int, Guild] = {}
    while len(found) < shards:
        guild = discord.world.add_guild(f"server {len(found)}", owner=discord.world.people["admin"])
        found.setdefault((guild.id >> SHARD_SHIFT) % shards, guild)
        await asyncio.sleep(0.003)
    return list(found.values())


def multiply(side: MoveBackend, endpoint: str, count: int) -> None:
    """Copies of the first job and its card, until there are so many: each of a member of its own, sent moments ago."""
    tables, (there,) = side.tables(), side.one(f"SELECT MAX(id) FROM jobs WHERE id < {1 << SHARD_SHIFT}")
    moved = int(time.time() * 1000) - 30_000
    for table, key in (("jobs", "id"), ("cards", "job")):
        columns = tables[table]
        values = side.one(f"SELECT {', '.join(columns)} FROM {table} WHERE {key} = {FIRST}")
        model = dict(zip(columns, values, strict=True))
        numbers = range(int(there) + 1, FIRST + count)
        side.insert(table, columns, (tuple(copy_of(model, key, n, endpoint, moved)) for n in numbers))
    side.one(f"UPDATE jobs SET state_at = {moved}, last_sent_at = {moved} WHERE id = {FIRST} RETURNING id")


def copy_of(model: dict[str, Any], key: str, number: int, endpoint: str, moved: int) -> Iterator[Any]:
    """The values of one row."""
    own: dict[str, Any] = {key: number, "message": number, "channel": number % 500 + 1}
    if key == "id":
        own = {
            key: number, "key": f"k{number}", "member": number, "state_at": moved, "last_sent_at": moved,
            "ticket": ticket_of(endpoint, f"video_{number}"),
        }  # fmt: skip
    return (own.get(name, value) for name, value in model.items())


async def enter(where: Place) -> None:
    """Each job gets its entry in the queue between the processes, free for all of them."""
    if where.server is not None:
        store = await Store.open(where.server.address())
        while await store.write(queue_entries.enter_missing()):
            pass
        await store.close()


async def answers(where: Place) -> list[float]:
    """Milliseconds to the first answer to `/animate`, one after the other, in each shard in turn."""
    discord, took = where.environment.discord, []
    small = io.BytesIO()
    Image.new("RGB", (270, 480)).save(small, "PNG")
    upload = Upload("small.png", small.getvalue(), "image/png")
    for number in range(ANSWERS):
        guild = where.guilds[number % len(where.guilds)]
        person = discord.world.add_member(f"member{number}", guild=guild)
        began = time.monotonic()
        used = await discord.invoke(person, "animate", channel=guild.general, image=upload, prompt="puts on a hat")
        try:
            await used.answer(timeout=30)
            took.append(1000 * (time.monotonic() - began))
        except NotAnswered:
            took.append(math.inf)  # Discord waits for three seconds
        await asyncio.sleep(APART_S)
    return took


async def measure(where: Place, name: str, jobs: int, seconds: float) -> None:
    """Prints one line of the table."""
    with where.books() as side:
        multiply(side, where.provider.url, jobs)
    await enter(where)
    connected_s, carried_s = await where.start(jobs)
    carried = sum(row[1] for row in where.counts())
    await asyncio.sleep(SETTLES_S)
    began, before, polls = time.monotonic(), cost(where.bots, where.server), where.provider.polls
    commits = sum(row[2] for row in where.counts())
    await asyncio.sleep(seconds)
    took_s, after = time.monotonic() - began, cost(where.bots, where.server)
    polls_s = (where.provider.polls - polls) / took_s
    writes_s = (sum(row[2] for row in where.counts()) - commits) / took_s
    memory = sum(psutil.Process(bot.pid).memory_info().rss for bot in where.bots) / 2**20
    answered = await answers(where)
    stop_s = await where.stop()
    lags = where.lags(began, began + took_s)
    cells = [
        PLACES[name], f"{jobs:,}", f"{memory:.0f}", f"{(after.bot_s - before.bot_s) / took_s:.2f}",
        f"{(after.database_s - before.database_s) / took_s:.2f}" if where.server else "", f"{polls_s:.0f}",
        f"{percentile(lags, 0.99):.0f}", f"{max(lags):.0f}", f"{writes_s:.1f}",
        f"{percentile(answered, 0.5):.0f} / {max(answered):.0f}", f"{connected_s:.1f}",
        f"{carried_s:.1f}" if carried >= jobs else f"{carried:,} after {carried_s:.0f}", f"{stop_s:.1f}",
    ]  # fmt: skip
    print(f"| {' | '.join(cells)} |", flush=True)


async def measured(names: Sequence[str], steps: Sequence[int], seconds: float) -> None:
    """The table."""
    print(f"{HEAD}\n|{'---|' * (HEAD.count('|') - 1)}", flush=True)
    for name in names:
        async with place(name) as where:
            for jobs in steps:
                await measure(where, name, jobs, seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the bot with up to 100,000 jobs under way.")
    parser.add_argument("--jobs", type=int, nargs="+", default=JOBS)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--only", nargs="+", choices=PLACES, default=list(PLACES), help="databases and processes")
    options = parser.parse_args()
    asyncio.run(measured(options.only, sorted(options.jobs), options.seconds))


if __name__ == "__main__":
    main()
