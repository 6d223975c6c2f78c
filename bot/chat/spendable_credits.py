"""What a member can spend, told while they choose: one question of each at a time, and never waited for long."""

from __future__ import annotations

import asyncio
from typing import Any

import discord

from bot.chat.interaction_info import roles_of, scope_of, user_of
from bot.errors import StoreError
from bot.jobs.service import Service
from bot.models import Balance, Scope, UserId

WITHIN_S = 0.5
"""Discord waits 3 s for a list. A store that is slower leaves out what the member has."""


class Spendable:
    """Asks the store's read connection. A question that was given up is answered later, and shared until then."""

    def __init__(self, service: Service, within_s: float = WITHIN_S) -> None:
        self._service = service
        self._within_s = within_s
        self._asked: dict[tuple[Scope, UserId], asyncio.Task[Balance]] = {}

    async def of(self, interaction: discord.Interaction[Any]) -> int | None:
        """Credits, or None where the store does not tell them in time."""
        who = scope_of(interaction), user_of(interaction)
        asked = self._asked.get(who)
        if asked is None:
            asked = asyncio.create_task(self._service.balance(*who, roles_of(interaction.user)))
            self._asked[who] = asked
            asked.add_done_callback(lambda task: self._answered(who, task))
        try:
            async with asyncio.timeout(self._within_s):
                return (await asyncio.shield(asked)).spendable
        except (TimeoutError, StoreError):
            return None

    def _answered(self, who: tuple[Scope, UserId], task: asyncio.Task[Balance]) -> None:
        del self._asked[who]
        if not task.cancelled():
            task.exception()  # seen: whoever asked may have given up
