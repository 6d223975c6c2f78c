"""Progress on ComfyUI's WebSocket: one socket, only while somebody asks, and opened again where it breaks."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
from aiohttp import web

from bot.providers.comfy_progress import Progress
from bot.providers.http import HttpClient, Timeouts

Serve = Callable[[web.WebSocketResponse, int], Awaitable[None]]


@contextlib.asynccontextmanager
async def world(serve: Serve, *, idle_s: float = 5.0) -> AsyncIterator[tuple[Progress, list[int]]]:
    """A progress before a server that plays `serve` on each socket; the numbers of the sockets that were opened."""
    opened: list[int] = []

    async def answer(request: web.BaseRequest) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        opened.append(len(opened) + 1)
        with contextlib.suppress(ConnectionError):
            await serve(socket, opened[-1])
        await socket.close()
        return socket

    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.5)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    http = HttpClient(Timeouts(connect_s=2, poll_s=2))
    address = f"http://127.0.0.1:{runner.addresses[0][1]}/ws"

    def connect() -> contextlib.AbstractAsyncContextManager[aiohttp.ClientWebSocketResponse]:
        return http.listen(address, {}, max_message_bytes=10_000)

    progress = Progress(connect, idle_s=idle_s, first_pause_s=0.01)
    try:
        yield progress, opened
    finally:
        await progress.close()
        await http.close()
        await runner.cleanup()


def step(value: float, most: float = 10, node: str = "3", job: str = "job") -> str:
    return json.dumps({"type": "progress", "data": {"prompt_id": job, "node": node, "value": value, "max": most}})


async def until(progress: Progress, percent: int | None, *, samplers: list[str], job: str = "job") -> None:
    async with asyncio.timeout(5):
        while progress.percent(job, samplers) != percent:  # noqa: ASYNC110 - what came on the socket shows here alone
            await asyncio.sleep(0.01)


async def stays(socket: web.WebSocketResponse) -> None:
    """Until the client leaves."""
    async for _ in socket:
        pass


async def test_two_samplers_share_the_bar_and_other_nodes_have_no_part_in_it() -> None:
    async def serve(socket: web.WebSocketResponse, _: int) -> None:
        await socket.send_str(step(10, node="1"))
        await socket.send_str(step(3, most=4, node="decode"))
        await socket.send_str(step(5, node="2"))
        await stays(socket)

    async with world(serve) as (progress, _):
        assert progress.percent("job", ["1", "2"]) is None
        await until(progress, 71, samplers=["1", "2"])


async def test_the_states_of_all_nodes_at_once_are_read_too() -> None:
    async def serve(socket: web.WebSocketResponse, _: int) -> None:
        nodes = {"3": {"value": 4, "max": 8, "state": "running"}, "1": {"value": 1, "max": 1, "state": "finished"}}
        await socket.send_json({"type": "progress_state", "data": {"prompt_id": "job", "nodes": nodes}})
        await stays(socket)

    async with world(serve) as (progress, _):
        await until(progress, 47, samplers=["3"])


async def test_without_a_known_sampler_the_furthest_node_stands_for_all() -> None:
    async def serve(socket: web.WebSocketResponse, _: int) -> None:
        await socket.send_str(step(2))
        await stays(socket)

    async with world(serve) as (progress, _):
        await until(progress, 19, samplers=[])


async def test_odd_words_previews_and_other_jobs_do_no_harm() -> None:
    odd = ["", "[]", "no JSON", "[" * 9000, "null", '{"type": "progress"}', '{"type": "progress", "data": {}}', "7"]
    numbers = ['"x"', "null", "-3", "NaN", "Infinity", "1" + "0" * 400, "true"]

    async def serve(socket: web.WebSocketResponse, _: int) -> None:
        await socket.send_bytes(b"\x00\x00\x00\x01 a preview")
        for text in odd:
            await socket.send_str(text)
        for number in numbers:
            data = f'{{"prompt_id": "job", "node": "3", "value": {number}, "max": {number}}}'
            await socket.send_str(f'{{"type": "progress", "data": {data}}}')
        await socket.send_str(step(9, job="other"))
        await socket.send_str(step(5))
        await stays(socket)

    async with world(serve) as (progress, opened):
        await until(progress, 47, samplers=["3"])
        assert opened == [1]


async def test_a_socket_that_breaks_is_opened_again() -> None:
    async def serve(socket: web.WebSocketResponse, number: int) -> None:
        if number > 2:
            await socket.send_str(step(5))
            await stays(socket)
        elif number == 2:
            await socket.send_str("x" * 20_000)  # longer than we read
            await stays(socket)

    async with world(serve) as (progress, opened):
        await until(progress, 47, samplers=["3"])
        assert opened == [1, 2, 3]


async def test_a_silent_socket_stays_open_while_somebody_asks() -> None:
    async def serve(socket: web.WebSocketResponse, _: int) -> None:
        with contextlib.suppress(TimeoutError):
            await socket.receive(timeout=0.6)
        await socket.send_str(step(5))
        await stays(socket)

    async with world(serve, idle_s=0.2) as (progress, opened):
        await until(progress, 47, samplers=["3"])
        assert opened == [1]


async def test_the_socket_is_closed_when_nobody_has_asked_for_long() -> None:
    left = asyncio.Event()

    async def serve(socket: web.WebSocketResponse, _: int) -> None:
        await socket.send_str(step(5))
        await stays(socket)
        left.set()

    async with world(serve, idle_s=0.1) as (progress, opened):
        await until(progress, 47, samplers=["3"])
        async with asyncio.timeout(5):
            await left.wait()
        await until(progress, 47, samplers=["3"])  # and opened again for the next one who does
        assert opened == [1, 2]


async def test_a_job_that_has_ended_is_forgotten() -> None:
    async def serve(socket: web.WebSocketResponse, _: int) -> None:
        await socket.send_str(step(5))
        await stays(socket)

    async with world(serve) as (progress, _):
        await until(progress, 47, samplers=["3"])
        progress.forget("job")
        assert progress.percent("job", ["3"]) is None


async def test_nothing_is_listened_for_after_the_end() -> None:
    async def serve(socket: web.WebSocketResponse, _: int) -> None:
        await stays(socket)

    async with world(serve) as (progress, opened):
        await progress.close()
        assert progress.percent("job", ["3"]) is None
        await asyncio.sleep(0)
        assert opened == []
