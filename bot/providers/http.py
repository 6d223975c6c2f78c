"""Requests to a provider: bounded, no redirect followed, no cookie kept. What an answer means is not decided here.

A create is sent once, on a connection of its own, and an error tells whether it can have arrived.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from urllib.parse import quote

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from bot.errors import VideoOutcomeUnknown, VideoUnavailable
from bot.providers.responses import Answer
from bot.proxy import UnusableProxyError, proxy_for
from bot.wire_config import ProviderConfig

log = logging.getLogger(__name__)

MAX_ANSWER_BYTES = 1024 * 1024

NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError)
"""What is raised before a request leaves; aiohttp's trace tells the rest."""
BROKEN = (aiohttp.ClientError, TimeoutError, OSError, ValueError)
"""All that aiohttp raises for a bad far side; ValueError for addresses and headers it cannot parse."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long we wait, in seconds."""

    connect_s: float = 15.0
    create_s: float = 600.0  # waiting is free, giving up costs a video
    poll_s: float = 30.0
    download_idle_s: float = 30.0
    download_s: float = 900.0


def endpoint_and_key(config: ProviderConfig) -> tuple[str, str]:
    """The root of a provider's API without a trailing slash, and its key, empty where none is set.

    Raises ValueError for an address or a key that cannot be used.
    """
    root, key = URL(config.url.strip()), (config.key or "").strip()
    if root.scheme not in ("http", "https") or not root.host:
        raise ValueError(f"the address of the provider {config.name} must begin with http:// or https://")
    if config.key is not None and not (key and key.isprintable()):
        raise ValueError(f"the key of the provider {config.name} is empty or holds line breaks")
    return config.url.strip().rstrip("/"), key


