"""The image that the Dockerfile builds has what it should, and the bot does its work in it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bot.version import VERSION
from sandbox.process import BotProcess
from tests.e2e.conftest import leave
from tests.e2e.stage import DONE, Stage
from tests.interop import image as images
from tests.interop.image import UID, Image

pytestmark = pytest.mark.timeout(550)


@pytest.fixture(name="image", scope="module")
def _image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    built = asyncio.run(images.build(tmp_path_factory.mktemp("image")))
    yield built
    asyncio.run(images.remove(built))


@contextlib.asynccontextmanager
async def staged(image: Image, **settings: str) -> AsyncIterator[Stage]:
    stage = Stage({"HTTP_PORT": str(free_port()), **settings}, spawn=image.spawn)
    try:
        yield stage
    finally:
        assert await leave(stage) == []


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def status_of(pid: int) -> dict[str, str]:
    """What the kernel tells of a process."""
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def test_it_says_what_it_is(image: Image) -> None:
    labels = image.config["Labels"]

    assert labels["org.opencontainers.image.version"] == VERSION
    assert (image.config["User"], image.config["StopSignal"]) == ("10001:10001", "SIGTERM")
    assert image.config["Healthcheck"]["Test"] == ["CMD", "python", "-m", "bot", "healthy"]


def test_it_holds_no_compiler_no_tests_and_every_module_is_compiled(image: Image) -> None:
    named = {
        path.name for folder in ("usr/bin", "usr/local/bin", "opt/venv/bin") for path in (image.root / folder).iterdir()
    }
    sources = [*(image.root / "app").rglob("*.py"), *(image.root / "opt/venv/lib").rglob("*.py")]
    compiled = [*(image.root / "app").rglob("*.pyc"), *(image.root / "opt/venv/lib").rglob("*.pyc")]

    assert named & {"gcc", "cc", "ld", "make", "git", "uv"} == set()
    assert not (image.root / "opt/venv/bin/pip").exists()
    assert {path.name for path in (image.root / "app").iterdir()} == {"bot", "cogs"}
    assert len(compiled) == len(sources) > 400


def test_nothing_in_it_can_be_changed_by_its_user(image: Image) -> None:
    for path in [*(image.root / "app").rglob("*"), *(image.root / "opt/venv").rglob("*")]:
        found = path.lstat()
        assert found.st_uid == 0, path
        assert stat.S_ISLNK(found.st_mode) or not found.st_mode & stat.S_IWOTH, path
    assert (image.root / "data").stat().st_uid == UID


async def test_a_video_is_made_in_it_and_it_ends_when_it_is_told_to(image: Image) -> None:
    async with staged(image) as stage:
        await stage.start()
        assert stage.bot is not None
        status = status_of(stage.bot.pid)
        card = await stage.over(await stage.animate(), within_s=60)
        assert DONE in card.text()
        assert await stage.bot.stop() == 0

    assert status["NSpid"].split()[-1] == "1"
    assert set(status["Uid"].split()) == {str(UID)}
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"] == "1"


async def test_its_health_check_tells_whether_the_bot_answers(image: Image) -> None:
    async with staged(image) as stage:
        command = image.config["Healthcheck"]["Test"][2:]
        await stage.start()
        with_bot = await image.spawn(
            "", *command, cwd=stage.folder, env=stage.settings(), stdout=asyncio.subprocess.DEVNULL
        )
        assert await with_bot.wait() == 0
        assert stage.bot is not None
        assert await stage.bot.stop() == 0
        without = await image.spawn(
            "", *command, cwd=stage.folder, env=stage.settings(), stdout=asyncio.subprocess.DEVNULL
        )
        assert await without.wait() == 1


async def test_without_settings_it_names_them_and_ends_with_2(image: Image, tmp_path: Path) -> None:
    bot = BotProcess(tmp_path, {}, spawn=image.spawn)
    await bot.start()

    assert await bot.wait(within_s=60) == 2
    assert [line.split()[0] for line in bot.log().splitlines()] == ["DISCORD_TOKEN", "VIDEO_API_KEY"]
