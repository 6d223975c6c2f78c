"""The faults by name: each strikes once in a run, at a moment that is drawn, with what it draws itself."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM
from urllib.parse import urlsplit

from sandbox.discord.messages import Message
from sandbox.discord.permissions import Permission
from sandbox.discord.record import Cut, Exchange, Phase, Reply
from sandbox.discord.world import Channel
from tests.faults import wires
from tests.faults.scene import Scene
from tests.faults.wires import Strike

TOKEN_DIES_S = 16 * 60.0
SLEEP_S = 40 * 60.0
DISK_LEFT = (0, 8_192, 300_000)


@dataclass(frozen=True, slots=True)
class Kind:
    """`needs_volume`: DATA_DIR has to lie on a tmpfs of the harness, for which it has to be root.

    `cuts_routes`: afterwards a card may be out of reach, and stand as it is.
    `heals`: the bot is well again soon after it, also without a restart.
    """

    name: str
    strike: Strike
    needs_volume: bool = False
    cuts_routes: bool = False
    heals: bool = False


async def _kill(scene: Scene, _rng: Random) -> None:
    if scene.keeper.send(SIGKILL):
        scene.hit("kill -9", "now")


async def _terminate(scene: Scene, _rng: Random) -> None:
    if scene.keeper.send(SIGTERM):
        scene.hit("SIGTERM", "now")


async def _asleep(scene: Scene, rng: Random, *, jump_s: float = 0.0) -> None:
    """The host sleeps; with a jump, the others' clocks have gone on when it wakes."""
    name = "host asleep 40 min" if jump_s else "host asleep"
    if not scene.keeper.send(SIGSTOP):
        return
    scene.hit(name, "asleep")
    scene.keeper.note_away()
    try:
        await asyncio.sleep(rng.uniform(0.3, 2.5 if not jump_s else 0.8))
        if jump_s:
            scene.place.discord_clock.ahead_s += jump_s
            scene.place.videos_clock.ahead_s += jump_s
    finally:
        scene.keeper.send(SIGCONT)
        scene.tell(f"{name}: awake")


async def _asleep_40_minutes(scene: Scene, rng: Random) -> None:
    await _asleep(scene, rng, jump_s=SLEEP_S)


async def _clock(scene: Scene, _rng: Random) -> None:
    scene.place.discord_clock.ahead_s += TOKEN_DIES_S
    scene.hit("Discord's clock jumps", f"{TOKEN_DIES_S:g} s")


async def _gateway_cut(scene: Scene, rng: Random) -> None:
    for _ in range(rng.choice([1, 1, 2])):
        code = rng.choice([None, None, 4000, 1001])
        scene.keeper.note_away()
        await scene.place.discord.gateway_drop(code)
        scene.hit("gateway cut", f"code {code}")
        await scene.until_fair(rng.uniform(0.1, 1.0))


async def _gateway_down(scene: Scene, rng: Random) -> None:
    gateway = scene.place.discord.gateway
    gateway.is_up = False

    async def undo() -> None:
        gateway.is_up = True

    scene.later(undo)
    scene.keeper.note_away()
    await scene.place.discord.gateway_drop()
    scene.hit("gateway down", "down")
    await scene.until_fair(rng.uniform(0.3, 1.5))
    gateway.is_up = True


async def _invalid_session(scene: Scene, rng: Random) -> None:
    scene.keeper.note_away()
    if rng.random() < 0.3:
        await scene.place.discord.reconnect()
        scene.hit("INVALID_SESSION", "asked to reconnect")
        return
    resumable = rng.random() < 0.4
    await scene.place.discord.invalid_session(resumable=resumable)
    scene.hit("INVALID_SESSION", f"resumable {resumable}")


async def _provider_out(scene: Scene, rng: Random) -> None:
    """Nobody listens there for a while; what was under way is cut."""
    videos = scene.place.videos
    port = urlsplit(videos.url).port or 0
    await videos.stop()
    scene.hit("provider outage", "out")
    try:
        await scene.until_fair(rng.uniform(0.3, 1.5))
    finally:
        await videos.start(port)
        scene.tell("provider outage: back")


def _provider(name: str, faults: tuple[str, ...]) -> Strike:
    async def strike(scene: Scene, rng: Random) -> None:
        weather = scene.place.videos.weather
        weather.retry_after, weather.slow_seconds = "0.2", 1.5
        for fault in rng.sample(faults, rng.choice([1, 1, 2])):
            times = rng.choice([1, 1, 2, 4])
            weather.play(fault, times=times)
            scene.hit(name, f"{fault}, {times} times")

    return strike


