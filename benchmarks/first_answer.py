"""First answer to /animate, reserved durably, against a bot that only answers; and memory with 200 members at once.

    uv run python benchmarks/first_answer.py [--rounds 7] [--only-answers]

Both bots run as processes, each in a local Discord of its own, and are asked in turns, by 1, 50 and 200 at once.
Prints the medians over the rounds of p50 and p99 from dispatch to answer and of their ratios, and the CPU that the bot
took for each command until the burst was answered. Read the ratios: the times are this machine's.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import sqlite3
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.figures import Figure
from sandbox.discord.cdn import Upload
from sandbox.discord.server import LocalDiscord
from sandbox.environment import Environment
from sandbox.process import BOT
from sandbox.providers.mp4 import tiny_mp4
from sandbox.providers.openai import LocalOpenAI
from sandbox.providers.openai_request import OpenAISettings

PLAIN = (str(Path(__file__).with_name("plain_bot.py")),)
BURSTS = {1: 20, 50: 2, 200: 1}
"""Commands at once, and how often in a round."""
HOLD_ALONE, HOLD_IN_BURSTS = 2.0, 1.5
PAUSE_S = 0.2
"""Before each burst, for both bots alike."""
CALLBACK = "/interactions/{interaction_id}/{interaction_token}/callback"
OPEN = {
    "QUOTA_DEFAULT_CREDITS": "1000000",
    "BUDGET_CREDITS": "1000000000",
    "MAX_JOBS_PER_USER": "10000",
    "POLL_SECONDS": "600",
    "PROGRESS_SECONDS": "600",
    "LOG_LEVEL": "WARNING",
}


def photo() -> bytes:
    """A JPEG of twelve megapixels, as a phone makes it."""
    gradient = Image.linear_gradient("L").resize((4000, 3000))
    buffer = io.BytesIO()
    Image.merge("RGB", (gradient, gradient.transpose(Image.Transpose.ROTATE_180), gradient)).save(buffer, "JPEG")
    return buffer.getvalue()


@dataclass(frozen=True, slots=True)
class Taken:
    """What one burst took, in seconds: from dispatch to answer, and of CPU for a command until all were answered."""

    answers: list[float]
    cpu: float


async def burst(environment: Environment, size: int, upload: Upload) -> Taken:
    """`size` commands at once, by as many members."""
    assert environment.bot is not None
    process = psutil.Process(environment.bot.pid)
    sent: dict[int, float] = {}
    took: dict[int, float] = {}

    async def watch(phase: str, exchange: Any) -> None:
        if phase == "before" and exchange.route == CALLBACK:
            interaction = int(exchange.params["interaction_id"])
            took.setdefault(interaction, time.perf_counter() - sent[interaction])

    people = [environment.discord.world.people[f"member{n}"] for n in range(size)]
    environment.discord.on_exchange(watch)
    asked, before = [], cpu_s(process)
    for person in people:
        started = time.perf_counter()
        interaction = await environment.discord.invoke(person, "animate", image=upload, prompt="puts on a hat")
        sent[interaction.id] = started
        asked.append(interaction)
    await asyncio.gather(*(one.answer(3.5) for one in asked))  # NotAnswered where one came later than 3 s
    after = cpu_s(process)
    environment.discord.remove(watch)
    await quiet(environment)
    return Taken(list(took.values()), (after - before) / size)


def cpu_s(process: psutil.Process) -> float:
    """Of the bot itself; what it starts beside itself is not counted."""
    times = process.cpu_times()
    return float(times.user + times.system)


async def quiet(environment: Environment) -> None:
    """Waits until every job that was taken is at the provider and its card says so, then a little."""
    if environment.database.exists():
        with closing(sqlite3.connect(environment.database, timeout=10)) as books:
            busy = "SELECT 1 FROM jobs WHERE state IN ('waiting', 'submitting')"
            while books.execute(busy).fetchone():  # noqa: ASYNC110 - a database file tells nobody
                await asyncio.sleep(0.02)
    seen = -1
    while seen != len(environment.discord.requests):
        seen = len(environment.discord.requests)
        await asyncio.sleep(PAUSE_S)


@dataclass(frozen=True, slots=True)
class Round:
    """What the bursts of one size took in one round."""

    p50: float
    p99: float
    cpu: float


def round_of(bursts: list[Taken]) -> Round:
    """What they took together."""
    answers = [took for each in bursts for took in each.answers]
    cpu = statistics.mean(each.cpu for each in bursts)
    return Round(percentile(answers, 0.5), percentile(answers, 0.99), 1000 * cpu)


async def measure(environments: tuple[Environment, Environment], rounds: int, upload: Upload) -> list[Figure]:
    """The ratios; all is printed. The first of the environments has the bot that only answers."""
    for environment in environments:
        for size in (1, max(BURSTS)):
            await burst(environment, size, upload)
    found: dict[int, list[tuple[Round, Round]]] = {size: [] for size in BURSTS}
    for _ in range(rounds):
        for size, times in BURSTS.items():
            pairs = [[await burst(environment, size, upload) for environment in environments] for _ in range(times)]
            base, mine = (round_of([pair[n] for pair in pairs]) for n in (0, 1))
            found[size].append((base, mine))
    print(f"medians of {rounds} rounds")
    print("at once |  only answers p50/p99 ms |  reserved p50/p99 ms | ratio p50/p99 | CPU ms a command")
    ratios = []
    for size, rows in found.items():
        bases, ours = ([row[n] for row in rows] for n in (0, 1))
        p50, p99 = (statistics.median(getattr(m, part) / getattr(b, part) for b, m in rows) for part in ("p50", "p99"))
        print(
            f"{size:>7} | {middle(bases, 'p50'):>10.1f} / {middle(bases, 'p99'):<11.1f} |"
            f" {middle(ours, 'p50'):>8.1f} / {middle(ours, 'p99'):<9.1f} | {p50:>5.2f} / {p99:<5.2f} |"
            f" {middle(bases, 'cpu'):.2f} / {middle(ours, 'cpu'):.2f}"
        )
        hold = HOLD_ALONE if size == 1 else HOLD_IN_BURSTS
        what = f"first answer, {size} at once, against a bot that only answers"
        ratios += [Figure(f"{what}: p50", p50, "x", hold), Figure(f"{what}: p99", p99, "x", hold)]
    return ratios


def middle(rounds: list[Round], part: str) -> float:
    """The median of what stands there, in milliseconds."""
    return float(statistics.median(getattr(each, part) for each in rounds))


async def memory(environment: Environment) -> tuple[float, float]:
    """RSS in MiB before and at its highest, while 200 members attach twelve megapixels at once."""
    assert environment.bot is not None
    bot = environment.bot
    process = psutil.Process(bot.pid)
    before = peak = process.memory_info().rss
    upload = Upload("photo.jpg", photo(), "image/jpeg")
    answers = asyncio.create_task(burst(environment, 200, upload))
    already = len(environment.provider.jobs)
    deadline = time.monotonic() + 180
    while len(environment.provider.jobs) < already + 200 and time.monotonic() < deadline:
        peak = max(peak, process.memory_info().rss)
        await asyncio.sleep(0.02)
    await answers
    await bot.stop(60)
    return before / 2**20, peak / 2**20


def percentile(values: list[float], share: float) -> float:
    """In milliseconds."""
    return 1000 * sorted(values)[min(len(values) - 1, int(len(values) * share))]


@contextlib.asynccontextmanager
async def connected(*, plain: bool) -> AsyncIterator[Environment]:
    """An environment with one of the bots in it."""
    discord = LocalDiscord()
    videos = LocalOpenAI(render=tiny_mp4, settings=OpenAISettings(render_seconds=None))
    settings = {**OPEN, "MAX_CONCURRENT_JOBS": "10000"}
    environment = Environment(discord=discord, provider=videos, settings=settings, arguments=PLAIN if plain else BOT)
    for number in range(max(BURSTS)):
        discord.world.add_member(f"member{number}")
    try:
        await environment.start()
        yield environment
    finally:
        await environment.stop()


async def measured(rounds: int, *, only_answers: bool) -> list[Figure]:
    """The ratios over so many rounds, and unless `only_answers`, the memory that pictures take; printed, too."""
    small = io.BytesIO()
    Image.new("RGB", (270, 480)).save(small, "PNG")
    upload = Upload("small.png", small.getvalue(), "image/png")
    async with connected(plain=True) as base, connected(plain=False) as ours:
        ratios = await measure((base, ours), rounds, upload)
        if not only_answers:
            before, peak = await memory(ours)
            print(
                f"200 members with a 12-megapixel photo at once: {before:.0f} MiB RSS before, {peak:.0f} at its highest"
            )
    return ratios


async def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the first answer.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only-answers", action="store_true", help="leave out the memory that pictures take")
    options = parser.parse_args()
    await measured(options.rounds, only_answers=options.only_answers)


if __name__ == "__main__":
    asyncio.run(main())
