"""The bot is killed between what it stored and the deletion of a message: the next start deletes that message."""

from __future__ import annotations

import pytest

from sandbox.discord.exchange import CUT
from sandbox.discord.messages import Interaction, Message
from sandbox.discord.world import Person
from tests.e2e.asking import alone
from tests.e2e.conftest import Build
from tests.e2e.killing import killer
from tests.e2e.stage import Stage


async def _press(stage: Stage, by: Person, message: Message, label: str) -> Interaction:
    button = next(button for button in message.buttons if button.label == label)
    return await stage.discord.press(by, message, button.custom_id or "")


async def _finished(stage: Stage) -> Message:
    asked, card = await stage.rendering()
    stage.provider.finish(list(stage.provider.jobs)[-1])
    await stage.over(asked)
    newest = "SELECT finished_at FROM cards ORDER BY job DESC LIMIT 1"
    await stage.booked(lambda: stage.rows(newest) != [(None,)])
    return card


async def _killed_at_deletion(stage: Stage, by: Person, message: Message, label: str) -> None:
    """Presses, and the bot ends before its request to delete a message arrives."""
    kill = killer(stage, lambda exchange: exchange.method == "DELETE", "before", CUT)
    stage.discord.on_exchange(kill)
    await _press(stage, by, message, label)
    assert stage.bot is not None
    await stage.bot.wait()
    stage.discord.remove(kill)


async def test_a_card_whose_hiding_was_stored_when_the_bot_was_killed_goes_at_the_next_start(build: Build) -> None:
    stage = await build(render_s=None)
    _, hidden = await stage.rendering()

    await _killed_at_deletion(stage, stage.mia, hidden, "Hide")
    assert not hidden.deleted
    await stage.start_bot()

    await stage.discord.wait_for(lambda: hidden.deleted, 10, "the card to go")
    await stage.booked(lambda: stage.rows("SELECT * FROM pending_deletions") == [])


async def test_a_card_that_its_member_alone_sees_goes_by_the_token_of_the_press(build: Build) -> None:
    stage = await build(render_s=None)
    _, hidden = await stage.rendering(show="me")
    assert hidden.is_ephemeral

    await _killed_at_deletion(stage, stage.mia, hidden, "Hide")
    assert not hidden.deleted
    await stage.start_bot()

    await stage.discord.wait_for(lambda: hidden.deleted, 10, "the card to go")
    await stage.booked(lambda: stage.rows("SELECT * FROM pending_deletions") == [])


@pytest.mark.thorough
@pytest.mark.parametrize("is_private", [True, False], ids=["private", "in a server without the bot"])
async def test_so_does_one_with_a_video_although_the_bot_was_restarted_after_it_had_asked(
    build: Build,
    is_private: bool,  # noqa: FBT001
) -> None:
    stage = await build()
    asked = await (
        stage.animate(show="me") if is_private else stage.animate(channel=stage.discord.world.foreign.general)
    )
    card = await stage.over(asked)
    await stage.settled()
    pressed = await _press(stage, stage.mia, card, "Delete")
    await stage.discord.wait_for(lambda: pressed.followups, 10, "the question")
    assert stage.bot is not None
    await stage.bot.stop()
    await stage.start_bot()

    await _killed_at_deletion(stage, stage.mia, pressed.followups[0], "Delete")
    assert not card.deleted
    await stage.start_bot()

    await stage.discord.wait_for(lambda: card.deleted, 10, "the card to go")
    await stage.booked(lambda: stage.rows("SELECT * FROM pending_deletions") == [])


@pytest.mark.thorough
async def test_so_does_one_without_a_video(build: Build) -> None:
    stage = await build(render_s=None)
    asked, card = await stage.rendering(show="me")
    stage.provider.fail(list(stage.provider.jobs)[-1])
    await stage.over(asked)
    await stage.settled()

    await _killed_at_deletion(stage, stage.mia, card, "Delete")
    assert not card.deleted
    await stage.start_bot()

    await stage.discord.wait_for(lambda: card.deleted, 10, "the card to go")
    await stage.booked(lambda: stage.rows("SELECT * FROM pending_deletions") == [])


@pytest.mark.thorough
async def test_so_it_is_with_a_card_that_a_moderator_or_its_member_deletes(build: Build) -> None:
    stage = await build(render_s=None)
    moderated = await _finished(stage)
    await _killed_at_deletion(stage, stage.admin, moderated, "Delete")
    await stage.start_bot()
    await stage.discord.wait_for(lambda: moderated.deleted, 10, "the card that a moderator deleted to go")

    deleted = await _finished(stage)
    question = await alone(await _press(stage, stage.mia, deleted, "Delete"))
    await _killed_at_deletion(stage, stage.mia, question, "Delete")
    await stage.start_bot()
    await stage.discord.wait_for(lambda: deleted.deleted, 10, "the card that its member deleted to go")
