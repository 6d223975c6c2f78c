"""A `/v1/videos` made of scripted bytes on a raw socket: whatever a server can do wrong, it can do."""

from __future__ import annotations

import asyncio
import contextlib
import email.parser
import email.policy
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

MP4 = b"\0\0\0\x18ftypmp42\0\0\0\0isommp42" + bytes(range(256)) * 40


@dataclass(frozen=True, slots=True)
class Request:
    """What a client sent; `connection` numbers the connection it came on."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def form(self) -> dict[str, tuple[bytes, str | None, str | None]]:
        """The parts of a multipart body: bytes, file name, content type as sent."""
        head = f"Content-Type: {self.headers['content-type']}\r\n\r\n".encode()
        message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + self.body)
        parts = {}
        for part in message.iter_parts():
            name = part.get_param("name", header="content-disposition")
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            parts[str(name)] = (content, part.get_filename(), part.get("Content-Type"))
        return parts


Writer = asyncio.StreamWriter
Script = Callable[[Request, Writer], Awaitable[None]]
"""Writes the answer; the connection stays open afterwards unless the script closes it."""


@dataclass
class Provider:
    """Answers each "METHOD /path" by its script, and remembers what was asked."""

    port: int = 0
    scripts: dict[str, Script] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.origin}/v1"

    def on(self, route: str, script: Script | bytes) -> None:
        self.scripts[route] = script if callable(script) else sends(script)

    def asked(self, route: str) -> list[Request]:
        return [request for request in self.requests if f"{request.method} {request.path}" == route]

    async def serve(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        self.connections += 1
        connection = self.connections
        while (request := await _request(reader, connection)) is not None:
            self.requests.append(request)
            self.arrived.set()
            script = self.scripts.get(f"{request.method} {request.path}", sends(json_answer({"error": "?"}, 404)))
            await script(request, writer)
            if writer.is_closing():
                break


@contextlib.asynccontextmanager
async def provider() -> AsyncIterator[Provider]:
    """A provider on a port of its own, on loopback."""
    made = Provider()
    async with listening(made.serve) as made.port:
        yield made


@contextlib.asynccontextmanager
async def listening(handle: Callable[[asyncio.StreamReader, Writer], Awaitable[None]]) -> AsyncIterator[int]:
    """A port on loopback where each connection is handled so; all of them end with it."""
    open_connections: dict[asyncio.Task[None], Writer] = {}

    async def attend(reader: asyncio.StreamReader, writer: Writer) -> None:
        with contextlib.suppress(OSError, EOFError, ValueError):
            await handle(reader, writer)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: Writer) -> None:
        task = asyncio.create_task(attend(reader, writer))
        open_connections[task] = writer
        task.add_done_callback(open_connections.pop)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.sleep(0)  # a connection just accepted reaches us one turn later
        left = dict(open_connections)
        for task, writer in left.items():
            task.cancel()
            writer.transport.abort()
        await asyncio.gather(*left, *(writer.wait_closed() for writer in left.values()), return_exceptions=True)
        await server.wait_closed()


def http_answer(status: int, body: bytes = b"", **headers: str | None) -> bytes:
    """A whole answer; a header given as None is left out."""
    named: dict[str, str | None] = {"content-length": str(len(body)), "content-type": "application/json"}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in named.items() if value is not None)]
    return "\r\n".join([*lines, "", ""]).encode() + body


def json_answer(body: Any, status: int = 200, **headers: str | None) -> bytes:
    return http_answer(status, json.dumps(body).encode(), **headers)


def video_answer(body: bytes = MP4, status: int = 200, **headers: str | None) -> bytes:
    return http_answer(status, body, **{"content_type": "video/mp4", **headers})


def sends(answer: bytes) -> Script:
    async def script(_: Request, writer: Writer) -> None:
        writer.write(answer)
        await writer.drain()

    return script


def sends_in_turn(*answers: bytes) -> Script:
    left = list(answers)

    async def script(_: Request, writer: Writer) -> None:
        writer.write(left.pop(0) if len(left) > 1 else left[0])
        await writer.drain()

    return script


def sends_and_closes(answer: bytes) -> Script:
    async def script(_: Request, writer: Writer) -> None:
        writer.write(answer)
        await writer.drain()
        writer.close()

    return script


def sends_for_ever(head: bytes, chunk: bytes) -> Script:
    async def script(_: Request, writer: Writer) -> None:
        writer.write(head)
        while True:
            writer.write(chunk)
            await writer.drain()

    return script


async def says_nothing(_: Request, writer: Writer) -> None:
    await writer.drain()


async def resets(_: Request, writer: Writer) -> None:
    writer.transport.abort()


async def _request(reader: asyncio.StreamReader, connection: int) -> Request | None:
    line = (await reader.readline()).decode("latin-1")
    if not line:
        return None
    method, path, _ = line.split(" ", 2)  # ValueError: not HTTP, such as TLS
    headers = {}
    while (header := (await reader.readline()).decode("latin-1").strip()) != "":
        name, _, value = header.partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, path, headers, body, connection)
