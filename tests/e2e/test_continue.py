"""Continue: the next video begins where the last one ends, wherever the bytes of that are by then."""

from __future__ import annotations

import io
from collections.abc import Callable

import av
import pytest
from PIL import Image, ImageChops, ImageStat

from sandbox.discord.messages import Interaction, Message
from sandbox.providers.mp4 import render_video
from sandbox.providers.openai import LocalOpenAI
from sandbox.providers.openai_request import OpenAISettings
from tests.e2e.asking import alone
from tests.e2e.conftest import Build
from tests.e2e.stage import Stage


def a_render(
    picture: bytes | None, _size: tuple[int, int], _seconds: int, progress: Callable[[float], None], /
) -> bytes:
    return render_video(picture, (180, 320), 1, progress, sound=False)


async def press(stage: Stage, card: Message, label: str) -> Interaction:
    return await stage.discord.press(stage.mia, card, next(b.custom_id or "" for b in card.buttons if b.label == label))


def last_frame(video: bytes) -> Image.Image:
    with av.open(io.BytesIO(video), "r") as file:
        picture: Image.Image = list(file.decode(video=0))[-1].to_image()  # type: ignore[no-untyped-call]
        return picture


def difference(one: Image.Image, other: Image.Image) -> float:
    both = [picture.convert("L").resize((90, 160)) for picture in (one, other)]
    return ImageStat.Stat(ImageChops.difference(*both)).mean[0]


async def test_a_video_goes_on_from_the_last_frame_of_another_before_and_after_a_restart(build: Build) -> None:
    provider = LocalOpenAI(render=a_render, settings=OpenAISettings(render_seconds=0.1))
    stage = await build(provider=provider)
    card = await stage.over(await stage.animate(seconds=4, size="720x1280"))
    await stage.settled()
    form = await press(stage, card, "Continue")
    second = await stage.over(await stage.discord.submit(stage.mia, form, {"prompt": "it jumps"}))
    await stage.settled()
    assert stage.bot is not None
    await stage.bot.stop()
    await stage.start_bot()
    form = await press(stage, second, "Continue")
    await stage.over(await stage.discord.submit(stage.mia, form, {"prompt": "it sleeps"}))
    await stage.settled()

    first, then, last = provider.jobs.values()
    assert [(job.prompt, job.seconds, job.size) for job in (then, last)] == [
        ("it jumps", "4", "720x1280"),
        ("it sleeps", "4", "720x1280"),
    ]
    for before, after in ((first, then), (then, last)):
        assert before.video is not None
        assert after.picture is not None
        assert difference(last_frame(before.video), Image.open(io.BytesIO(after.picture))) < 3
    ids = [job for (job,) in stage.rows("SELECT id FROM jobs ORDER BY id")]
    assert stage.rows("SELECT continues FROM jobs ORDER BY id") == [(None,), (ids[0],), (ids[1],)]
    assert list((stage.folder / "data" / "videos").iterdir()) == []

    listed = await alone(await stage.discord.invoke(stage.mia, "videos"))
    await stage.discord.wait_for(lambda: len(listed.media) == 3, 20, "a still of each")
    assert [Image.open(io.BytesIO(still.data)).size for still in listed.media] == [(180, 320)] * 3
    assert all(len(still.data) <= 24_000 for still in listed.media)
    first_entry = listed.now["components"][0]
    assert "it sleeps" in first_entry["components"][0]["content"]
    assert "it sleeps" in first_entry["accessory"]["description"]
    joined, twice = [await alone(await press(stage, listed, "Join")) for _ in range(2)]
    await stage.discord.wait_for(lambda: joined.media and twice.media, 30, "the joined video, both times")
    with av.open(io.BytesIO(joined.media[0].data), "r") as file:
        frames = list(file.decode(video=0))
    assert len(frames) == 3 * 24
    assert difference(frames[23].to_image(), last_frame(first.video or b"")) < 3  # type: ignore[no-untyped-call]
    assert len(provider.jobs) == 3
    assert stage.rows("SELECT COUNT(*) FROM ledger") == [(3,)]

    stills = stage.folder / "data" / "stills"
    assert len(list(stills.iterdir())) == 3
    await press(stage, listed, "Delete")
    await stage.until(listed, "Delete this video for good?")
    await press(stage, listed, "Delete")
    await stage.discord.wait_for(lambda: len(listed.media) == 2, 20, "the list without it")
    assert len(list(stills.iterdir())) == 2
    assert list((stage.folder / "data" / "videos").iterdir()) == []


@pytest.mark.thorough
async def test_of_several_takes_the_one_goes_on_whose_button_was_pressed(build: Build) -> None:
    stage = await build(provider=LocalOpenAI(render=a_render, settings=OpenAISettings(render_seconds=0.1)))
    card = await stage.over(await stage.animate(seconds=4, takes=2))
    await stage.settled()
    second = [button.custom_id or "" for button in card.buttons if button.label == "Continue"][1]
    form = await stage.discord.press(stage.mia, card, second)
    await stage.over(await stage.discord.submit(stage.mia, form, {"prompt": "it jumps"}))
    await stage.settled()

    ids = [job for (job,) in stage.rows("SELECT id FROM jobs ORDER BY id")]
    assert stage.rows("SELECT continues FROM jobs WHERE continues IS NOT NULL") == [(ids[0],)]
    assert stage.states() == ["delivered"] * 3


async def test_where_the_message_is_gone_nothing_is_charged_and_the_member_is_told(stage: Stage) -> None:
    card = await stage.over(await stage.animate())
    await stage.settled()
    form = await press(stage, card, "Continue")
    await stage.discord.delete_message(card)
    asked = await stage.discord.submit(stage.mia, form, {"prompt": "it jumps"})
    await stage.discord.wait_for(lambda: asked.message is not None and asked.message.deleted, 20, "the card to go")

    (word,) = await stage.told(asked, 1)
    assert "no longer keeps this video" in word
    assert word.endswith("Your 4 credits are back.")
    await stage.settled()
    assert stage.states() == ["delivered", "failed"]
    assert len(stage.provider.jobs) == 1
