"""What others than its member may do with a card, and what a press does where Discord does not play along."""

from __future__ import annotations

import json

import pytest

from sandbox.discord.cdn import Upload
from sandbox.discord.exchange import Cut, Exchange, Phase, Reply
from sandbox.discord.messages import Interaction, Message
from sandbox.discord.permissions import Permission
from sandbox.discord.world import Person
from tests.e2e.asking import alone, shown_again, told
from tests.e2e.conftest import Build
from tests.e2e.stage import DONE, Stage, png

NOT_YOURS = "Only the member who asked for this video can do that."
ONLY_OWN = (
    "In this server, you can only animate pictures from your own messages. Nothing was charged. An admin can "
    "allow other people's pictures with `/animate-admin others`."
)
ONLY_OWN_HERE = "Here, you can only animate pictures from your own messages. Nothing was charged."
MODAL = 9


async def press(stage: Stage, card: Message, action: str, by: Person | None = None) -> Interaction:
    ((job,),) = stage.rows("SELECT MAX(id) FROM jobs")
    return await stage.discord.press(by or stage.mia, card, f"job:{action}:{job}", forge=True)


async def of_anas_picture(stage: Stage) -> Message:
    """Mia's card, made of a picture that Ana posted, under way."""
    await told(stage, "others", allowed=True)
    picture = await stage.discord.post(stage.discord.world.people["ana"], "look", Upload("cat.png", png(), "image/png"))
    form = await stage.discord.menu(stage.mia, "Animate this", picture)
    await form.answer()
    card = await (await stage.discord.submit(stage.mia, form, {"prompt": "it yawns"})).answer()
    assert card is not None
    return card


async def test_again_and_edit_pass_the_check_of_others_pictures(stage: Stage) -> None:
    card = await of_anas_picture(stage)
    await stage.until(card, DONE)
    await stage.settled()
    form = await press(stage, card, "edit")
    await form.answer()
    assert form.response_type == MODAL

    await told(stage, "others", allowed=False)

    for action in ("again", "edit"):
        assert (await alone(await press(stage, card, action))).text() == ONLY_OWN
    late = await alone(await stage.discord.submit(stage.mia, form, {"prompt": "it dances"}))
    assert late.text() == f"{ONLY_OWN}\nYour prompt was:\n```\nit dances\n```"
    assert stage.provider.creates == 1
    await told(stage, "others", allowed=True)
    again = await (await press(stage, card, "again")).answer()
    assert again is not None
    await stage.until(again, DONE)


async def test_a_card_in_direct_messages_makes_nothing_again_of_others_pictures(build: Build) -> None:
    stage = await build(render_s=None)
    card = await of_anas_picture(stage)
    await stage.until(card, "Rendering")
    await press(stage, card, "hide", stage.admin)
    await stage.discord.wait_for(lambda: card.deleted, 10, "the card to go")
    (job,) = stage.provider.jobs.values()
    stage.provider.finish(job.id)
    await stage.booked(lambda: stage.states() == ["delivered"])
    (private,) = [message for message in stage.discord.messages(stage.discord.world.dm(stage.mia)) if message.media]

    for action in ("again", "edit"):
        assert (await alone(await press(stage, private, action))).text() == ONLY_OWN_HERE
    assert stage.provider.creates == 1


async def test_nothing_is_made_again_of_a_picture_whose_author_has_deleted_their_data(stage: Stage) -> None:
    card = await of_anas_picture(stage)
    await stage.until(card, DONE)
    await stage.settled()
    about = await alone(await stage.discord.invoke(stage.discord.world.people["ana"], "privacy"))
    ana = stage.discord.world.people["ana"]
    await stage.discord.press(ana, about, "privacy:delete")
    await stage.until(about, "Delete your data?")
    await stage.discord.press(ana, about, "privacy:erase")
    await stage.until(about, "Your data is deleted")

    for action in ("again", "edit"):
        assert (await alone(await press(stage, card, action))).text() == (
            "The bot no longer keeps the picture of this video. Nothing was charged. Use `/animate` with the "
            "picture again."
        )
    assert [file.data for file in card.media] == [next(iter(stage.provider.jobs.values())).video]


