"""Videos from the operator's own ComfyUI, as members see them; lost answers, crashes and restarts on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from sandbox.discord.messages import FIRST_ANSWER_S
from sandbox.providers.base import LocalProvider
from sandbox.providers.comfy_api import ComfyAPISettings, LocalComfyAPI
from sandbox.providers.comfy_workflow import ComfySettings
from sandbox.providers.comfyui import LocalComfyUI
from sandbox.providers.exchange import CUT, Cut, Exchange
from sandbox.providers.exchange import Phase as When
from sandbox.providers.mp4 import tiny_mp4
from tests.e2e.conftest import Build
from tests.e2e.stage import DONE, Stage
from tests.thorough import mostly_thorough


def comfyui(render_s: float | None = 0.1) -> LocalComfyUI:
    return LocalComfyUI(render=tiny_mp4, settings=ComfySettings(render_seconds=render_s))


def comfy_api(render_s: float | None = 0.1) -> LocalComfyAPI:
    return LocalComfyAPI(render=tiny_mp4, settings=ComfyAPISettings(render_seconds=render_s))


BOTH = pytest.mark.parametrize("local", [comfyui, comfy_api])
Local = Callable[[float | None], LocalProvider]


def kill_at(stage: Stage, when: When) -> None:
    """Ends the bot with kill -9 around its first create."""
    struck: list[str] = []

    async def hook(phase: When, exchange: Exchange) -> Cut | None:
        if exchange.route != "create" or phase != when or struck:
            return None
        struck.append(phase)
        assert stage.bot is not None
        stage.bot.kill()
        return CUT

    stage.provider.on_exchange(hook)


@BOTH
async def test_a_picture_and_a_prompt_become_a_posted_video(build: Build, local: Local) -> None:
    stage = await build(provider=local(0.1))
    card = await stage.over(await stage.animate())

    (job,) = stage.provider.jobs.values()
    assert (job.prompt, job.seconds, job.size) == ("puts on a hat", "3", "704x1280")
    assert DONE in card.text()
    assert [file.data for file in card.media] == [job.video]
    assert stage.provider.origin.partition("//")[2] not in card.text()  # nobody else can open that address
    await stage.settled()
    assert stage.states() == ["delivered"]


async def test_the_card_tells_how_far_the_sampler_is(build: Build) -> None:
    stage = await build(provider=comfyui(None))
    asked, card = await stage.rendering()
    (job,) = stage.provider.jobs
    stage.provider.advance(job, 40)
    await stage.until(card, "38%")
    stage.provider.finish(job)

    await stage.over(asked)


async def test_the_card_tells_the_position_in_comfyuis_own_queue(build: Build) -> None:
    stage = await build(provider=comfyui(None))
    first, _ = await stage.rendering()
    second, card = await stage.rendering(prompt="the second")
    await stage.until(card, "Position in the queue of the video service: 2")
    for job in stage.provider.jobs:
        stage.provider.finish(job)

    await stage.over(first)
    await stage.over(second)


@BOTH
@pytest.mark.parametrize("progress", [None, 30], ids=["waiting", "running"])
async def test_a_video_under_way_is_cancelled_and_all_credits_come_back(
    build: Build, local: Local, progress: int | None
) -> None:
    stage = await build(provider=local(None))
    asked, card = await stage.rendering()
    (job,) = stage.provider.jobs
    if progress is not None:
        stage.provider.advance(job, progress)
    button = next(button for button in card.buttons if button.label == "Cancel")
    await stage.discord.press(stage.mia, card, button.custom_id or "")

    assert "Video canceled" in (await stage.over(asked)).text()
    await stage.settled()
    assert stage.states() == ["cancelled"]
    assert stage.provider.times_charged() == 0
    assert stage.rows("SELECT COUNT(*) FROM ledger WHERE kind = 'refund'") == [(1,)]
    assert stage.rows("SELECT SUM(credits) FROM budget_usage") == [(0,)]


async def test_discord_is_answered_before_a_slow_cancel_from_a_list_that_has_grown_old(build: Build) -> None:
    stage = await build({"MAX_CONCURRENT_JOBS": "1"}, provider=comfyui(None))
    await stage.rendering()
    card = await (await stage.animate()).answer()
    listed = await (await stage.discord.invoke(stage.mia, "videos")).answer()
    assert card is not None
    assert listed is not None
    (first,) = stage.provider.jobs
    stage.provider.finish(first)
    await stage.discord.wait_for(lambda: len(stage.provider.jobs) == 2, 10, "the second at ComfyUI")
    await stage.until(card, "Position in the queue of the video service", "Rendering")
    let_go = asyncio.Event()

    async def hook(phase: When, exchange: Exchange) -> None:
        if exchange.route == "cancel" and phase == "before":
            await let_go.wait()

    stage.provider.on_exchange(hook)
    (button,) = [button for button in listed.buttons if button.label == "Cancel"]
    pressed = await stage.discord.press(stage.mia, listed, button.custom_id or "")
    await asyncio.wait_for(pressed.answered.wait(), FIRST_ANSWER_S)
    let_go.set()

    await stage.until(card, "Video canceled")
    await stage.discord.wait_for(lambda: "canceled" in listed.text(), 10, "the list to say so")


@BOTH
@pytest.mark.parametrize("when", mostly_thorough(["before", "inside", "after"], by_default=["inside"]))
async def test_killed_around_the_create_the_video_is_made_once_and_posted(
    build: Build, local: Local, when: When
) -> None:
    stage = await build(provider=local(0.1))
    kill_at(stage, when)
    await stage.animate()
    assert stage.bot is not None
    await stage.bot.wait()

    await stage.start_bot()
    await stage.settled()
    assert stage.states() == ["delivered"]
    assert stage.provider.times_created() == 1


@BOTH
@pytest.mark.parametrize("fault", mostly_thorough(["lost", "cut-early", "500-late", "html"], by_default=["lost"]))
async def test_a_lost_answer_ends_in_the_one_video(build: Build, local: Local, fault: str) -> None:
    stage = await build(provider=local(0.1))
    stage.provider.faults.inject(f"create:{fault}")

    assert DONE in (await stage.over(await stage.animate(), within_s=30)).text()
    assert stage.provider.times_created() == 1
    await stage.settled()
    assert stage.rows("SELECT COUNT(*) FROM ledger WHERE kind = 'refund'") == [(0,)]


async def test_a_restart_of_comfyui_ends_the_video_and_gives_the_credits_back(build: Build) -> None:
    local = comfyui(None)
    stage = await build(provider=local)
    asked, _ = await stage.rendering()
    local.forget()

    assert DONE not in (await stage.over(asked)).text()
    await stage.settled()
    assert stage.states() == ["failed"]
    assert stage.rows("SELECT COUNT(*) FROM ledger WHERE kind = 'refund'") == [(1,)]


async def test_what_comfyui_lacks_is_told_at_the_start(build: Build) -> None:
    local = comfyui()
    local.settings.nodes = [name for name in local.settings.nodes if name != "CreateVideo"]
    stage = await build(provider=local)

    def is_told() -> bool:
        return stage.bot is not None and "lacks nodes that the workflow of wan-2.2 uses: CreateVideo" in stage.bot.log()

    await stage.booked(is_told)
