"""Starting and stopping: settings in words, commands synced only when they changed, an end in time."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from sandbox.discord.exchange import Exchange, Phase
from sandbox.process import BotProcess, Spawn
from sandbox.providers import exchange as videos
from tests import forkserver
from tests.e2e.conftest import Build
from tests.e2e.stage import Stage

ENOUGH = {"DISCORD_TOKEN": "token", "VIDEO_API_KEY": "key"}
MISSING = {
    "DISCORD_TOKEN": "the bot's token from the Discord developer portal",
    "VIDEO_API_KEY": "the key from your provider (GPTPROTO_API_KEY works, too)",
}
WRONG = {
    "DISCORD_API_URL": ("discord", "an http(s) address, such as https://discord.com/api/v10"),
    "ALLOWED_GUILDS": ("home", "ids of servers, separated by commas, or empty for any server"),
    "VIDEO_API_URL": ("gptproto", "an http(s) address, such as https://gptproto.com/v1"),
    "DATABASE_URL": (
        "mysql://db",
        "sqlite:/// and a path, such as sqlite:///data/animate.db, or a postgresql:// address",
    ),
    "QUOTA_DEFAULT_CREDITS": ("-1", "a whole number from 0 to 1000000"),
    "POLL_SECONDS": ("0", "a number above 0, up to 3600"),
    "JOB_TIMEOUT_MINUTES": ("100000", "a number above 0, up to 10000"),
}
CATALOG = (
    "VIDEO_CATALOG: there is no file nowhere.toml. "
    "It should be a path, or one of comfy-router, comfyui, fal, gptproto, litellm, openrouter."
)
STOPPING = "The bot is restarting. Nothing was charged. Try again in a minute."
UNWRITABLE = "DATA_DIR is wrong: /proc/nowhere cannot be written to"


async def _said(folder: Path, settings: dict[str, str], spawn: Spawn = forkserver.spawn) -> tuple[int, str]:
    bot = BotProcess(folder, {"SSL_CERT_FILE": os.devnull, **settings}, spawn=spawn)
    await bot.start()
    return await bot.wait(), bot.log().strip()


@pytest.mark.parametrize(
    ("name", "spawn"), [("DISCORD_TOKEN", asyncio.create_subprocess_exec), ("VIDEO_API_KEY", forkserver.spawn)]
)
async def test_a_missing_setting_is_one_sentence_and_exit_code_2(tmp_path: Path, name: str, spawn: Spawn) -> None:
    settings = {key: value for key, value in ENOUGH.items() if key != name}

    said = await _said(tmp_path, settings, spawn)

    assert said == (2, f"{name} is missing: it should be {MISSING[name]}.")


@pytest.mark.parametrize("name", WRONG)
async def test_a_wrong_setting_is_one_sentence_and_exit_code_2(tmp_path: Path, name: str) -> None:
    value, should = WRONG[name]

    assert await _said(tmp_path, {**ENOUGH, name: value}) == (2, f"{name} is wrong: it should be {should}.")


async def test_every_fault_gets_its_sentence(tmp_path: Path) -> None:
    code, said = await _said(tmp_path, {"POLL_SECONDS": "never"})

    assert code == 2
    assert [line.split()[0] for line in said.split("\n")] == ["DISCORD_TOKEN", "VIDEO_API_KEY", "POLL_SECONDS"]


async def test_a_file_of_settings_that_cannot_be_read_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"VIDEO_API_KEY=\xff\n")

    code, said = await _said(tmp_path, ENOUGH)

    assert code == 2
    assert said.startswith(".env cannot be read: ")
    assert "\n" not in said


async def test_a_setting_spelled_wrong_in_the_file_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("VIDEO_API_KEI=key\n")

    assert await _said(tmp_path, {**ENOUGH, "DISCORD_API_URL": "http://127.0.0.1:9/api/v10"}) == (
        2,
        "VIDEO_API_KEI in .env is not a setting of this bot: did you mean VIDEO_API_KEY?",
    )


async def test_a_setting_spelled_wrong_in_the_environment_is_a_warning(tmp_path: Path) -> None:
    slip = {"BUDGET_CREDIT": "5", "DISCORD_API_URL": "http://127.0.0.1:9/api/v10"}

    code, said = await _said(tmp_path, {**ENOUGH, **slip})

    words = "BUDGET_CREDIT in the environment is not a setting of this bot: did you mean BUDGET_CREDITS?"
    assert code == 1  # for Discord is not there
    assert [line.partition(" WARNING ")[2] for line in said.splitlines() if "BUDGET" in line] == [f"__main__ {words}"]


async def test_a_catalog_that_is_not_there_is_said(tmp_path: Path) -> None:
    assert await _said(tmp_path, {**ENOUGH, "VIDEO_CATALOG": "nowhere.toml"}) == (2, CATALOG)


async def test_a_folder_that_cannot_be_written_to_is_said(tmp_path: Path) -> None:
    code, said = await _said(tmp_path, {**ENOUGH, "DATA_DIR": "/proc/nowhere", "LOG_LEVEL": "ERROR"})

    assert code == 2
    assert said.startswith(UNWRITABLE)


async def test_a_discord_out_of_reach_is_said(tmp_path: Path) -> None:
    nobody = {**ENOUGH, "DISCORD_API_URL": "http://127.0.0.1:9/api/v10", "LOG_LEVEL": "ERROR"}

    code, said = await _said(tmp_path, nobody)

    assert code == 1
    assert said.startswith("Discord cannot be reached at http://127.0.0.1:9/api/v10: ")
    assert "Traceback" not in said


async def test_a_token_that_discord_refuses_is_said(build: Build) -> None:
    stage = await build(start=False)

    code, said = await _said(stage.folder, {**stage.settings(), "DISCORD_TOKEN": "wrong", "LOG_LEVEL": "ERROR"})

    assert code == 2
    assert said == "DISCORD_TOKEN is wrong: Discord refuses it. Copy it again from the developer portal."


async def test_a_second_process_on_one_database_says_so_and_ends(stage: Stage) -> None:
    code, said = await _said(stage.folder / "..", {**stage.settings(), "LOG_LEVEL": "ERROR"})

    assert code == 1
    assert said.endswith(f"another process is using {stage.database}; each database can have only one bot")


async def test_commands_are_sent_only_when_something_changed(build: Build) -> None:
    stage = await build()
    assert stage.discord.command_puts == 1

    async def again(*arguments: str) -> int:
        assert stage.bot is not None
        assert await stage.bot.stop() == 0
        stage.arguments = ("-m", "bot", *arguments)
        await stage.start_bot()
        return stage.discord.command_puts

    assert await again() == 1
    stage.discord.commands.clear()
    assert await again() == 2
    assert {command["name"] for command in stage.discord.commands} == {
        "animate", "Animate this", "quota", "videos", "privacy", "animate-admin",
    }  # fmt: skip
    assert await again("run", "--sync") == 3
    assert await again() == 3


async def test_another_application_gets_the_commands_too(build: Build) -> None:
    stage = await build()
    assert stage.bot is not None
    await stage.bot.stop()
    other = Stage()
    await other.start(bot=False)
    try:
        bot = BotProcess(stage.folder, {**other.settings(), "DATABASE_URL": f"sqlite:///{stage.database}"})
        await bot.start()
        await other.discord.wait_ready(20)
        assert other.discord.command_puts == 1
        assert await bot.stop() == 0
    finally:
        await other.stop()


async def test_sigterm_with_the_gateway_out_of_reach_ends_within_ten_seconds(stage: Stage) -> None:
    assert stage.bot is not None
    stage.discord.gateway.is_up = False
    await stage.discord.gateway_drop()
    await stage.discord.wait_for(lambda: not stage.discord.gateway.live, 10, "the connection to be gone")

    started = time.monotonic()
    stage.bot.terminate()
    code = await stage.bot.wait(within_s=10)

    assert code == 0, f"after {time.monotonic() - started:.1f} s"


async def test_the_invite_link_and_an_open_bot_are_told_at_start(stage: Stage) -> None:
    assert stage.bot is not None
    log = stage.bot.log()

    assert "scope=bot+applications.commands" in log
    assert "permissions=274878024704" in log


async def test_while_the_bot_stops_whoever_asks_reads_so_and_an_answer_under_way_arrives(stage: Stage) -> None:
    bot, created, answered = stage.bot, asyncio.Event(), asyncio.Event()
    assert bot is not None

    async def hold_create(phase: videos.Phase, exchange: videos.Exchange) -> None:
        if phase == "before" and exchange.route == "create":
            await created.wait()

    async def hold_answer(phase: Phase, exchange: Exchange) -> None:
        if phase == "before" and exchange.route.endswith("/callback"):
            held.append(exchange)
            stage.discord.changes.notify()
            await answered.wait()

    held: list[Exchange] = []
    stage.provider.on_exchange(hold_create)
    asked = await stage.animate()
    card = await asked.answer()
    assert card is not None
    await stage.until(card, "Sending")
    of_nobody = await stage.discord.press(stage.mia, card, "job:nothing:1", forge=True)
    bot.terminate()
    await stage.booked(lambda: "stopping" in bot.log())

    assert await stage.reply(stage.mia, "quota") == STOPPING
    stage.discord.on_exchange(hold_answer)
    pressed = await stage.discord.press(stage.mia, card, card.buttons[0].custom_id or "")
    await stage.discord.wait_for(lambda: held, 10, "the answer to the press")
    created.set()
    await stage.discord.wait_for(lambda: not stage.discord.gateway.live, 10, "the connection to be closed")
    answered.set()
    answer = await pressed.answer()

    assert answer is not None
    assert answer.text() == STOPPING
    assert of_nobody.message is not None
    assert of_nobody.message.text() == STOPPING
    assert await bot.wait() == 0
    assert "Traceback" not in bot.log()
    assert "not answered" not in bot.log()
