"""Bonus credits from outside, as docs/credits.md says it: the example script, the whole bot, the member."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

from sandbox.discord.exchange import Exchange, Phase
from sandbox.process import PROJECT
from tests.e2e.asking import quota, told
from tests.e2e.conftest import Build
from tests.e2e.stage import Stage
from tests.e2e.test_health import free_port
from tests.faults.place import until

T = TypeVar("T")

SECRET = "a-secret-of-more-than-32-characters"


async def test_the_example_script_gives_credits_once_also_while_the_bot_starts_again(build: Build) -> None:
    port = free_port()
    stage = await build({"HTTP_PORT": str(port), "CREDITS_SECRET": SECRET})
    order = [str(stage.discord.world.guild.id), str(stage.mia.id), "40", "order-1", "thank", "you"]

    async def sells(*purchase: str) -> tuple[int, dict[str, object]]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "deploy/grant_credits.py", f"http://127.0.0.1:{port}", *purchase,
            cwd=PROJECT, env={"PATH": os.environ["PATH"], "CREDITS_SECRET": SECRET}, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(20):
            said, _ = await process.communicate()
        return process.returncode or 0, json.loads(said)

    first = await sells(*order)
    again = await _sold_while_it_starts(stage, sells(*order))
    other = await sells("5", *order[1:])

    assert first == (0, {"granted": 40, "bonus_credits": 40, "repeated": False})
    assert again == (0, {"granted": 40, "bonus_credits": 40, "repeated": True})
    assert other[0] == 1
    assert "bonus credits: 40)" in await quota(stage, stage.mia)
    assert "+40 bonus credits given (“thank you”)" in await told(stage, "quota show", user=stage.mia)
    assert stage.bot is not None
    assert SECRET not in stage.bot.log()


async def _sold_while_it_starts(stage: Stage, selling: Coroutine[Any, Any, T]) -> T:
    """Once its request has met a bot that does not know its servers yet, the bot gets to know them."""
    held = asyncio.Event()

    async def hold(phase: Phase, exchange: Exchange) -> None:
        if phase == "before" and exchange.route == "/gateway/bot":
            await held.wait()

    assert stage.bot is not None
    await stage.bot.stop()
    stage.discord.on_exchange(hold)
    bot = await stage.start_bot(wait=False)
    sold = asyncio.create_task(selling)
    await until(lambda: "credits refused" in bot.log() or "credits not granted" in bot.log(), 20)
    held.set()
    return await sold
