"""What a member has left, while they choose: one question at a time, and a slow store keeps nobody from choosing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

from bot.chat.spendable_credits import Spendable
from bot.errors import StoreUnavailable
from bot.models import Balance, Limit, Period, Scope, UserId

BALANCE = Balance(Limit(20, Period.DAY), 8, 3, None, 0)


class Slow:
    """A service whose store answers when it is let."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer: asyncio.Future[Balance] = asyncio.get_running_loop().create_future()

    async def balance(self, _scope: Scope, _member: UserId, _roles: Sequence[int]) -> Balance:
        self.asked += 1
        return await self.answer


def typing(member: int = 7) -> Any:
    """An interaction outside of servers."""
    return SimpleNamespace(guild_id=None, user=SimpleNamespace(id=member))


async def test_what_is_left_is_the_quota_and_the_bonus_credits() -> None:
    slow = Slow()
    slow.answer.set_result(BALANCE)

    assert await Spendable(cast("Any", slow)).of(typing()) == 15


async def test_a_slow_store_is_asked_once_however_much_is_typed() -> None:
    slow = Slow()
    left = Spendable(cast("Any", slow), within_s=0.01)

    assert await asyncio.gather(*(left.of(typing()) for _ in range(20))) == [None] * 20
    assert await left.of(typing()) is None
    assert slow.asked == 1
    slow.answer.set_result(BALANCE)
    assert await left.of(typing()) == 15


async def test_a_store_that_fails_is_asked_again_the_next_time() -> None:
    slow = Slow()
    left = Spendable(cast("Any", slow))
    slow.answer.set_exception(StoreUnavailable("closed"))

    assert await left.of(typing()) is None
    assert await left.of(typing()) is None
    assert slow.asked == 2
