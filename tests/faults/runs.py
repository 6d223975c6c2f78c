"""One run from its seed: what is drawn, how it is played, what came out."""

from __future__ import annotations

import asyncio
import re
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from signal import SIGKILL, SIGTERM, Signals

from sandbox.discord.messages import NotAnswered
from sandbox.discord.world import Channel, Person, World
from sandbox.providers.registry import DEFAULT_PROVIDER, PROVIDERS
from tests.faults import ending, gifts
from tests.faults.collect import collect
from tests.faults.ending import ask_last, settle
from tests.faults.kinds import AT_PROVIDERS, KINDS
from tests.faults.place import Place, can_mount
from tests.faults.reckoning import Verdict, reckon
from tests.faults.scene import Scene, opened

STORM_S = 2.2
ERROR_LINE = re.compile(r"^\S+ (?:ERROR|CRITICAL) (.*)$", re.MULTILINE)
STRIKES_LAST_S = 7.0
TAKES = (None, None, None, 2, 2, 3)
SHOWS = (None, None, "me")
GIFTS = 3
GIVEN_UNTIL_S = 1.4


@dataclass(frozen=True, slots=True)
class Plan:
    """What a seed and the number of a run make of it. `skipped`: drawn, but this machine cannot do it."""

    seed: int
    run: int
    strikes: tuple[tuple[float, str], ...]
    asks: tuple[tuple[float, str, str], ...]
    """When, who, where."""
    settings: dict[str, str]
    render_s: float
    restarts: tuple[Signals, ...]
    database_on_volume: bool
    skipped: tuple[str, ...] = ()
    providers: tuple[str, ...] = (DEFAULT_PROVIDER,)
    own_catalog: bool = False
    falls_back: bool = False

    @property
    def needs_volume(self) -> bool:
        """Whether DATA_DIR has to be on a tmpfs."""
        return any(KINDS[name].needs_volume for _, name in self.strikes)


@dataclass(slots=True)
class Outcome:
    """What came of a run; `told` is what happened in it, `log` the bot's."""

    plan: Plan
    verdict: Verdict
    struck: dict[str, int] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    log: str = ""
    seconds: float = 0.0
    ended_by_itself: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    """ERROR lines of the bot's log, with their numbers taken out."""


def draw(
    seed: int, run: int, *, kinds: tuple[str, ...] | None = None, providers: tuple[str, ...] | None = None
) -> Plan:
    """The plan of a run: one to five faults, five to ten commands, one or two restarts, one to five providers.

    Where all its faults heal by themselves there may be no restart at all: nothing waits for one in secret.
    """
    rng = Random(f"{seed}:{run}")
    names = kinds or tuple(rng.sample(list(KINDS), rng.choice([1, 2, 2, 3, 3, 4])))
    if not set(names) & {*AT_PROVIDERS, *(kinds or ())}:
        names = (*names, rng.choice(AT_PROVIDERS))
    skipped = tuple(name for name in names if KINDS[name].needs_volume and not can_mount())
    asks = tuple(
        (rng.uniform(0.0, 1.4), rng.choice(PEOPLE), rng.choice(PLACES)) for _ in range(rng.choice([5, 6, 8, 10]))
    )
    restarts = rng.choice([0, 1, 1, 2]) if all(KINDS[name].heals for name in names) else rng.choice([1, 1, 2])
    return Plan(
        seed=seed,
        run=run,
        strikes=tuple((rng.uniform(0.0, STORM_S), name) for name in names if name not in skipped),
        asks=tuple(sorted(asks)),
        settings={"MAX_CONCURRENT_JOBS": rng.choice(["2", "20"]), "MAX_JOBS_PER_USER": rng.choice(["2", "4"])},
        render_s=rng.choice([0.1, 0.3, 0.8]),
        restarts=tuple(rng.choice([SIGTERM, SIGKILL]) for _ in range(restarts)),
        database_on_volume=rng.random() < 0.4,
        skipped=skipped,
        providers=providers or _providers(names, rng),
        own_catalog=rng.random() < 0.3 or any(KINDS[name].own_catalog for name in names),
        falls_back=rng.random() < 0.5,
    )


def _providers(names: tuple[str, ...], rng: Random) -> tuple[str, ...]:
    """One or several, with one that each fault can strike."""
    wanted = [rng.choice(KINDS[name].strikes) for name in names if KINDS[name].strikes]
    drawn = rng.sample(list(PROVIDERS), rng.choice([1, 1, 2, 3, 4]))
    return tuple(dict.fromkeys([*wanted, *drawn]))


PEOPLE = ("mia", "mia", "ana", "newcomer", "ben")
PLACES = (
    "general",
    "general",
    "lounge",
    "lounge",
    "studio",
    "restricted",
    "thread",
    "thread",
    "dm",
    "foreign",
    "group",
)


