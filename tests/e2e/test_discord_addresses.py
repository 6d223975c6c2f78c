"""Where Discord is: by a proxy, or not where DISCORD_API_URL says."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from yarl import URL

from sandbox.process import BotProcess
from tests.e2e.conftest import Build
from tests.e2e.stage import DONE, Stage

WRONG = "DISCORD_API_URL is wrong: what answers at {url} is not Discord's API ({why}). It should be like"


class Proxy:
    """Takes requests for hosts that no name server knows, and sends them on to this machine."""

    def __init__(self) -> None:
        self.hosts: set[str | None] = set()
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, which goes on as the first request on it did."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = await reader.readuntil(b"\r\n\r\n")
            method, target, rest = head.split(b" ", 2)
            url = URL(target.decode())
            self.hosts.add(url.host)
            there, to = await asyncio.open_connection("127.0.0.1", url.port)
            to.write(b" ".join([method, url.raw_path_qs.encode(), rest]))
            await asyncio.gather(_pipe(reader, to), _pipe(there, writer))
        writer.close()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """On loopback."""
    made = Proxy()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()


@contextlib.asynccontextmanager
async def _served(answer: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[str]:
    """The address of a server that answers every request so."""
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/api/v10"
    finally:
        await runner.cleanup()


def _known_to_the_proxy_alone(stage: Stage) -> dict[str, str]:
    port = URL(stage.discord.api_url).port
    stage.discord._cdn.base = f"http://discord.test:{port}"
    stage.discord.gateway.url = f"ws://gateway.test:{port}/gateway/"
    return {"DISCORD_API_URL": f"http://discord.test:{port}/api/v10"}


async def test_discord_is_reached_by_the_proxy_of_the_environment(build: Build, proxy: Proxy) -> None:
    stage = await build(start=False)
    stage.use({"HTTP_PROXY": f"http://127.0.0.1:{proxy.port}", "NO_PROXY": "127.0.0.1"})
    stage.use(_known_to_the_proxy_alone(stage))

    await stage.start_bot()
    card = await stage.over(await stage.animate())

    assert DONE in card.text()
    assert len(card.media) == 1
    assert proxy.hosts == {"discord.test", "gateway.test"}


async def test_a_proxy_may_stand_in_the_env_file(build: Build, proxy: Proxy) -> None:
    stage = await build(start=False)
    stage.use(_known_to_the_proxy_alone(stage))
    (stage.folder / ".env").write_text(f"HTTP_PROXY=http://127.0.0.1:{proxy.port}\nNO_PROXY=127.0.0.1\n", "utf-8")

    await stage.start_bot()

    assert DONE in (await stage.over(await stage.animate())).text()
    assert "gateway.test" in proxy.hosts


async def test_a_proxy_that_cannot_be_used_is_one_sentence_and_exit_code_2(build: Build) -> None:
    stage = await build(start=False)

    code, said = await _said(stage, {"HTTPS_PROXY": "socks5://127.0.0.1:1080"})

    assert (code, said) == (2, "HTTPS_PROXY has to begin with http:// or https://.")


async def _said(stage: Stage, settings: dict[str, str]) -> tuple[int, str]:
    bot = BotProcess(stage.folder, {**stage.settings(), "LOG_LEVEL": "ERROR", **settings}, spawn=stage.spawn)
    await bot.start()
    return await bot.wait(), bot.log().strip()


async def _page(_request: web.Request) -> web.Response:
    return web.Response(text="<html>It works!</html>", content_type="text/html")


async def _other_json(_request: web.Request) -> web.Response:
    return web.Response(body=b'{"status": "ok"}', content_type="application/json")


async def _list(_request: web.Request) -> web.Response:
    return web.Response(body=b"[]", content_type="application/json")


async def _broken_json(_request: web.Request) -> web.Response:
    return web.Response(body=b'{"id": ', content_type="application/json")


async def _login_page(_request: web.Request) -> web.Response:
    return web.Response(status=401, text="<html>Who are you?</html>", content_type="text/html")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (_page, "TypeError"),
        (_other_json, "KeyError"),
        (_list, "TypeError"),
        (_broken_json, "JSONDecodeError"),
        (_login_page, "HTTPException 401, code 0"),
    ],
)
async def test_an_answer_that_is_no_discord_is_one_sentence_and_exit_code_2(
    build: Build, answer: Callable[[web.Request], Awaitable[web.Response]], why: str
) -> None:
    stage = await build(start=False)
    async with _served(answer) as url:
        code, said = await _said(stage, {"DISCORD_API_URL": url})

    assert said.startswith(WRONG.format(url=url, why=why))
    assert (code, len(said.splitlines())) == (2, 1)


@pytest.mark.parametrize("path", ["", "/api", "/api/v10/users", "/wrong"])
async def test_a_wrong_path_is_one_sentence_and_exit_code_2(build: Build, path: str) -> None:
    stage = await build(start=False)
    url = f"{URL(stage.discord.api_url).origin()}{path}"

    code, said = await _said(stage, {"DISCORD_API_URL": url})
    stage.discord.requests.clear()  # no route of Discord's, as it was meant to be

    assert said.startswith(WRONG.format(url=url, why="NotFound 404, code 0"))
    assert (code, len(said.splitlines())) == (2, 1)


async def test_an_address_that_sends_on_is_one_sentence_and_exit_code_2(build: Build) -> None:
    stage = await build(start=False)

    async def elsewhere(request: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect(f"{URL(stage.discord.api_url).origin()}{request.path}")

    async with _served(elsewhere) as url:
        code, said = await _said(stage, {"DISCORD_API_URL": url})

    assert said.startswith(f"DISCORD_API_URL is wrong: {url}")
    assert (code, len(said.splitlines())) == (2, 1)