_CUTS = tuple(f"{r}:{how}" for r in ("create", "poll", "content", "file") for how in ("cut-early", "lost", "cut"))
_ANSWERS = (
    *(f"{r}:{how}" for r in ("create", "poll", "content", "file") for how in ("500", "502-html", "503", "429", "404")),
    *(f"{r}:{how}" for r in ("create", "poll", "file") for how in ("500-late", "html", "empty", "slow", "redirect")),
    *("create:500-job", "poll:503-job", "file:gzip-unsaid"),
    *("create:409", "create:no-id", "create:not-json", "create:drip", "create:huge", "create:endless"),
    *("poll:409", "poll:no-id", "poll:not-json", "poll:huge", "poll:endless", "poll:odd-status", "poll:odd-progress"),
    *("file:json", "file:gzip-wrong", "file:endless", "file:drip", "content:json"),
)
_FATES = (
    *("create:fails", "create:moderated", "create:slow-job", "create:big"),
    *("create:400-policy", "create:503-policy", "create:400-person"),
    *("poll:no-url", "poll:dead-url", "poll:private-url", "poll:new-id"),
)


async def _discord_out(scene: Scene, rng: Random) -> None:
    """Every request fails for a while."""
    own = Random(rng.random())
    answer: Callable[[Random], Reply | Cut] = wires.broken if rng.random() < 0.5 else wires.cut

    async def hook(phase: Phase, exchange: Exchange) -> Reply | Cut | None:
        if phase != "before" or not is_out:
            return None
        scene.spoil(exchange)
        return answer(own)

    is_out = True
    scene.on_discord(hook)
    scene.hit("Discord outage", "out")
    await scene.until_fair(rng.uniform(0.3, 1.5))
    is_out = False
    scene.tell("Discord outage: over")


async def _dead_tokens(scene: Scene, rng: Random) -> None:
    if rng.random() < 0.6:
        scene.place.discord.kill_all_tokens()
        scene.hit("dead tokens", "all")
    elif scene.asked:
        asked = rng.choice(scene.asked)
        scene.place.discord.kill_token(asked.interaction)
        scene.hit("dead tokens", asked.prompt)


def _cards(scene: Scene) -> list[Message]:
    found = [asked.interaction.message for asked in scene.asked]
    return [card for card in found if card is not None and not card.deleted]


async def _removed_cards(scene: Scene, rng: Random) -> None:
    for _ in range(rng.choice([1, 1, 3])):
        if cards := _cards(scene):
            card = rng.choice(cards)
            scene.removed.add(card.id)
            await scene.place.discord.delete_message(card)
            scene.hit("removed cards", f"{card.id} {card.text()[:40]!r}")
        await scene.until_fair(rng.uniform(0.0, 0.3))


async def _pressed(scene: Scene, rng: Random) -> None:
    """Members press the buttons of their cards, whatever else is going on: hide, cancel, edit and make again."""
    for number in range(rng.choice([2, 4, 6])):
        await scene.until_fair(rng.uniform(0.05, 0.5))
        cards = [asked for asked in scene.asked if asked.interaction.message and asked.interaction.message.buttons]
        if not cards:
            continue
        asked = rng.choice(cards)
        card = asked.interaction.message
        assert card is not None
        button = rng.choice([each for each in card.buttons if each.label in ("Hide", "Cancel", "Edit")] or [None])
        if button is None or button.custom_id is None or card.deleted:
            continue
        pressed = await scene.place.discord.press(asked.person, card, button.custom_id)
        scene.hit("pressed buttons", f"{button.label} on {asked.prompt!r}")
        if button.label == "Hide":
            scene.hidden.add(card.id)
        elif button.label == "Edit":
            await scene.make_again(asked, pressed, f"{asked.prompt} again {number}")


def _channels(scene: Scene) -> list[Channel]:
    guild = scene.place.discord.world.guild
    return [channel for channel in guild.channels if channel is not guild.general]


async def _deleted_channel(scene: Scene, rng: Random) -> None:
    if channels := _channels(scene):
        channel = rng.choice(channels)
        scene.removed |= {message.id for message in scene.place.discord.messages(channel)}
        await scene.place.discord.delete_channel(channel)
        scene.hit("deleted channel", channel.name)


