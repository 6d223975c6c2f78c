"""10,000 jobs in one process: memory, lag of the loop and CPU, and how soon the bot is connected with and without them.

    uv run python benchmarks/many.py [--jobs 10000] [--seconds 30]

The real bot runs as a process between a local Discord that takes every edit, and a stand-in for the provider. First all
jobs render, without end and with nothing that foretells it; then earlier videos do, so that the plan places the polls
and bars move by time. Then all but 20 wait, and those fail after ten seconds each, so that the line moves.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import sqlite3
import sys
import time
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
from aiohttp import web

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.figures import Figure, table
from bot.models import ChannelId, Job, JobState, Limit, Limits, MessageId, Period, UserId
from bot.providers.openai import ticket_of
from bot.store import cards, jobs
from bot.store.database import Store
from bot.store.reservations import reserve
from sandbox.discord.exchange import Exchange, Reply
from sandbox.discord.server import LocalDiscord
from sandbox.environment import Environment
from sandbox.process import BotProcess
from tests.builders import a_card, a_job, a_spec

MEASURED = (str(Path(__file__).with_name("measured_bot.py")),)
CHANNELS = 500
SLOTS = 20
STARTS = 5
SETTLES_S = 15.0
"""The first polls and edits after a start are not the steady state."""
FAILS_AFTER_S = 10.0
TOOK_S = 300.0
EARLIER = timedelta(hours=2)
PLENTY = Limit(1_000_000_000, Period.DAY)
LIMITS = Limits(default=PLENTY, direct=PLENTY, budget=PLENTY, jobs_per_user=1_000_000)
SETTINGS = {"MAX_CONCURRENT_JOBS": "10000", "POLL_SECONDS": "5", "PROGRESS_SECONDS": "5", "LOG_LEVEL": "ERROR"}
S = JobState


class StandInProvider:
    """Takes every job and says that it runs; with `fails_after_s`, that it has failed so long after its create."""

    def __init__(self) -> None:
        self.polls = 0
        self.url = ""
        self.fails_after_s: float | None = None
        self._made: dict[str, float] = {}
        self._runner = web.ServerRunner(web.Server(self._answer, access_log=None))

    async def start(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        name = request.path.rpartition("/")[2]
        if request.method == "POST":
            name = f"video_of_the_line_{len(self._made)}"
            self._made[name] = time.monotonic()
            return web.json_response({"id": name, "object": "video", "status": "queued"})
        self.polls += 1
        over = self.fails_after_s is not None and time.monotonic() > self._made.get(name, 0.0) + self.fails_after_s
        status = "failed" if over else "in_progress"
        return web.json_response({"id": name, "object": "video", "status": status, "progress": 0})


async def fill(environment: Environment, endpoint: str, count: int) -> None:
    """Puts jobs into the bot's database, each of a member of its own: so many rendering, a few done earlier."""
    store, now = await Store.open(environment.database), datetime.now(UTC)
    rendering = [job_of(number, now - timedelta(seconds=number % 60), endpoint) for number in range(20, count + 20)]
    done = [job_of(number, now - EARLIER, endpoint) for number in range(1, 20)]
    await asyncio.gather(*(carry(store, job, S.RENDERING) for job in rendering))
    await asyncio.gather(*(carry(store, job, S.DELIVERED) for job in done))
    await store.close()


def foretell(environment: Environment, took_s: float) -> None:
    """The earlier jobs took so long."""
    with closing(sqlite3.connect(environment.database)) as books, books:
        books.execute("UPDATE jobs SET render_ms = ? WHERE state = 'delivered'", (int(took_s * 1000),))


def queue(environment: Environment) -> None:
    """All jobs but the first few are in the queue, their pictures ready."""
    with closing(sqlite3.connect(environment.database)) as books, books:
        books.execute(
            "UPDATE jobs SET state = 'waiting', ticket = NULL, last_sent_at = NULL WHERE state = 'rendering'"
            " AND id NOT IN (SELECT id FROM jobs WHERE state = 'rendering' ORDER BY id LIMIT ?)",
            (SLOTS,),
        )
        waiting = books.execute("SELECT id FROM jobs WHERE state = 'waiting'").fetchall()
    for (job,) in waiting:
        (environment.folder / "data" / "pictures" / f"{job}.jpg").write_bytes(b"a picture")


def job_of(number: int, at: datetime, endpoint: str) -> Job:
    """Sent at that time; its card can be reached by the token."""
    card = a_card(at=at, channel=ChannelId(number % CHANNELS + 1), message=None, application=1)
    spec = a_spec(size="720x1280", prompt="puts on a red hat and waves " * 4)
    return a_job(number, at=at, member=UserId(number), endpoint=endpoint, provider="gptproto", spec=spec, card=card)


async def carry(store: Store, job: Job, to: JobState) -> None:
    """Reserves it and moves it there."""
    at = job.created_at
    await store.write(reserve(job, (), LIMITS))
    await store.write(cards.place(job.id, MessageId(job.id), ephemeral_at=None))
    changes: dict[JobState, dict[str, object]] = {
        S.SUBMITTING: {"last_sent_at": at},
        S.RENDERING: {"ticket": ticket_of(job.endpoint, f"video_{job.id}")},
        S.DELIVERING: {},
        S.DELIVERED: {},
    }
    for start, end in itertools.pairwise([S.WAITING, *changes]):
        await store.write(jobs.move(job.id, start, end, now=at, **changes[end]))
        if end is to:
            return


