"""Ends the bot by kill -9 at a moment that can be named: a request that it makes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tests.e2e.stage import Stage


def killer(stage: Stage, is_it: Callable[[Any], bool], phase: str, cut: object) -> Callable[[Any, Any], Awaitable[Any]]:
    """A hook that kills the bot once, at that phase of the first request that is it; `before`: it never arrives."""
    struck = False

    async def hook(now: str, exchange: Any) -> object:
        nonlocal struck
        if struck or now != phase or not is_it(exchange):
            return None
        struck = True
        assert stage.bot is not None
        stage.bot.kill()
        await stage.bot.wait()
        return cut if phase == "before" else None

    return hook


def is_create(exchange: Any) -> bool:
    """The request that is paid for."""
    return bool(exchange.route == "create")
