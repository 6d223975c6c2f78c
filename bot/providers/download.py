"""Fetches a finished video: guarded by address, bounded, checked by its first bytes, whole or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import aiohttp
from yarl import URL

from bot.errors import LocalTrouble, VideoNotReady, VideoUnavailable
from bot.providers import error_mapping, error_text, responses, ssrf_guard
from bot.providers.body import HEAD_BYTES, Body, NotFetchedError, at_least, is_cut_short, is_video
from bot.providers.embedded_video import EmbeddedVideo
from bot.providers.http import BROKEN, MAX_ANSWER_BYTES, Timeouts, disarm, told
from bot.proxy import proxy_for

MAX_VIDEO_BYTES = 512 * 1024 * 1024
MAX_REDIRECTS = 5

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_OUR_OWN = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
"""What a connection fails with for want of something on this machine."""


@dataclass(slots=True)
class _Tries:
    """What the sources of one download have said so far."""

    said: list[str] = field(default_factory=list)
    unanswered: int = 0  # sources without any HTTP answer
    refused: bool = False  # the content endpoint, by the API itself

    def note(self, source: _Source, said: str) -> None:
        if source.counts:
            self.said.append(said)
            self.unanswered += not source.answered

    def error(self, key: str) -> VideoNotReady | VideoUnavailable:
        text = error_text.for_the_log("; then ".join(self.said), key)
        if self.unanswered == len(self.said):
            return VideoUnavailable(text)
        return VideoNotReady(text, refused=self.refused and not self.unanswered)


@dataclass(slots=True)
class _Source:
    """One address of the video, the headers with the key for it, and whether anybody has answered on it."""

    address: str
    headers: Mapping[str, str]
    answered: bool = False
    counts: bool = True  # what it says of a video that it has not


@dataclass(frozen=True, slots=True)
class Downloads:
    """Downloads with one key, which goes to the endpoint's own origin only."""

    key: str = field(repr=False)
    hosts: frozenset[str]
    max_bytes: int
    timeouts: Timeouts

    async def fetch(
        self,
        endpoint: str,
        url: str | None,
        content: str,
        headers: Mapping[str, str],
        target: Path,
        *,
        url_needs_key: bool = True,
        url_in: Callable[[Any], str | None] = responses.video_url,
        told_in: str | None = None,
    ) -> None:
        """Tries the video's own URL, then the content endpoint, once each. Raises as `Provider.download` does.

        After these it tries `told_in`, which may have the video in it; what else that says does not matter.

        `headers` carry the key; with `url_needs_key` off, they go to the content endpoint alone. An answer in JSON is
        followed once to the address that `url_in` finds in it.
        """
        tries = _Tries()
        part = target.with_name(f"{target.name}.part")
        sources = [_Source(url, headers if url_needs_key else {})] if url and url != content else []
        sources.append(_Source(content, headers))
        if told_in is not None:
            sources.append(_Source(told_in, headers, counts=False))
        try:
            for source in sources:
                try:
                    async with asyncio.timeout(self.timeouts.download_s):
                        await self._fetch(URL(endpoint), source, part, url_in)
                    with _own_disk():
                        return await asyncio.to_thread(os.replace, part, target)
                except BROKEN as exc:
                    disarm(exc)
                    if isinstance(exc, OSError) and exc.errno in _OUR_OWN:
                        raise LocalTrouble(told(exc)) from exc
                    tries.note(source, told(exc))
                except NotFetchedError as exc:
                    tries.note(source, error_text.for_the_log(str(exc), self.key))
                    tries.refused |= source.address == content and exc.refused
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
        raise tries.error(self.key)

    async def _fetch(self, endpoint: URL, source: _Source, part: Path, url_in: Callable[[Any], str | None]) -> None:
        url = _as_given(source.address)
        may_follow_json = True
        for _ in range(MAX_REDIRECTS + 1):
            async with self._get(url, endpoint, source.headers) as response:
                source.answered = True
                location = response.headers.get("Location")
                if response.status in _REDIRECTS and location:
                    url = response.url.join(_as_given(location))
                    continue
                text = await self._store(response, part)
                if text is None:
                    return
                answer = responses.Answer(response.status, {}, text)
                found = url_in(answer.json)
                if response.status != 200 or not found or not may_follow_json:
                    raise NotFetchedError(
                        f"{response.status}: {error_text.error_text(text) or 'empty'}",
                        refused=error_mapping.refuses_content(answer)
                        and ssrf_guard.same_origin(response.url, endpoint),
                    )
                url, may_follow_json = _as_given(found), False
        raise NotFetchedError("too many redirects")

    @contextlib.asynccontextmanager
    async def _get(self, url: URL, endpoint: URL, keyed: Mapping[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
        url = url.with_user(None).with_fragment(None)
        proxy = proxy_for(url)
        check = ssrf_guard.socket_factory(url, endpoint, self.hosts)
        if proxy is not None and check is not None:
            check = None  # the socket's address is the proxy's
            async with asyncio.timeout(self.timeouts.connect_s):
                await ssrf_guard.check_name(url)
        connector = aiohttp.TCPConnector(force_close=True, socket_factory=check)
        headers = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "animate-bot"}
        if ssrf_guard.same_origin(url, endpoint):
            headers.update(keyed)
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
            session.get(
                url,
                headers=headers,
                allow_redirects=False,
                proxy=proxy,
            ) as response,
        ):
            yield response

    async def _store(self, response: aiohttp.ClientResponse, part: Path) -> bytes | None:
        """Writes a video to `part` and returns None, also one in JSON; anything else is returned as text, bounded."""
        body = Body(response, 2 * max(self.max_bytes, MAX_ANSWER_BYTES))
        async with contextlib.aclosing(body.chunks()) as chunks:
            head = await at_least(HEAD_BYTES, chunks)
            if response.status not in (200, 206):
                return (head + await at_least(MAX_ANSWER_BYTES, chunks))[:MAX_ANSWER_BYTES]
            if not is_video(head):
                return await self._store_embedded(head, chunks, part)
            if (response.content_length or 0) > self.max_bytes:  # not to be fetched first, at each try
                raise NotFetchedError(f"longer than {self.max_bytes} bytes")
            await self._write(head, chunks, part)
        if not body.hold_against_the_header():
            with _own_disk():
                is_cut = await asyncio.to_thread(is_cut_short, part)
            if is_cut:
                raise NotFetchedError("cut: the file is shorter than it says of itself")
        return None

    async def _store_embedded(self, head: bytes, chunks: AsyncIterator[bytes], part: Path) -> bytes | None:
        found = EmbeddedVideo(head, chunks, searched_bytes=MAX_ANSWER_BYTES)
        async with contextlib.aclosing(found.decoded()) as video:
            if not (first := await anext(video, b"")):
                return bytes(found.text)
            await self._write(first, video, part)
        return None

    async def _write(self, head: bytes, chunks: AsyncIterator[bytes], part: Path) -> None:
        with _own_disk():  # opened here and now: a thread could still be opening it after we were cancelled
            file = part.open("wb")
        size = 0
        try:
            while head:
                size += len(head)
                if size > self.max_bytes:
                    raise NotFetchedError(f"longer than {self.max_bytes} bytes")
                with _own_disk():
                    await asyncio.to_thread(file.write, head)
                head = await anext(chunks, b"")
            with _own_disk():
                await asyncio.to_thread(_flush, file)
        finally:
            with contextlib.suppress(OSError):  # what could not be written has been told already
                file.close()


@contextlib.contextmanager
def _own_disk() -> Iterator[None]:
    """Round everything that touches our own files, and nothing else."""
    try:
        yield
    except OSError as exc:
        raise LocalTrouble(told(exc)) from exc


def _as_given(address: str) -> URL:
    """The address without requoting, which would break signatures; unless it is not a proper one."""
    return URL(address, encoded=address.isascii() and address.isprintable() and " " not in address)


def _flush(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
