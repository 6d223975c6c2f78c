"""The connection to Discord: updates of the commands it refuses, a token it refuses, other clocks, hidden channels."""

from __future__ import annotations

import asyncio
import time
from functools import partial

import aiohttp
import pytest

from sandbox.discord import ChannelType, Code, Cut, Exchange, Hides, LocalDiscord, Permission, Phase, Reply, edge_page
from tests.e2e.conftest import Build
from tests.e2e.stage import DONE, Stage
from tests.e2e.test_health import free_port
from tests.thorough import mostly_thorough

more = partial(pytest.param, marks=pytest.mark.thorough)

PUT = "PUT /applications/{application_id}/commands"
SENTENCE = "the commands could not be updated at Discord, the previous ones stay in use: "
NOT_TAKEN = "Discord refuses the bot's token. Put the new one into DISCORD_TOKEN and restart the bot"
MINUTES_20 = 1_200


async def watched(stage: Stage) -> str:
    """Gives the bot a port to be watched on; where `/readyz` is."""
    port = free_port()
    stage.use({"HTTP_PORT": str(port)})
    return f"http://127.0.0.1:{port}/readyz"


async def ready(address: str) -> tuple[int, str]:
    async with aiohttp.request("GET", address) as answer:
        return answer.status, await answer.text()


async def until_ready_says(address: str, status: int, words: str) -> None:
    """The test's own deadline bounds this."""
    said = await ready(address)
    while said[0] != status or words not in said[1]:
        await asyncio.sleep(0.02)
        said = await ready(address)


async def test_discords_own_entry_point_command_stays_beside_the_bots(build: Build) -> None:
    stage = await build(start=False)
    stage.discord.switch_activities_on()
    (launch,) = (dict(command) for command in stage.discord.commands)

    await stage.start_bot()

    kept = next(command for command in stage.discord.commands if command["type"] == 4)
    assert {name: value for name, value in kept.items() if name != "version"} == {
        name: value for name, value in launch.items() if name != "version"
    }
    assert len(stage.discord.commands) == 7
    assert DONE in (await stage.over(await stage.animate())).text()
    assert stage.bot is not None
    await stage.bot.stop()
    await stage.start_bot()
    assert stage.discord.command_puts == 1


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Code.ENTRY_POINT_LEFT_OUT, "HTTPException 400, code 50240 (You cannot remove this app's Entry Point command"),
        more(Code.TOO_MANY_NEW_COMMANDS, "HTTPException 400, code 30034 (Max number of daily application command crea"),
        more(Code.MISSING_ACCESS, "Forbidden 403, code 50001 (Missing Access)"),
        (edge_page(403), "Forbidden 403, code 0\n"),
        more(edge_page(503), "DiscordServerError 503, code 0\n"),
    ],
    ids=["entry point", "too many", "forbidden", "an edge's page", "unwell"],
)
async def test_a_refused_update_of_the_commands_keeps_the_bot_from_nothing(
    build: Build, answer: Code | Reply, why: str
) -> None:
    stage = await build()
    assert stage.bot is not None
    await stage.bot.stop()
    address = await watched(stage)
    stage.discord.refuse(PUT, answer)
    stage.arguments = ("-m", "bot", "run", "--sync")

    await stage.start_bot()

    assert DONE in (await stage.over(await stage.animate())).text()
    status, faults = await ready(address)
    assert status == 503
    assert faults.startswith(f"{SENTENCE}{why}")
    assert stage.bot.log().count(SENTENCE) == 1
    assert "Traceback" not in stage.bot.log()


async def test_paid_videos_are_delivered_while_discord_does_not_answer_an_update_of_the_commands(build: Build) -> None:
    stage = await build(render_s=None)
    asked, _ = await stage.rendering()
    assert stage.bot is not None
    stage.bot.kill()
    await stage.bot.wait()
    held = asyncio.Event()

    async def hold(phase: Phase, exchange: Exchange) -> Reply | Cut | None:
        if phase == "before" and exchange.method == "PUT":
            await held.wait()
        return None

    stage.discord.on_exchange(hold)
    stage.arguments = ("-m", "bot", "run", "--sync")
    (job,) = stage.provider.jobs.values()
    stage.provider.finish(job.id)
    await stage.start_bot(wait=False)

    try:
        assert DONE in (await stage.over(asked)).text()
    finally:
        held.set()
    await stage.discord.wait_ready(20)


