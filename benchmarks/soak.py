"""Half an hour of 50 members, reconnects, provider trouble and a restart: what must not grow, and how sure that is.

    uv run python benchmarks/soak.py [--minutes 30 | --hours 8] [--members 50] [--seed 1]

The time is compressed: renders take two seconds, so half an hour has the videos of days. Memory, tasks, connections,
files and threads of the bot are read once a second. The first five minutes of each life are its start and are not
counted; nor are the pages that SQLite keeps in memory, which have a bound of their own. Of the rest, each figure has a
slope per 1,000 videos with its 95% interval, over all lives, each life at a level of its own. The verdict is “flat”
where the upper end of the interval is within what is allowed, “GROWS” where the figure surely grows, and by more than
that, and else “undecided”.

Every command has to be accounted for: it was answered and its video came to an end, or it was sent while the bot was
not connected to Discord. At the end every job must have ended, no video may have been paid twice, and the ledger must
add up. Exit code 1 where something grows or a promise is broken.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import os
import random
import sqlite3
import sys
import time
from collections import Counter, defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.slopes import Reading, Verdict, slope_of
from sandbox.discord.gateway import Connection
from sandbox.discord.messages import NotAnswered
from sandbox.discord.world import Person
from tests.e2e.stage import Stage
from tests.ledger_audit import differences

COUNTED = (str(Path(__file__).with_name("counted_bot.py")),)
WARM_UP_S = 300.0
"""Until then pools of threads and connections, SQLite's caches and the allocator's grow to their bounds."""
RENDER_S = 2.0
THINKS_S = 15.0
"""Mean time of a member between a video and the next request."""
RECONNECTS_EVERY_S = 45.0
TROUBLE_EVERY_S = 60.0
TROUBLES = (
    ("create:429", 5),
    ("create:cut-early", 2),
    ("poll:500", 10),
    ("content:502-html", 3),
    ("create:moderated", 2),
)
ENDS_WITHIN_S = 120.0
ASKED, ENDED, NOT_CONNECTED = "commands", "answered and ended", "sent while the bot was not connected"
REFUSED, UNANSWERED, ENDLESS = "refused", "not answered by the connected bot", "without an end in two minutes"
OUTCOMES = (ENDED, REFUSED, NOT_CONNECTED, UNANSWERED, ENDLESS)
SQLITE_BYTES = 8 * 2**20
"""It keeps statements, and pages: up to 2 MiB for each of the connections that read, write and back up."""
KEPT_REQUESTS = 1_000
"""The local Discord remembers no more: its memory is this process's, and the run is long."""
SETTINGS = {
    "MAX_CONCURRENT_JOBS": "20", "MAX_JOBS_PER_USER": "5", "QUOTA_DEFAULT_CREDITS": "1000000",
    "BUDGET_CREDITS": "1000000000", "POLL_SECONDS": "0.5", "PROGRESS_SECONDS": "1", "LOG_LEVEL": "WARNING",
    "BACKUP_EVERY": "1m", "BACKUP_KEEP": "2",
}  # fmt: skip
ALLOWED_PER_1000_VIDEOS = {"memory, MiB": 1.0, "tasks": 5.0, "connections": 5.0, "files": 5.0, "threads": 1.0}
"""What one kept with each video would add is 1,000; with each reconnect or each trouble, about 10."""


