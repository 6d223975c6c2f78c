"""A reservation through the store, against the same statements awaited one by one on a plain aiosqlite connection.

    uv run python -m benchmarks.reserve

Both write the same rows with `synchronous=FULL` to files in the same folder, in turns. Read the ratios: the times are
this machine's.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiosqlite

sys.path.insert(0, str(Path(__file__).parents[1]))

from bot.models import (
    Card,
    ChannelId,
    GuildId,
    Job,
    JobId,
    JobState,
    Limit,
    Limits,
    MessageId,
    Period,
    Picture,
    Scope,
    UserId,
    VideoSpec,
)
from bot.store.database import Row, Store, Tx
from bot.store.migrations import migrate
from bot.store.reservations import reserve

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
CALLERS = (1, 50, 200)
CALLS = 1_000
PLENTY = Limit(1_000_000, Period.DAY)
LIMITS = Limits(default=PLENTY, direct=PLENTY, budget=PLENTY, jobs_per_user=1_000_000)

Reserve = Callable[[int], Awaitable[object]]
Statement = tuple[str, dict[str, object]]


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds a call took, and all of them together."""

    calls: Sequence[float]
    total_s: float

    def percentile(self, percent: int) -> float:
        """Milliseconds."""
        return statistics.quantiles(self.calls, n=100)[percent - 1] * 1000

    @property
    def per_second(self) -> float:
        """Calls."""
        return len(self.calls) / self.total_s


class Recording(Tx):
    """Runs a unit and keeps what it said to the database."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self.said: list[Statement] = []

    def changed(self, sql: str, /, **params: object) -> int:
        self.said.append((sql, params))
        return super().changed(sql, **params)

    def all(self, sql: str, /, **params: object) -> Sequence[Row]:
        self.said.append((sql, params))
        return super().all(sql, **params)


def job(number: int) -> Job:
    """One of a server of fifty members."""
    return Job(
        id=JobId(number),
        key=f"key{number}",
        state=JobState.WAITING,
        state_at=NOON,
        created_at=NOON,
        scope=Scope(1),
        member=UserId(number % 50),
        spec=VideoSpec("sora-2", "puts on a hat", 4, None, 4),
        picture=Picture("https://cdn.example/cat.jpg", "cat.jpg", 200_000, "image/jpeg", 3000, 4000),
        card=Card(
            application=1,
            channel=ChannelId(2),
            guild=GuildId(1),
            message=MessageId(3),
            token="token",
            token_ends_at=NOON + timedelta(minutes=15),
            upload_limit_bytes=10_000_000,
            bot_reaches=True,
        ),
        endpoint="https://videos.example/v1",
    )


def statements(folder: Path) -> list[list[Statement]]:
    """What each reservation says, had they come one after the other."""
    path = folder / "recorded.db"
    migrate(path)
    found: list[list[Statement]] = []
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        for number in range(CALLS):
            tx = Recording(connection)
            connection.execute("BEGIN")
            reserve(job(number), [], LIMITS)(tx)
            connection.execute("COMMIT")
            found.append(tx.said)
    return found


@contextlib.asynccontextmanager
async def through_the_store(path: Path) -> AsyncIterator[Reserve]:
    """The bot's way: units in batches."""
    store = await Store.open(path)
    try:
        yield lambda number: store.write(reserve(job(number), [], LIMITS))
    finally:
        await store.close()


@contextlib.asynccontextmanager
async def one_by_one(path: Path, said: list[list[Statement]]) -> AsyncIterator[Reserve]:
    """The usual way: a lock, and a thread's hop for each statement."""
    migrate(path)
    lock = asyncio.Lock()
    async with aiosqlite.connect(path, isolation_level=None) as connection:
        await connection.execute("PRAGMA synchronous = FULL")

        async def write(number: int) -> None:
            async with lock:
                await connection.execute("BEGIN IMMEDIATE")
                for sql, params in said[number]:
                    await connection.execute_fetchall(sql, params)
                await connection.execute("COMMIT")

        yield write


async def timed(write: Reserve, callers: int) -> Times:
    """`CALLS` reservations by so many callers at once, each asking again as soon as it is answered."""
    numbers = iter(range(CALLS))
    calls: list[float] = []

    async def caller() -> None:
        for number in numbers:
            begun = time.perf_counter()
            await write(number)
            calls.append(time.perf_counter() - begun)

    begun = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    return Times(calls, time.perf_counter() - begun)


async def compare(folder: Path, callers: int, rounds: int) -> None:
    """Prints one line: the middle of the rounds, both ways in turns."""
    said = statements(folder)
    store: list[Times] = []
    plain: list[Times] = []
    for turn in range(rounds):
        async with through_the_store(folder / f"store{callers}-{turn}.db") as write:
            store.append(await timed(write, callers))
        async with one_by_one(folder / f"plain{callers}-{turn}.db", said) as write:
            plain.append(await timed(write, callers))
    cells = []
    for percent in (50, 99):
        a, b = (statistics.median(times.percentile(percent) for times in side) for side in (store, plain))
        cells.append(f"p{percent} {a:8.2f} / {b:8.2f} ms = {a / b:5.2f}x")
    a, b = (statistics.median(times.per_second for times in side) for side in (store, plain))
    print(f"{callers:4} callers   {'   '.join(cells)}   {a:7.0f} / {b:6.0f} a second = {a / b:5.1f}x")


async def main(rounds: int) -> None:
    """Prints the table."""
    print(f"a reservation through the store / statement by statement, {CALLS} calls, middle of {rounds} rounds")
    for callers in CALLERS:
        with tempfile.TemporaryDirectory() as folder:
            await compare(Path(folder), callers, rounds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    asyncio.run(main(parser.parse_args().rounds))
