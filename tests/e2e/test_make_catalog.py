"""`python -m bot catalog`, as an operator types it, against local providers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.process import BotProcess
from sandbox.providers.comfy_router import LocalComfyRouter
from sandbox.providers.exchange import Answer, Exchange
from sandbox.providers.mp4 import tiny_mp4
from sandbox.providers.openrouter import LocalOpenRouter, OpenRouterSettings
from tests import forkserver
from tests.e2e.conftest import Build


async def catalog(folder: Path, *arguments: str, **settings: str) -> tuple[int, str]:
    """Without a token and a key: none is needed."""
    (folder / "bot.log").unlink(missing_ok=True)
    settings = {**forkserver.IMPORTED_WITH, **settings}
    process = BotProcess(folder, settings, ("-m", "bot", "catalog", *arguments), spawn=forkserver.spawn)
    await process.start()
    return await process.wait(30), process.log()


@pytest.fixture(name="openrouter")
async def _openrouter() -> AsyncIterator[LocalOpenRouter]:
    async with LocalOpenRouter(render=tiny_mp4, settings=OpenRouterSettings(usd_per_second=0.25)) as provider:
        yield provider


async def test_a_bot_makes_a_video_with_the_catalog_that_was_written(build: Build, tmp_path: Path) -> None:
    settings = OpenRouterSettings(render_seconds=0.1, usd_per_second=0.25)
    stage = await build(start=False, provider=LocalOpenRouter(render=tiny_mp4, settings=settings))
    file = tmp_path / "mine.toml"
    code, said = await catalog(tmp_path, "openrouter", "--url", stage.provider.url, "--output", str(file))
    assert (code, said) == (0, f"The catalog is in {file}. To use it, set VIDEO_CATALOG={file}\n")
    stage.use({"VIDEO_CATALOG": str(file)})
    await stage.start_bot()

    await stage.over(await stage.animate(model="wan-2.6", seconds=5))
    await stage.settled()

    assert stage.rows("SELECT credits, state FROM jobs") == [(15, "delivered")]


async def test_it_is_printed_without_a_file_and_no_key_is_sent_to_another_address(
    openrouter: LocalOpenRouter, tmp_path: Path
) -> None:
    arguments = ("openrouter", "--url", f"{openrouter.url}/", "--usd-per-credit", "0.05")

    code, text = await catalog(tmp_path, *arguments, OPENROUTER_API_KEY="sk-or-secret")

    assert code == 0
    assert f"from {openrouter.url}/videos/models." in text
    assert 'key = "OPENROUTER_API_KEY"' in text
    assert "credits = 5\nusd = 0.25\n" in text
    assert openrouter.requests
    assert not any("sk-or-secret" in str(exchange.headers) for exchange in openrouter.requests)


async def test_a_file_that_exists_is_not_replaced(openrouter: LocalOpenRouter, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("mine")

    code, said = await catalog(tmp_path, "openrouter", "--url", openrouter.url, "--output", str(file))

    assert (code, said) == (1, f"{file} was not written: File exists\n")
    assert file.read_text() == "mine"


@pytest.mark.parametrize(
    ("path", "said"),
    [("http://127.0.0.1:9/api/v1", "cannot be reached: "), ("{url}/nowhere", "does not answer with a list of models")],
)
async def test_without_a_list_it_says_why(openrouter: LocalOpenRouter, tmp_path: Path, path: str, said: str) -> None:
    code, text = await catalog(tmp_path, "openrouter", "--url", path.format(url=openrouter.url))

    assert code == 1
    assert said in text
    assert "Traceback" not in text


async def test_a_list_without_prices_is_said_to_be_too_little(tmp_path: Path) -> None:
    async with LocalComfyRouter() as router:
        code, text = await catalog(tmp_path, "comfy-router", "--url", router.url)
        asked_without_a_key = router.requests[0]
    assert code == 1
    assert "wants a key (HTTP 401). Set COMFY_API_KEY." in text
    assert "x-api-key" not in asked_without_a_key.headers


async def test_every_page_of_that_list_is_held_against_the_packaged_catalog(tmp_path: Path) -> None:
    kept = ["byteplus/dreamina-seedance-2-0-mini", "wan/wan2.7-i2v"]

    async def listed(phase: str, exchange: Exchange) -> Answer | None:
        if phase != "before":
            return None
        page = int(exchange.query.get("cursor", 0))
        more = {"has_more": True, "next_cursor": "1"} if page == 0 else {"has_more": False}
        return Answer(200, {"data": [{"id": kept[page]}, {"id": f"acme/more-{page}"}], **more})

    async with LocalComfyRouter() as router:
        router.on_exchange(listed)
        code, text = await catalog(tmp_path, "comfy-router", "--url", router.url)

    assert code == 1
    assert text.startswith("comfy-router lists 4 models, but not their lengths, sizes, prices and what to send")
    assert "any more: " in text
    assert "minimax/minimax-h3" in text
    assert not any(name in text for name in kept)
