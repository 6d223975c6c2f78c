"""“Animate this” in the menu of a message, and the forms of it and of Edit."""

from __future__ import annotations

import pytest

from sandbox.discord.cdn import Upload
from sandbox.discord.commands import CannotInvoke
from sandbox.discord.messages import Interaction, Message
from sandbox.discord.modals import fields_of
from sandbox.discord.world import Channel, Person
from tests.e2e.asking import alone, shown_again, told
from tests.e2e.conftest import Build
from tests.e2e.stage import DONE, Stage, png

MENU = "Animate this"
MODAL = 9


async def posted(stage: Stage, person: Person, *, channel: Channel | None = None, **sizes: tuple[int, int]) -> Message:
    files = [Upload(f"{name}.png", png(*size), "image/png") for name, size in (sizes or {"cat": (270, 480)}).items()]
    return await stage.discord.post(person, "look", *files, channel=channel)


async def opened(stage: Stage, person: Person, message: Message) -> Interaction:
    """The menu was used and a form has come up."""
    asked = await stage.discord.menu(person, MENU, message)
    await asked.answer()
    assert asked.response_type == MODAL
    return asked


def names(form: Interaction) -> list[str]:
    return [str(field["custom_id"]) for field in fields_of(form.response_data)]


async def sent(stage: Stage, form: Interaction, person: Person | None = None, **values: str) -> Interaction:
    return await stage.discord.submit(person or stage.mia, form, values)


async def test_the_picture_of_ones_own_message_becomes_a_video(stage: Stage) -> None:
    form = await opened(stage, stage.mia, await posted(stage, stage.mia))
    assert names(form) == ["prompt", "video", "size"]
    video = {field["custom_id"]: field for field in fields_of(form.response_data)}["video"]
    assert [(option["label"], option["default"]) for option in video["options"][2:4]] == [
        ("Sora 2 · 12 s · 12 credits", False),
        ("Sora 2 Pro · 4 s · 12 credits", False),
    ]
    assert video["options"][8]["label"] == "Sora 2 Pro · 12 s · 60 credits · not enough credits"
    assert video["options"][8]["description"] == "Portrait 1024×1792 or Landscape 1792×1024"
    with pytest.raises(CannotInvoke):
        await sent(stage, form, prompt="")

    card = await stage.over(await sent(stage, form, prompt="it yawns", video="3"))

    assert DONE in card.text()
    (job,) = stage.provider.jobs.values()
    assert (job.prompt, job.model, job.seconds, job.size) == ("it yawns", "sora-2-pro", "4", "720x1280")
    assert not card.is_ephemeral


async def test_of_several_pictures_the_form_asks_which(stage: Stage) -> None:
    message = await posted(stage, stage.mia, upright=(270, 480), wide=(480, 270))
    form = await opened(stage, stage.mia, message)
    picture, *_ = fields_of(form.response_data)
    assert [option["label"] for option in picture["options"]] == ["1 · upright.png", "2 · wide.png"]

    await stage.over(await sent(stage, form, picture="1", prompt="it rains"))

    (job,) = stage.provider.jobs.values()
    assert job.size == "1280x720"


async def test_a_picture_that_discord_made_of_a_link_is_fetched_through_discord_alone(stage: Stage) -> None:
    there = await posted(stage, stage.mia)
    safe = there.attachments[0].url
    image = {"url": "http://169.254.169.254/latest/meta-data", "proxy_url": safe, "width": 270, "height": 480}
    message = await stage.discord.post(
        stage.mia, "https://example.com/cat", unfurled={"embeds": [{"type": "image", "title": "A cat", "image": image}]}
    )

    card = await stage.over(await sent(stage, await opened(stage, stage.mia, message), prompt="it yawns"))

    assert DONE in card.text()
    assert stage.rows("SELECT picture_url, picture_size_bytes FROM jobs") == [(safe, None)]


