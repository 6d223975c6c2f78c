"""One of several processes alone loses the database: the others take its jobs over, and nothing is paid twice."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

import pytest

from sandbox.discord.messages import Interaction
from sandbox.discord.world import Channel
from tests.cluster import Cluster
from tests.e2e.stage import DONE
from tests.faults.keepers import shard_of
from tests.faults.several import guilds_of_each_shard
from tests.postgres_proxy import Cut, Proxy, proxied
from tests.postgres_server import PostgresServer

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(120)]

SETTINGS = {"QUOTA_DEFAULT_CREDITS": "1000", "MAX_JOBS_PER_USER": "100", "MAX_CONCURRENT_JOBS": "1"}
INTENT = b"last_sent_at = "
"""In the statement that says that a job is about to be sent."""
WITHIN_S = 40.0


class Apart:
    """Two processes, each with a way of its own to the database."""

    def __init__(self, cluster: Cluster, ways: list[Proxy], channels: list[Channel]) -> None:
        self.cluster = cluster
        self.ways = ways
        self._channels = channels

    def cut(self, number: int) -> None:
        """The process with this number reaches the database no more."""
        self.ways[number].cut = Cut.NOW
        self.ways[number].break_off()

    def heal(self) -> None:
        """Everybody reaches it again."""
        for way in self.ways:
            way.cut = way.then = Cut.NEVER

    def says(self, number: int, words: str) -> bool:
        """Whether that process has logged it."""
        return words in self.cluster.bots[number].log()

    async def until(self, happened: Callable[[], object]) -> None:
        deadline = time.monotonic() + WITHIN_S
        while not happened():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)

    async def delivered(self, asked: Interaction) -> None:
        """The provider makes what it has, until this video is there."""

        def is_there() -> bool:
            for job in list(self.cluster.provider.jobs):
                self.cluster.provider.finish(job)
            return asked.message is not None and DONE in asked.message.text()

        await self.until(is_there)

    async def asks(self, number: int, prompt: str) -> Interaction:
        """Somebody in a server of that process's shard."""
        return await self.cluster.animate(self.cluster.admin, channel=self._channels[number], prompt=prompt)

    async def is_served_again(self, number: int) -> None:
        """Whoever asks that process gets a video, once each of its ways to the database is there again."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                asked = await self.asks(number, "at last")
                answer = await asked.answer()
                if answer is not None and not answer.is_ephemeral:
                    break
        await self.delivered(asked)


@pytest.fixture
async def apart(postgres_server: PostgresServer, postgres_address: str) -> AsyncIterator[Apart]:
    """Both still run at the end, and the books are right."""
    async with contextlib.AsyncExitStack() as stack:
        ways = [await stack.enter_async_context(proxied(postgres_server.port)) for _ in range(2)]
        own = {number: {"DATABASE_URL": way.address(postgres_address)} for number, way in enumerate(ways)}
        cluster = Cluster(postgres_address, processes=2, settings=SETTINGS, own=own, render_s=None)
        await cluster.start()
        channels = {shard_of(guild.id, 2): guild.general for guild in await guilds_of_each_shard(cluster)}
        try:
            yield Apart(cluster, ways, [channels[0], channels[1]])
            assert cluster.faults() == []
            assert all(bot.is_running for bot in cluster.bots.values())
        finally:
            print(cluster.logs())  # noqa: T201 - the story, shown where it ends badly
            await cluster.stop()


async def test_what_it_carried_is_carried_on_by_the_others_and_it_lets_go_when_it_comes_back(apart: Apart) -> None:
    cluster = apart.cluster
    rendering, _ = await cluster.rendering()
    waiting = await apart.asks(0, "waits for the slot")
    await waiting.answer()
    (cut,) = [number for number in (0, 1) if apart.says(number, "state=submitting")]
    apart.cut(cut)

    refused = await (await apart.asks(cut, "not now")).answer()
    assert refused is not None
    assert refused.is_ephemeral
    await apart.until(lambda: apart.says(1 - cut, "took over"))
    apart.heal()
    await apart.until(lambda: apart.says(cut, "others have taken over"))

    await apart.delivered(rendering)
    await apart.delivered(waiting)
    await apart.is_served_again(cut)
    assert cluster.provider.creates == 3


async def test_it_sends_nothing_where_it_hears_too_late_that_its_intent_was_stored(apart: Apart) -> None:
    """The others have settled what was never sent as they settle what may have been."""
    cluster = apart.cluster
    for way in apart.ways:
        way.cut, way.then, way.of = Cut.AFTER_COMMIT, Cut.NOW, INTENT
    asked = await cluster.animate()
    await apart.until(lambda: any(way.has_cut.is_set() for way in apart.ways))
    (cut,) = [number for number, way in enumerate(apart.ways) if way.has_cut.is_set()]
    apart.ways[1 - cut].cut = Cut.NEVER

    await apart.until(lambda: cluster.seen("SELECT state FROM jobs") == [("unknown",)])
    apart.heal()
    await apart.until(lambda: apart.says(cut, "not sent"))

    assert "No video" in (await cluster.over(asked)).text()
    await apart.is_served_again(cut)
    assert cluster.provider.creates == 1
