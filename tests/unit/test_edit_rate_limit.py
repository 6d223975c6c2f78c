"""The edit budget, with time of its own: what a channel takes, who comes first, and that nobody waits for ever."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator

import pytest

from bot.chat.edit_rate_limit import (
    CHANNEL_EDITS,
    CHANNEL_SPAN_S,
    KEPT_FOR_LAST,
    LOOKED_AT,
    PROGRESS_EDITS,
    REFUSED,
    REFUSED_SPAN_S,
    EditRateLimit,
    Window,
    _Queue,
)
from bot.models import ChannelId, JobId

HERE, ELSEWHERE = ChannelId(1), ChannelId(2)


class Time:
    """Seconds that pass only when the test says so."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = itertools.count()

    def now(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now_s + seconds, next(self._count), woken))
        await woken

    async def passes(self, seconds: float) -> None:
        until = self.now_s + seconds
        await self._settle()
        while self._sleepers and self._sleepers[0][0] <= until:
            self.now_s, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                woken.set_result(None)
            await self._settle()
        self.now_s = until

    async def _settle(self) -> None:
        for _ in range(100):  # a turn goes from one to the next in several steps
            await asyncio.sleep(0)


class Channel:
    """Cards that always have something to show, and what was edited when."""

    def __init__(self, rate_limit: EditRateLimit, time: Time) -> None:
        self._rate_limit = rate_limit
        self._time = time
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self.edits: list[tuple[float, int, str]] = []

    def run(self, number: int) -> None:
        self._rate_limit.begun(HERE, JobId(number))
        self._tasks[number] = asyncio.create_task(self._show(number))

    async def finish(self, number: int) -> None:
        """Its progress ends, its last edit waits for its turn."""
        self._tasks.pop(number).cancel()
        await self._rate_limit.last(HERE)
        self.edits.append((self._time.now(), number, "last"))
        self._rate_limit.finished(HERE, JobId(number))

    async def _show(self, number: int) -> None:
        while True:
            await self._time.sleep(0.5)
            await self._rate_limit.progress(HERE)
            self.edits.append((self._time.now(), number, "progress"))

    def of(self, kind: str) -> list[tuple[float, int]]:
        return [(at, number) for at, number, what in self.edits if what == kind]

    def most_in_a_minute(self) -> int:
        times = sorted(at for at, _, _ in self.edits)
        return max(sum(start <= at < start + CHANNEL_SPAN_S for at in times) for start in times)

    async def close(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def channel(time: Time) -> AsyncIterator[Channel]:
    found = Channel(EditRateLimit(time.now, time.sleep), time)
    yield found
    await found.close()


async def test_twenty_cards_of_a_channel_stay_within_the_budget_and_none_stands_still(
    channel: Channel, time: Time
) -> None:
    for number in range(20):
        channel.run(number)

    await time.passes(600)

    assert channel.most_in_a_minute() <= CHANNEL_EDITS - KEPT_FOR_LAST
    counts = [sum(shown == number for _, shown in channel.of("progress")) for number in range(20)]
    assert max(counts) - min(counts) <= 1
    assert min(counts) >= 2


async def test_a_card_alone_moves_as_often_as_the_channel_takes(channel: Channel, time: Time) -> None:
    channel.run(1)

    await time.passes(300)

    assert channel.most_in_a_minute() == CHANNEL_EDITS - 1


async def test_finished_cards_come_first_and_do_not_wait_behind_progress(channel: Channel, time: Time) -> None:
    for number in range(20):
        channel.run(number)
    await time.passes(90)
    before = len(channel.edits)

    finishing = [asyncio.create_task(channel.finish(number)) for number in range(KEPT_FOR_LAST)]
    await time.passes(0)

    assert [what for _, _, what in channel.edits[before:]] == ["last"] * KEPT_FOR_LAST
    assert [number for _, number in channel.of("last")] == list(range(KEPT_FOR_LAST))
    assert channel.most_in_a_minute() <= CHANNEL_EDITS
    await asyncio.gather(*finishing)


async def test_when_all_finish_at_once_they_follow_within_a_minute_ahead_of_any_progress(
    channel: Channel, time: Time
) -> None:
    for number in range(30):
        channel.run(number)
    await time.passes(90)
    before = len(channel.edits)

    finishing = [asyncio.create_task(channel.finish(number)) for number in range(20)]
    await time.passes(CHANNEL_SPAN_S)

    assert [what for _, _, what in channel.edits[before : before + 20]] == ["last"] * 20
    assert channel.most_in_a_minute() <= CHANNEL_EDITS
    await asyncio.gather(*finishing)


async def test_who_gives_up_waiting_holds_up_nobody(channel: Channel, time: Time) -> None:
    lasts = []
    for number in range(CHANNEL_EDITS + 2):
        channel.run(number)
        lasts.append(asyncio.create_task(channel.finish(number)))
    await time.passes(1)
    assert len(channel.of("last")) == CHANNEL_EDITS

    lasts[CHANNEL_EDITS].cancel()
    await time.passes(CHANNEL_SPAN_S)

    assert [number for _, number in channel.of("last")][CHANNEL_EDITS:] == [CHANNEL_EDITS + 1]


async def test_channels_do_not_share_a_budget(time: Time) -> None:
    rate_limit = EditRateLimit(time.now, time.sleep)
    for _ in range(CHANNEL_EDITS):
        await rate_limit.last(HERE)

    async with asyncio.timeout(5):
        await rate_limit.last(ELSEWHERE)

    assert time.now() == 0.0


async def test_a_channel_that_came_to_rest_takes_no_memory(time: Time) -> None:
    rate_limit = EditRateLimit(time.now, time.sleep)
    for number in range(100):
        rate_limit.begun(ChannelId(number), JobId(number))
        await rate_limit.progress(ChannelId(number))
        rate_limit.finished(ChannelId(number), JobId(number))
        await time.passes(CHANNEL_SPAN_S + 1)

    assert len(rate_limit._channels) == 1


class Counting(EditRateLimit):
    """Counts how many channels are looked at to find those that rest."""

    looks = 0

    def _is_idle(self, queue: _Queue) -> bool:
        self.looks += 1
        return super()._is_idle(queue)


async def test_a_start_with_a_card_in_each_of_many_channels_does_not_walk_over_them_all(time: Time) -> None:
    rate_limit = Counting(time.now, time.sleep)
    for number in range(10_000):
        rate_limit.begun(ChannelId(number), JobId(number))

    assert rate_limit.looks <= LOOKED_AT * 10_000


async def test_of_many_channels_that_come_to_rest_each_goes_though_others_stay_in_use(time: Time) -> None:
    rate_limit = EditRateLimit(time.now, time.sleep)
    for number in range(100):
        rate_limit.begun(ChannelId(number), JobId(number))
        if number % 2:
            rate_limit.finished(ChannelId(number), JobId(number))
    for number in range(100, 200):
        rate_limit.begun(ChannelId(number), JobId(number))

    assert sorted(rate_limit._channels) == sorted([*range(0, 100, 2), *range(100, 200)])


async def test_edits_that_are_refused_again_and_again_never_get_the_address_barred(time: Time) -> None:
    rate_limit, sent = EditRateLimit(time.now, time.sleep), 0

    async def hammer() -> None:
        nonlocal sent
        while True:
            await rate_limit.anywhere()
            rate_limit.refused()
            sent += 1

    hammering = asyncio.create_task(hammer())
    await time.passes(REFUSED_SPAN_S - 1)
    hammering.cancel()

    assert REFUSED <= sent <= REFUSED + PROGRESS_EDITS  # 10,000 would bar it


async def test_all_progress_together_is_bounded(time: Time) -> None:
    rate_limit = EditRateLimit(time.now, time.sleep)
    turns = [asyncio.create_task(rate_limit.anywhere()) for _ in range(3 * PROGRESS_EDITS)]
    done = []
    for _ in range(3):
        await time.passes(0.5)
        done.append(sum(turn.done() for turn in turns))

    assert done[0] <= 2 * PROGRESS_EDITS
    assert done[-1] == 3 * PROGRESS_EDITS


async def test_with_other_processes_a_channel_is_shared_out_and_what_a_process_edits_in_all_is_not(time: Time) -> None:
    rate_limit = EditRateLimit(time.now, time.sleep)
    rate_limit.share(4)
    edits = [asyncio.create_task(rate_limit.last(HERE)) for _ in range(CHANNEL_EDITS)]
    anywhere = [asyncio.create_task(rate_limit.anywhere()) for _ in range(PROGRESS_EDITS)]
    await time.passes(0)

    assert sum(edit.done() for edit in edits) == CHANNEL_EDITS // 4
    assert all(turn.done() for turn in anywhere)
    await time.passes(4 * CHANNEL_SPAN_S)
    assert all(edit.done() for edit in edits)


@pytest.mark.parametrize("keeping", [0, 5, 19])
def test_a_window_tells_when_there_is_room_again(keeping: int) -> None:
    window, taken = Window(20, 60.0), 0
    while window.wait_s(float(taken), keeping=keeping) == 0:
        window.record(float(taken))
        taken += 1

    wait_s = window.wait_s(float(taken), keeping=keeping)
    assert taken == 20 - keeping
    assert window.wait_s(taken + wait_s - 0.1, keeping=keeping) > 0
    assert window.wait_s(taken + wait_s + 0.1, keeping=keeping) == 0
