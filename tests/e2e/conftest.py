"""Each whole-path test gets a stage; when it ends, the stage answers for the contracts and the books."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing

import pytest

from sandbox.contracts import discord
from sandbox.discord.exchange import Exchange
from tests.e2e.stage import Stage
from tests.ledger_audit import differences

Build = Callable[..., Awaitable[Stage]]


@pytest.fixture
async def build() -> AsyncIterator[Build]:
    """Makes and starts stages; `build(settings, …)`."""
    stages: list[Stage] = []

    async def make(settings: dict[str, str] | None = None, *, start: bool = True, **kwargs: object) -> Stage:
        stage = Stage(settings, **kwargs)  # type: ignore[arg-type]  # the stage's own words
        stages.append(stage)
        await stage.start(bot=start)
        return stage

    yield make
    faults: list[str] = []
    for stage in stages:
        faults += await leave(stage)
    assert faults == []


@pytest.fixture
async def stage(build: Build) -> Stage:
    """A running stage with fast settings."""
    return await build()


async def leave(stage: Stage) -> list[str]:
    """Ends a stage and tells what was wrong with it."""
    faults: list[str] = []
    try:
        if stage.bot is not None and stage.bot.is_running and await stage.bot.stop() != 0:
            faults.append("the bot did not end well")
        faults += _faults(stage)
        if faults and stage.bot is not None:
            faults.append(stage.bot.log())
    finally:
        await stage.stop()
    return faults


def _faults(stage: Stage) -> list[str]:
    faults = [f"unknown route: {x.method} {x.path}" for x in stage.discord.unknown_routes]
    faults += [fault for x in stage.discord.requests if not _broken_off(x) for fault in discord.violations(x)]
    faults += [fault for x in stage.provider.requests for fault in stage.provider.violations(x)]
    if stage.database.exists():
        with closing(sqlite3.connect(stage.database)) as connection:
            faults += differences(connection)
    for secret in (stage.discord.token, stage.provider.key):
        if stage.bot is not None and secret in stage.bot.log():
            faults.append("a secret is in the log")
    return faults


def _broken_off(exchange: Exchange) -> bool:
    """By the bot, which was ended: nothing has come that the contract could be held against."""
    return exchange.method != "GET" and exchange.body is None and exchange.status == 0
