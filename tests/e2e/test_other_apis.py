"""The bot with OpenRouter, GPTProto's newer API, fal and Comfy Router, as processes: paths, lost answers, kill -9."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.providers.base import LocalProvider
from sandbox.providers.comfy_router import ComfyRouterSettings, LocalComfyRouter
from sandbox.providers.exchange import CUT
from sandbox.providers.mp4 import tiny_mp4
from sandbox.providers.openrouter import LocalGPTProto, LocalOpenRouter, OpenRouterSettings
from sandbox.providers.queue_wire import LocalFal, QueueSettings
from tests.e2e.conftest import Build
from tests.e2e.killing import is_create, killer
from tests.e2e.stage import DONE, Stage
from tests.thorough import mostly_thorough

SOON = 0.1
LOCAL: dict[str, Callable[[], LocalProvider]] = {
    "openrouter": lambda: LocalOpenRouter(render=tiny_mp4, settings=OpenRouterSettings(render_seconds=SOON)),
    "gptproto": lambda: LocalGPTProto(render=tiny_mp4, settings=OpenRouterSettings(render_seconds=SOON, models=None)),
    "fal": lambda: LocalFal(render=tiny_mp4, settings=QueueSettings(render_seconds=SOON)),
    "comfy-router": lambda: LocalComfyRouter(
        render=tiny_mp4, settings=ComfyRouterSettings(render_seconds=SOON, poll_after=None)
    ),
}
KNOWS_KEYS = ("comfy-router",)
FETCHING = """
[providers.gptproto-v3]
wire = "openrouter"
url = "https://gptproto.com/api/v3"
key = "VIDEO_API_KEY"

