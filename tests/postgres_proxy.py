"""Stands between the bot and PostgreSQL, and breaks the connection where a test says so."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import re
from collections.abc import AsyncIterator

_COMMIT = b"COMMIT\0"
_PREPARED = re.compile(rb"(_pg3_\d+)\0COMMIT\0")


class Cut(enum.Enum):
    """When connections break."""

    NEVER = enum.auto()
    BEFORE_COMMIT = enum.auto()  # the server never hears of it
    AFTER_COMMIT = enum.auto()  # the server has done it, the client never hears of that
    NOW = enum.auto()  # and no new one is let through


class Proxy:
    """On a port of its own; `cut` may be changed at any time. Once a COMMIT was cut, `then` is what holds."""

    def __init__(self, target: int) -> None:
        self._target = target
        self.cut = Cut.NEVER
        self.then = Cut.NEVER
        self.of = b""
        """Only the COMMIT of a batch with these bytes in it is cut."""
        self.has_cut = asyncio.Event()
        self.refused = asyncio.Semaphore(0)
        """To be acquired once for each connection that was not let through."""
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    def address(self, address: str) -> str:
        """The same database, through here."""
        return address.replace(f":{self._target}/", f":{self.port}/") + "?sslmode=disable&gssencmode=disable"

    def break_off(self) -> None:
        """Every connection, now; new ones are let through unless `cut` says otherwise."""
        for writer in self._writers:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.cut is Cut.NOW:
            self.refused.release()
            writer.transport.abort()
            return
        to_server, from_client = await asyncio.open_connection("127.0.0.1", self._target)
        both = {writer, from_client}
        self._writers |= both
        committing = asyncio.Event()  # from here on, nothing goes back on this connection
        with contextlib.suppress(OSError):
            async with asyncio.TaskGroup() as pipes:
                pipes.create_task(self._forward(reader, from_client, committing))
                pipes.create_task(self._backward(to_server, writer, committing))
        for each in both:
            each.transport.abort()
        self._writers -= both

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, committing: asyncio.Event
    ) -> None:
        batch, prepared = b"", set[bytes]()  # names of COMMIT, once it was sent a few times
        while data := await reader.read(65536):
            batch += data
            prepared |= {name + b"\0" for name in _PREPARED.findall(data)}
            ends = _COMMIT in data or any(name in data for name in prepared)
            is_it = ends and self.of in batch
            if is_it and self.cut is Cut.BEFORE_COMMIT:
                self._has_cut()
                return
            if is_it and self.cut is Cut.AFTER_COMMIT:
                committing.set()
            if ends:
                batch = b""
            writer.write(data)
        writer.transport.abort()

    async def _backward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, committing: asyncio.Event
    ) -> None:
        unheard = b""
        while data := await reader.read(65536):
            if committing.is_set():
                unheard += data
                if _COMMIT in unheard:  # the server has done it
                    self._has_cut()
                    return
                continue
            writer.write(data)
        writer.transport.abort()

    def _has_cut(self) -> None:
        self.cut = self.then
        self.has_cut.set()
        self.break_off()


@contextlib.asynccontextmanager
async def proxied(target: int) -> AsyncIterator[Proxy]:
    """A proxy in front of a port of this machine."""
    proxy = Proxy(target)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.break_off()
        await server.wait_closed()