def taking_all(edits: Counter[str]) -> Any:
    """A hook for the local Discord: every edit is taken, whatever message it is for."""

    async def take(phase: str, exchange: Exchange) -> Reply | None:
        if phase != "before" or "messages" not in exchange.path:
            return None
        edits[exchange.method] += 1
        author = {"id": "1", "username": "bot", "discriminator": "0", "avatar": None, "bot": True}
        lists = ("mentions", "mention_roles", "attachments", "embeds", "components")
        message: dict[str, Any] = {
            "id": exchange.params.get("message_id", "1"), "channel_id": "1", "author": author, "content": "",
            "timestamp": "2026-03-04T12:00:00+00:00", "edited_timestamp": None, "tts": False, "mention_everyone": False,
            "pinned": False, "type": 0, "flags": 1 << 15, **{name: [] for name in lists},
        }  # fmt: skip
        return Reply(200, message)

    return take


def percentile(values: list[float], share: float) -> float:
    """The value that so great a share is not above."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


async def start(environment: Environment) -> tuple[BotProcess, float]:
    """Starts the bot; seconds from its start to IDENTIFY."""
    began = time.monotonic()
    bot = await environment.start_bot()
    return bot, time.monotonic() - began


async def leave(environment: Environment) -> None:
    """Stops the bot and waits until its session is gone."""
    assert environment.bot is not None
    await environment.bot.stop(60)
    await environment.discord.wait_for(lambda: not environment.discord.gateway.live, 10, "the bot to be gone")


async def starts(environment: Environment) -> float:
    """Seconds to IDENTIFY, the median of a few starts."""
    took = []
    for _ in range(STARTS):
        _, seconds = await start(environment)
        took.append(seconds)
        await leave(environment)
    return sorted(took)[STARTS // 2]


async def steady(
    environment: Environment, provider: StandInProvider, edits: Counter[str], seconds: float, what: str
) -> list[Figure]:
    """What the jobs cost; printed, too."""
    print(f"{what}:")
    bot, _ = await start(environment)
    process = psutil.Process(bot.pid)
    await asyncio.sleep(SETTLES_S)
    began, cpu, polls, edited, peak = time.monotonic(), process.cpu_times(), provider.polls, edits.total(), 0
    while time.monotonic() < began + seconds:
        peak = max(peak, process.memory_info().rss)
        await asyncio.sleep(0.5)
    took, after = time.monotonic() - began, process.cpu_times()
    cores = (after.user + after.system - cpu.user - cpu.system) / took
    polls_s, edits_s = (provider.polls - polls) / took, (edits.total() - edited) / took
    await leave(environment)
    seen = json.loads((environment.folder / "lags").read_text("utf-8"))
    lags, works = ([1000 * row[n] for row in seen if began <= row[0] <= began + took] for n in (1, 2))
    p50, p99, work = percentile(lags, 0.5), percentile(lags, 0.99), percentile(works, 0.99)
    print(f"  memory: {peak / 2**20:.0f} MiB RSS (hold 150)")
    print(f"  event loop: lag p50 {p50:.1f} ms, p99 {p99:.1f} ms (hold 20), longest {max(lags):.0f} ms (hold 100)")
    print(f"  at work without a pause: p99 {work:.1f} ms, longest {max(works):.0f} ms (the rest is the machine's)")
    print(f"  CPU: {cores:.2f} cores (hold 0.25); {polls_s:.0f} polls/s, {edits_s:.0f} edits/s")
    return [
        Figure(f"{what}: memory", peak / 2**20, "MiB", 150, digits=0),
        Figure(f"{what}: event-loop lag p99", p99, "ms", 20, digits=1),
        Figure(f"{what}: longest pause", max(lags), "ms", 100, digits=0),
        Figure(f"{what}: CPU", cores, "cores", 0.25),
    ]


async def measured(count: int, seconds: float) -> list[Figure]:
    """With so many jobs, each measurement for so long; printed, too."""
    discord, provider, edits = LocalDiscord(), StandInProvider(), Counter[str]()
    discord.on_exchange(taking_all(edits))
    environment = Environment(discord=discord, settings=SETTINGS, arguments=MEASURED)
    environment.use({"LAGS": str(environment.folder / "lags")})
    try:
        await environment.start(bot=False)
        await provider.start()
        environment.use({"VIDEO_API_URL": provider.url, "VIDEO_API_AUTH": "bearer"})
        await start(environment)
        await leave(environment)
        found = [Figure("start to IDENTIFY, empty", await starts(environment), "s", 0.5)]
        await fill(environment, provider.url, count)
        found += [Figure(f"start to IDENTIFY, {count:,} jobs to resume", await starts(environment), "s", 1.0)]
        print(table(found))
        found += await steady(environment, provider, edits, seconds, f"{count:,} rendering, nothing foretold")
        foretell(environment, TOOK_S)
        found += await steady(environment, provider, edits, seconds, f"{count:,} rendering, foretold")
        queue(environment)
        foretell(environment, FAILS_AFTER_S)
        provider.fails_after_s = FAILS_AFTER_S
        environment.use({"MAX_CONCURRENT_JOBS": str(SLOTS)})
        return found + await steady(environment, provider, edits, seconds, f"{count - SLOTS:,} in the queue")
    finally:
        await provider.stop()
        await environment.stop()


async def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the bot with many jobs.")
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=30.0, help="of each measurement")
    options = parser.parse_args()
    await measured(options.jobs, options.seconds)


if __name__ == "__main__":
    asyncio.run(main())
