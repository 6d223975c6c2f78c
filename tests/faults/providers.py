"""What befalls the providers, and what they answer. Each fault strikes one that is drawn of those in use."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from signal import SIGHUP, SIGKILL, SIGTERM
from urllib.parse import urlsplit

from sandbox.providers.base import FILE, LocalProvider
from sandbox.providers.comfy_api import LocalComfyAPI
from sandbox.providers.comfyui import LocalComfyUI
from sandbox.providers.exchange import Exchange as VideoExchange
from sandbox.providers.exchange import HookReply
from sandbox.providers.exchange import Phase as VideoPhase
from sandbox.providers.faults import FAULTS
from tests.faults.scene import Scene
from tests.faults.wires import Strike

ByKind = Mapping[str, tuple[str, ...]]
"""Names of faults by the kind of the routes that they strike."""


async def provider_out(scene: Scene, rng: Random) -> None:
    """Nobody listens there for a while; what was under way is cut."""
    provider = scene.pick(rng)
    port = urlsplit(provider.url).port or 0
    await provider.stop()
    scene.hit("provider outage", f"{provider.name} is out")
    try:
        await scene.while_faults_last(rng.uniform(0.3, 1.5))
    finally:
        await provider.start(port)
        scene.tell(f"provider outage: {provider.name} is back")


def plays(name: str, by_kind: ByKind) -> Strike:
    async def strike(scene: Scene, rng: Random) -> None:
        provider = scene.pick(rng)
        provider.settings.retry_after, provider.settings.slow_seconds = "0.2", 1.5
        for _ in range(rng.choice([1, 1, 2])):
            fault, times = _one_of(provider, by_kind, rng), rng.choice([1, 1, 2, 4])
            provider.faults.inject(fault, times=times)
            scene.hit(name, f"{provider.name}: {fault}, {times} times")

    return strike


def _one_of(provider: LocalProvider, by_kind: ByKind, rng: Random) -> str:
    """A kind of route, a route of the provider, and a fault of it: what few routes can do is drawn as often."""
    routes = [route for route in (*provider.routes, FILE) if route.kind in by_kind]
    kind = rng.choice(sorted({route.kind for route in routes}))
    route = rng.choice([route for route in routes if route.kind == kind])
    return f"{route.name}:{rng.choice([name for name in by_kind[kind] if kind in FAULTS[name].kinds])}"


ANYWHERE = ("500", "502-html", "503", "429", "404", "500-late", "html", "empty", "slow", "redirect")
CUTS = dict.fromkeys(("create", "poll", "file", "other"), ("cut-early", "lost", "cut"))
ANSWERS = {
    "create": (*ANYWHERE, "500-job", "409", "no-id", "not-json", "drip", "huge", "endless"),
    "poll": (*ANYWHERE, "503-job", "409", "no-id", "not-json", "huge", "endless", "odd-status", "odd-progress"),
    "file": (*ANYWHERE, "gzip-unsaid", "json", "gzip-wrong", "endless", "drip"),
    "other": ANYWHERE,
}
OUTCOMES = {
    "create": ("fails", "moderated", "slow-job", "big", "400-policy", "503-policy", "400-person"),
    "poll": ("no-url", "dead-url", "private-url", "new-id"),
}
MADE_AND_5XX = {"create": ("500-job",)}
REFUSALS = ("create:402", "create:403", "create:401", "create:lost", "create:500-late")
"""What opens the circuit breaker when it comes again and again."""


async def turned_away(scene: Scene, rng: Random) -> None:
    """Without balance, say, until the faults end: nobody is left in the queue; then somebody asks."""
    provider, refusal = scene.pick(rng), rng.choice(REFUSALS)
    provider.faults.inject(refusal, times=None)
    scene.hit("turned away", f"{provider.name}: {refusal}")
    await scene.while_faults_last(4.0)


async def other_provider(scene: Scene, rng: Random) -> None:
    """The operator goes over to another service while videos are under way at the first; each has its own key."""
    first = scene.pick(rng)
    other = await scene.place.replace(first)
    scene.watch(other)
    scene.changed.add(first.name)
    scene.hit("other provider", f"{first.name} is at {other.url}")
    scene.keeper.send(rng.choice([SIGTERM, SIGKILL]))
    if rng.random() < 0.5:  # its settings come back later
        await scene.while_faults_last(rng.uniform(0.5, 3.0))
        scene.place.exchange(other, first)
        scene.keeper.send(rng.choice([SIGTERM, SIGKILL]))
        scene.tell("other provider: back to the first")

    async def opens() -> None:
        for provider in (first, other):
            _open_to_anybody(provider)

    scene.later(opens)


def _open_to_anybody(provider: LocalProvider) -> None:
    """From here on who has no key is told of videos, too: else those of the other service would never end."""

    async def let_in(phase: VideoPhase, exchange: VideoExchange) -> HookReply:
        if phase == "before" and exchange.kind != "create" and "upload" not in exchange.route:
            scheme = "Key" if provider.name == "fal" else "Bearer"
            exchange.headers.setdefault("authorization", f"{scheme} {provider.key}")
        return None

    provider.on_exchange(let_in)


async def key_changed(scene: Scene, rng: Random) -> None:
    """The key is made anew at a provider, which refuses the old one; the operator sets it a little later."""
    provider = scene.pick(rng)
    scene.changed.add(provider.name)
    scene.place.change_key(provider)
    scene.hit("key changed", provider.name)
    await scene.while_faults_last(rng.uniform(0.0, 1.5))
    scene.keeper.send(rng.choice([SIGTERM, SIGKILL]))


async def catalog_changed(scene: Scene, rng: Random) -> None:
    """The catalog is read anew: a model is called otherwise, or is gone, perhaps with its provider, and comes back."""
    place, provider = scene.place, scene.pick(rng)
    how = rng.choice(["another id", "gone", "its provider is gone"]) if len(place.providers) > 1 else "another id"
    place.models[provider.name] = f"other-{provider.name}" if how == "another id" else None
    if how == "its provider is gone":
        place.left.add(provider.name)
    scene.changed.add(provider.name)
    place.write_catalog()
    scene.keeper.send(SIGHUP)
    scene.hit("catalog changed", f"the model of {provider.name}: {how}")

    async def undo() -> None:
        place.models.pop(provider.name, None)
        place.left.discard(provider.name)
        place.write_catalog()
        scene.keeper.send(SIGHUP)

    scene.later(undo)


async def comfyui_restarts(scene: Scene, rng: Random) -> None:
    """What waits or runs there is gone, and the history with it."""
    for provider in scene.place.providers:
        if isinstance(provider, LocalComfyUI):
            provider.forget()
            scene.hit("ComfyUI restarts", provider.url)
            await scene.while_faults_last(rng.uniform(0.0, 0.5))


async def comfyui_out_of_reach(scene: Scene, rng: Random) -> None:
    """The API stands, and the ComfyUI behind it does not answer for a while.

    A create that comes in that very moment spends its key; the bot looks for its job for two minutes.
    """
    scene.settles_within_s = 150.0
    for provider in scene.place.providers:
        if isinstance(provider, LocalComfyAPI):
            provider.settings.is_unreachable = True
            scene.hit("ComfyUI out of reach", provider.url)
            await scene.while_faults_last(rng.uniform(0.3, 2.0))
            provider.settings.is_unreachable = False


async def forgotten_for_a_while(scene: Scene, rng: Random) -> None:
    """A provider denies the jobs that it has, and knows them again later."""
    provider = scene.pick(rng)
    if isinstance(provider, LocalComfyUI):  # a job that is in no queue and no history is certainly gone there
        return
    denied = [job for job in provider.jobs.values() if not job.is_deleted]
    for job in denied:
        job.is_deleted = True
    scene.hit("jobs denied", f"{provider.name}: {len(denied)}")

    async def undo() -> None:
        for job in denied:
            job.is_deleted = False

    scene.later(undo)
    await scene.while_faults_last(rng.uniform(0.3, 2.0))
    await undo()