class HttpClient:
    """Requests to one provider; used and closed on one loop.

    Addresses are sent as they are given, without requoting. Headers with the key are the caller's, for each request.
    """

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self._pooled: aiohttp.ClientSession | None = None
        self._is_closed = self._is_stopping = False

    async def create(
        self, address: str, headers: Mapping[str, str], body: bytes, *, job_in: Callable[[Answer], str | None]
    ) -> Answer:
        """POSTs once, and waits up to `create_s` for the answer. `job_in` finds the new job's id in it, for the log.

        Raises VideoUnavailable where the request certainly did not leave, else VideoOutcomeUnknown.
        """
        if self._is_stopping:
            raise VideoUnavailable("the bot is stopping")
        timeout = aiohttp.ClientTimeout(total=self._timeouts.create_s, connect=self._timeouts.connect_s)
        url = URL(address, encoded=True)
        connected, trace = _connection_trace()
        try:
            proxy = proxy_for(url)
            # A connection of its own: an idle one may be closing, and loses the request unread.
            async with (
                _session(aiohttp.TCPConnector(force_close=True), trace) as session,
                session.post(
                    url,
                    data=io.BytesIO(body),
                    headers=headers,
                    allow_redirects=False,
                    timeout=timeout,
                    proxy=proxy,
                ) as response,
            ):
                answer = await answer_of(response)
                # Before anything else is awaited: whatever becomes of us, the operator can find what was paid for.
                log.info("create answered http=%s provider_id=%r", answer.status, job_in(answer))
                return answer
        except BROKEN as exc:
            disarm(exc)
            if isinstance(exc, NOT_SENT) or not connected:
                raise VideoUnavailable(told(exc)) from exc
            raise VideoOutcomeUnknown(told(exc)) from exc

    async def ask(
        self,
        address: str,
        headers: Mapping[str, str],
        *,
        method: str = "GET",
        body: bytes | None = None,
        at_most: int = MAX_ANSWER_BYTES,
    ) -> Answer:
        """A request that costs nothing and may be repeated. Raises VideoUnavailable where no answer comes in time.

        Of an answer longer than `at_most` bytes only the beginning is read.
        """
        if self._is_closed:
            raise VideoUnavailable("closed")
        if self._pooled is None:
            self._pooled = _session(aiohttp.TCPConnector())
        timeout = aiohttp.ClientTimeout(total=self._timeouts.poll_s, sock_connect=self._timeouts.connect_s)
        url = URL(address, encoded=True)
        try:
            proxy = proxy_for(url)
            async with self._pooled.request(
                method,
                url,
                data=None if body is None else io.BytesIO(body),
                headers=headers,
                allow_redirects=False,
                timeout=timeout,
                proxy=proxy,
            ) as response:
                return await answer_of(response, at_most=at_most)
        except BROKEN as exc:
            disarm(exc)
            raise VideoUnavailable(told(exc)) from exc

    @contextlib.asynccontextmanager
    async def listen(
        self, address: str, headers: Mapping[str, str], *, max_message_bytes: int
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """A WebSocket on a connection of its own, closed with the context. Raises what `BROKEN` names, disarmed."""
        if self._is_closed:
            raise ConnectionAbortedError("closed")
        url = URL(address, encoded=True)
        async with _session(aiohttp.TCPConnector(force_close=True)) as session:
            try:
                async with asyncio.timeout(self._timeouts.connect_s):
                    socket = await session.ws_connect(
                        url,
                        headers=headers,
                        heartbeat=self._timeouts.poll_s,
                        max_msg_size=max_message_bytes,
                        timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
                        proxy=proxy_for(url),
                    )
            except BROKEN as exc:
                disarm(exc)
                raise
            async with socket:
                yield socket

    def stop_creating(self) -> None:
        """No create leaves any more."""
        self._is_stopping = True

    async def close(self) -> None:
        """Closes every connection; a question asked afterwards raises VideoUnavailable."""
        self._is_closed = self._is_stopping = True
        if self._pooled is not None:
            await self._pooled.close()


async def answer_of(response: aiohttp.ClientResponse, *, at_most: int = MAX_ANSWER_BYTES) -> Answer:
    """Reads the answer as far as it comes and as far as we care."""
    body = bytearray()
    is_whole = True
    try:
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > at_most:
                is_whole = False
                break
    except BROKEN as exc:
        disarm(exc)
        is_whole = False
    if not is_whole:
        response.close()  # nothing of a half-read answer goes back to the pool
    plain = _unpacked(bytes(body), at_most)
    return Answer(response.status, response.headers, plain[:at_most], is_whole and len(plain) <= at_most)


def _unpacked(body: bytes, at_most: int) -> bytes:
    """The body as far as it came, also where it came packed although asked not to: the header may be wrong."""
    if not body.startswith((b"\x1f\x8b", b"\x78")):
        return body
    try:
        return zlib.decompressobj(wbits=47).decompress(body, at_most + 1)
    except zlib.error:
        return body


def path_segment(text: str) -> str:
    """An id as one segment of a path. Ids are opaque: they may hold slashes, or be nothing but dots."""
    quoted = quote(text, safe="", errors="replace")
    return quoted if quoted.strip(".") else quoted.replace(".", "%2E")


def disarm(exc: BaseException) -> None:
    """Takes our own request, with its Authorization, out of an aiohttp error before anyone prints it."""
    if isinstance(exc, aiohttp.ClientResponseError):
        exc.args = (exc.status, exc.message)
        exc.request_info = aiohttp.RequestInfo(URL(), "", CIMultiDictProxy(CIMultiDict()))


def told(exc: BaseException) -> str:
    """An error of the network in a few words, without addresses or headers."""
    if isinstance(exc, OSError) and exc.strerror:
        return f"{type(exc).__name__}: {exc.strerror}"
    if isinstance(exc, UnusableProxyError):
        return str(exc)
    return type(exc).__name__


def _connection_trace() -> tuple[list[bool], aiohttp.TraceConfig]:
    """A list that fills once a connection stands, through a proxy too: before that nothing has been sent."""
    connected: list[bool] = []
    trace = aiohttp.TraceConfig()

    async def note(_session: aiohttp.ClientSession, _context: SimpleNamespace, _params: object) -> None:
        connected.append(True)

    trace.on_connection_create_end.append(note)
    return connected, trace


def _session(connector: aiohttp.TCPConnector, *traces: aiohttp.TraceConfig) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trace_configs=list(traces),
        headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "animate-bot"},
    )
