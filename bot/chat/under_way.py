"""At the end of the connection: whoever asked before it still gets an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import discord

ANSWERS_WITHIN_S = 2.0
ENDS_WITHIN_S = 1.0
_NAMES = ("CommandTree-invoker", "discord-ui-", "discord.py: on_interaction")
"""How the names of the tasks begin in which discord.py has interactions answered."""


async def answer_the_last(shards: Iterable[discord.ShardInfo]) -> None:
    """Hears nobody any more, then waits for the answers that are under way. What goes on for long is cancelled."""
    await asyncio.gather(*(shard.disconnect() for shard in shards))
    tasks = {task for task in asyncio.all_tasks() if task.get_name().startswith(_NAMES)}
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=ANSWERS_WITHIN_S)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=ENDS_WITHIN_S)
