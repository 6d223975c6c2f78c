"""A provider that takes pictures as addresses only fetches them from the bot itself."""

from __future__ import annotations

import re
from pathlib import Path

import aiohttp

from sandbox.providers.mp4 import tiny_mp4
from sandbox.providers.openrouter import LocalGPTProto, OpenRouterSettings
from tests.e2e.conftest import Build
from tests.e2e.stage import DONE, Stage
from tests.e2e.test_health import free_port

CATALOG = """
[providers.gptproto-v3]
wire = "openrouter"
url = "https://gptproto.com/api/v3"
key = "GPTPROTO_API_KEY"

[[models]]
id = "wan"
name = "alibaba/wan"
seconds = [5]
aspect_ratios = ["9:16", "16:9"]
resolutions = ["720p"]
credits = 1
picture = "url"
"""


def written(folder: Path) -> Path:
    """The catalog as a file."""
    path = folder / "catalog.toml"
    path.write_text(CATALOG)
    return path


async def hosting(build: Build, *, render_s: float | None) -> Stage:
    """A bot with a public address, and a provider that takes nothing else."""
    settings = OpenRouterSettings(models=None, takes_data_uris=False, render_seconds=render_s)
    stage = await build(start=False, provider=LocalGPTProto(render=tiny_mp4, settings=settings))
    catalog = written(stage.folder)
    port = free_port()
    public = {"HTTP_PORT": str(port), "PUBLIC_URL": f"http://127.0.0.1:{port}"}
    stage.use({"VIDEO_CATALOG": str(catalog), "VIDEO_API_URL": stage.provider.url, **public})
    await stage.start_bot()
    return stage


def address_in(stage: Stage) -> str:
    """What the provider was given for a picture."""
    (create,) = [exchange for exchange in stage.provider.requests if exchange.route == "create"]
    (frame,) = create.fields["frame_images"]
    return str(frame["image_url"]["url"])


async def fetched(address: str) -> tuple[int, bytes]:
    async with aiohttp.ClientSession() as session, session.get(address) as response:
        return response.status, await response.read()


async def test_the_video_is_made_of_the_picture_that_the_bot_serves(build: Build) -> None:
    stage = await hosting(build, render_s=None)

    _, card = await stage.rendering()
    (job,) = stage.provider.jobs.values()
    address = address_in(stage)
    while_rendering = await fetched(address)
    stage.provider.finish(job.id)
    await stage.until(card, DONE)
    await stage.settled()

    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/pictures/[\w-]+\.jpg", address)
    assert while_rendering == (200, job.picture)
    assert (await fetched(address))[0] == 404
    assert stage.bot is not None
    assert address.rpartition("/")[2] not in stage.bot.log()


async def test_the_address_is_the_same_after_a_restart(build: Build) -> None:
    stage = await hosting(build, render_s=None)
    await stage.rendering()
    address = address_in(stage)
    assert stage.bot is not None

    await stage.bot.stop()
    await stage.start_bot()

    assert (await fetched(address))[0] == 200
    (job,) = stage.provider.jobs
    stage.provider.finish(job)
    await stage.settled()


async def test_without_a_public_address_the_bot_says_what_to_set(build: Build) -> None:
    stage = await build(start=False)
    catalog = written(stage.folder)
    stage.use({"VIDEO_CATALOG": str(catalog), "HTTP_PORT": str(free_port())})

    bot = await stage.start_bot(wait=False)

    assert await bot.wait() == 2
    assert bot.log().splitlines()[1].startswith("PUBLIC_URL and HTTP_PORT are needed for wan: ")
