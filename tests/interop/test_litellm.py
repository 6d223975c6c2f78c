"""The whole bot with LiteLLM's proxy before it, and the local provider of `/v1/videos` behind the proxy.

It is LiteLLM 1.108.7: 1.110.2 with its extra `proxy` needs a package, `litellm-proxy`, that could not be had.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from sandbox.providers.mp4 import tiny_mp4
from sandbox.providers.openai import LocalOpenAI
from sandbox.providers.openai_request import OpenAISettings
from tests.e2e.conftest import leave
from tests.e2e.stage import DONE, Stage
from tests.interop.environments import TOLD, python_with

PINS = Path(__file__).parent / "servers" / "litellm_.txt"
MASTER = "sk-local-0123456789"
WITHIN_S = 90
"""A start of LiteLLM was measured at 16 seconds."""
WITHOUT_RETRIES = "litellm_settings:\n  num_retries: 0\n"
AS_INSTALLED = ""
CONFIG = """
model_list:
  - model_name: sora-2
    litellm_params:
      model: openai/sora-2
      api_base: {upstream}
      api_key: {key}
general_settings:
  master_key: {master}
"""
CATALOG = """
[providers.litellm]
wire = "openai"
url = "{url}"
key = "VIDEO_API_KEY"
auth = "bearer"

[[models]]
id = "sora-2"
label = "Sora 2"
seconds = [4]
sizes = ["720x1280", "1280x720"]
credits = 1
"""

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    return asyncio.run(python_with(tmp_path_factory.mktemp("litellm"), PINS))


class Proxy:
    """LiteLLM as a process, which can be killed and started again at its address."""

    def __init__(self, python: str, folder: Path, config: str) -> None:
        self._command, self._folder = Path(python).with_name("litellm"), folder
        (folder / "config.yaml").write_text(config)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.origin = f"http://127.0.0.1:{self._port}"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """What it wrote is told where it does not start."""
        path = self._folder / "proxy.log"
        offline = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "HOME": str(self._folder)}
        with path.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                self._command, "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(self._port),
                cwd=self._folder, env={"PATH": os.environ["PATH"], **offline}, stdout=log, stderr=log,
            )  # fmt: skip
        async with asyncio.timeout(WITHIN_S), aiohttp.ClientSession() as session:
            while self._process.returncode is None:
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(f"{self.origin}/health/liveliness") as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(0.05)
        pytest.fail(f"LiteLLM has ended: {path.read_text()[-TOLD:]}")

    async def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


@contextlib.asynccontextmanager
async def world(
    python: str, folder: Path, settings: str, *, render_s: float | None = 0.1
) -> AsyncIterator[tuple[Stage, Proxy]]:
    """The bot, LiteLLM before the local provider; the stage answers for the books when it ends."""
    local = LocalOpenAI(render=tiny_mp4, dialect="openai", settings=OpenAISettings(render_seconds=render_s))
    stage = Stage(provider=local)
    await stage.start(bot=False)
    proxy = None
    try:
        config = CONFIG.format(upstream=local.url, key=local.key, master=MASTER) + settings
        proxy = Proxy(python, folder, config)
        catalog = folder / "catalog.toml"
        catalog.write_text(CATALOG.format(url=f"{proxy.origin}/v1"))
        stage.use({"VIDEO_CATALOG": str(catalog), "VIDEO_API_URL": f"{proxy.origin}/v1", "VIDEO_API_KEY": MASTER})
        await proxy.start()
        await stage.start_bot()
        yield stage, proxy
    finally:
        faults = await leave(stage)
        if proxy is not None:
            await proxy.kill()
    assert faults == []


async def test_a_picture_becomes_a_posted_video_through_litellm(python: str, tmp_path: Path) -> None:
    async with world(python, tmp_path, WITHOUT_RETRIES) as (stage, _):
        card = await stage.over(await stage.animate(), within_s=60)
        await stage.settled()

        (job,) = stage.provider.jobs.values()
        assert DONE in card.text()
        assert (job.prompt, job.model, job.seconds, job.size) == ("puts on a hat", "sora-2", "4", "720x1280")
        assert job.picture is not None
        assert job.picture.startswith(b"\xff\xd8\xff")
        assert [file.data for file in card.media] == [job.video]
        assert stage.states() == ["delivered"]
        assert stage.provider.creates == stage.provider.times_charged() == 1


async def test_a_failed_render_gives_the_credits_back_through_litellm(python: str, tmp_path: Path) -> None:
    async with world(python, tmp_path, WITHOUT_RETRIES) as (stage, _):
        stage.provider.faults.inject("create:fails")
        card = await stage.over(await stage.animate(), within_s=60)
        await stage.settled()

        assert "No video" in card.text()
        assert stage.states() == ["failed"]
        assert stage.rows("SELECT failure FROM jobs") == [("provider",)]
        assert stage.rows("SELECT COUNT(*) FROM ledger WHERE kind = 'refund'") == [(1,)]
        assert stage.provider.creates == 1


async def test_a_job_ends_in_its_video_after_litellm_was_killed_and_started_again(python: str, tmp_path: Path) -> None:
    async with world(python, tmp_path, WITHOUT_RETRIES, render_s=None) as (stage, proxy):
        asked, _ = await stage.rendering()
        await proxy.kill()
        (job,) = stage.provider.jobs.values()
        stage.provider.finish(job.id)
        await proxy.start()
        card = await stage.over(asked, within_s=90)
        await stage.settled()

        assert [file.data for file in card.media] == [job.video]
        assert stage.states() == ["delivered"]
        assert stage.provider.creates == stage.provider.times_charged() == 1


@pytest.mark.parametrize("fault", ["500", "cut-early", "lost"])
async def test_litellm_as_installed_makes_one_create_of_one_that_fails(python: str, tmp_path: Path, fault: str) -> None:
    async with world(python, tmp_path, AS_INSTALLED) as (stage, _):
        stage.provider.faults.inject(f"create:{fault}", times=None)
        await stage.over(await stage.animate(), within_s=60)
        await stage.settled()

        assert stage.provider.creates == 1
        assert stage.provider.times_created() == (1 if fault == "lost" else 0)
        assert stage.states() == ["unknown"]
        assert stage.rows("SELECT COUNT(*) FROM ledger WHERE kind = 'refund'") == [(1,)]


async def test_litellm_as_installed_repeats_a_create_that_does_not_forbid_it(python: str, tmp_path: Path) -> None:
    """Why the bot sends `x-litellm-num-retries: 0`."""
    async with world(python, tmp_path, AS_INSTALLED) as (stage, proxy):
        stage.provider.faults.inject("create:500", times=None)
        form = {"model": "sora-2", "prompt": "puts on a hat"}
        async with (
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {MASTER}"}) as session,
            session.post(f"{proxy.origin}/v1/videos", data=form) as answer,
        ):
            assert answer.status == 500
        assert stage.provider.creates == 3
