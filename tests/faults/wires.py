"""Faults on the wire: which requests they strike, when, and what comes in place of the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from signal import SIGKILL
from typing import Any

from sandbox.discord.exchange import CUT, Cut, Exchange, Phase, Reply, edge_page, rate_limited
from sandbox.providers.exchange import CUT as VIDEOS_CUT
from tests.faults.scene import Scene

HOOK = "/webhooks/{webhook_id}/{webhook_token}"
HTML = "<!DOCTYPE html><html><head><title>502</title></head><body><h1>Bad Gateway</h1></body></html>"
PHASES = ("before", "inside", "after")


def _callback(x: Exchange) -> bool:
    return x.route.endswith("/callback")


def _edit(x: Exchange) -> bool:
    return x.method == "PATCH" and not x.files


def _upload(x: Exchange) -> bool:
    return bool(x.files)


def _picture(x: Exchange) -> bool:
    return x.part == "cdn"


def _lookup(x: Exchange) -> bool:
    return x.method == "GET" and x.route.startswith(HOOK)


def _post(x: Exchange) -> bool:
    return x.method == "POST" and (x.route == HOOK or x.route.startswith(("/channels", "/users/@me/channels")))


def _start(x: Exchange) -> bool:
    return x.route in {"/users/@me", "/gateway/bot", "/oauth2/applications/@me"} or x.route.endswith("/commands")


def _any(x: Exchange) -> bool:
    return x.part == "api"


DISCORD: dict[str, Callable[[Exchange], bool]] = {
    "first answer": _callback,
    "edit": _edit,
    "upload": _upload,
    "picture": _picture,
    "look-up": _lookup,
    "message": _post,
    "start": _start,
    "any": _any,
}
"""Requests of the bot to Discord, by name."""

STRUCK_OFTEN = ("first answer", "edit", "edit", "upload", "upload", "upload", "any", "any", "any")

VIDEOS: dict[str, Callable[[Any], bool]] = {
    "create": lambda x: x.kind == "create",
    "poll": lambda x: x.kind == "poll",
    "download": lambda x: x.kind == "file",
    "other": lambda x: x.kind == "other",
}
"""Requests of the bot to a provider, by name."""


@dataclass(slots=True)
class Spoiler:
    """Answers the next `times` requests of one sort, after letting `skip` of them pass.

    `before`: Discord does nothing; `inside`: it does what was asked and answers so all the same.
    """

    scene: Scene
    kind: str
    sort: str
    phase: Phase
    answer: Callable[[], Reply | Cut]
    times: int
    skip: int = 0

    async def __call__(self, phase: Phase, exchange: Exchange) -> Reply | Cut | None:
        if phase != self.phase or not self.times or not DISCORD[self.sort](exchange):
            return None
        if self.skip:
            self.skip -= 1
            return None
        self.times -= 1
        self.scene.spoil(exchange)
        answer = self.answer()
        said = answer.status if isinstance(answer, Reply) else "cut"
        self.scene.hit(self.kind, f"{said} {phase} {exchange.method} {exchange.route or exchange.part}")
        return answer


def limited(rng: Random) -> Reply:
    """A 429 that discord.py waits out."""
    return rate_limited(rng.choice([0.05, 0.2, 0.5]))


def limited_bare(rng: Random) -> Reply:
    """A 429 without `Via`, which discord.py hands on at once."""
    reply = limited(rng)
    return Reply(reply.status, reply.body, {k: v for k, v in reply.headers.items() if k != "Via"})


def broken(rng: Random) -> Reply:
    """A 5xx, as JSON or as the page of some proxy."""
    status = rng.choice([500, 502, 503])
    return Reply(status, rng.choice([{"message": f"{status}: Internal Server Error", "code": 0}, HTML]))


def paged(rng: Random) -> Reply:
    """The page of an edge, which says nothing about what was asked for."""
    return edge_page(rng.choice([401, 403, 404]))


def cut(_rng: Random) -> Cut:
    """The connection goes."""
    return CUT


def spoils(kind: str, answer: Callable[[Random], Reply | Cut], phases: tuple[Phase, ...]) -> Strike:
    """A fault that spoils one to four requests of some sort."""

    async def strike(scene: Scene, rng: Random) -> None:
        sort, phase = rng.choice([*DISCORD, *STRUCK_OFTEN]), rng.choice(phases)
        times, skip = rng.choice([1, 1, 2, 4]), rng.choice([0, 0, 0, 1, 3])
        own = Random(rng.random())
        scene.tell(f"{kind} is set: {sort}, {phase}, {times} times after {skip}")
        scene.on_discord(Spoiler(scene, kind, sort, phase, lambda: answer(own), times, skip))

    return strike


Strike = Callable[[Scene, Random], Awaitable[None]]


async def kill_at_a_request(scene: Scene, rng: Random) -> None:
    """Kill -9 before, inside or after a request; before means that it never arrived."""
    is_discord = rng.random() < 0.5
    sorts: dict[str, Callable[[Any], bool]] = {**DISCORD} if is_discord else {**VIDEOS}
    often = [*STRUCK_OFTEN] if is_discord else []
    sort, phase, skip = rng.choice([*sorts, *often]), rng.choice(PHASES), rng.choice([0, 0, 0, 1, 2, 5])
    name = "kill -9 at a request"
    provider = scene.pick(rng)
    whose = "Discord" if is_discord else provider.name
    scene.tell(f"{name} is set: {phase} {sort} at {whose}, after {skip}")
    left = skip

    async def hook(now: str, exchange: Any) -> Any:
        nonlocal left
        if left < 0 or now != phase or not sorts[sort](exchange):
            return None
        left -= 1
        if left >= 0:
            return None
        bot = scene.place.bot
        if bot is None or not scene.keeper.send(SIGKILL):
            return None
        scene.hit(name, f"{phase} {exchange.method} {exchange.route}")
        await bot.wait()
        if phase != "before":
            return None
        if is_discord:
            scene.spoil(exchange)
        return CUT if is_discord else VIDEOS_CUT

    if is_discord:
        scene.on_discord(hook)
    else:
        scene.on_videos(provider, hook)
