"""Half an hour of 50 members, reconnects, provider trouble and a restart: what must not grow, and how sure that is.

    uv run python benchmarks/soak.py [--minutes 30 | --hours 8] [--members 50] [--seed 1]

The time is compressed: renders take two seconds, so half an hour has the videos of days, and after each minute comes a
night: nobody asks for anything, and once all videos have ended and idle connections are closed, memory, tasks,
connections, files and threads of the bot are read. The first five minutes of each life are its start and are not
counted; nor are the pages that SQLite keeps in memory, which have a bound of their own. Of the rest, each figure has a
slope per 1,000 videos with its 95% interval, over all lives, each life at a level of its own. The verdict is “flat”
where the upper end of the interval is within what is allowed, “GROWS” where the figure surely grows, and by more than
that, and else “undecided”.

Every command has to be accounted for: it was answered and its video came to an end; it was sent while the bot was not
connected to Discord; or the machine was so busy that the answer came after Discord's three seconds. At the end every
job must have ended, no video may have been paid twice, and the ledger must add up. Exit code 1 where something grows or
a promise is broken.
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
from sandbox.discord.messages import Interaction, NotAnswered
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
NIGHT_EVERY_S = 60.0
IDLE_S = 17.0
"""aiohttp closes connections that were idle for 15 seconds."""
READINGS = 5
"""One a second; the least of them counts, since a reconnect may fall into that time."""
TROUBLES = (
    ("create:429", 5),
    ("create:cut-early", 2),
    ("poll:500", 10),
    ("content:502-html", 3),
    ("create:moderated", 2),
)
ENDS_WITHIN_S = 120.0
ASKED, ENDED, NOT_CONNECTED = "commands", "answered and ended", "sent while the bot was not connected"
LATE, REFUSED = "answered after more than three seconds", "refused"
UNANSWERED, ENDLESS = "not answered by the connected bot", "without an end in two minutes"
OUTCOMES = (ENDED, REFUSED, NOT_CONNECTED, LATE, UNANSWERED, ENDLESS)
LATE_WITHIN_S = 20.0
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
    in_progress: int = 0
    sqlite_bytes: int = 0
    """The most that SQLite held; it does not count as memory, since it has a bound of its own."""
    is_open: asyncio.Event = field(default_factory=asyncio.Event)
    is_quiet: asyncio.Event = field(default_factory=asyncio.Event)
    """Nobody waits for anything."""
    seen: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    lives: dict[str, dict[int, list[Reading]]] = field(default_factory=lambda: defaultdict(dict))
    """By figure and process: how many videos there were, and the figure."""

    async def run(self, members: list[Person]) -> None:
        """Returns when the time is over and every job has ended."""
        self.is_open.set()
        self.is_quiet.set()
        ends = time.monotonic() + self.seconds
        going = [asyncio.create_task(self._member(person, ends)) for person in members]
        troubles = [asyncio.create_task(each) for each in (self._reconnects(), self._troubles())]
        try:
            for until in (ends - 2 * self.seconds / 3, ends):
                while time.monotonic() < until:
                    await asyncio.sleep(NIGHT_EVERY_S)
                    await self._night()
                if until < ends:
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
            await self.is_open.wait()
            await asyncio.sleep(self.rng.expovariate(1 / THINKS_S))
            if time.monotonic() > ends:
                return
            if self.is_open.is_set():
                self.seen[ASKED] += 1
                self.in_progress += 1
                self.is_quiet.clear()
                self.seen[await self._request(person)] += 1
                self.in_progress -= 1
                if not self.in_progress:
                    self.is_quiet.set()

    async def _request(self, person: Person) -> str:
        """One command to its end; what became of it."""
        connection = self._connection
        asked = await self.stage.animate(person, prompt=f"puts on hat {self.rng.randrange(1000)}")
        try:
            answer = await asked.answer()
        except NotAnswered:
            if connection is None or connection is not self._connection:
                return NOT_CONNECTED
            return LATE if await self._came_late(asked) else UNANSWERED
        assert answer is not None
        if answer.is_ephemeral:
            self.refusals[answer.text()] += 1
            return REFUSED
        try:
            await self.stage.over(asked, ENDS_WITHIN_S)
        except TimeoutError:
            return ENDLESS
        return ENDED

    async def _came_late(self, asked: Interaction) -> bool:
        """Whether the bot answers all the same, and Discord refuses that."""
        discord, path = self.stage.discord, f"/interactions/{asked.id}/"
        try:
            await discord.wait_for(lambda: any(path in x.path for x in discord.requests), LATE_WITHIN_S, "an answer")
        except TimeoutError:
            return False
        return True

    @property
    def _connection(self) -> Connection | None:
        """Over which the bot hears of commands; None while it is not connected."""
        return next((session.connection for session in self.stage.discord.gateway.live), None)

    async def _reconnects(self) -> None:
        discord = self.stage.discord
        kinds = itertools.cycle((discord.gateway_drop, discord.reconnect, discord.invalid_session))
        while True:
            await asyncio.sleep(RECONNECTS_EVERY_S)
            del discord.requests[:-KEPT_REQUESTS]
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

    async def _night(self) -> None:
        """Nobody asks; once nothing goes on any more, the figures are read."""
        self.is_open.clear()
        await self.is_quiet.wait()
        await asyncio.sleep(IDLE_S)
        bot = self.stage.bot
        assert bot is not None
        process = psutil.Process(bot.pid)
        readings = []
        for _ in range(READINGS):
            await asyncio.sleep(1)
            readings.append(self._figures(process))
        if time.time() - process.create_time() > WARM_UP_S:
            for name in ALLOWED_PER_1000_VIDEOS:
                self.lives[name].setdefault(process.pid, []).append((self.seen[ENDED], min(r[name] for r in readings)))
        self.seen["nights"] += 1
        print({name: round(value, 1) for name, value in readings[-1].items()}, self.seen[ENDED], flush=True)
        self.is_open.set()

    def _figures(self, process: psutil.Process) -> dict[str, float]:
        connections = len(process.net_connections())
        tasks, sqlite = last_counts(self.stage.folder / "counts")
        self.sqlite_bytes = max(self.sqlite_bytes, sqlite)
        return {
            "memory, MiB": (process.memory_info().rss - sqlite) / 2**20,
            "tasks": tasks,
            "connections": connections,
            "files": process.num_fds() - connections,
            "threads": process.num_threads(),
        }


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
