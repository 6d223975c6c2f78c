"""Runs of faults with several processes on PostgreSQL: one of them is killed, frozen or rolled at drawn moments.

Members ask in servers of every shard meanwhile. Afterwards the books are held against what the provider was asked.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from sandbox.discord.messages import Interaction
from sandbox.discord.world import Guild, Person
from sandbox.process import BotProcess
from tests.cluster import TAKEOVER_S, Cluster
from tests.e2e.stage import OVER
from tests.postgres_server import PostgresServer

KINDS = ("kill", "freeze", "roll", "database")
DOWN_S = (0.2, 2.0)
BETWEEN_S = (0.5, 3.0)
FROZEN_S = (TAKEOVER_S * 0.3, TAKEOVER_S * 1.8)
SETTLES_WITHIN_S = 90.0
SETTINGS = {
    "QUOTA_DEFAULT_CREDITS": "100000", "BUDGET_CREDITS": "1000000", "MAX_JOBS_PER_USER": "100",
    "MAX_CONCURRENT_JOBS": "12", "POLL_SECONDS": "0.2", "PROGRESS_SECONDS": "0.3", "LOG_LEVEL": "INFO",
}  # fmt: skip
SHARD_SHIFT = 22


@dataclass(slots=True)
class Outcome:
    """What came of a run. `broken` are promises; `unanswered` commands came while nobody heard that shard."""

    run: int
    asked: int = 0
    taken: int = 0
    states: Counter[str] = field(default_factory=Counter)
    unanswered: int = 0
    struck: Counter[str] = field(default_factory=Counter)
    ended_s: list[float] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """What it came to."""
        return {"asked": self.asked, "unanswered": self.unanswered, "taken": self.taken, **self.states}

    @property
    def told(self) -> str:
        """In a line."""
        return ", ".join(f"{count} {name}" for name, count in self.counts.items())


async def play(
    seed: int, run: int, *, processes: int = 3, lasts_s: float = 20.0, log: Callable[[str], None]
) -> Outcome:
    """One run; the server, the sandbox and all processes are its own."""
    rng, outcome = Random(f"{seed}-{run}"), Outcome(run)
    server = await asyncio.to_thread(PostgresServer.make)  # as PostgreSQL is: what was kept survives its crash
    cluster = Cluster(server.address(), processes=processes, settings=SETTINGS, render_s=rng.uniform(0.5, 3.0))
    try:
        guilds = await guilds_of_each_shard(cluster)
        await cluster.start()
        asking = asyncio.create_task(_ask(cluster, guilds, Random(rng.random()), lasts_s))
        await _strike(cluster, server, rng, outcome, time.monotonic() + lasts_s, log)
        asked = await asking
        await _mend(cluster)
        await _reckon(cluster, asked, outcome)
        if outcome.broken:
            log(cluster.logs())
    finally:
        for bot in cluster.bots.values():
            if bot.is_running:
                os.kill(bot.pid, signal.SIGCONT)
        await cluster.stop()
        await asyncio.to_thread(server.close)
    return outcome


async def guilds_of_each_shard(cluster: Cluster) -> list[Guild]:
    """One server of each shard."""
    world, found = cluster.discord.world, dict[int, Guild]()
    while len(found) < cluster.gateways:
        guild = world.add_guild(f"server {len(world.guilds)}", owner=cluster.admin)
        found.setdefault((guild.id >> SHARD_SHIFT) % cluster.gateways, guild)
        await asyncio.sleep(0.003)
    return list(found.values())


async def _ask(
    cluster: Cluster, guilds: list[Guild], rng: Random, lasts_s: float
) -> list[tuple[str, Guild, Interaction]]:
    ends, asked = time.monotonic() + lasts_s, list[tuple[str, Guild, Interaction]]()
    while time.monotonic() < ends:
        guild = rng.choice(guilds)
        person: Person = cluster.discord.world.add_member(f"member{rng.randrange(8)}", guild=guild)
        prompt = f"video {len(asked)}"
        asked.append((prompt, guild, await cluster.animate(person, channel=guild.general, prompt=prompt)))
        await asyncio.sleep(rng.expovariate(4.0))
    return asked


async def _strike(
    cluster: Cluster, server: PostgresServer, rng: Random, outcome: Outcome, ends: float, log: Callable[[str], None]
) -> None:
    while time.monotonic() < ends:
        await asyncio.sleep(rng.uniform(*BETWEEN_S))
        kind = rng.choices(KINDS, weights=(3, 3, 3, 1))[0]
        number = rng.choice(sorted(cluster.bots))
        bot = cluster.bots[number]
        if bot.exit_code is not None:  # it was frozen for long, and has ended itself since
            await cluster.start_one(number, wait=False)
            continue
        outcome.struck[kind] += 1
        log(f"{kind} process {number}")
        if kind == "database":
            await asyncio.to_thread(server.stop, rng.choice([signal.SIGINT, signal.SIGQUIT]))
            await asyncio.sleep(rng.uniform(*DOWN_S))
            await asyncio.to_thread(server.start)
            continue
        if kind == "kill":
            bot.kill()
            await bot.wait()
            await asyncio.sleep(rng.uniform(*DOWN_S))
        elif kind == "freeze":
            os.kill(bot.pid, signal.SIGSTOP)
            await asyncio.sleep(rng.uniform(*FROZEN_S))
            os.kill(bot.pid, signal.SIGCONT)
        else:
            outcome.ended_s.append(await _roll(bot))
        if not bot.is_running:
            await cluster.start_one(number, wait=False)


async def _roll(bot: BotProcess) -> float:
    """Seconds until the process has ended; what it carried is free by then."""
    began = time.monotonic()
    bot.terminate()
    await bot.wait(90)
    return time.monotonic() - began


async def _mend(cluster: Cluster) -> None:
    """Every process runs; one that was frozen for long has ended itself."""
    deadline = time.monotonic() + SETTLES_WITHIN_S
    while time.monotonic() < deadline:
        for number, bot in list(cluster.bots.items()):
            if not bot.is_running:
                await cluster.start_one(number, wait=False)
        await asyncio.sleep(0.5)
        if not _open(cluster):
            await asyncio.sleep(1.5)
            if not _open(cluster):
                return


def _open(cluster: Cluster) -> list[tuple[object, ...]]:
    try:
        return cluster.seen(
            "SELECT id, state FROM jobs JOIN cards ON cards.job = jobs.id WHERE finished_at IS NULL"
            " OR state IN ('waiting', 'submitting', 'rendering', 'delivering')"
            " UNION ALL SELECT id, CAST(status AS TEXT) FROM procrastinate_jobs"
        )
    except Exception as error:  # noqa: BLE001 - it starts again right now
        return [(repr(error),)]


async def _reckon(cluster: Cluster, asked: list[tuple[str, Guild, Interaction]], outcome: Outcome) -> None:
    provider = cluster.provider
    jobs = dict[str, str](cluster.seen("SELECT prompt, state FROM jobs"))
    outcome.asked, outcome.taken = len(asked), len(jobs)
    outcome.states.update(jobs.values())
    for prompt, _, used in asked:
        state, paid = jobs.get(prompt), provider.times_charged(prompt)
        if paid > 1 or provider.times_created(prompt) > 1:
            outcome.broken.append(f"{prompt!r} was paid {paid} times")
        if paid and state not in ("delivered", "undelivered", "unknown"):
            outcome.broken.append(f"{prompt!r} was paid and is {state}")
        card = used.message
        if card is None:
            outcome.unanswered += 1
        elif state not in (None, "cancelled") and not card.deleted and not any(word in card.text() for word in OVER):
            outcome.broken.append(f"{prompt!r} is {state} and its card says {card.text()[:80]!r}")
    outcome.broken += [f"still open: {row}" for row in _open(cluster)]
    outcome.broken += cluster.faults()
