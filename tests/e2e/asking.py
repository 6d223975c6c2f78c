"""What people read as the answer to a command, each time proven to be theirs alone."""

from __future__ import annotations

import re

from sandbox.discord.messages import Interaction, Message
from sandbox.discord.world import Person
from tests.e2e.stage import Stage

PRICES = (
    "**What a video costs**\n"
    "- Sora 2 · 4 s = 4 credits · 8 s = 8 · 12 s = 12\n"
    "- Sora 2 Pro · Portrait 720×1280 or Landscape 1280×720 · 4 s = 12 credits · 8 s = 24 · 12 s = 36\n"
    "- Sora 2 Pro · Portrait 1024×1792 or Landscape 1792×1024 · 4 s = 20 credits · 8 s = 40 · 12 s = 60"
)


async def alone(asked: Interaction) -> Message:
    """The answer, which nobody else may see and which wakes nobody."""
    message = await asked.answer()
    assert message is not None
    assert message.is_ephemeral
    assert message.pinged == []
    return message


async def shown_again(stage: Stage) -> bytes | None:
    """What Show again on the newest video of /videos shows; None where the list has no such button."""
    listed = await alone(await stage.discord.invoke(stage.mia, "videos"))
    button = next((button for button in listed.buttons if button.label == "Show again"), None)
    if button is None:
        return None
    shown = await stage.discord.press(stage.mia, listed, button.custom_id or "")
    await stage.discord.wait_for(lambda: shown.message is not None and shown.message.media, 10, "the video")
    assert shown.message is not None
    assert shown.message.is_ephemeral
    return shown.message.media[0].data


def plain(text: str) -> str:
    """Every timestamp as <t>; the clock is the real one."""
    return re.sub(r"<t:\d+:R>", "<t>", text)


async def told(stage: Stage, command: str, *, by: Person | None = None, **options: object) -> str:
    """What the admin, or somebody else, reads as the answer to an admin command."""
    person = by or stage.admin
    asked = await stage.discord.invoke_with(person, f"animate-admin {command}", options, forge=by is not None)  # type: ignore[arg-type]  # checked by it
    return plain((await alone(asked)).text())


async def quota(stage: Stage, person: Person) -> str:
    """What /quota says, without the prices."""
    text = plain(await stage.reply(person, "quota"))
    assert text.endswith(f"\n{PRICES}")
    return text.removesuffix(f"\n{PRICES}")


async def refused(stage: Stage, person: Person, **options: object) -> str:
    """What the person reads in place of a card."""
    return plain((await alone(await stage.animate(person, **options))).text())  # type: ignore[arg-type]  # checked by it


def keys(stage: Stage) -> list[str]:
    """Every video's key, oldest first."""
    return [str(key) for (key,) in stage.rows("SELECT key FROM jobs ORDER BY id")]
