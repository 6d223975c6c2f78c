"""What befalls the provider, and what it answers."""

from __future__ import annotations

from random import Random
from signal import SIGKILL, SIGTERM
from urllib.parse import urlsplit

from sandbox.providers.base import LocalProvider
from sandbox.providers.exchange import Exchange as VideoExchange
from sandbox.providers.exchange import HookReply
from sandbox.providers.exchange import Phase as VideoPhase
from tests.faults.scene import Scene
from tests.faults.wires import Strike


async def provider_out(scene: Scene, rng: Random) -> None:
    """Nobody listens there for a while; what was under way is cut."""
    videos = scene.place.provider
    port = urlsplit(videos.url).port or 0
    await videos.stop()
    scene.hit("provider outage", "out")
    try:
        await scene.until_fair(rng.uniform(0.3, 1.5))
    finally:
        await videos.start(port)
        scene.tell("provider outage: back")


def plays(name: str, faults: tuple[str, ...]) -> Strike:
    async def strike(scene: Scene, rng: Random) -> None:
        provider = scene.place.provider
        provider.settings.retry_after, provider.settings.slow_seconds = "0.2", 1.5
        for fault in rng.sample(faults, min(len(faults), rng.choice([1, 1, 2]))):
            times = rng.choice([1, 1, 2, 4])
            provider.faults.inject(fault, times=times)
            scene.hit(name, f"{fault}, {times} times")

    return strike


CUTS = tuple(f"{r}:{how}" for r in ("create", "poll", "content", "file") for how in ("cut-early", "lost", "cut"))
ANSWERS = (
    *(f"{r}:{how}" for r in ("create", "poll", "content", "file") for how in ("500", "502-html", "503", "429", "404")),
    *(f"{r}:{how}" for r in ("create", "poll", "file") for how in ("500-late", "html", "empty", "slow", "redirect")),
    *("create:500-job", "poll:503-job", "file:gzip-unsaid"),
    *("create:409", "create:no-id", "create:not-json", "create:drip", "create:huge", "create:endless"),
    *("poll:409", "poll:no-id", "poll:not-json", "poll:huge", "poll:endless", "poll:odd-status", "poll:odd-progress"),
    *("file:json", "file:gzip-wrong", "file:endless", "file:drip", "content:json"),
)
OUTCOMES = (
    *("create:fails", "create:moderated", "create:slow-job", "create:big"),
    *("create:400-policy", "create:503-policy", "create:400-person"),
    *("poll:no-url", "poll:dead-url", "poll:private-url", "poll:new-id"),
)


REFUSALS = ("create:402", "create:403", "create:401", "create:lost", "create:500-late")
"""What opens the circuit breaker when it comes again and again."""


async def turned_away(scene: Scene, rng: Random) -> None:
    """Without balance, say, until the faults end: nobody is left in the queue; then somebody asks."""
    refusal = rng.choice(REFUSALS)
    scene.place.provider.faults.inject(refusal, times=None)
    scene.hit("turned away", refusal)
    await scene.until_fair(4.0)


async def other_provider(scene: Scene, rng: Random) -> None:
    """The operator goes over to another service while videos are under way at the first; each has its own key."""
    first = scene.place.provider
    other = await scene.place.open_provider()
    scene.watch(other)
    scene.place.use({"VIDEO_API_URL": other.url, "VIDEO_API_KEY": other.key})
    scene.hit("other provider", other.url)
    scene.keeper.send(rng.choice([SIGTERM, SIGKILL]))
    if rng.random() < 0.5:  # its settings come back later
        await scene.until_fair(rng.uniform(0.5, 3.0))
        scene.place.use({"VIDEO_API_URL": first.url, "VIDEO_API_KEY": first.key})
        scene.keeper.send(rng.choice([SIGTERM, SIGKILL]))
        scene.tell("other provider: back to the first")

    async def opens() -> None:
        for provider in (first, other):
            _open_to_anybody(provider)

    scene.later(opens)


def _open_to_anybody(provider: LocalProvider) -> None:
    """From here on who has no key is told of videos, too: else those of the other service would never end."""

    async def let_in(phase: VideoPhase, exchange: VideoExchange) -> HookReply:
        if phase == "before" and exchange.route in {"poll", "content"}:
            exchange.headers.setdefault("authorization", provider.key)
        return None

    provider.on_exchange(let_in)


async def key_changed(scene: Scene, rng: Random) -> None:
    """The key is made anew at the provider, which refuses the old one; the operator sets it a little later."""
    scene.place.change_key()
    scene.hit("key changed", "changed")
    await scene.until_fair(rng.uniform(0.0, 1.5))
    scene.keeper.send(rng.choice([SIGTERM, SIGKILL]))