async def test_stickers_count_unless_they_are_drawn_by_a_program(stage: Stage) -> None:
    kinds = {"still": 1, "moving": 2, "lottie": 3}
    stickers = [{"id": str(kind), "name": name, "format_type": kind} for name, kind in kinds.items()]
    message = await stage.discord.post(stage.mia, "hello", unfurled={"sticker_items": stickers})
    only_lottie = await stage.discord.post(stage.mia, "hello", unfurled={"sticker_items": stickers[2:]})

    picture, *_ = fields_of((await opened(stage, stage.mia, message)).response_data)

    assert [option["label"] for option in picture["options"]] == ["1 · still", "2 · moving"]
    assert "no picture in this message" in (await alone(await stage.discord.menu(stage.mia, MENU, only_lottie))).text()


async def test_other_peoples_pictures_are_for_an_admin_to_allow_and_theirs_to_delete(stage: Stage) -> None:
    ana, mia = stage.discord.world.people["ana"], stage.mia
    message = await posted(stage, ana)
    note = await stage.discord.post(mia, "", Upload("notes.txt", b"text", "text/plain"))

    assert (await alone(await stage.discord.menu(mia, MENU, message))).text() == (
        "In this server, you can only animate pictures from your own messages. Nothing was charged. An admin "
        "can allow other people's pictures with `/animate-admin others`."
    )
    assert (await alone(await stage.discord.menu(mia, MENU, note))).text() == (
        "There is no picture in this message. Choose a message with a JPEG, PNG, WebP, GIF or HEIC."
    )
    assert await told(stage, "others", allowed=True) == (
        "With “Animate this”, members can now animate pictures that other people posted."
    )
    card = await stage.over(await sent(stage, await opened(stage, mia, message), prompt="it yawns"))
    await stage.settled()

    (job,) = stage.provider.jobs.values()
    delete = next(button.custom_id for button in card.buttons if button.label == "Delete")
    pressed = await stage.discord.press(ana, card, delete or "")
    assert await stage.told(pressed, 1) == [
        "The message is deleted. The member who asked for the video can find the video in `/videos` for 7 days."
    ]
    assert card.deleted
    assert stage.rows("SELECT prompt, picture_url FROM jobs") == [("it yawns", "")]
    assert list((stage.folder / "data" / "pictures").iterdir()) == []
    assert await shown_again(stage) == job.video


async def test_in_a_direct_message_and_where_only_a_member_has_the_bot(stage: Stage) -> None:
    world = stage.discord.world
    for channel in (world.dm(stage.mia), world.foreign.general):
        form = await opened(stage, stage.mia, await posted(stage, stage.mia, channel=channel))
        card = await stage.over(await sent(stage, form, prompt="it yawns"))
        assert DONE in card.text()
        assert card.channel is channel
    others = await posted(stage, world.people["ana"], channel=world.foreign.general)
    assert (await alone(await stage.discord.menu(stage.mia, MENU, others))).text() == (
        "Here, you can only animate pictures from your own messages. Nothing was charged."
    )


async def test_edit_makes_it_again_with_other_words_and_another_shape(stage: Stage) -> None:
    card = await stage.over(await stage.animate(seconds=8))
    await stage.settled()
    assert stage.bot is not None
    await stage.bot.stop()
    await stage.start_bot()
    edit = next(button.custom_id for button in card.buttons if button.label == "Edit")
    form = await stage.discord.press(stage.mia, card, edit or "")
    await form.answer()
    fields = {field["custom_id"]: field for field in fields_of(form.response_data)}
    chosen = {
        name: [o["value"] for o in fields[name]["options"] if o["default"]] for name in fields if name != "prompt"
    }
    assert fields["prompt"]["value"] == "puts on a hat"
    assert chosen == {"video": ["1"], "size": ["portrait"]}

    refused = await sent(stage, form, prompt="dances", video="8")
    assert (await alone(refused)).text().endswith("\nYour prompt was:\n```\ndances\n```")
    again = await stage.discord.press(stage.mia, card, edit or "")
    await again.answer()
    second = await stage.over(await sent(stage, again, prompt="dances", video="0", size="landscape"))

    assert second is not card
    _, job = stage.provider.jobs.values()
    assert (job.prompt, job.model, job.seconds, job.size) == ("dances", "sora-2", "4", "1280x720")
    assert stage.rows("SELECT again_of FROM jobs ORDER BY id")[1] == stage.rows("SELECT id FROM jobs ORDER BY id")[0]


