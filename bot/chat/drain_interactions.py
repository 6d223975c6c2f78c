"""At the end of the connection: whoever asked before it still gets an answer."""

from __future__ import annotations

import asyncio

ENDS_WITHIN_S = 1.0
_NAMES = ("CommandTree-invoker", "discord-ui-", "discord.py: on_interaction")
"""How the names of the tasks begin in which discord.py has interactions answered."""


async def drain_interactions(*, within_s: float) -> None:
    """Waits for what is being answered, once nothing is heard any more. What goes on for longer is cancelled."""
    tasks = {task for task in asyncio.all_tasks() if task.get_name().startswith(_NAMES)}
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=within_s)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=ENDS_WITHIN_S)
