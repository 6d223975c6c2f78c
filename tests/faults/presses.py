"""What members, authors of pictures and moderators press, whatever else is going on."""

from __future__ import annotations

import asyncio
from random import Random

from sandbox.discord.commands import CannotInvoke
from sandbox.discord.exchange import Exchange, Phase
from sandbox.discord.messages import Answer, Button, Interaction, Message, NotAnswered
from sandbox.discord.world import Person
from tests.faults.place import until
from tests.faults.scene import Asked, Scene, is_about

QUESTION_WITHIN_S = 3.0
HELD_S = (0.0, 0.05, 0.3, 1.0)
"""How long the request waits in which the video is on its way, while somebody presses."""


async def pressed(scene: Scene, rng: Random) -> None:
    """Members press the buttons of their cards: hide, cancel, delete; edit, and continue what is there."""
    for _ in range(rng.choice([2, 4, 6])):
        await scene.while_faults_last(rng.uniform(0.05, 0.5))
        cards = [asked for asked in scene.asked if asked.interaction.message and asked.interaction.message.buttons]
        if not cards:
            continue
        asked = rng.choice(cards)
        button = _one_of(asked, rng, ("Hide", "Cancel", "Edit", "Continue", "Continue", "Delete"))
        if button is None:
            continue
        interaction = await press(scene, "pressed buttons", asked, asked.person, button, rng)
        if button.label in ("Edit", "Continue") and interaction is not None:
            prompt = f"{asked.prompt} {button.label} {next(scene.form_numbers)}"
            await scene.make_again(asked.person, interaction, prompt, of=asked)


async def raced(scene: Scene, rng: Random) -> None:
    """Somebody takes a card away in the very moment in which its video is on the way to it, or has just come."""
    world = scene.place.discord.world
    mia, ana, admin = world.people["mia"], world.people["ana"], world.people["admin"]
    phase, skip, held_s = rng.choice(["before", "inside", "after"]), rng.choice([0, 0, 1]), rng.choice(HELD_S)
    presses: list[asyncio.Task[object]] = []
    own = Random(rng.random())
    left = skip + rng.choice([1, 2, 4])

    async def hook(now: Phase, exchange: Exchange) -> None:
        nonlocal left
        if now != phase or not exchange.files or left <= 0 or scene.are_faults_over:
            return
        left -= 1
        asked = next((each for each in scene.asked if _shows(each, exchange)), None)
        button = None if asked is None else _one_of(asked, own, ("Hide", "Delete"))
        if asked is None or button is None:
            return
        who = own.choice([asked.person, asked.person, admin, asked.author or asked.person])
        presses.append(asyncio.create_task(press(scene, "raced deliveries", asked, who, button, own)))
        await scene.while_faults_last(held_s)

    scene.on_discord(hook)
    await scene.place.discord.invoke(admin, "animate-admin others", allowed=True)
    await scene.while_faults_last(0.3)
    await scene.ask_with(ana, mia, f"of mia's picture {rng.randrange(10**9)}")
    await scene.while_faults_last(rng.uniform(1.0, 3.0))
    for _ in range(rng.choice([0, 1, 2])):  # and when all is shown
        shown = [each for each in scene.asked if each.interaction.message and each.interaction.message.media]
        if shown and (button := _one_of(asked := rng.choice(shown), rng, ("Delete",))):
            who = rng.choice([asked.person, admin, asked.author or asked.person])
            await press(scene, "raced deliveries", asked, who, button, rng)
    await asyncio.gather(*presses)


async def press(scene: Scene, kind: str, asked: Asked, who: Person, button: Button, rng: Random) -> Interaction | None:
    """One press, and the answer to the question that Delete may ask."""
    card = asked.interaction.message
    assert card is not None
    assert button.custom_id is not None
    try:
        pressed = await scene.place.discord.press(who, card, button.custom_id)
    except CannotInvoke:
        return None
    scene.hit(kind, f"{who.name}: {button.label} on {asked.prompt!r}")
    if button.label in ("Hide", "Delete"):
        scene.hidden.add(card.id)
    if button.label == "Delete" and who is asked.person:
        await _answer_question(scene, asked, pressed, rng)
    return pressed


async def _answer_question(scene: Scene, asked: Asked, pressed: Interaction, rng: Random) -> None:
    """Where a video is to be deleted for good, its member is asked first."""
    try:
        await pressed.answer()
        await until(lambda: _question(pressed) is not None, QUESTION_WITHIN_S)
    except (NotAnswered, TimeoutError):
        return
    question = _question(pressed)
    assert question is not None
    button = rng.choice([each for each in question.buttons if each.custom_id])
    if button.label == "Delete":
        scene.deleted.add(asked.prompt)
    try:
        await scene.place.discord.press(asked.person, question, button.custom_id or "")
    except CannotInvoke:
        return
    scene.tell(f"{asked.person.name} answered {button.label!r} for {asked.prompt!r}")


def _question(pressed: Interaction) -> Message | None:
    """Nobody but its reader sees it, and it has two buttons."""
    first = pressed.message if pressed.response_type == Answer.MESSAGE else None
    return next(
        (each for each in (first, *pressed.followups) if each and each.is_ephemeral and len(each.buttons) == 2), None
    )


def _one_of(asked: Asked, rng: Random, labels: tuple[str, ...]) -> Button | None:
    card = asked.interaction.message
    if card is None or card.deleted:
        return None
    there = [each for each in card.buttons if each.label in labels and each.custom_id]
    return rng.choice(there) if there else None


def _shows(asked: Asked, exchange: Exchange) -> bool:
    card = asked.interaction.message
    return is_about(exchange, asked) or (card is not None and exchange.params.get("message_id") == str(card.id))