async def test_a_form_that_was_open_over_a_restart_gives_the_prompt_back(build: Build) -> None:
    stage = await build()
    form = await opened(stage, stage.mia, await posted(stage, stage.mia))
    assert stage.bot is not None
    await stage.bot.stop()
    await stage.start_bot()

    answer = await alone(await sent(stage, form, prompt="a long text about a cat"))

    assert answer.text() == (
        "This form was open too long, or the bot has restarted. Nothing was charged. Open the form again.\nYour "
        "prompt was:\n```\na long text about a cat\n```"
    )
    assert stage.rows("SELECT * FROM ledger") == []


def _gallery(message: Message) -> list[dict[str, object]]:
    """What stands in a message of Components V2: pictures and a video in a gallery, a thumbnail, one of a link."""
    upright, wide, film = message.attachments

    def media(file: object, **more: object) -> dict[str, object]:
        wire = file.wire()  # type: ignore[attr-defined]  # a stored file
        return {name: wire.get(name) for name in ("id", "url", "proxy_url", "content_type", "width", "height")} | more

    gallery = [
        {"media": media(upright, attachment_id=str(upright.id)), "description": "the cat", "spoiler": False},
        {"media": media(film, attachment_id=str(film.id)), "description": "a film", "spoiler": False},
        {"media": media(wide, url="http://169.254.169.254/latest", attachment_id=None), "spoiler": True},
    ]
    for item in gallery:
        item["media"] = {name: value for name, value in item["media"].items() if value is not None}  # type: ignore[attr-defined]
    thumbnail = {"type": 11, "id": 4, "media": media(wide, attachment_id=str(wide.id)), "description": "small"}
    section = {"type": 9, "id": 3, "components": [{"type": 10, "id": 5, "content": "look"}], "accessory": thumbnail}
    return [{"type": 17, "id": 1, "components": [{"type": 12, "id": 2, "items": gallery}, section]}]


async def _told_with_components(stage: Stage) -> Message:
    files = [Upload("upright.png", png(180, 320)), Upload("wide.png", png(320, 180)), Upload("film.mp4", b"film")]
    message = await stage.discord.post(stage.mia, "look", *files)
    message.now.update({"content": "", "attachments": [], "components": _gallery(message), "flags": 1 << 15})
    return message


@pytest.mark.parametrize("forwarded", [False, True])
async def test_pictures_in_galleries_and_thumbnails_are_found_also_in_a_forwarded_message(
    stage: Stage, *, forwarded: bool
) -> None:
    original = await _told_with_components(stage)
    message = await stage.discord.forward(stage.mia, original) if forwarded else original

    form = await opened(stage, stage.mia, message)
    picture, *_ = fields_of(form.response_data)
    assert [option["label"] for option in picture["options"]] == ["1 · the cat", "2 · picture"]
    card = await stage.over(await sent(stage, form, picture="1", prompt="it rains"))

    assert DONE in card.text()
    wide = original.attachments[1].url
    assert stage.rows("SELECT picture_url, picture_spoiler_at IS NOT NULL FROM jobs") == [(wide, 1)]


async def test_the_picture_of_a_forwarded_message_becomes_a_video(stage: Stage) -> None:
    message = await stage.discord.forward(stage.mia, await posted(stage, stage.discord.world.people["ana"]))

    card = await stage.over(await sent(stage, await opened(stage, stage.mia, message), prompt="it yawns"))

    assert DONE in card.text()
