"""What Discord allows the bot's token over several processes, with time of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import discord
import pytest

from bot.chat.global_rate_limit import LONGEST_WAIT_S, REQUESTS, SPAN_S, GlobalRateLimit, is_progress
from tests.unit.test_edit_rate_limit import Time


class Processes:
    """So many of them, which all have more to send than they may."""

    def __init__(self, time: Time, count: int) -> None:
        self._time = time
        self.limits = [GlobalRateLimit(time.now, time.sleep) for _ in range(count)]
        for limit in self.limits:
            limit.share(count)
        self.sent: list[tuple[float, str]] = []
        self._tasks: list[asyncio.Task[None]] = []

    def send(self, limit: GlobalRateLimit, what: str, count: int) -> None:
        async def one() -> None:
            is_progress.set(what == "progress")
            await limit.turn()
            self.sent.append((self._time.now(), what))

        self._tasks += [asyncio.create_task(one()) for _ in range(count)]

    def most_in_a_second(self) -> int:
        return max(sum(start <= at < start + 1 for at, _ in self.sent) for start, _ in self.sent)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def three(time: Time) -> AsyncIterator[Processes]:
    found = Processes(time, 3)
    yield found
    await found.close()


async def test_three_processes_together_send_no_more_in_a_second_than_discord_allows(
    three: Processes, time: Time
) -> None:
    for limit in three.limits:
        three.send(limit, "video", 40)
        three.send(limit, "progress", 40)

    await time.passes(10)

    assert three.most_in_a_second() <= REQUESTS
    assert len(three.sent) == 3 * 80


async def test_videos_do_not_wait_behind_progress(three: Processes, time: Time) -> None:
    limit = three.limits[0]
    three.send(limit, "progress", 200)
    await time.passes(3 * SPAN_S)
    before = len(three.sent)

    three.send(limit, "video", 20)
    await time.passes(2 * SPAN_S)

    assert [what for _, what in three.sent[before:]].count("video") == 20


async def test_the_part_follows_the_number_of_processes(three: Processes, time: Time) -> None:
    limit = three.limits[0]
    limit.share(50)
    three.send(limit, "video", 3)
    await time.passes(0)
    assert len(three.sent) == 1

    limit.share(1)
    await time.passes(SPAN_S)

    assert len(three.sent) == 3


async def test_a_pause_that_discord_asks_the_bot_for_is_kept(three: Processes, time: Time) -> None:
    limit = three.limits[0]
    limit.pause_for(2.0)
    three.send(limit, "video", 1)
    await time.passes(1.9)
    assert three.sent == []

    await time.passes(0.2)
    assert len(three.sent) == 1
    limit.pause_for(LONGEST_WAIT_S + 1)
    with pytest.raises(discord.RateLimited):
        await limit.turn()


async def test_a_process_that_is_alone_is_not_limited(time: Time) -> None:
    limit = GlobalRateLimit(time.now, time.sleep)
    limit.pause_for(60)
    for _ in range(10 * REQUESTS):
        await limit.turn()

    assert time.now() == 0.0
