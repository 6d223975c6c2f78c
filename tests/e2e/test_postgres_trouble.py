"""PostgreSQL is restarted, stopped for a while, or replaced by its standby, while a bot works on it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from sandbox.discord.messages import Interaction
from tests.cluster import Cluster
from tests.e2e.stage import DONE
from tests.postgres_server import USER, PostgresServer
from tests.thorough import mostly_thorough

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(240)]

SETTINGS = {"QUOTA_DEFAULT_CREDITS": "1000", "MAX_JOBS_PER_USER": "100", "MAX_CONCURRENT_JOBS": "3"}


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
async def working(address: str) -> AsyncIterator[Cluster]:
    """One process of the bot. Its books are right at the end."""
    cluster = Cluster(address, processes=1, settings=SETTINGS, render_s=None)
    await cluster.start()
    try:
        yield cluster
        assert cluster.faults() == []
        assert cluster.bots[0].is_running
    except BaseException:
        print(cluster.logs())  # noqa: T201 - the story, where it ends badly
        raise
    finally:
        await cluster.stop()


async def refused(cluster: Cluster) -> None:
    """Somebody asks, and reads privately that it cannot be done now; nothing is taken."""
    answer = await (await cluster.animate(cluster.admin, prompt="not now")).answer()
    assert answer is not None
    assert answer.is_ephemeral


async def taken(cluster: Cluster) -> Interaction:
    """Somebody asks until the bot takes it."""
    async with asyncio.timeout(30):
        while True:
            asked = await cluster.animate(cluster.admin, prompt="at last")
            answer = await asked.answer()
            if answer is not None and not answer.is_ephemeral:
                return asked
            await asyncio.sleep(0.2)


async def delivered(cluster: Cluster, asked: Interaction) -> None:
    """The provider makes what it has, until this video is there."""
    async with asyncio.timeout(60):
        while asked.message is None or DONE not in asked.message.text():
            for job in list(cluster.provider.jobs):
                cluster.provider.finish(job)
            await asyncio.sleep(0.1)


async def lives_through(cluster: Cluster, away: Callable[[], None], back: Callable[[], None], away_s: float) -> None:
    """A job at the provider, which ends while the database is away, and one that is asked for afterwards."""
    asked, _ = await cluster.rendering()

    await asyncio.to_thread(away)
    await refused(cluster)
    for job in list(cluster.provider.jobs):
        cluster.provider.finish(job)
    await asyncio.sleep(away_s)
    await asyncio.to_thread(back)

    await delivered(cluster, asked)
    await delivered(cluster, await taken(cluster))
    assert cluster.provider.creates == 2


@pytest.mark.parametrize("away_s", mostly_thorough([0, 2, 60], by_default=[2]))
async def test_a_server_that_is_stopped_for_a_while_costs_nobody_a_video(server: PostgresServer, away_s: float) -> None:
    async with working(server.address()) as cluster:
        await lives_through(cluster, server.stop, server.start, away_s)


async def test_a_server_that_fails_is_replaced_by_its_standby(server: PostgresServer, standby: PostgresServer) -> None:
    hosts, ports = "127.0.0.1,127.0.0.1", f"{server.port},{standby.port}"
    address = f"postgresql://{USER}@/postgres?host={hosts}&port={ports}&target_session_attrs=read-write"
    async with working(address) as cluster:
        await lives_through(cluster, lambda: server.stop(signal.SIGQUIT), standby.promote, away_s=0)
