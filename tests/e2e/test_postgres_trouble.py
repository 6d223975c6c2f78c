"""PostgreSQL is restarted, stopped for a while, or replaced by its standby, while one process or three work on it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import signal
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from sandbox.discord.messages import Interaction
from sandbox.discord.world import Channel
from sandbox.providers.exchange import Exchange
from tests.cluster import TAKEOVER_S, Cluster
from tests.e2e.stage import DONE
from tests.faults.several import guilds_of_each_shard
from tests.postgres_server import USER, PostgresServer
from tests.thorough import mostly_thorough

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(240)]

SETTINGS = {"QUOTA_DEFAULT_CREDITS": "1000", "MAX_JOBS_PER_USER": "100", "MAX_CONCURRENT_JOBS": "3"}
BACK_WITHIN_S = 20.0
"""However long the database was away: some seconds until everybody has found it, and what a loaded machine takes."""
Fails = Callable[[], None]


@pytest.fixture(name="server")
def _server() -> Iterator[PostgresServer]:
    """Written through to the disk: it is about what survives."""
    server = PostgresServer.make()
    yield server
    server.close()


@pytest.fixture(name="standby")
def _standby(server: PostgresServer) -> Iterator[PostgresServer]:
    standby = server.standby()
    yield standby
    standby.close()


@contextlib.asynccontextmanager
async def working(address: str, processes: int = 1, **settings: str) -> AsyncIterator[Cluster]:
    """The bot. Its books are right at the end, and no process has ended."""
    cluster = Cluster(address, processes=processes, settings=SETTINGS | settings, render_s=None)
    await cluster.start()
    try:
        yield cluster
        assert cluster.faults() == []
        assert all(bot.is_running for bot in cluster.bots.values())
    except BaseException:
        print(cluster.logs())  # noqa: T201 - the story, where it ends badly
        raise
    finally:
        await cluster.stop()


def finish(cluster: Cluster) -> None:
    """All that the provider has is made."""
    for job in list(cluster.provider.jobs):
        cluster.provider.finish(job)


async def refused(cluster: Cluster, channel: Channel | None = None) -> None:
    """Somebody asks, and reads privately that it cannot be done now; nothing is taken."""
    answer = await (await cluster.animate(cluster.admin, channel=channel, prompt="not now")).answer()
    assert answer is not None
    assert answer.is_ephemeral


async def taken(cluster: Cluster, channel: Channel | None = None) -> Interaction:
    """Somebody asks until the bot takes it."""
    async with asyncio.timeout(BACK_WITHIN_S):
        while True:
            asked = await cluster.animate(cluster.admin, channel=channel, prompt="at last")
            answer = await asked.answer()
            if answer is not None and not answer.is_ephemeral:
                return asked
            await asyncio.sleep(0.2)


async def delivered(cluster: Cluster, *asked: Interaction) -> None:
    """The provider makes what it has, until these videos are there."""
    async with asyncio.timeout(BACK_WITHIN_S):
        while not all(each.message is not None and DONE in each.message.text() for each in asked):
            finish(cluster)
            await asyncio.sleep(0.1)


async def lives_through(cluster: Cluster, away: Fails, back: Fails, away_s: float) -> None:
    """A job at the provider, which ends while the database is away, and one that is asked for afterwards."""
    asked, _ = await cluster.rendering()

    await asyncio.to_thread(away)
    await refused(cluster)
    finish(cluster)
    await asyncio.sleep(away_s)
    await asyncio.to_thread(back)

    await delivered(cluster, asked)
    await delivered(cluster, await taken(cluster))
    assert cluster.provider.creates == 2


class EveryState:
    """A job that is delivered, one at the provider, one that is sent to it and one in the queue, until `go_on`."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.asked: list[Interaction] = []
        self.go_on = asyncio.Event()

    async def _hold(self, phase: str, exchange: Exchange) -> None:
        is_sent = phase == "inside" and exchange.fields.get("prompt") == "submitting"
        if is_sent or (phase == "before" and exchange.kind == "file"):
            await self.go_on.wait()

    async def begin(self, channels: list[Channel]) -> None:
        cluster = self._cluster
        cluster.provider.on_exchange(self._hold)
        for number, state in enumerate(("delivering", "rendering", "submitting", "waiting")):
            self.asked.append(
                await cluster.animate(cluster.admin, channel=channels[number % len(channels)], prompt=state)
            )
            if state == "delivering":
                await self._until("rendering", state)
                finish(cluster)
            await self._until(state, state)

    async def _until(self, state: str, prompt: str) -> None:
        query = f"SELECT state FROM jobs WHERE prompt = '{prompt}'"
        async with asyncio.timeout(BACK_WITHIN_S):
            while self._cluster.seen(query) != [(state,)]:  # noqa: ASYNC110 - a table tells nobody when it changes
                await asyncio.sleep(0.05)