@pytest.mark.parametrize("action", ["hide", "delete"])
async def test_a_moderator_of_another_server_or_channel_takes_no_card_away(build: Build, action: str) -> None:
    stage = await build(render_s=None)
    _, card = await stage.rendering()
    world, ana = stage.discord.world, stage.discord.world.people["ana"]
    other = world.add_channel("other")
    other.allow(ana, Permission.MANAGE_MESSAGES)
    elsewhere = [
        (stage.admin, world.foreign.general),
        (ana, other),
    ]
    (job,) = stage.provider.jobs.values()
    if action == "delete":
        stage.provider.finish(job.id)
        await stage.until(card, DONE)
        await stage.settled()

    for person, channel in elsewhere:
        message = await stage.discord.post(person, "hello", channel=channel)
        message.now.update({"components": card.now["components"], "flags": card.now["flags"], "content": ""})
        assert (await alone(await press(stage, message, action, person))).text() == NOT_YOURS
    assert not card.deleted


async def test_a_message_stays_while_its_video_cannot_be_saved_and_goes_when_it_can(stage: Stage) -> None:
    card = await stage.over(await stage.animate())
    await stage.settled()
    (job,) = stage.provider.jobs.values()

    async def broken(phase: Phase, exchange: Exchange) -> Reply | Cut | None:
        return Reply(503, b"") if phase == "before" and exchange.part == "cdn" else None

    stage.discord.on_exchange(broken)
    (word,) = await stage.told(await press(stage, card, "delete", stage.admin), 1)
    assert word == (
        "The video could not be saved for the member who asked for it, so the message stays. Try again in a "
        "minute, or delete the message in Discord."
    )
    stands = not card.deleted
    assert stands
    stage.discord.remove(broken)
    await stage.told(await press(stage, card, "delete", stage.admin), 1)

    assert card.deleted
    assert await shown_again(stage) == job.video


async def test_a_card_that_discord_does_not_delete_is_not_forgotten_half_way(build: Build) -> None:
    stage = await build(render_s=None)
    _, card = await stage.rendering()

    async def refuse(phase: Phase, exchange: Exchange) -> Reply | Cut | None:
        is_delete = phase == "before" and exchange.method == "DELETE"
        return Reply(403, {"message": "Missing Permissions", "code": 50013}) if is_delete else None

    stage.discord.on_exchange(refuse)
    assert await stage.told(await press(stage, card, "hide"), 1) == [
        "The bot could not delete the message. Delete it in Discord, or ask a moderator."
    ]
    (job,) = stage.provider.jobs.values()
    stage.provider.finish(job.id)
    await stage.until(card, DONE)

    assert [file.data for file in card.media] == [job.video]
    await stage.booked(lambda: stage.states() == ["delivered"])


async def test_where_only_a_press_reaches_the_card_delete_takes_it_away_after_its_question(stage: Stage) -> None:
    card = await stage.over(await stage.animate(channel=stage.discord.world.foreign.general))
    await stage.settled()

    pressed = await press(stage, card, "delete")
    await stage.discord.wait_for(lambda: pressed.followups, 10, "the question")
    (question,) = pressed.followups
    assert [button.label for button in question.buttons] == ["Delete", "Keep it"]
    assert question.is_ephemeral
    assert not card.deleted
    await stage.discord.press(stage.mia, question, question.buttons[0].custom_id or "")
    await stage.until(question, "The video is deleted.")
    await stage.discord.wait_for(lambda: card.deleted, 10, "the card to go")


async def test_a_moderators_delete_spares_what_stands_in_direct_messages(build: Build) -> None:
    stage = await build(render_s=None)
    _, card = await stage.rendering()

    async def refuse(phase: Phase, exchange: Exchange) -> Reply | Cut | None:
        is_upload = phase == "before" and exchange.method == "PATCH" and exchange.files
        return Reply(403, {"message": "Missing Access", "code": 50001}) if is_upload else None

    stage.discord.on_exchange(refuse)
    (job,) = stage.provider.jobs.values()
    stage.provider.finish(job.id)
    await stage.booked(lambda: stage.states() == ["delivered"])
    private = stage.discord.world.dm(stage.mia)
    assert [file.data for message in stage.discord.messages(private) for file in message.media] == [job.video]
    await stage.settled()
    as_over = json.dumps(card.now["components"]).replace("job:hide:", "job:delete:")
    card.now.update({"components": json.loads(as_over)})  # had the bot reached it, Delete would stand there

    await stage.told(await press(stage, card, "delete", stage.admin), 1)

    assert card.deleted
    assert [file.data for message in stage.discord.messages(private) for file in message.media] == [job.video]
