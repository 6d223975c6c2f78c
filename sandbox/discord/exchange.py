"""What went over the wire: exchanges, and hooks on them. Knows nothing of Discord."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from aiohttp import BodyPartReader, web

from sandbox.discord.wire import Wire

Phase = Literal["before", "inside", "after"]


@dataclass(frozen=True, slots=True)
class SentFile:
    """A file of a multipart request; `index` is the n of `files[n]`."""

    index: int
    filename: str
    data: bytes = field(repr=False)

    @property
    def size(self) -> int:
        return len(self.data)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: a JSON value, bytes or text as the body; no body at all is `None`."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class Cut:
    """The TCP connection is torn down in place of an answer."""


CUT: Final = Cut()


@dataclass(slots=True)
class Exchange:
    """One request and what came of it. `status` is 0 until something was decided, and stays so for a cut."""

    part: Literal["api", "cdn"]
    method: str
    path: str
    """Without the `/api/v10` in front."""
    query: dict[str, str]
    headers: dict[str, str]
    at: float
    authorized: bool = False
    """It carried the bot's right token."""
    body: Any = None
    """The JSON body, or the `payload_json` of a multipart one."""
    files: list[SentFile] = field(default_factory=list)
    route: str = ""
    """The template as Discord's contract spells it; empty for an unknown route."""
    params: dict[str, str] = field(default_factory=dict)
    status: int = 0
    code: int | None = None
    """Discord's error code, when the answer was an error."""
    response: Any = None
    cut: bool = False

    def settle(self, reply: Reply) -> None:
        self.status = reply.status
        self.response = reply.body
        code = reply.body.get("code") if isinstance(reply.body, dict) else None
        self.code = code if isinstance(code, int) else None


Hook = Callable[[Phase, Exchange], Awaitable[Reply | Cut | None]]


def rate_limited(retry_after: float, *, everywhere: bool = False) -> Reply:
    """A 429 as Discord sends it, with the `Via` header without which discord.py gives up at once."""
    body = {
        "message": "You are being rate limited.",
        "retry_after": retry_after,
        "global": everywhere,
        "code": 0,
    }
    scope = "global" if everywhere else "user"
    return Reply(429, body, {"Via": "1.1 local", "Retry-After": str(retry_after), "X-RateLimit-Scope": scope})


def cloudflare_block(retry_after: int) -> Reply:
    """The page of Discord's edge for an address with too many invalid requests: no JSON, no `Via`."""
    page = "<!doctype html><html><head><title>Access denied | discord.com used Cloudflare</title></head>"
    body = f"{page}<body>error code: 1015</body></html>"
    return Reply(429, body, {"Retry-After": str(retry_after), "Server": "cloudflare"})


def edge_page(status: int) -> Reply:
    """The page of an edge, or of a proxy on the way, in place of Discord's answer: no JSON, no code."""
    return Reply(
        status, f"<!doctype html><html><body><h1>{status}</h1>cloudflare</body></html>", {"Server": "cloudflare"}
    )


async def read_request(request: web.Request, exchange: Exchange) -> None:
    """Fills in body and files. Raises `ValueError` for a body that is not what its type says."""
    if request.content_type == "multipart/form-data":
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader):
                raise ValueError("multipart inside multipart")  # noqa: TRY004 - a wrong body, not a wrong call
            data = bytes(await part.read())
            if part.name == "payload_json":
                exchange.body = json.loads(data)
            elif part.name and part.name.startswith("files["):
                index = int(part.name.removeprefix("files[").rstrip("]"))
                exchange.files.append(SentFile(index, part.filename or "file", data))
    elif request.content_type == "application/x-www-form-urlencoded":
        form = await request.post()
        exchange.body = json.loads(str(form["payload_json"])) if "payload_json" in form else dict(form)
    elif raw := await request.read():
        exchange.body = json.loads(raw)


def response_of(reply: Reply) -> web.Response:
    """The Content-Type of JSON is exactly `application/json`: with a charset discord.py reads it as text."""
    if reply.body is None:
        return web.Response(status=reply.status, headers=reply.headers)
    if isinstance(reply.body, bytes):
        return web.Response(status=reply.status, body=reply.body, headers=reply.headers)
    if isinstance(reply.body, str):
        return web.Response(status=reply.status, text=reply.body, headers=reply.headers, content_type="text/html")
    raw = json.dumps(reply.body).encode()
    return web.Response(status=reply.status, body=raw, headers=reply.headers, content_type="application/json")


def visible_headers(request: web.Request) -> dict[str, str]:
    """All but what is secret: of the authorization only its scheme is kept."""
    headers: Wire = dict(request.headers)
    if "Authorization" in headers:
        headers["Authorization"] = headers["Authorization"].partition(" ")[0]
    return headers
