"""Fetches a finished video: guarded by address, bounded, checked by its first bytes, whole or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import aiohttp
from yarl import URL

from bot.errors import VideoNotReady
from bot.video import guard, wire, words
from bot.video.http import BROKEN, MAX_ANSWER_BYTES, Timeouts, disarm, told

MAX_REDIRECTS = 5
MIN_VIDEO_BYTES = 128  # an `ftyp` and an empty `moov` alone are more

_CHUNK_BYTES = 256 * 1024
_GZIP = b"\x1f"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TOTAL_IN_RANGE = re.compile(r"bytes \d+-\d+/(\d+)")


class _NotFetchedError(Exception):
    """A route gave no video; its words say why."""


@dataclass(frozen=True, slots=True)
class Downloads:
    """Downloads with one key, which goes to the endpoint's own origin only."""

    key: str = field(repr=False)
    hosts: frozenset[str]
    max_bytes: int
    timeouts: Timeouts

    async def fetch(self, endpoint: str, routes: Sequence[str | None], authorization: str, target: Path) -> None:
        """Tries each route once, in order. Raises VideoNotReady with what each one said."""
        said: list[str] = []
        part = target.with_name(f"{target.name}.part")
        try:
            for route in dict.fromkeys(filter(None, routes)):
                try:
                    async with asyncio.timeout(self.timeouts.download_s):
                        await self._fetch(URL(endpoint), route, authorization, part)
                    return await asyncio.to_thread(os.replace, part, target)
                except BROKEN as exc:
                    disarm(exc)
                    said.append(told(exc))
                except _NotFetchedError as exc:
                    said.append(words.for_the_log(str(exc), self.key))
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
        raise VideoNotReady(words.for_the_log("; then ".join(said), self.key))

    async def _fetch(self, endpoint: URL, route: str, authorization: str, part: Path) -> None:
        url = _as_given(route)
        may_follow_json = True
        for _ in range(MAX_REDIRECTS + 1):
            async with self._get(url, endpoint, authorization) as response:
                location = response.headers.get("Location")
                if response.status in _REDIRECTS and location:
                    url = response.url.join(_as_given(location))
                    continue
                text = await self._store(response, part)
                if text is None:
                    return
                found = wire.video_url(wire.Answer(response.status, {}, text).json)
                if response.status != 200 or not found or not may_follow_json:
                    raise _NotFetchedError(f"{response.status}: {words.error_text(text) or 'empty'}")
                url, may_follow_json = _as_given(found), False
        raise _NotFetchedError("too many redirects")

    @contextlib.asynccontextmanager
    async def _get(self, url: URL, endpoint: URL, authorization: str) -> AsyncIterator[aiohttp.ClientResponse]:
        url = url.with_user(None).with_fragment(None)
        connector = aiohttp.TCPConnector(
            force_close=True, socket_factory=guard.socket_factory(url, endpoint, self.hosts)
        )
        headers = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "animate-bot"}
        if url.origin() == endpoint.origin():
            headers["Authorization"] = authorization
        timeout = aiohttp.ClientTimeout(
            total=None, connect=self.timeouts.connect_s, sock_read=self.timeouts.download_idle_s
        )
        async with (
            aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                timeout=timeout,
            ) as session,
            session.get(url, headers=headers, allow_redirects=False) as response,
        ):
            yield response

    async def _store(self, response: aiohttp.ClientResponse, part: Path) -> bytes | None:
        """Writes a video to `part` and returns None; anything else is returned as text, bounded."""
        async with contextlib.aclosing(_plain_chunks(response)) as chunks:
            head = await _at_least(MIN_VIDEO_BYTES, chunks)
            if response.status not in (200, 206) or not is_video(head):
                return (head + await _at_least(MAX_ANSWER_BYTES, chunks))[:MAX_ANSWER_BYTES]
            size = await self._write(head, chunks, part)
        expected = _expected_bytes(response)
        if expected is not None and size != expected:
            raise _NotFetchedError(f"cut at {size} of {expected} bytes")
        return None

    async def _write(self, head: bytes, chunks: AsyncIterator[bytes], part: Path) -> int:
        size = 0
        # Opened here and now: a thread could still be opening it after we were cancelled.
        with part.open("wb") as file:
            while head:
                size += len(head)
                if size > self.max_bytes:
                    raise _NotFetchedError(f"longer than {self.max_bytes} bytes")
                await asyncio.to_thread(file.write, head)
                head = await anext(chunks, b"")
            await asyncio.to_thread(_flush, file)
        return size


def is_video(head: bytes) -> bool:
    """By its first bytes: MP4 and its kin, WebM, AVI (which TensorRT-LLM may send)."""
    if len(head) < MIN_VIDEO_BYTES:
        return False
    return head[4:8] == b"ftyp" or head[:4] == b"\x1aE\xdf\xa3" or (head[:4], head[8:12]) == (b"RIFF", b"AVI ")


async def _at_least(size: int, chunks: AsyncIterator[bytes]) -> bytes:
    """The next bytes, at least this many unless they end."""
    head = b""
    while len(head) < size and (chunk := await anext(chunks, b"")):
        head += chunk
    return head


async def _plain_chunks(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    """The body in bounded chunks, never empty; unpacked where the far side gzips although asked not to.

    Whether it does is told by the bytes: the header may lie both ways, and no video begins so.
    """
    unpack = None
    is_first = True
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        if is_first and chunk.startswith(_GZIP):
            unpack = zlib.decompressobj(wbits=31)
        is_first = False
        if unpack is None:
            yield chunk
            continue
        packed, plain = chunk, b""
        while packed or len(plain) == _CHUNK_BYTES:  # zlib may hold more than it was let give
            try:
                plain = unpack.decompress(packed, _CHUNK_BYTES)
            except zlib.error as exc:
                raise _NotFetchedError("broken gzip") from exc
            packed = unpack.unconsumed_tail
            if plain:
                yield plain
    if unpack is not None and not unpack.eof:
        raise _NotFetchedError("cut gzip")


def _expected_bytes(response: aiohttp.ClientResponse) -> int | None:
    if response.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        return None
    total = _TOTAL_IN_RANGE.match(response.headers.get("Content-Range", ""))
    return int(total[1]) if total else response.content_length


def _as_given(address: str) -> URL:
    """The address without requoting, which would break signatures; unless it is not a proper one."""
    return URL(address, encoded=address.isascii() and address.isprintable() and " " not in address)


def _flush(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
