"""Bots of other libraries in the local Discord: each logs in, registers commands, answers, asks by a form, edits.

Each library has an environment of its own, since some share a name with discord.py. Where it cannot be had, its test is
skipped.
"""

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sandbox.contracts.discord import response_violations, violations
from sandbox.discord import Channel, LocalDiscord
from tests.interop.environments import TOLD, python_with, run

BOTS = Path(__file__).parent / "bots"
PYTHON = ("pycord", "nextcord_", "disnake_", "hikari_", "interactions_")
PACKAGE, NODE = "discord.js@14.28.1", "discordjs.cjs"
WITHIN_S = 30

pytestmark = pytest.mark.timeout(300)


async def _installed(name: str, folder: Path) -> list[str]:
    """The command that starts the bot, after its library was installed into the folder."""
    if name == NODE:
        if shutil.which("npm") is None:
            pytest.skip("there is no npm here")
        await run(folder, "npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", PACKAGE)
        return ["node", str(shutil.copy(BOTS / name, folder / name))]
    return [await python_with(folder, BOTS / f"{name}.txt"), str(BOTS / f"{name}.py")]


@contextlib.asynccontextmanager
async def _running(command: list[str], folder: Path, local: LocalDiscord) -> AsyncIterator[None]:
    """The bot as a process; what it wrote and asked is told when something is waited for in vain."""
    settings = {"DISCORD_TOKEN": local.token, "DISCORD_API_URL": local.api_url}
    path = folder / "bot.log"
    with path.open("wb") as log:
        bot = await asyncio.create_subprocess_exec(
            *command, cwd=folder, env={"PATH": os.environ["PATH"], **settings}, stdout=log, stderr=log
        )
    try:
        yield
        assert "Traceback" not in path.read_text("utf-8")
    except (TimeoutError, AssertionError) as error:
        raise AssertionError("\n".join([str(error), *_trail(local), path.read_text("utf-8")[-TOLD:]])) from error
    finally:
        if bot.returncode is None:
            bot.kill()
        await bot.wait()


def _trail(local: LocalDiscord) -> Iterator[str]:
    for x in local.requests:
        yield f"{x.status} {x.code or ''} {x.method} {x.path}?{x.query} {x.body} -> {x.response}"[:TOLD]


@pytest.mark.parametrize("name", [*PYTHON, NODE])
async def test_a_bot_of_another_library_is_at_home_in_the_local_discord(name: str, tmp_path: Path) -> None:
    command = await _installed(name, tmp_path)
    local = LocalDiscord()
    local.world.guild.hides = None  # hikari reads hidden channels as if they were whole
    async with local, _running(command, tmp_path, local):
        await local.wait_ready(WITHIN_S)
        await local.wait_for(lambda: len(local.commands) == 2, WITHIN_S, "commands")
        for channel in (local.world.general, local.world.dm(local.world.people["mia"])):
            await _converse(local, channel)

        assert local.unknown_routes == []
        assert [fault for x in local.requests for fault in (*violations(x), *response_violations(x))] == []


async def _converse(local: LocalDiscord, channel: Channel) -> None:
    mia = local.world.people["mia"]
    asked = await local.invoke(mia, "hello", channel=channel, name="Ana")
    greeting = await asked.answer()
    assert greeting is not None
    await local.wait_for(lambda: greeting.text() == "Hello Ana!", WITHIN_S, "the answer to be edited")
    assert [button.label for button in greeting.buttons] == ["Name"]

    pressed = await local.press(mia, greeting, greeting.buttons[0].custom_id or "")
    assert await pressed.answer() is None
    submitted = await local.submit(mia, pressed, {"name": "Mia"})
    private = await submitted.answer()
    assert private is not None
    assert (private.text(), private.is_ephemeral) == ("You are Mia.", True)

    deferred = await local.invoke(mia, "later", channel=channel)
    answer = await deferred.answer()
    assert answer is not None
    await local.wait_for(lambda: answer.text() == "Here it is.", WITHIN_S, "the answer that was put off")
    assert [file.filename for file in answer.attachments] == ["bot.txt"]