@dataclass
class Soak:
    """One run: what was read in each life of the bot, and what the members saw."""

    stage: Stage
    rng: random.Random
    seconds: float
    is_over: bool = False
    sqlite_bytes: int = 0
    """The most that SQLite held; it does not count as memory, since it has a bound of its own."""
    is_open: asyncio.Event = field(default_factory=asyncio.Event)
    seen: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    lives: dict[str, dict[int, list[Reading]]] = field(default_factory=lambda: defaultdict(dict))
    """By figure and process: how many videos there were, and the figure."""

    async def run(self, members: list[Person]) -> None:
        """Returns when the time is over and every job has ended."""
        self.is_open.set()
        ends = time.monotonic() + self.seconds
        going = [asyncio.create_task(self._member(person, ends)) for person in members]
        troubles = [asyncio.create_task(each) for each in (self._reconnects(), self._troubles(), self._read())]
        try:
            await asyncio.sleep(self.seconds / 2)
            await self._restart()
            await asyncio.gather(*going)
        finally:
            for task in (*going, *troubles):
                task.cancel()
            await asyncio.wait((*going, *troubles))
        for task in troubles:
            if not task.cancelled():
                task.result()  # it ended by itself: raises
        await self.stage.settled(ENDS_WITHIN_S)

    async def _member(self, person: Person, ends: float) -> None:
        while True:
            await asyncio.sleep(self.rng.expovariate(1 / THINKS_S))
            await self.is_open.wait()
            if time.monotonic() > ends:
                self.is_over = True
                return
            self.seen[ASKED] += 1
            self.seen[await self._request(person)] += 1

    async def _request(self, person: Person) -> str:
        """One command to its end; what became of it."""
        connection = self._connection
        asked = await self.stage.animate(person, prompt=f"puts on hat {self.rng.randrange(1000)}")
        try:
            answer = await asked.answer()
        except NotAnswered:
            return UNANSWERED if connection is not None and connection is self._connection else NOT_CONNECTED
        assert answer is not None
        if answer.is_ephemeral:
            self.refusals[answer.text()] += 1
            return REFUSED
        try:
            await self.stage.over(asked, ENDS_WITHIN_S)
        except TimeoutError:
            return ENDLESS
        return ENDED

    @property
    def _connection(self) -> Connection | None:
        """Over which the bot hears of commands; None while it is not connected."""
        return next((session.connection for session in self.stage.discord.gateway.live), None)

    async def _reconnects(self) -> None:
        discord = self.stage.discord
        kinds = itertools.cycle((discord.gateway_drop, discord.reconnect, discord.invalid_session))
        while True:
            await asyncio.sleep(RECONNECTS_EVERY_S)
            await next(kinds)()
            self.seen["reconnects"] += 1

    async def _troubles(self) -> None:
        for fault, times in itertools.cycle(TROUBLES):
            await asyncio.sleep(TROUBLE_EVERY_S)
            self.stage.provider.faults.inject(fault, times=times)
            self.seen["troubles"] += 1

    async def _restart(self) -> None:
        """A deploy, in the middle of it all; nobody asks meanwhile."""
        self.is_open.clear()
        assert self.stage.bot is not None
        await self.stage.bot.stop(60)
        await self.stage.discord.wait_for(lambda: not self.stage.discord.gateway.live, 20, "the bot to be gone")
        await self.stage.start_bot()
        self.seen["restarts"] += 1
        self.is_open.set()

    async def _read(self) -> None:
        while not self.is_over:  # the last videos end with nobody asking: all figures fall then
            bot = self.stage.bot
            if bot is not None and bot.is_running:
                with contextlib.suppress(psutil.NoSuchProcess):
                    self._note(psutil.Process(bot.pid))
            del self.stage.discord.requests[:-KEPT_REQUESTS]
            await asyncio.sleep(1)

    def _note(self, process: psutil.Process) -> None:
        if time.time() - process.create_time() < WARM_UP_S:
            return
        connections = len(process.net_connections())
        tasks, sqlite = last_counts(self.stage.folder / "counts")
        self.sqlite_bytes = max(self.sqlite_bytes, sqlite)
        found = {
            "memory, MiB": (process.memory_info().rss - sqlite) / 2**20,
            "tasks": tasks,
            "connections": connections,
            "files": process.num_fds() - connections,
            "threads": process.num_threads(),
        }
        for name, value in found.items():
            self.lives[name].setdefault(process.pid, []).append((self.seen[ENDED], value))