async def all_live_through(cluster: Cluster, away: Fails, back: Fails, away_s: float) -> None:
    """Three processes have jobs in every state, which go on while the database is away; each is asked afterwards."""
    channels = [guild.general for guild in await guilds_of_each_shard(cluster)]
    jobs = EveryState(cluster)
    await jobs.begin(channels)

    await asyncio.to_thread(away)
    await asyncio.gather(*(refused(cluster, channel) for channel in channels))
    jobs.go_on.set()
    finish(cluster)
    await asyncio.sleep(away_s)
    await asyncio.to_thread(back)

    await delivered(cluster, *jobs.asked)
    await delivered(cluster, *[await taken(cluster, channel) for channel in channels])
    assert cluster.provider.creates == len(jobs.asked) + len(channels)
    assert set(cluster.seen("SELECT state FROM jobs")) == {("delivered",)}


@pytest.mark.parametrize("away_s", mostly_thorough([0, 2, 60], by_default=[2]))
async def test_a_server_that_is_stopped_for_a_while_costs_nobody_a_video(server: PostgresServer, away_s: float) -> None:
    async with working(server.address()) as cluster:
        await lives_through(cluster, server.stop, server.start, away_s)


@pytest.mark.parametrize("away_s", mostly_thorough([0, 2, 60], by_default=[2]))
async def test_three_processes_live_through_it_with_jobs_in_every_state(server: PostgresServer, away_s: float) -> None:
    async with working(server.address(), processes=3, MAX_CONCURRENT_JOBS="2") as cluster:
        await all_live_through(cluster, server.stop, server.start, away_s)


@pytest.mark.thorough
async def test_a_server_that_stands_still_for_a_while_makes_nobody_take_over_anything(server: PostgresServer) -> None:
    """It answers nobody, and nobody hears that it does not: all processes are silent, and none of them is gone."""
    async with working(server.address(), processes=3, MAX_CONCURRENT_JOBS="2") as cluster:
        stops, goes_on = (functools.partial(server.signal_all, how) for how in (signal.SIGSTOP, signal.SIGCONT))
        await all_live_through(cluster, stops, goes_on, TAKEOVER_S * 2)
        assert "took over" not in cluster.logs()


@pytest.mark.parametrize("processes", mostly_thorough([1, 3], by_default=[1]))
async def test_a_server_that_fails_is_replaced_by_its_standby(
    server: PostgresServer, standby: PostgresServer, processes: int
) -> None:
    hosts, ports = "127.0.0.1,127.0.0.1", f"{server.port},{standby.port}"
    address = f"postgresql://{USER}@/postgres?host={hosts}&port={ports}"
    settings = {} if processes == 1 else {"MAX_CONCURRENT_JOBS": "2"}
    live_through = lives_through if processes == 1 else all_live_through
    async with working(address, processes, **settings) as cluster:
        await live_through(cluster, lambda: server.stop(signal.SIGQUIT), standby.promote, 0)
