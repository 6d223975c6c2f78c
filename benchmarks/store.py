"""A reservation on PostgreSQL, against the same on SQLite: units a second, and CPU a unit.

    uv run python -m benchmarks.store [--rounds 5]

One process, a new database for each round, in turns; both write through to the same disk. PostgreSQL's processes are
counted apart. Read the ratios: the rest is this machine's.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.reserve import CALLS, LIMITS, job, timed
from bot.store.database import Store
from bot.store.reservations import reserve
from tests.postgres_server import PostgresServer

CALLERS = (1, 50, 200)


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a unit: how many a second, and milliseconds of CPU here and in the database's own processes."""

    per_second: float
    here_ms: float
    there_ms: float


async def measured(where: Path | str, server: PostgresServer | None, callers: int) -> Cost:
    """One round on an empty database."""
    store = await Store.open(where)
    try:
        here_s, there_s = time.process_time(), cpu_of(server)
        times = await timed(lambda number: store.write(reserve(job(number), [], LIMITS)), callers)
        here_s, there_s = time.process_time() - here_s, cpu_of(server) - there_s
    finally:
        await store.close()
    return Cost(times.per_second, here_s / CALLS * 1000, there_s / CALLS * 1000)


def cpu_of(server: PostgresServer | None) -> float:
    """Seconds until now, of a server and its processes."""
    if server is None or server.pid is None:
        return 0.0
    total = 0.0
    for process in [(main := psutil.Process(server.pid)), *main.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system
    return total


async def compare(folder: Path, server: PostgresServer, callers: int, rounds: int) -> None:
    """Prints one line: the middle of the rounds."""
    of_file: list[Cost] = []
    of_server: list[Cost] = []
    for turn in range(rounds):
        of_file.append(await measured(folder / f"{callers}-{turn}.db", None, callers))
        of_server.append(await measured(server.address(server.make_database()), server, callers))
    a, b = (statistics.median(cost.per_second for cost in side) for side in (of_server, of_file))
    cells = [f"{a:7.0f} / {b:7.0f} a second = {a / b:5.2f}x"]
    a, b = (statistics.median(cost.here_ms for cost in side) for side in (of_server, of_file))
    cells.append(f"{a:6.2f} / {b:6.2f} ms CPU = {a / b:5.1f}x")
    cells.append(f"and {statistics.median(cost.there_ms for cost in of_server):6.2f} ms in PostgreSQL")
    print(f"{callers:4} callers   {'   '.join(cells)}")


async def main(rounds: int) -> None:
    """Prints the table."""
    print(f"a reservation on PostgreSQL / on SQLite, {CALLS} calls, middle of {rounds} rounds")
    server = await asyncio.to_thread(PostgresServer.make)
    try:
        with tempfile.TemporaryDirectory() as folder:
            for callers in CALLERS:
                await compare(Path(folder), server, callers, rounds)
    finally:
        await asyncio.to_thread(server.close)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    asyncio.run(main(parser.parse_args().rounds))
