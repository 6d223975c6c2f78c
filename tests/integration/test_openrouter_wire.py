"""What OpenRouter's wire alone has: frames, shapes in place of a size, hosted pictures, addresses that need the key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bot.errors import VideoRejected
from bot.models import FailureKind
from bot.providers.openrouter import body_of
from bot.providers.protocols import CreateRequest
from bot.wire_config import ModelWire, PictureForm
from sandbox.providers.mp4 import tiny_mp4
from sandbox.providers.openrouter import OpenRouterSettings
from tests.integration.wires import GPTProto, OpenRouter, carries_key, picture

HOSTED = replace(OpenRouter.model, picture=PictureForm.URL)
REQUEST = CreateRequest("k", OpenRouter.model, "Put a hat on the cat", 5, "720x1280", b"jpg")
URI = "data:image/jpeg;base64,anBn"


def frame(kind: str, url: str) -> dict[str, Any]:
    return {"type": "image_url", "frame_type": kind, "image_url": {"url": url}}


@pytest.fixture
async def hosted() -> AsyncIterator[str]:
    """The address of the picture, as the bot would serve it."""

    async def serve(_request: web.Request) -> web.Response:
        return web.Response(body=picture(), content_type="image/jpeg")

    app = web.Application()
    app.router.add_get("/picture.jpg", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/picture.jpg"
    await runner.cleanup()


def test_a_size_goes_out_alone_and_a_shape_in_its_place() -> None:
    plain = {
        "model": "acme/video",
        "prompt": REQUEST.prompt,
        "duration": 5,
        "frame_images": [frame("first_frame", URI)],
    }

    assert body_of(REQUEST) == {**plain, "size": "720x1280"}
    assert body_of(replace(REQUEST, aspect_ratio="9:16", resolution="720p")) == {
        **plain,
        "aspect_ratio": "9:16",
        "resolution": "720p",
    }


def test_what_was_asked_for_goes_out_and_nothing_else() -> None:
    whole = replace(REQUEST, last_image=b"jpg", sound=False, seed=0, negative_prompt="rain")

    body = body_of(whole)

    assert body["frame_images"] == [frame("first_frame", URI), frame("last_frame", URI)]
    assert (body["generate_audio"], body["seed"], body["negative_prompt"]) == (False, 0, "rain")
    assert not {"generate_audio", "seed", "negative_prompt"} & body_of(REQUEST).keys()


def test_a_models_own_members_are_added_or_put_in_place() -> None:
    model = ModelWire(
        "m", PictureForm.DATA_URI, body={"mode": "image-to-video", "duration": "{seconds}s", "x": "{seed}"}
    )

    body = body_of(replace(REQUEST, model=model))

    assert (body["mode"], body["duration"]) == ("image-to-video", "5s")
    assert "x" not in body


async def test_a_hosted_picture_is_fetched_by_the_provider(hosted: str) -> None:
    async with GPTProto().bench() as bench:
        assert isinstance(bench.local.settings, OpenRouterSettings)
        bench.local.settings.takes_data_uris = False
        with pytest.raises(VideoRejected):
            await bench.api.create(bench.request())
        await bench.api.create(bench.request(model=HOSTED, picture_url=hosted))
        (job,) = bench.local.jobs.values()

    assert job.picture == picture()


async def test_without_an_address_for_the_picture_nothing_is_sent() -> None:
    async with OpenRouter().bench() as bench:
        with pytest.raises(VideoRejected) as refused:
            await bench.api.create(bench.request(model=HOSTED))
        assert bench.local.requests == []

    assert refused.value.kind is FailureKind.BAD_REQUEST


@pytest.mark.parametrize("signs", [True, False])
async def test_a_signed_address_is_fetched_without_the_key_and_an_unsigned_one_with_it(
    signs: bool,  # noqa: FBT001 - pytest gives it by name
    tmp_path: Path,
) -> None:
    async with OpenRouter().bench() as bench:
        assert isinstance(bench.local.settings, OpenRouterSettings)
        bench.local.settings.signs_urls = signs
        ticket = await bench.api.create(bench.request())
        done = await bench.ended(ticket)
        await bench.api.download(ticket, done.url, tmp_path / "video.mp4")
        files, contents = bench.sent("file"), bench.sent("content")

    assert (tmp_path / "video.mp4").read_bytes() == tiny_mp4()
    assert (done.url is not None, done.expires_at is not None) == (signs, signs)
    if signs:
        assert len(files) == 1
        assert contents == []
        assert not carries_key(files[0])
    else:
        assert files == []
        assert carries_key(contents[0])


async def test_the_polling_address_of_the_answer_is_asked() -> None:
    async with GPTProto().bench() as bench:
        ticket = await bench.api.create(bench.request())
        await bench.api.status(ticket)
        (asked,) = bench.sent("result")

    assert asked.path.startswith("/api/v3/tasks/result/job-")
