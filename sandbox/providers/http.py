"""Bytes in, bytes out: a request read into an Exchange, an Answer written in its manner."""

import functools
import json
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import unquote

from aiohttp import BodyPartReader, web

from sandbox.providers.exchange import CUT, Answer, Cut, Exchange, Part, Route

HUGE_BYTES = 100 * 1024 * 1024
CHUNK = 256 * 1024
DRIPS = 50
ENDLESS_PAUSE_SECONDS = 0.02
ENDLESS_CHUNK = b" " * 1024

Pause = Callable[[float], Awaitable[None]]


async def open_site(runner: web.ServerRunner, port: int) -> str:
    """Listens on loopback; the origin, with the port the system gave for 0."""
    listener = socket.create_server(("127.0.0.1", port))
    await web.SockSite(runner, listener, backlog=1024).start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


async def read_exchange(request: web.BaseRequest, routes: Sequence[Route], number: int, at: float) -> Exchange:
    """The request with its body read to the end; a broken form leaves `parts` empty."""
    path = request.path_qs.partition("?")[0]
    route, in_path = _matched(routes, request.method, request.rel_url.raw_path)
    exchange = Exchange(
        number=number,
        origin=f"http://{request.host}",
        method=request.method,
        path=path,
        route=route.name if route else "",
        kind=route.kind if route else "other",
        query=dict(request.query),
        headers={name.lower(): value for name, value in request.headers.items()},
        at=at,
        in_path=in_path,
        job_id=in_path.get("job_id"),
    )
    if request.content_type == "multipart/form-data":
        exchange.parts = await _parts(request)
        exchange.fields = {p.name: p.body.decode(errors="replace") for p in exchange.parts if p.filename is None}
    else:
        exchange.body = await request.content.read()
        exchange.fields = _json_fields(exchange.body)
    return exchange


def _json_fields(body: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(body)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def _matched(routes: Sequence[Route], method: str, raw_path: str) -> tuple[Route | None, dict[str, str]]:
    """An id may hold an encoded slash: the path is matched before it is decoded."""
    for route in routes:
        if route.method == method and (found := _pattern(route.path).fullmatch(raw_path)):
            return route, {name: unquote(value) for name, value in found.groupdict().items()}
    return None, {}


@functools.cache
def _pattern(path: str) -> re.Pattern[str]:
    """`{name}` stands for one segment, `{name*}` for one or more."""
    many = re.sub(r"\\{(\w+)\\\*\\}", r"(?P<\1>.+)", re.escape(path))
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", many))


async def _parts(request: web.BaseRequest) -> list[Part]:
    parts: list[Part] = []
    try:
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader):
                return []  # a form within a form
            body = bytes(await part.read(decode=True))
            parts.append(Part(part.name or "", part.filename, part.headers.get("Content-Type"), body))
    except ValueError:
        await request.content.read()
        return []
    return parts


async def send(
    request: web.BaseRequest, exchange: Exchange, answer: Answer | Cut, *, slow_seconds: float, pause: Pause
) -> web.StreamResponse:
    """Writes the answer to its end, or as far as its manner and the client let it."""
    response = web.StreamResponse()
    try:
        if answer is CUT:
            raise ConnectionAbortedError
        response = _head(answer)
        await response.prepare(request)
        await _MANNERS[answer.manner](response, answer.encoded(), slow_seconds, pause)
        await response.write_eof()
    except ConnectionError:
        exchange.cut = True
        if request.transport:
            # close(), unlike abort(), first sends what has been written.
            (request.transport.abort if answer is CUT else request.transport.close)()
    return response


def _head(answer: Answer) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers=dict(answer.headers))
    if "Content-Type" not in answer.headers and not isinstance(answer.body, bytes):
        response.content_type = "application/json"
    if answer.manner == "huge":
        response.content_length = HUGE_BYTES
    elif answer.manner != "endless" and "Content-Length" not in answer.headers:
        response.content_length = len(answer.encoded())
    return response


async def _whole(response: web.StreamResponse, body: bytes, *_: Any) -> None:
    await response.write(body)


async def _half(response: web.StreamResponse, body: bytes, *_: Any) -> None:
    await response.write(body[: len(body) // 2])
    raise ConnectionAbortedError


async def _drip(response: web.StreamResponse, body: bytes, slow_seconds: float, pause: Pause) -> None:
    step = max(1, len(body) // DRIPS)
    for start in range(0, len(body), step):
        await response.write(body[start : start + step])
        await pause(slow_seconds * step / len(body))


async def _endless(response: web.StreamResponse, body: bytes, _slow_seconds: float, pause: Pause) -> None:
    await response.write(body)
    while True:  # until the client leaves or the server stops
        await response.write(ENDLESS_CHUNK)
        await pause(ENDLESS_PAUSE_SECONDS)


async def _huge(response: web.StreamResponse, body: bytes, *_: Any) -> None:
    await response.write(body)
    for start in range(len(body), HUGE_BYTES, CHUNK):
        await response.write(b" " * min(CHUNK, HUGE_BYTES - start))


_MANNERS = {"whole": _whole, "half": _half, "drip": _drip, "endless": _endless, "huge": _huge}
