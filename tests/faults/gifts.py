"""Bonus credits given while everything fails: by an admin, who may undo it, and by a shop that repeats its request."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from random import Random

import aiohttp

from bot.signed_credits import sign
from sandbox.discord.commands import CannotInvoke, OptionValue
from sandbox.discord.messages import NotAnswered
from tests.faults.place import CREDITS_SECRET
from tests.faults.scene import Scene
from tests.ledger_audit import Connection

CREDITS = 3
REPEATED_AFTER_S = 0.3
ANSWERED_WITHIN_S = 10.0
GIVEN_WITHIN_S = 60.0
TRY_AGAIN = frozenset({"try_again", "bad_time"})
"""Answers after which a shop sends its request again; clocks jump meanwhile."""
GRANTS = "SELECT id FROM ledger WHERE kind = 'grant' AND reason = ?"
REVOKED = "SELECT COALESCE(SUM(credits), 0) FROM revoked_bonus_credits WHERE bonus_id = ?"
SPENT = "SELECT COALESCE(SUM(credits), 0) FROM job_bonus_credits WHERE bonus_id = ?"
"""By jobs, also by those that were refunded later; Undo takes back what is not spent at that moment."""


@dataclass(slots=True)
class Gift:
    """One grant; `reason` is like no other of the run. `fresh`: answers that said that it was given just then."""

    reason: str
    order: bytes | None = None
    """The body of the signed request, where it is a shop's."""
    told: int = 0
    fresh: int = 0
    told_undone: bool = False
    wrong: list[str] = field(default_factory=list)


async def give(scene: Scene, number: int, rng: Random) -> None:
    """One grant of either sort; a shop goes on until the faults are over."""
    gift = Gift(f"gift {number}")
    scene.gifts.append(gift)
    if rng.random() < 0.5:
        await _by_admin(scene, gift, rng)
        return
    world = scene.place.discord.world
    server = rng.choice([str(world.guild.id), None])
    order = {"key": gift.reason, "server": server, "member": str(world.people["mia"].id)}
    gift.order = json.dumps({**order, "credits": CREDITS, "reason": gift.reason}).encode()

    def is_enough() -> bool:
        return scene.are_faults_over or gift.told > 1

    await asyncio.gather(*(_send(scene, gift, is_enough) for _ in range(2)))


async def settle(scene: Scene) -> None:
    """Every shop sends its request until it is answered, and once more."""
    for gift in scene.gifts:
        if gift.order is not None:
            ends, told = time.monotonic() + GIVEN_WITHIN_S, gift.told
            await _send(scene, gift, partial(_is_answered, gift, told, ends))
            if gift.told == told:
                gift.wrong.append(f"{gift.reason!r} was not answered without faults")


def differences(connection: Connection, gifts: list[Gift]) -> Iterator[str]:
    """What the bot's books and its answers say about the gifts, where that is not the same."""
    for gift in gifts:
        yield from gift.wrong
        lines = [line for (line,) in connection.execute(GRANTS.replace("?", f"'{gift.reason}'"))]
        if len(lines) > 1 or gift.fresh > 1:
            yield f"{gift.reason!r} was given {len(lines)} times, and told as new {gift.fresh} times"
        if gift.told and not lines:
            yield f"{gift.reason!r} was said to be given, and is not in the ledger"
        for line in lines:
            ((revoked,),) = connection.execute(REVOKED.replace("?", str(line)))
            ((spent,),) = connection.execute(SPENT.replace("?", str(line)))
            if gift.told_undone and not CREDITS - spent <= revoked <= CREDITS:
                yield (
                    f"{gift.reason!r} was said to be undone, and {revoked} of {CREDITS} credits were taken back, "
                    f"where {spent} were spent"
                )


def _is_answered(gift: Gift, told: int, ends: float) -> bool:
    return gift.told > told or time.monotonic() > ends


async def _by_admin(scene: Scene, gift: Gift, rng: Random) -> None:
    discord, people = scene.place.discord, scene.place.discord.world.people
    options: dict[str, OptionValue | None] = {"user": people["mia"], "credits": CREDITS, "reason": gift.reason}
    try:
        asked = await discord.invoke_with(people["admin"], "animate-admin quota grant", options)
        answer = await asked.answer()
        scene.tell(f"an admin gave {gift.reason}: {None if answer is None else answer.text()!r}")
        if answer is None or " got " not in answer.text():
            return
        gift.told = gift.fresh = 1
        await scene.while_faults_last(rng.uniform(0.0, 1.0))
        button = next((each for each in answer.buttons if each.label == "Undo"), None)
        if button is None or rng.random() < 0.3:
            return
        presses = [await discord.press(people["admin"], answer, button.custom_id or "") for _ in range(2)]
        for pressed in presses:
            await pressed.answer()
    except (CannotInvoke, NotAnswered) as error:
        scene.tell(f"{gift.reason}: {error}")
    else:
        gift.told_undone = "Undone." in answer.text()
        scene.tell(f"{gift.reason}: {answer.text()!r}")


async def _send(scene: Scene, gift: Gift, is_enough: Callable[[], bool]) -> None:
    """The same request again and again, signed anew each time, as docs/credits.md says."""
    assert gift.order is not None
    timeout = aiohttp.ClientTimeout(total=ANSWERED_WITHIN_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        while not is_enough():
            timestamp = str(int(scene.place.discord_clock()))
            signature = sign(CREDITS_SECRET.encode(), timestamp, gift.order)
            headers = {"X-Timestamp": timestamp, "X-Signature": f"sha256={signature}"}
            try:
                async with session.post(scene.place.credits_url, data=gift.order, headers=headers) as answer:
                    said = await answer.json()
            except (aiohttp.ClientError, TimeoutError, OSError):
                await asyncio.sleep(REPEATED_AFTER_S)
                continue
            scene.tell(f"{gift.reason}: {said}")
            if "error" not in said:
                gift.told += 1
                gift.fresh += not said["repeated"]
            elif said["error"]["code"] not in TRY_AGAIN:
                gift.wrong.append(f"{gift.reason!r} was refused: {said['error']['code']}")
                return
            await asyncio.sleep(REPEATED_AFTER_S)