async def play(plan: Plan, *, keep: Path | None = None, keep_all: bool = False) -> Outcome:
    """Plays a run and reckons it up. `keep`: a folder for log, database and requests of a run with a broken promise."""
    began = time.monotonic()
    rng = Random(f"{plan.seed}:{plan.run}:play")
    place = Place(
        plan.settings,
        providers=plan.providers,
        own_catalog=plan.own_catalog,
        falls_back=plan.falls_back,
        render_s=plan.render_s,
        volume=plan.needs_volume,
        database_on_volume=plan.database_on_volume,
        own_clock=any(KINDS[name].own_clock for _, name in plan.strikes),
    )
    outcome = Outcome(plan, Verdict())
    try:
        for begins in filter(None, (KINDS[name].begins for _, name in plan.strikes)):
            begins(place, rng)
        async with opened(place, rng) as scene:
            outcome.told = scene.told
            try:
                await _storm(scene, plan, rng)
                faults = await _without_faults(scene, plan)
                outcome.verdict = reckon(collect(scene))
                outcome.verdict.strange += faults
            finally:
                outcome.struck = dict(scene.struck)
                outcome.ended_by_itself = sum(life.wanted is None for life in scene.keeper.lives)
                outcome.log = place.log()
                outcome.errors = Counter(_without_numbers(line) for line in ERROR_LINE.findall(outcome.log))
            if keep is not None and (outcome.verdict.broken or keep_all):
                _keep(outcome, place, keep)
    except Exception:  # noqa: BLE001 - a run that cannot be played is reported as one that is broken
        outcome.verdict.strange.append(f"the run could not be played: {traceback.format_exc()}")
        if keep is not None:
            _keep(outcome, place, keep)
    outcome.seconds = time.monotonic() - began
    return outcome


async def _storm(scene: Scene, plan: Plan, rng: Random) -> None:
    """The members ask, and the faults strike, each at its moment; returns when all of it is over."""
    world = scene.place.discord.world
    scene.routes_cut = any(KINDS[name].cuts_routes for _, name in plan.strikes)

    async def ask(number: int, at: float, who: str, where: str) -> None:
        await asyncio.sleep(at)
        person, channel = _where(world, who, where)
        own = Random(f"{plan.seed}:{plan.run}:{number}")
        model, takes, show = scene.place.model_of(own.choice(plan.providers)), own.choice(TAKES), own.choice(SHOWS)
        await scene.ask(person, channel, f"video {plan.seed}-{plan.run}-{number}", model, takes=takes, show=show)

    async def give(number: int, own: Random) -> None:
        await asyncio.sleep(own.uniform(0.0, GIVEN_UNTIL_S))
        await gifts.give(scene, number, own)

    async def strike(at: float, name: str, own: Random) -> None:
        await asyncio.sleep(at)
        await KINDS[name].strike(scene, own)

    tasks = [asyncio.create_task(ask(number, *each)) for number, each in enumerate(plan.asks)]
    tasks += [asyncio.create_task(strike(at, name, Random(rng.random()))) for at, name in plan.strikes]
    tasks += [
        asyncio.create_task(give(number, Random(f"{plan.seed}:{plan.run}:gift {number}"))) for number in range(GIFTS)
    ]
    tasks.append(asyncio.create_task(asyncio.sleep(STORM_S)))
    _, late = await asyncio.wait(tasks, timeout=STRIKES_LAST_S)
    scene.are_faults_over = bool(late)
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
    await scene.clear()


async def _without_faults(scene: Scene, plan: Plan) -> list[str]:
    """The restarts, the settling, the end; what went wrong with these."""
    faults: list[str] = []
    for signum in plan.restarts:
        life = await scene.keeper.restart(signum)
        scene.tell(f"restarted with {signum.name}: code {life.code}")
    await settle(scene)
    await gifts.settle(scene)
    for provider in plan.providers:
        await ask_last(scene, f"video {plan.seed}-{plan.run}-last-{provider}", scene.place.model_of(provider))
    await settle(scene)
    mia = scene.place.discord.world.people["mia"]
    try:
        asked = await scene.place.discord.invoke(mia, "quota")
        await asked.answer(10)
    except NotAnswered:
        faults.append("without faults /quota got no answer")
    life = await scene.keeper.close()
    scene.tell(f"ended with code {life.code}")
    return faults


def _where(world: World, who: str, where: str) -> tuple[Person, Channel]:
    """Who asks where; places that only some may use make it one of them, and a channel that is gone another."""
    people, mia = world.people, world.people["mia"]
    match where:
        case "dm":
            return mia, world.dm(mia)
        case "foreign":
            return mia, world.foreign.general
        case "group":
            return mia, world.private(mia, people["ana"], people["newcomer"])
        case "thread":
            return people[who], world.guild.threads[0]
    found = [channel for channel in world.guild.channels if channel.name == where]
    return people[who], (found or [world.general])[0]


def _without_numbers(line: str) -> str:
    return re.sub(r"/\S+|\d+[\d.]*", "…", line)[:90]


def _keep(outcome: Outcome, place: Place, folder: Path) -> None:
    name = f"seed-{outcome.plan.seed}-run-{outcome.plan.run}"
    ending.keep(place, folder, name, told=[*outcome.told, *outcome.verdict.broken], log=outcome.log)
