"""One bounded request to the API itself. Deadlines live here; what an answer means does not."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from bot.providers.responses import Answer
from bot.proxy import UnusableProxyError

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


async def answer_of(response: aiohttp.ClientResponse) -> Answer:
    """Reads the answer as far as it comes and as far as we care."""
    body = bytearray()
    is_whole = True
    try:
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                is_whole = False
                break
    except BROKEN as exc:
        disarm(exc)
        is_whole = False
    if not is_whole:
        response.close()  # nothing of a half-read answer goes back to the pool
    plain = _unpacked(bytes(body))
    return Answer(
        response.status, response.headers, plain[:MAX_ANSWER_BYTES], is_whole and len(plain) <= MAX_ANSWER_BYTES
    )


def _unpacked(body: bytes) -> bytes:
    """The body as far as it came, also where it came packed although asked not to: the header may lie both ways."""
    if not body.startswith((b"\x1f\x8b", b"\x78")):
        return body
    try:
        return zlib.decompressobj(wbits=47).decompress(body, MAX_ANSWER_BYTES + 1)
    except zlib.error:
        return body


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