async def _revoked(scene: Scene, rng: Random) -> None:
    world = scene.place.discord.world
    channel = rng.choice(world.guild.channels)
    lost = rng.choice([Permission.VIEW_CHANNEL, Permission.SEND_MESSAGES, Permission.ATTACH_FILES])
    if channel is world.restricted:
        return
    channel.deny(world.bot, lost)
    world.tell_permissions(channel)
    scene.hit("revoked permissions", f"{lost.name} in {channel.name}")
    if rng.random() < 0.5:

        async def undo() -> None:
            channel.allow(world.bot, lost)
            world.tell_permissions(channel)

        scene.later(undo)


async def _shut_dms(scene: Scene, rng: Random) -> None:
    person = rng.choice(scene.asked).person if scene.asked else scene.place.discord.world.people["mia"]
    person.dms_open = False
    scene.hit("shut DMs", person.name)


async def _full_disk(scene: Scene, rng: Random) -> None:
    """A filler takes all but a little; the paid videos have to land there all the same, later."""
    assert scene.place.volume is not None
    filler = scene.place.volume / "filler"
    free = os.statvfs(scene.place.volume).f_bavail * os.statvfs(scene.place.volume).f_frsize
    left = rng.choice(DISK_LEFT)

    async def undo() -> None:
        filler.unlink(missing_ok=True)

    scene.later(undo)
    await asyncio.to_thread(_fill, filler, free - left)
    scene.hit("full disk", f"{left} bytes left")
    await scene.until_fair(rng.uniform(0.5, 3.0))
    filler.unlink(missing_ok=True)
    scene.tell("full disk: room again")


def _fill(filler: Path, size: int) -> None:
    """As much of it as there is room for: the bot writes at the same time."""
    with filler.open("wb") as file:
        while size > 0:
            try:
                os.posix_fallocate(file.fileno(), 0, size)
            except OSError:
                size -= 4096
            else:
                return


async def _locked_database(scene: Scene, rng: Random) -> None:
    mode, seconds = rng.choice(["IMMEDIATE", "EXCLUSIVE"]), rng.choice([0.4, 1.0, 2.5, 5.5])
    other = sqlite3.connect(scene.place.database, timeout=0.5, isolation_level=None, check_same_thread=False)
    try:
        await asyncio.to_thread(other.execute, f"BEGIN {mode}")
        scene.hit("locked database", f"{mode} for {seconds} s")
        await scene.until_fair(seconds)
        other.execute("ROLLBACK")
    except sqlite3.Error as error:
        scene.tell(f"locked database: {error}")
    finally:
        other.close()
        scene.tell("locked database: free")


BEFORE_OR_INSIDE: tuple[Phase, ...] = ("before", "inside")

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("kill -9", _kill, heals=True),
        Kind("kill -9 at a request", wires.kill_at_a_request, heals=True),
        Kind("SIGTERM", _terminate, heals=True),
        Kind("host asleep", _asleep, heals=True),
        Kind("host asleep 40 min", _asleep_40_minutes, cuts_routes=True, heals=True),
        Kind("Discord's clock jumps", _clock, cuts_routes=True, heals=True),
        Kind("gateway cut", _gateway_cut, heals=True),
        Kind("gateway down", _gateway_down),
        Kind("INVALID_SESSION", _invalid_session, heals=True),
        Kind("provider outage", _provider_out),
        Kind("provider cuts", _provider("provider cuts", _CUTS)),
        Kind("provider answers", _provider("provider answers", _ANSWERS)),
        Kind("fates of renders", _provider("fates of renders", _FATES)),
        Kind("Discord 429", wires.spoils("Discord 429", wires.limited, ("before",)), heals=True),
        Kind("Discord 429 bare", wires.spoils("Discord 429 bare", wires.limited_bare, ("before",)), heals=True),
        Kind("Discord 5xx", wires.spoils("Discord 5xx", wires.broken, ("before",))),
        Kind("Discord took it, said 5xx", wires.spoils("Discord took it, said 5xx", wires.broken, ("inside",))),
        Kind("Discord cuts", wires.spoils("Discord cuts", wires.cut, BEFORE_OR_INSIDE)),
        Kind("Discord outage", _discord_out),
        Kind("dead tokens", _dead_tokens, cuts_routes=True, heals=True),
        Kind("removed cards", _removed_cards, heals=True),
        Kind("pressed buttons", _pressed, heals=True),
        Kind("deleted channel", _deleted_channel, cuts_routes=True, heals=True),
        Kind("revoked permissions", _revoked, cuts_routes=True, heals=True),
        Kind("shut DMs", _shut_dms, heals=True),
        Kind("full disk", _full_disk, needs_volume=True),
        Kind("locked database", _locked_database, heals=True),
    )
}
"""Every fault there is, by its name in the table."""
