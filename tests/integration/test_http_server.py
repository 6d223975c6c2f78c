"""The bot's one HTTP server, and clients that mean no good."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from bot.errors import SettingsError
from bot.http_server import HttpServer


async def _hello(_request: web.Request) -> web.Response:
    return web.Response(text="hello")


@pytest.fixture(name="port")
async def _port() -> AsyncIterator[int]:
    server = HttpServer([web.get("/hello", _hello)], most_connections=4)
    yield await server.start("127.0.0.1", 0)
    await server.close()


async def test_clients_that_never_end_their_request_do_not_keep_others_out(port: int) -> None:
    idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(10)]
    for _, writer in idle:
        writer.write(b"GET /hello HTTP/1.1\r\n")

    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/hello") as response:
        assert await response.text() == "hello"
    async with asyncio.timeout(5):
        for reader, _ in idle[:6]:
            assert await ended(reader)
    for _, writer in idle:
        writer.close()


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether nothing came before the end."""
    try:
        return await reader.read() == b""
    except ConnectionError:
        return True


async def test_a_client_that_is_in_the_middle_of_something_does_not_hold_up_the_end() -> None:
    server = HttpServer([web.get("/hello", _hello)])
    port = await server.start("127.0.0.1", 0)
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /hello HTTP/1.1\r\n")
    await writer.drain()

    async with asyncio.timeout(5):
        await server.close()
    writer.close()


async def test_a_port_that_is_taken_is_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = HttpServer([web.get("/hello", _hello)])
        with pytest.raises(SettingsError, match=f"HTTP_HOST and HTTP_PORT are wrong: 127.0.0.1:{port} cannot be used"):
            await server.start("127.0.0.1", port)
        await server.close()
