"""Requests by the bot's own token at the local Discord, which counts them."""

from __future__ import annotations

import asyncio

import aiohttp
import discord
import pytest

from bot.chat.global_rate_limit import REQUESTS, GlobalRateLimit
from sandbox.discord.exchange import Exchange, Reply, rate_limited
from sandbox.discord.server import LocalDiscord


async def test_three_processes_stay_within_the_limit_and_a_global_429_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = asyncio.get_running_loop()
    came, told = list[float](), list[float]()
    refuse = [rate_limited(0.5, everywhere=True)]

    async def count(phase: str, exchange: Exchange) -> Reply | None:
        if phase != "before" or not exchange.authorized:
            return None
        came.append(loop.time())
        return refuse.pop() if refuse else None

    async def process(number: int) -> None:
        limit = GlobalRateLimit(loop.time)
        limit.share(3)
        limit.refused = told.append
        trace = aiohttp.TraceConfig()
        limit.listen(trace)
        async with aiohttp.ClientSession(trace_configs=[trace]) as session:

            async def ask(count: int) -> None:
                for _ in range(count):
                    headers = {"Authorization": f"Bot {local.token}"}
                    async with session.get(f"{local.api_url}/users/@me", headers=headers) as answer:
                        await answer.read()

            await asyncio.gather(*(ask(5) for _ in range(6 + number)))

    local = LocalDiscord()
    await local.start()
    try:
        monkeypatch.setattr(discord.http.Route, "BASE", local.api_url)
        local.on_exchange(count)
        await asyncio.gather(*map(process, range(3)))
    finally:
        await local.stop()

    assert len(came) == 5 * (6 + 7 + 8)
    assert max(sum(start <= at < start + 1 for at in came) for start in came) <= REQUESTS
    assert told == [0.5]
