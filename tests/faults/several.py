"""Runs of faults with several processes on PostgreSQL: one of them is killed, frozen or rolled at drawn moments.

Members ask in servers of every shard meanwhile, press buttons and are given credits. Afterwards all is held against
what the provider was asked, by the same reckoning as with one process. In the end every process is rolled once more.
"""

from __future__ import annotations

import asyncio
import signal
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from random import Random

from sandbox.discord.world import Channel, Guild, Person
from sandbox.providers.registry import DEFAULT_PROVIDER, PROVIDERS
from tests.cluster import TAKEOVER_S, Cluster
from tests.faults import ending, gifts, presses
from tests.faults.cluster_place import MEMBERS, ClusterPlace
from tests.faults.collect import collect
from tests.faults.hand_over import HandOver, Pings, roll
from tests.faults.keepers import Keepers, shard_of
from tests.faults.reckoning import Verdict, reckon
from tests.faults.scene import Scene, opened
from tests.postgres_server import PostgresServer

KINDS = ("kill", "freeze", "roll", "database")
WEIGHTS = (3, 3, 3, 1)
LASTS_S = 20.0
DOWN_S = (0.2, 2.0)
BETWEEN_S = (0.5, 3.0)
FROZEN_S = (TAKEOVER_S * 0.3, TAKEOVER_S * 1.8)
SETTLES_WITHIN_S = 120.0
ASKS_A_SECOND = 2.5
PRESSED_EVERY_S = (0.5, 3.0)
GIFTS = 4
TAKES = (None, None, None, 2, 3, 4)
SHOWS = (None, None, None, "me")
UNKNOWN_INTERACTION = 10062
RACED = 0.3
"""In so many runs somebody takes cards away in the moment in which their videos come."""
SETTINGS = {
    "QUOTA_DEFAULT_CREDITS": "100000", "DIRECT_CREDITS": "100000", "BUDGET_CREDITS": "1000000",
    "MAX_JOBS_PER_USER": "100", "MAX_CONCURRENT_JOBS": "12", "POLL_SECONDS": "0.2", "PROGRESS_SECONDS": "0.3",
    "LOG_LEVEL": "INFO",
}  # fmt: skip


@dataclass(slots=True)
class Outcome:
    """What came of a run."""

    run: int
    provider: str
    verdict: Verdict = field(default_factory=Verdict)
    asked: int = 0
    struck: Counter[str] = field(default_factory=Counter)
    hand_overs: list[HandOver] = field(default_factory=list)
    pings: Counter[str] = field(default_factory=Counter)
    """What came of the commands that are used without a pause while a process is rolled."""

    @property
    def counts(self) -> Counter[str]:
        """What it came to."""
        verdict = self.verdict
        reasons = {
            f"{name}: {why}": count
            for name, counted in {
                "unanswered": verdict.unanswered + self.pings,
                "undelivered": verdict.undelivered,
                "unknown": verdict.unknown,
            }.items()
            for why, count in counted.items()
        }
        broken = {promise: len(sentences) for promise, sentences in verdict.promises.items()}
        counts = {"asked": self.asked, "jobs": verdict.jobs, "charged": verdict.paid, **verdict.states, **reasons}
        return Counter({**counts, **broken, **self.struck})