def last_counts(file: Path) -> tuple[int, int]:
    """Tasks, and bytes that SQLite holds, of the last whole line; zeros before there is one."""
    with contextlib.suppress(OSError, IndexError, ValueError), file.open("rb") as counts:
        counts.seek(max(0, file.stat().st_size - 200))
        tasks, sqlite = counts.read().splitlines()[-2].split()
        return int(tasks), int(sqlite)
    return 0, 0


def report(soak: Soak) -> bool:
    """Prints the slopes; whether none grows."""
    print(f"{'':<12} {'mean':>8} {'per 1,000 videos':>17} {'95% interval':>20}  verdict (allowed)")
    verdicts = []
    for name, allowed in ALLOWED_PER_1000_VIDEOS.items():
        try:
            slope = slope_of([*soak.lives[name].values()])
        except ValueError as error:
            print(f"{name:<12} {error}")
            continue
        verdicts.append(slope.verdict(allowed / 1000))
        each, low, high = (1000 * value for value in (slope.each, slope.low, slope.high))
        print(f"{name:<12} {slope.mean:>8.1f} {each:>+17.2f} {low:>+9.2f} to {high:>+7.2f}  {verdicts[-1]} ({allowed})")
    print(f"SQLite held up to {soak.sqlite_bytes / 2**20:.1f} MiB beside that, of {SQLITE_BYTES / 2**20:.0f} at most")
    return Verdict.GROWS not in verdicts and soak.sqlite_bytes <= SQLITE_BYTES


def promises(soak: Soak) -> list[str]:
    """What was broken, a sentence each."""
    stage, seen = soak.stage, soak.seen
    with closing(sqlite3.connect(stage.database)) as database:
        broken = differences(database)
        ((tickets, distinct),) = database.execute("SELECT COUNT(ticket), COUNT(DISTINCT ticket) FROM jobs")
        ((jobs,),) = database.execute("SELECT COUNT(*) FROM jobs WHERE failure IS NOT 'no_card'")
    broken += [f"{seen[what]} commands: {what}" for what in (UNANSWERED, ENDLESS) if seen[what]]
    if seen[ENDED] + seen[ENDLESS] != jobs or seen[ASKED] != sum(seen[what] for what in OUTCOMES):
        broken.append(f"the commands do not add up: {jobs} jobs whose command was answered")
    paid = len(stage.provider.jobs)
    if not paid == tickets == distinct:
        broken.append(f"{paid} videos were paid, {distinct} belong to a job, {tickets} jobs have one")
    assert stage.bot is not None
    if "Traceback" in stage.bot.log():
        broken.append("the log has a traceback")
    return broken


async def soaked(seconds: float, members: int, seed: int) -> bool:
    """Runs and prints it; whether all is well."""
    stage = Stage(SETTINGS, arguments=COUNTED, render_s=RENDER_S, spawn=asyncio.create_subprocess_exec)
    stage.use({"COUNTS": str(stage.folder / "counts")})
    people = [stage.discord.world.add_member(f"member{number}") for number in range(members)]
    soak = Soak(stage, random.Random(seed), seconds)
    try:
        await stage.start()
        await soak.run(people)
        broken = promises(soak)
    finally:
        await stage.stop()
    print(f"{seconds / 60:.0f} minutes, {members} members, seed {seed}, {os.cpu_count()} cores")
    print(", ".join(f"{count:,} {what}" for what, count in soak.seen.items()))
    for sentence, count in soak.refusals.items():
        print(f"{count} times refused: {sentence}")
    is_flat = report(soak)
    print(*broken or ["every job ended, nothing was paid twice, the ledger adds up"], sep="\n")
    return is_flat and not broken


def main() -> int:
    parser = argparse.ArgumentParser(description="Let the bot work for long, and see what grows.")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--hours", type=float, default=0.0, help="in place of minutes")
    parser.add_argument("--members", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    seconds = 3600 * options.hours or 60 * options.minutes
    return 0 if asyncio.run(soaked(seconds, options.members, options.seed)) else 1


if __name__ == "__main__":
    sys.exit(main())
