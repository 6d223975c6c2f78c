"""The bot's adapter of the Comfy API v2 before Comfy's own proxy, with the local ComfyUI behind it."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from bot.errors import VideoOutcomeUnknown, VideoRejected, VideoUnavailable
from bot.models import FailureKind
from bot.providers.comfy_api import ComfyAPIProvider
from bot.providers.http import Timeouts
from bot.providers.protocols import Phase
from bot.wire_config import ProviderConfig
from sandbox.providers.comfy_workflow import ComfySettings
from sandbox.providers.comfyui import LocalComfyUI
from sandbox.providers.mp4 import tiny_mp4
from tests.integration.comfy import PICTURE, request
from tests.interop.environments import TOLD, python_with

PINS = Path(__file__).parent / "servers" / "comfy_api_proxy_.txt"
TOKEN = "local-token-0123456789"
WITHIN_S = 30

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    return asyncio.run(python_with(tmp_path_factory.mktemp("proxy"), PINS))


@contextlib.asynccontextmanager
async def world(python: str, folder: Path) -> AsyncIterator[tuple[LocalComfyUI, ComfyAPIProvider]]:
    """ComfyUI, the proxy before it, and the adapter; what the proxy wrote is told where it does not start."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with LocalComfyUI(render=tiny_mp4, settings=ComfySettings(render_seconds=None)) as local:
        path = folder / "proxy.log"
        with path.open("wb") as log:
            proxy = await asyncio.create_subprocess_exec(
                python, "-m", "comfy_api_proxy.cli", "run", "--comfyui", local.url, "--port", str(port),
                "--token", TOKEN, "--state-dir", str(folder),
                cwd=folder, env={"PATH": os.environ["PATH"]}, stdout=log, stderr=log,
            )  # fmt: skip
        config = ProviderConfig("proxy", "comfyui", f"http://127.0.0.1:{port}", TOKEN, dialect="api-v2")
        api = ComfyAPIProvider(config, timeouts=Timeouts(connect_s=5, create_s=20, poll_s=10))
        try:
            await _answering(f"http://127.0.0.1:{port}/api/v2/health", proxy, path)
            yield local, api
        finally:
            await api.close()
            if proxy.returncode is None:
                proxy.terminate()
                await proxy.wait()


async def _answering(address: str, proxy: asyncio.subprocess.Process, log: Path) -> None:
    async with asyncio.timeout(WITHIN_S), aiohttp.ClientSession() as session:
        while proxy.returncode is None:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(address) as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.05)
    pytest.fail(f"the proxy has ended: {log.read_text()[-TOLD:]}")  # noqa: ASYNC240 - a few lines


async def test_a_picture_becomes_a_video_through_the_proxy(python: str, tmp_path: Path) -> None:
    async with world(python, tmp_path) as (local, api):
        await api.settle_auth()
        first, asked = request("the first"), request(seconds=2)
        await api.create(first)
        ticket = await api.create(asked)
        assert (await api.status(ticket)).queue_position == 2
        job = next(job for job in local.jobs.values() if job.prompt == asked.prompt)
        local.advance(job.id, 40)
        running = await api.status(ticket)
        local.finish(job.id)
        done = await api.status(ticket)
        await api.download(ticket, done.url, tmp_path / "video.mp4")

    assert (running.phase, running.queue_position) == (Phase.RUNNING, None)
    assert done.phase is Phase.DONE
    assert (job.seconds, job.size, job.picture) == ("2", "64x96", PICTURE)
    assert (tmp_path / "video.mp4").read_bytes() == tiny_mp4()


async def test_an_answer_that_is_lost_before_the_proxy_leads_to_its_job(python: str, tmp_path: Path) -> None:
    """Our patience ends while the proxy waits for ComfyUI: the key is taken, and the job is listed in the end."""
    async with world(python, tmp_path) as (local, api):
        config = ProviderConfig("proxy", "comfyui", api.endpoint, TOKEN, dialect="api-v2")
        impatient = ComfyAPIProvider(config, timeouts=Timeouts(connect_s=5, create_s=0.3, poll_s=10))
        local.settings.slow_seconds = 1.0
        local.faults.inject("create:slow-early")
        asked = request(sent_at=datetime.now(UTC))
        with pytest.raises(VideoOutcomeUnknown):
            await impatient.create(asked)
        with pytest.raises(VideoUnavailable):
            await api.settle(asked)
        ticket = None
        async with asyncio.timeout(10):
            while ticket is None:
                with contextlib.suppress(VideoUnavailable):
                    ticket = await api.settle(asked)
        await impatient.close()

        assert (await api.status(ticket)).phase is Phase.RUNNING
        assert local.times_created() == 1


async def test_what_comfyui_refuses_is_refused_through_the_proxy(python: str, tmp_path: Path) -> None:
    async with world(python, tmp_path) as (local, api):
        local.settings.nodes = [name for name in local.settings.nodes if name != "KSampler"]
        asked = request()
        with pytest.raises(VideoRejected) as caught:
            await api.create(asked)
        local.settings.nodes = [*local.settings.nodes, "KSampler"]
        await api.create(asked)  # the key was given back

    assert caught.value.kind is FailureKind.MODEL
    assert local.times_created() == 1


async def test_a_job_is_cancelled_through_the_proxy(python: str, tmp_path: Path) -> None:
    async with world(python, tmp_path) as (local, api):
        asked = [request("waits"), request("runs")]
        waits, runs = [await api.create(each) for each in asked]
        _, running = local.jobs
        local.advance(running, 30)

        for ticket in (runs, waits):
            assert await api.cancel(ticket)
            assert (await api.status(ticket)).phase is Phase.FAILED
        assert local.times_charged() == 0


async def test_no_key_is_spent_while_comfyui_is_down(python: str, tmp_path: Path) -> None:
    async with world(python, tmp_path) as (local, api):
        port = int(local.origin.rpartition(":")[2])
        await local.stop()
        asked = request()
        with pytest.raises(VideoUnavailable):
            await api.create(asked)
        await local.start(port)
        await api.create(asked)

    assert local.times_created() == 1


async def test_a_failed_render_is_told_through_the_proxy(python: str, tmp_path: Path) -> None:
    async with world(python, tmp_path) as (local, api):
        ticket = await api.create(request("[fail]"))
        (job,) = local.jobs
        local.finish(job)
        status = await api.status(ticket)

    assert (status.phase, status.failure) == (Phase.FAILED, FailureKind.PROVIDER)
    assert "could not be generated" in status.provider_text
