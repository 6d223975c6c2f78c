"""What a member can choose beside model, length and size: the last picture, sound; and the seed that the bot draws."""

from __future__ import annotations

import io
import json

import pytest
from PIL import Image

from sandbox.discord.cdn import Upload
from sandbox.discord.messages import Message
from sandbox.discord.modals import fields_of
from sandbox.providers.jobs import VideoJob
from tests import catalogs
from tests.e2e.asking import alone
from tests.e2e.conftest import Build
from tests.e2e.stage import DONE, Stage, png
from tests.e2e.test_wires import local

MORE = "sound = true\nsound_credits = 2\nlast_image = true\nseed = true\n"


@pytest.fixture
async def stage(build: Build) -> Stage:
    """With one model that can all of it, and another that can none."""
    provider = local("openrouter")
    stage = await build(provider=provider, start=False)
    path = stage.folder / "catalog.toml"
    plain = catalogs.catalog([provider], models={"openrouter": "plain"})
    able = catalogs.catalog([provider], models={"openrouter": "able"}, more={"openrouter": MORE})
    path.write_text(able + "[[models]]" + plain.split("[[models]]")[1])
    stage.use({"VIDEO_CATALOG": str(path), "MAX_JOBS_PER_USER": "4"} | catalogs.settings([provider]))
    await stage.start_bot()
    return stage


def jobs(stage: Stage) -> list[VideoJob]:
    return list(stage.provider.jobs.values())


def blue() -> bytes:
    """Another picture than `png`."""
    buffer = io.BytesIO()
    Image.new("RGB", (400, 300), (20, 40, 200)).save(buffer, "PNG")
    return buffer.getvalue()


def button(card: Message, label: str) -> str:
    return next(button.custom_id or "" for button in card.buttons if button.label == label)


def upright(picture: bytes | None) -> tuple[int, int]:
    with Image.open(io.BytesIO(picture or b"")) as image:
        return image.size


async def test_a_video_ends_with_its_last_picture_and_another_of_it_does_so_after_a_restart(stage: Stage) -> None:
    last = Upload("SPOILER_end.png", blue(), "image/png")
    refused = await alone(await stage.animate(model="plain", last_image=last))
    assert refused.text() == "plain takes no last picture. Nothing was charged. Models that do: able."
    both = await alone(await stage.animate(last_image=last, loop=True))
    assert both.text() == "Choose `last_image` or `loop`, not both. Nothing was charged."

    card = await stage.over(await stage.animate(model="able", last_image=last))
    await stage.settled()
    (first,) = jobs(stage)
    assert (upright(first.picture), upright(first.last_picture)) == ((720, 1280), (720, 1280))
    assert first.picture != first.last_picture
    assert card.media[0].filename.startswith("SPOILER_")  # one of its pictures was one
    assert stage.bot is not None
    await stage.bot.stop()
    await stage.start_bot()
    await stage.over(await stage.discord.press(stage.mia, card, button(card, "Again")))
    await stage.settled()

    again = jobs(stage)[1]
    assert upright(again.last_picture) == (720, 1280)
    assert again.seed != first.seed
    kept = {path.name for path in (stage.folder / "data" / "pictures").iterdir()}
    assert len([name for name in kept if name.endswith(".last.copy.jpg")]) == 2
    assert not [name for name in kept if not name.endswith(".copy.jpg")]

    await stage.discord.press(stage.mia, card, button(card, "Delete"))


async def test_a_loop_ends_as_it_begins_and_an_edit_keeps_it_and_the_seed(stage: Stage) -> None:
    card = await stage.over(await stage.animate(loop=True))
    (first,) = jobs(stage)
    assert first.picture == first.last_picture
    assert first.seed is not None
    assert f"seed {first.seed}" in card.text()

    form = await stage.discord.press(stage.mia, card, button(card, "Edit"))
    await form.answer()
    fields = {field["custom_id"]: field for field in fields_of(form.response_data)}
    assert [option["label"] for option in fields["video"]["options"]] == ["able · 4 s · 4 credits"]
    await stage.over(await stage.discord.submit(stage.mia, form, {"prompt": "dances"}))

    edited = jobs(stage)[1]
    assert (edited.prompt, edited.seed, edited.picture) == ("dances", first.seed, first.picture)
    assert edited.picture == edited.last_picture


async def test_sound_has_its_price_and_is_made_only_where_it_is_chosen(stage: Stage) -> None:
    listed = await stage.discord.complete(stage.mia, "animate", "sound", {})
    assert [(choice["value"], choice["name"]) for choice in listed] == [
        ("on", "with sound · able · 8 credits · you have 20"),
        ("off", "without sound · able · 4 credits · you have 20"),
    ]
    models = await stage.discord.complete(stage.mia, "animate", "model", {"sound": "on"})
    assert [choice["value"] for choice in models] == ["able"]

    card = await stage.over(await stage.animate(sound="on"))
    await stage.over(await stage.animate())

    assert [job.sound for job in jobs(stage)] == [True, False]
    assert "with sound · 8 credits" in card.text()
    assert stage.rows("SELECT credits FROM jobs ORDER BY id") == [(8,), (4,)]
    refused = await alone(await stage.animate(model="plain", sound="on"))
    assert refused.text() == "plain makes no sound. Nothing was charged. Models that do: able."


async def test_the_form_takes_a_last_picture_and_the_export_names_it(stage: Stage) -> None:
    message = await stage.discord.post(stage.mia, "look", Upload("cat.png", png(), "image/png"))
    form = await stage.discord.menu(stage.mia, "Animate this", message)
    await form.answer()
    fields = {field["custom_id"]: field for field in fields_of(form.response_data)}
    assert list(fields) == ["prompt", "video", "size", "last_image"]
    last = Upload("end.png", png(300, 300), "image/png")

    card = await stage.over(
        await stage.discord.submit(stage.mia, form, {"prompt": "it yawns", "size": "landscape", "last_image": [last]})
    )

    assert DONE in card.text()
    (job,) = jobs(stage)
    assert (upright(job.picture), upright(job.last_picture)) == ((1280, 720), (1280, 720))
    (options,) = (json.loads(str(options)) for (options,) in stage.rows("SELECT options FROM jobs"))
    assert options["last_image"].endswith("end.png") or "end.png?" in options["last_image"]