[[models]]
id = "fetching"
label = "Fetching"
seconds = [4]
sizes = ["720x1280", "1280x720"]
credits = 1
picture = "url"
"""


@pytest.fixture(params=LOCAL)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def stage(build: Build, name: str) -> Stage:
    return await build(provider=LOCAL[name]())


async def test_a_picture_becomes_a_posted_video_and_what_it_cost_is_kept_where_the_provider_tells(
    stage: Stage, name: str
) -> None:
    card = await stage.over(await stage.animate())
    await stage.settled()

    (job,) = stage.provider.jobs.values()
    assert job.prompt == "puts on a hat"
    assert [file.data for file in card.media] == [job.video]
    assert DONE in card.text()
    assert stage.states() == ["delivered"]
    assert stage.provider.times_charged() == 1
    told = None if name == "fal" else round(int(job.seconds) * 0.02 * 1_000_000)
    assert stage.rows("SELECT cost_usd_micros FROM jobs") == [(told,)]


@pytest.mark.parametrize("name", mostly_thorough(LOCAL, by_default=["fal"]))  # more of them: test_wires
async def test_a_lost_answer_is_settled_or_unknown_and_never_paid_twice(stage: Stage, name: str) -> None:
    stage.provider.faults.inject("create:lost")
    await stage.over(await stage.animate())
    await stage.settled()

    assert stage.provider.times_created() == stage.provider.times_charged() == 1
    assert stage.states() == ["delivered" if name in KNOWS_KEYS else "unknown"]
    assert stage.provider.creates == (2 if name in KNOWS_KEYS else 1)


@pytest.mark.parametrize("name", mostly_thorough(["fal", "comfy-router"], by_default=["fal"]))  # others: test_wires
@pytest.mark.parametrize("phase", mostly_thorough(["before", "inside", "after"], by_default=["inside", "after"]))
async def test_killed_at_the_create(stage: Stage, name: str, phase: str) -> None:
    stage.provider.on_exchange(killer(stage, is_create, phase, CUT))
    await stage.animate()
    assert stage.bot is not None
    await stage.bot.wait()

    await stage.start_bot()
    await stage.settled()

    assert stage.provider.times_created() <= 1
    if name in KNOWS_KEYS:
        assert stage.states() == ["delivered"]
        assert stage.provider.times_charged() == 1
    elif phase == "after":
        assert stage.states()[0] in ("delivered", "unknown")
    else:
        assert stage.states() == ["unknown"]


@pytest.mark.parametrize("name", mostly_thorough(LOCAL, by_default=["gptproto", "fal"]))
async def test_what_is_refused_gives_the_credits_back(stage: Stage) -> None:
    stage.provider.faults.inject("create:403", times=None)  # also of a model that it falls back to
    await stage.over(await stage.animate())
    await stage.settled()

    assert stage.states() == ["failed"]
    assert stage.rows("SELECT COUNT(*) FROM ledger WHERE kind = 'refund'") == [(1,)]


@pytest.mark.parametrize("name", mostly_thorough(LOCAL, by_default=["openrouter", "comfy-router"]))
async def test_the_operator_reads_whether_a_failure_is_charged(stage: Stage, name: str) -> None:
    stage.provider.faults.inject("create:fails")
    await stage.over(await stage.animate())
    await stage.settled()

    told = {
        "openrouter": ("no", 0),
        "gptproto": ("no", 0),
        "fal": ("unknown", None),
        "comfy-router": ("unknown", None),
    }[name]
    assert stage.bot is not None
    assert f"kind=provider charged={told[0]}: " in stage.bot.log()
    assert stage.rows("SELECT cost_usd_micros FROM jobs") == [(told[1],)]


async def test_what_waits_at_the_provider_can_be_canceled_and_what_runs_cannot(build: Build) -> None:
    stage = await build(provider=LocalFal(render=tiny_mp4, settings=QueueSettings(render_seconds=None)))
    asked, waiting = await stage.rendering()
    await stage.until(waiting, "Position in the queue of the video service: 1")
    (cancel,) = [button.custom_id for button in waiting.buttons if button.label == "Cancel"]

    await stage.discord.press(stage.mia, waiting, cancel or "")
    await stage.over(asked)
    asked, running = await stage.rendering()
    *_, job = stage.provider.jobs.values()
    stage.provider.advance(job.id, 10)
    await stage.discord.wait_for(lambda: [button.label for button in running.buttons] == ["Hide"], 10, "one button")
    stage.provider.finish(job.id)
    await stage.over(asked)
    await stage.settled()

    assert stage.states() == ["cancelled", "delivered"]
    assert stage.provider.times_charged() == 1
    assert stage.rows("SELECT from_budget > 0 FROM ledger WHERE kind = 'refund'") == [(1,)]


async def test_a_video_quoted_above_its_price_is_not_made(build: Build) -> None:
    settings = ComfyRouterSettings(render_seconds=SOON, usd_per_second=3)
    stage = await build(provider=LocalComfyRouter(render=tiny_mp4, settings=settings))
    await stage.over(await stage.animate())
    await stage.settled()

    assert stage.states() == ["failed"]
    assert stage.provider.creates == 0
    assert stage.rows("SELECT failure FROM jobs") == [("over_price",)]
    assert stage.bot is not None
    assert "were reserved: it is not made" in stage.bot.log()


async def test_a_provider_that_takes_addresses_only_fetches_the_picture_from_the_bot(
    build: Build, tmp_path: Path
) -> None:
    catalog = tmp_path / "fetching.toml"
    catalog.write_text(FETCHING)
    provider = LocalGPTProto(
        render=tiny_mp4, settings=OpenRouterSettings(render_seconds=SOON, models=None, takes_data_uris=False)
    )
    stage = await build(provider=provider, start=False)
    with socket.create_server(("127.0.0.1", 0)) as free:  # after the local servers have taken theirs
        port = free.getsockname()[1]
    public = {"HTTP_PORT": str(port), "PUBLIC_URL": f"http://127.0.0.1:{port}"}
    stage.use({"VIDEO_CATALOG": str(catalog), **public})
    await stage.start_bot()
    await stage.over(await stage.animate())
    await stage.settled()

    assert stage.states() == ["delivered"]
    (job,) = stage.provider.jobs.values()
    assert job.picture is not None
    assert job.picture.startswith(b"\xff\xd8\xff")
