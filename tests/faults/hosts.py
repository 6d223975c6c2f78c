"""What befalls the bot's own machine: its process, its clock, its disk, its database, its settings."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from pathlib import Path
from random import Random
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM

from sandbox.discord.exchange import edge_page
from sandbox.discord.rules import Code
from tests.faults.place import Place
from tests.faults.scene import Scene

TOKEN_DIES_S = 16 * 60.0
SLEEP_S = 40 * 60.0
DISK_LEFT = (0, 8_192, 300_000)
OFF_S = (-20 * 60.0, 20 * 60.0)
SET_TO_S = (*OFF_S, -3 * 3600.0, 3 * 3600.0, 0.0)
REFUSED_UPDATES = (Code.TOO_MANY_NEW_COMMANDS, Code.ENTRY_POINT_LEFT_OUT, Code.MISSING_ACCESS, edge_page(403))


async def kill(scene: Scene, _rng: Random) -> None:
    if scene.keeper.send(SIGKILL):
        scene.hit("kill -9", "now")


async def terminate(scene: Scene, _rng: Random) -> None:
    if scene.keeper.send(SIGTERM):
        scene.hit("SIGTERM", "now")


async def asleep(scene: Scene, rng: Random, *, jump_s: float = 0.0) -> None:
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


async def asleep_40_minutes(scene: Scene, rng: Random) -> None:
    await asleep(scene, rng, jump_s=SLEEP_S)


async def clock(scene: Scene, _rng: Random) -> None:
    scene.place.discord_clock.ahead_s += TOKEN_DIES_S
    scene.hit("Discord's clock jumps", f"{TOKEN_DIES_S:g} s")


def off(place: Place, rng: Random) -> None:
    """From the very start, and over every restart."""
    place.host_clock.set(rng.choice(OFF_S))


async def clock_off(scene: Scene, rng: Random) -> None:
    """It was off from the start; perhaps somebody sets it right."""
    clock = scene.place.host_clock
    scene.hit("host's clock off", f"{clock.ahead_s:+g} s")
    if rng.random() < 0.4:
        clock.set(0.0)
        scene.tell("host's clock off: set right")


async def clock_set(scene: Scene, rng: Random) -> None:
    """Somebody, or something, sets it while videos are under way."""
    for _ in range(rng.choice([1, 1, 2, 3])):
        to_s = rng.choice(SET_TO_S)
        scene.place.host_clock.set(to_s)
        scene.hit("host's clock set", f"to {to_s:+g} s")
        await scene.while_faults_last(rng.uniform(0.1, 1.0))


async def updates_refused(scene: Scene, rng: Random) -> None:
    """The commands at Discord are not those of this bot any more, and it may not update them at its next start."""
    discord = scene.place.discord
    if rng.random() < 0.5:
        discord.switch_activities_on()
    for command in [each for each in discord.commands if each["name"] == "privacy"]:
        discord.commands.remove(command)
    refusal = rng.choice(REFUSED_UPDATES)
    hook = discord.refuse("PUT …/commands", refusal)
    scene.hit("command updates refused", f"{refusal!r}"[:60])
    if rng.random() < 0.5:

        async def undo() -> None:
            discord.remove(hook)

        scene.later(undo)
    scene.keeper.send(rng.choice([SIGTERM, SIGKILL]))


async def token_reset(scene: Scene, rng: Random) -> None:
    """Somebody resets the bot's token; the operator sets the new one a little later."""
    scene.place.reset_token()
    scene.hit("token reset", "reset")
    if rng.random() < 0.5:
        scene.keeper.note_away()
        await scene.place.discord.gateway_drop()
    await scene.while_faults_last(rng.uniform(0.2, 1.5))
    scene.keeper.send(rng.choice([SIGTERM, SIGKILL]))


async def full_disk(scene: Scene, rng: Random) -> None:
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
    await scene.while_faults_last(rng.uniform(0.5, 3.0))
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


async def locked_database(scene: Scene, rng: Random) -> None:
    mode, seconds = rng.choice(["IMMEDIATE", "EXCLUSIVE"]), rng.choice([0.4, 1.0, 2.5, 5.5])
    other = sqlite3.connect(scene.place.database, timeout=0.5, isolation_level=None, check_same_thread=False)
    try:
        await asyncio.to_thread(other.execute, f"BEGIN {mode}")
        scene.hit("locked database", f"{mode} for {seconds} s")
        await scene.while_faults_last(seconds)
        other.execute("ROLLBACK")
    except sqlite3.Error as error:
        scene.tell(f"locked database: {error}")
    finally:
        other.close()
        scene.tell("locked database: free")
