"""The vendors' own clients against the local providers: who is understood by them speaks the wire."""

import asyncio
import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from sandbox.picture import sample_picture
from sandbox.providers.base import LocalProvider
from sandbox.providers.comfy_api import ComfyAPISettings, LocalComfyAPI
from sandbox.providers.comfy_router import ComfyRouterSettings, LocalComfyRouter
from sandbox.providers.mp4 import tiny_mp4
from sandbox.providers.openai import LocalOpenAI
from sandbox.providers.openai_request import OpenAISettings
from sandbox.providers.openrouter import LocalOpenRouter, OpenRouterSettings
from sandbox.providers.queue_wire import LocalFal, QueueSettings
from tests.interop.environments import TOLD, python_with

CLIENTS = Path(__file__).parent / "clients"
RENDER_SECONDS = 1.0
LOCAL: dict[str, Callable[[], LocalProvider]] = {
    "fal_client_": lambda: LocalFal(render=tiny_mp4, settings=QueueSettings(render_seconds=RENDER_SECONDS)),
    "openrouter_": lambda: LocalOpenRouter(render=tiny_mp4, settings=OpenRouterSettings(render_seconds=RENDER_SECONDS)),
    "comfy_sdk_": lambda: LocalComfyRouter(
        render=tiny_mp4, settings=ComfyRouterSettings(render_seconds=RENDER_SECONDS)
    ),
    "comfy_api_": lambda: LocalComfyAPI(render=tiny_mp4, settings=ComfyAPISettings(render_seconds=RENDER_SECONDS)),
    "openai_": lambda: LocalOpenAI(
        render=tiny_mp4, dialect="openai", settings=OpenAISettings(render_seconds=RENDER_SECONDS)
    ),
}

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("name", LOCAL)
async def test_a_vendors_own_client_gets_its_video(name: str, tmp_path: Path) -> None:
    python = await python_with(tmp_path, CLIENTS / f"{name}.txt")
    picture, target = tmp_path / "picture.jpg", tmp_path / "video.mp4"
    with Image.open(io.BytesIO(sample_picture())) as sample:
        sample.convert("RGB").resize((720, 1280)).save(picture, "JPEG")
    async with LOCAL[name]() as local:
        settings = {"URL": local.url, "KEY": local.key, "PICTURE": str(picture), "TARGET": str(target)}
        client = await asyncio.create_subprocess_exec(
            python, str(CLIENTS / f"{name}.py"), env={"PATH": os.environ["PATH"], **settings}, cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await client.communicate()

    assert client.returncode == 0, said.decode(errors="replace")[-TOLD:]
    assert target.read_bytes() == tiny_mp4()
    assert [found for exchange in local.requests for found in local.violations(exchange)] == []