async def play(
    seed: int, run: int, *, processes: int = 3, provider: str | None = None, lasts_s: float = LASTS_S, keep: Path
) -> Outcome:
    """One run; the server, the sandbox and all processes are its own. `keep`: a folder for what a broken one leaves."""
    rng = Random(f"{seed}-{run}")
    drawn = rng.choice([DEFAULT_PROVIDER, rng.choice(list(PROVIDERS))])
    outcome = Outcome(run, provider or drawn)
    server = await asyncio.to_thread(PostgresServer.make)  # as PostgreSQL is: what was kept survives its crash
    place = ClusterPlace(
        server, SETTINGS, processes=processes, providers=[outcome.provider], render_s=rng.uniform(0.5, 3.0)
    )
    told: list[str] = []
    try:
        async with opened(place, rng, partial(Keepers, processes=processes)) as scene:
            told = scene.told
            scene.settles_within_s = SETTLES_WITHIN_S
            name, own = f"video {seed}-{run}", Random(rng.random())
            await _storm(scene, place, server, outcome, own, name=name, lasts_s=lasts_s)
            await _end(scene, place, outcome, name=name)
            outcome.verdict = reckon(collect(scene))
            assert isinstance(scene.keeper, Keepers)
            outcome.verdict.strange += scene.keeper.ended_for_nothing()
            outcome.asked, outcome.struck = len(scene.asked), Counter(scene.struck)
            if outcome.verdict.broken:
                _keep(place, keep, f"several-seed-{seed}-run-{run}", outcome, told)
    except Exception:  # noqa: BLE001 - a run that cannot be played is reported as one that is broken
        outcome.verdict.strange.append(f"the run could not be played: {traceback.format_exc()}")
        _keep(place, keep, f"several-seed-{seed}-run-{run}", outcome, told)
    finally:
        await asyncio.to_thread(server.close)
    return outcome


def _keep(place: ClusterPlace, folder: Path, name: str, outcome: Outcome, told: list[str]) -> None:
    ending.keep(place, folder, name, told=[*told, *outcome.verdict.broken], log=place.log())


async def _storm(
    scene: Scene,
    place: ClusterPlace,
    server: PostgresServer,
    outcome: Outcome,
    rng: Random,
    *,
    name: str,
    lasts_s: float,
) -> None:
    """Members ask, press and are given credits, and the faults strike; returns when all of it is over."""
    ends = time.monotonic() + lasts_s
    work = [
        _ask(scene, place, Random(rng.random()), ends, name),
        _press(scene, Random(rng.random()), ends),
        _strike(scene, place, server, outcome, Random(rng.random()), ends),
        *(_give(scene, number, Random(rng.random()), lasts_s) for number in range(GIFTS)),
    ]
    if rng.random() < RACED:
        work.append(presses.raced(scene, Random(rng.random())))
    tasks = [asyncio.create_task(each) for each in work]
    try:
        await asyncio.gather(*tasks[:3])
        scene.are_faults_over = True
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await scene.clear()


async def _end(scene: Scene, place: ClusterPlace, outcome: Outcome, *, name: str) -> None:
    """All settles, every process is rolled once more, and somebody asks in every shard."""
    await ending.settle(scene)
    for number in range(place.processes):
        await _roll(scene, place, outcome, number)
        await scene.keeper.connected()
    await gifts.settle(scene)
    model = place.model_of(outcome.provider)
    for number in range(place.processes):
        await ending.ask_last(scene, f"{name}-last-{number}", model, place.general(number))
    await ending.settle(scene)
    life = await scene.keeper.close()
    scene.tell(f"ended with code {life.code}")


async def _ask(scene: Scene, place: ClusterPlace, rng: Random, ends: float, name: str) -> None:
    number = 0
    while time.monotonic() < ends:
        person, channel = _where(place, rng)
        model = place.model_of(place.provider.name)
        takes, show = rng.choice(TAKES), rng.choice(SHOWS)
        await scene.ask(person, channel, f"{name}-{number}", model, takes=takes, show=show)
        number += 1
        await asyncio.sleep(rng.expovariate(ASKS_A_SECOND))


def _where(place: ClusterPlace, rng: Random) -> tuple[Person, Channel]:
    """Mostly in the server of any shard; now and then in a direct message, or in a server without the bot."""
    world = place.discord.world
    mia = world.people["mia"]
    places = [world.dm(mia), world.foreign.general, world.guild.threads[0]]
    if rng.random() < 0.1:
        return mia, rng.choice(places)
    return world.people[rng.choice(MEMBERS)], rng.choice(place.guilds).general


async def _press(scene: Scene, rng: Random, ends: float) -> None:
    while time.monotonic() < ends:
        await asyncio.sleep(rng.uniform(*PRESSED_EVERY_S))
        await presses.pressed(scene, Random(rng.random()))


