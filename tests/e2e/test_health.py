"""What a watcher of the process is told."""

from __future__ import annotations

import socket

import aiohttp

from tests.e2e.conftest import Build


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_health_is_told_on_the_port_that_is_set(build: Build) -> None:
    stage = await build(start=False)
    port = free_port()  # after the local servers have taken theirs
    stage.use({"HTTP_PORT": str(port)})
    await stage.start_bot()
    await stage.over(await stage.animate())
    await stage.settled()

    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:

        async def get(path: str) -> tuple[int, str]:
            async with session.get(path) as answer:
                return answer.status, await answer.text()

        assert await get("/healthz") == (200, "ok\n")
        assert await get("/readyz") == (200, "ready\n")
        status, metrics = await get("/metrics")
        assert status == 200
        assert 'animate_job_transitions_total{model="sora-2",provider="gptproto",state="delivered"} 1.0\n' in metrics
        assert "animate_slots_used 0.0\n" in metrics

        stage.discord.gateway.is_up = False
        await stage.discord.gateway_drop()
        await stage.discord.wait_for(lambda: not stage.discord.gateway.live, 10, "the connection to be gone")
        status, faults = await get("/readyz")
        while status == 200:  # until the bot has seen it too; the test's own deadline bounds this
            status, faults = await get("/readyz")
        assert (status, faults) == (503, "not connected to Discord\n")
        assert await get("/healthz") == (200, "ok\n")