async def test_a_reset_token_of_the_bot_is_told_and_costs_no_card_its_way(build: Build) -> None:
    stage = await build(start=False, render_s=None)
    address = await watched(stage)
    await stage.start_bot()
    asked, card = await stage.rendering()
    assert stage.bot is not None

    stage.discord.kill_token(asked)
    stage.discord.reset_token()
    (job,) = stage.provider.jobs.values()
    stage.provider.finish(job.id)
    await until_ready_says(address, 503, NOT_TAKEN)
    await stage.bot.stop()

    assert stage.bot.log().count(NOT_TAKEN) == 1
    assert stage.rows("SELECT bot_reaches_at IS NOT NULL FROM cards") == [(1,)]
    stage.use({"DISCORD_TOKEN": stage.discord.token})
    await stage.start_bot()
    assert await stage.over(asked) is card
    assert [file.data for file in card.media] == [job.video]


@pytest.mark.parametrize("status", mostly_thorough([401, 403, 404], by_default=[403]))
async def test_a_page_of_an_edge_in_place_of_an_answer_shuts_no_way(build: Build, status: int) -> None:
    stage = await build(render_s=None)
    asked, card = await stage.rendering(channel=stage.discord.world.foreign.channels[0])

    stage.discord.refuse("PATCH …/messages/{message_id}", edge_page(status), times=2)
    (job,) = stage.provider.jobs.values()
    stage.provider.finish(job.id)

    assert await stage.over(asked) is card
    assert [file.data for file in card.media] == [job.video]


@pytest.mark.parametrize(
    "ahead_s", mostly_thorough([MINUTES_20, -MINUTES_20], by_default=[MINUTES_20]), ids=["ahead", "behind"]
)
async def test_a_wrong_clock_of_the_machine_costs_no_video_where_only_the_token_reaches(
    build: Build, ahead_s: int
) -> None:
    stage = await build(render_s=None, discord=LocalDiscord(clock=lambda: time.time() - ahead_s))
    asked, card = await stage.rendering(channel=stage.discord.world.foreign.channels[0])
    assert stage.bot is not None
    stage.bot.kill()
    await stage.bot.wait()

    await stage.start_bot()
    (job,) = stage.provider.jobs.values()
    stage.provider.finish(job.id)

    assert await stage.over(asked) is card
    assert [file.data for file in card.media] == [job.video]
    way = "ahead of" if ahead_s > 0 else "behind"
    assert f"{way} Discord's: set it" in stage.bot.log()


@pytest.mark.parametrize("hides", mostly_thorough([Hides.ABSENT, Hides.NULL], by_default=[Hides.ABSENT]))
async def test_channels_that_the_bot_may_not_view_keep_it_from_nothing(build: Build, hides: Hides) -> None:
    stage = await build(start=False)
    world = stage.discord.world
    world.guild.hides = hides
    kinds = [
        kind for kind in ChannelType if kind.name in {"TEXT", "VOICE", "CATEGORY", "NEWS", "STAGE", "FORUM", "MEDIA"}
    ]
    channels = [world.add_channel(kind.name.lower(), kind=kind) for kind in kinds]
    for channel in channels:
        channel.deny(world.bot, Permission.VIEW_CHANNEL)

    await stage.start_bot()
    assert DONE in (await stage.over(await stage.animate())).text()
    for channel in channels:
        channel.allow(world.bot, Permission.VIEW_CHANNEL)
        world.tell_permissions(channel)
        channel.deny(world.bot, Permission.VIEW_CHANNEL)
        world.tell_permissions(channel)
    world.restricted.allow(world.bot, Permission.VIEW_CHANNEL)
    world.tell_permissions(world.restricted)

    assert DONE in (await stage.over(await stage.animate(channel=world.restricted))).text()
    assert stage.bot is not None
    assert "could not be read" not in stage.bot.log()


@pytest.mark.parametrize(
    ("code", "exit_code", "sentence"),
    [
        (4004, 2, "DISCORD_TOKEN is wrong: Discord refuses it."),
        more(4013, 1, "Discord's gateway does not know the events that this bot asks for (4013)"),
        (4014, 1, "Discord's gateway refuses the events that this bot asks for (4014)"),
    ],
)
async def test_a_gateway_that_takes_the_bot_no_more_ends_it_with_a_sentence(
    build: Build, code: int, exit_code: int, sentence: str
) -> None:
    stage = await build()
    assert stage.bot is not None

    await stage.booked(lambda: "has connected to Gateway" in (stage.bot.log() if stage.bot else ""))
    await stage.discord.gateway_drop(code)

    assert await stage.bot.wait() == exit_code
    assert sentence in stage.bot.log()
    assert "Traceback" not in stage.bot.log()
    stage.bot = None  # it did not end well, and should not