async def _give(scene: Scene, number: int, rng: Random, lasts_s: float) -> None:
    await asyncio.sleep(rng.uniform(0.0, lasts_s * 0.8))
    await gifts.give(scene, number, rng)


async def _strike(
    scene: Scene, place: ClusterPlace, server: PostgresServer, outcome: Outcome, rng: Random, ends: float
) -> None:
    keepers = scene.keeper
    assert isinstance(keepers, Keepers)
    while time.monotonic() < ends:
        await asyncio.sleep(rng.uniform(*BETWEEN_S))
        kind, keeper = rng.choices(KINDS, WEIGHTS)[0], rng.choice(keepers.each)
        if kind == "database":
            scene.hit(kind, "stopped")
            since = time.monotonic()
            await asyncio.to_thread(server.stop, rng.choice([signal.SIGINT, signal.SIGQUIT]))
            await asyncio.sleep(rng.uniform(*DOWN_S))
            await asyncio.to_thread(server.start)
            keepers.outages.append((since, time.monotonic()))
            scene.tell("database: back")
        elif kind == "kill" and keeper.send(signal.SIGKILL):
            scene.hit(kind, f"process {keeper.number}")
        elif kind == "freeze":
            scene.hit(kind, f"process {keeper.number}")
            await keepers.freeze(keeper, rng.uniform(*FROZEN_S))
            scene.tell(f"process {keeper.number} goes on")
        elif kind == "roll":
            scene.hit(kind, f"process {keeper.number}")
            await _roll(scene, place, outcome, keeper.number)


async def _roll(scene: Scene, place: ClusterPlace, outcome: Outcome, number: int) -> None:
    keepers = scene.keeper
    assert isinstance(keepers, Keepers)
    pings = Pings(place.discord, place.discord.world.people[MEMBERS[number]], place.general(number))
    hand_over = await roll(keepers.each[number], pings)
    scene.tell(f"rolled process {number}: {hand_over}")
    if hand_over is not None:
        outcome.hand_overs.append(hand_over)
    late = {x.params.get("interaction_token") for x in place.discord.requests if x.code == UNKNOWN_INTERACTION}
    for at, used in pings.unanswered:
        why = "its answer came too late" if used.token in late else keepers.why_unheard(place.general(number), at)
        outcome.pings[why or "?"] += 1
        scene.tell(f"/quota at {at - scene.began:.3f} in shard {number} got no answer: {why}")
        if why is None:
            scene.last.append(f"/quota at {at - scene.began:.3f} in shard {number} got no answer")


def line(outcome: Outcome) -> str:
    """A run in a line."""
    counts = ", ".join(f"{name} {count}" for name, count in outcome.counts.items() if count)
    return f"run {outcome.run}, {outcome.provider}: {counts}"


def table(outcomes: list[Outcome]) -> Iterator[str]:
    """The sums of many runs, and how long hand-overs took."""
    total = sum((outcome.counts for outcome in outcomes), Counter[str]())
    for name in dict.fromkeys(name for outcome in outcomes for name in outcome.counts):
        yield f"{name:<76} {total[name]:>6}"
    hand_overs = [each for outcome in outcomes for each in outcome.hand_overs]
    if not hand_overs:
        return
    yield f"{'hand-overs':<40} {len(hand_overs):>6}   median  longest"
    for part in fields(HandOver):
        seconds = sorted(getattr(each, part.name) for each in hand_overs)
        yield f"  {part.name:<45} {seconds[len(seconds) // 2]:>8.2f} {seconds[-1]:>8.2f}"


async def guilds_of_each_shard(cluster: Cluster) -> list[Guild]:
    """One server of each shard, in the order of the shards."""
    world, found = cluster.discord.world, dict[int, Guild]()
    while len(found) < cluster.gateways:
        guild = world.add_guild(f"server {len(world.guilds)}", owner=cluster.admin)
        found.setdefault(shard_of(guild.id, cluster.gateways), guild)
        await asyncio.sleep(0.003)
    return [guild for _, guild in sorted(found.items())]
