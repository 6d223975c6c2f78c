"""How every run ends: all settles, somebody asks once more, and what a broken one leaves is kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from sandbox.discord.messages import Message, NotAnswered
from sandbox.discord.world import Channel
from tests.faults.place import STORE_ERRORS, Place, until
from tests.faults.reckoning import OFFERED, OPEN
from tests.faults.scene import Scene
from tests.faults.takes import CLOSED

ANSWERED_WITHIN_S = 4.0
"""Discord's three seconds, and some for the way; what has no answer by then gets none."""
REFUSED_FOR_S = 150.0
"""Without faults nobody is refused for longer: the pause of a circuit breaker that opened, and one job to try it."""
ASKS_AGAIN_S = 3.0
CARDS = f"SELECT jobs.state, {CLOSED}, ticket FROM jobs JOIN cards ON cards.job = jobs.id"


async def settle(scene: Scene) -> None:
    try:
        await scene.keeper.connected()
        await until(lambda: is_settled(scene), scene.settles_within_s)
    except TimeoutError:
        scene.tell("not settled in time")
    scene.tell("settled")


def is_settled(scene: Scene) -> bool:
    """Every command is answered or too old for that, every job has ended, and every card says so."""
    now = time.monotonic()
    if any(not x.interaction.answered.is_set() and now < x.at + ANSWERED_WITHIN_S for x in scene.asked):
        return False
    try:
        with scene.place.store() as connection:
            rows = list(connection.execute(CARDS))
            is_queued = scene.place.has_entries(connection)
    except STORE_ERRORS:
        return False
    made = {job.id: job for job in scene.place.made()}
    return (
        not is_queued
        and all(job.is_over for job in made.values())
        and not any(
            state in OPEN
            or (finished is None and state not in OFFERED)
            or (state == "timed_out" and any(name in str(ticket) for name in made))
            for state, finished, ticket in rows
        )
    )


async def ask_last(scene: Scene, name: str, model: str | None, channel: Channel | None = None) -> None:
    """Somebody new asks for a video once all is well. The reservation stands behind what the store had still to write.

    A circuit breaker that has opened may refuse them for its pause; not for ever.
    """
    zoe, where = scene.place.discord.world.people["zoe"], channel or scene.place.discord.world.general
    began, tries = time.monotonic(), 0
    while True:
        prompt = f"{name}-{tries}"
        asked = await scene.ask(zoe, where, prompt, model)
        assert asked is not None
        try:
            answer = await asked.interaction.answer(10)
        except NotAnswered:
            scene.last.append(f"{prompt!r} got no answer without faults")
            return
        if answer is not None and not answer.is_ephemeral:
            break
        if time.monotonic() - began > REFUSED_FOR_S:
            words = "" if answer is None else answer.text()
            scene.last.append(f"{prompt!r} was refused for {REFUSED_FOR_S:.0f} s without faults: {words!r}")
            return
        tries += 1
        await asyncio.sleep(ASKS_AGAIN_S)
    scene.tell(f"the last one was taken after {time.monotonic() - began:.1f} s")
    try:
        await scene.place.discord.wait_for(lambda: _is_over(answer), scene.settles_within_s, "the last card")
    except TimeoutError:
        scene.last.append(f"{prompt!r} came to nothing without faults: {answer.text()!r}")


def _is_over(card: Message) -> bool:
    return card.deleted or any(words in card.text() for words in ("✅", "⚠️", "🚫"))


def keep(place: Place, folder: Path, name: str, *, told: Sequence[str], log: str) -> None:
    """Log, database and requests of a run, as files in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.bot.log").write_text(log, "utf-8")
    (folder / f"{name}.told.txt").write_text("\n".join([*told, ""]), "utf-8")
    if place.database.exists():
        (folder / f"{name}.db").write_bytes(place.database.read_bytes())
    requests = [
        f"{x.at - place.discord_clock.ahead_s:.3f} {x.method} {x.path[:60]} files={len(x.files)} {x.status} {x.code}"
        for x in place.discord.requests
    ]
    (folder / f"{name}.discord.txt").write_text("\n".join(requests), "utf-8")
    videos = [
        f"{x.at - place.videos_clock.ahead_s:.3f} {provider.name} {x.method} {x.path[:60]} {x.status} {x.fault}"
        f" cut={x.cut} {provider.prompt_of(x) if x.route == 'create' else ''}"
        for provider in place.every_provider
        for x in provider.requests
    ]
    (folder / f"{name}.provider.txt").write_text("\n".join(sorted(videos)), "utf-8")
