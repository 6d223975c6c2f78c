"""What people read as the answer to a command, each time proven to be theirs alone."""

from __future__ import annotations

import re

from sandbox.discord.messages import Interaction, Message
from sandbox.discord.world import Person
from tests.e2e.stage import Stage

PRICES = (
    "**What a clip costs**\n"
    "- Sora 2: 4 s 4, 8 s 8, 12 s 12 (720x1280 or 1280x720)\n"
    "- Sora 2 Pro: 4 s 12, 8 s 24, 12 s 36 (720x1280 or 1280x720); "
    "4 s 20, 8 s 40, 12 s 60 (1024x1792 or 1792x1024)"
)


async def alone(asked: Interaction) -> Message:
    """The answer, which nobody else may see and which wakes nobody."""
    message = await asked.answer()
    assert message is not None
    assert message.is_ephemeral
    assert message.pinged == []
    return message


def plain(text: str) -> str:
    """Every timestamp as <t>; the clock is the real one."""
    return re.sub(r"<t:\d+:R>", "<t>", text)


async def told(stage: Stage, command: str, *, by: Person | None = None, **options: object) -> str:
    """What the admin, or somebody else, reads as the answer to an admin command."""
    person = by or stage.admin
    asked = await stage.discord.invoke_with(person, f"animate-admin {command}", options, forge=by is not None)  # type: ignore[arg-type]  # checked at the door
    return plain((await alone(asked)).text())


async def quota(stage: Stage, person: Person) -> str:
    """What /quota says, without the prices."""
    text = plain(await stage.reply(person, "quota"))
    assert text.endswith(f"\n{PRICES}")
    return text.removesuffix(f"\n{PRICES}")


async def refused(stage: Stage, person: Person, **options: object) -> str:
    """What the person reads in place of a card."""
    return plain((await alone(await stage.animate(person, **options))).text())  # type: ignore[arg-type]  # checked at the door


def keys(stage: Stage) -> list[str]:
    """Every clip's key, oldest first."""
    return [str(key) for (key,) in stage.rows("SELECT key FROM jobs ORDER BY id")]
