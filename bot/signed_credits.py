"""`POST /credits`: a shop or a script of the operator gives a member bonus credits. Off without CREDITS_SECRET.

Nothing is read from a request before its signature is right: HMAC-SHA256 over its time and its body. A request is good
for five minutes, and its key for one grant, so one that was listened to is worth nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from bot.errors import StoreError
from bot.models import DIRECT, Scope, UserId
from bot.store.credit_requests import Granted

log = logging.getLogger(__name__)

PATH = "/credits"
WINDOW = timedelta(minutes=5)
READ_WITHIN_S = 10.0
MOST_CREDITS = 1_000_000
LONGEST_KEY, LONGEST_REASON = 200, 200
_ID = re.compile(r"[0-9]{1,19}", re.ASCII)
_TIME = re.compile(r"[0-9]{1,11}", re.ASCII)
_LONE_HALF = re.compile("[\ud800-\udfff]")
"""Of a character that takes two in JSON: nothing can store it."""
_FIELDS = {"key", "server", "member", "credits", "reason"}


@dataclass(frozen=True, slots=True)
class CreditRequest:
    """What was asked for."""

    key: str
    scope: Scope
    member: UserId
    credits: int
    reason: str | None


class _Refused(Exception):
    """Answered with this status, a word for programs and a sentence for people."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class SignedCredits:
    """`grant` gives the credits once for a key, None where the key was used for something else; it raises StoreError.

    `knows` tells whether the bot is in a server; it raises StoreUnavailable while nobody can tell.
    """

    def __init__(
        self,
        secret: str,
        *,
        grant: Callable[[CreditRequest], Awaitable[Granted | None]],
        knows: Callable[[Scope], bool],
        now: Callable[[], datetime],
    ) -> None:
        self._secret = secret.encode()
        self._grant = grant
        self._knows = knows
        self._now = now

    def routes(self) -> list[web.RouteDef]:
        """For the bot's HTTP server."""
        return [web.post(PATH, self._post)]

    async def _post(self, request: web.Request) -> web.Response:
        try:
            found = await self._granted(request)
        except _Refused as refused:
            log.warning("credits refused: %s", refused.code)
            return _answer(refused.status, {"error": {"code": refused.code, "message": refused.message}})
        except (StoreError, TimeoutError) as error:
            log.error("credits not granted: %s", str(error) or "the request did not come in time")  # noqa: TRY400
            words = "Nothing is known to be granted. Send the same request again, with the same key."
            return _answer(503, {"error": {"code": "try_again", "message": words}})
        answer = {"granted": found.bonus.change, "bonus_credits": found.bonus.left, "repeated": found.is_repeated}
        return _answer(200, answer)

    async def _granted(self, request: web.Request) -> Granted:
        try:
            async with asyncio.timeout(READ_WITHIN_S):
                body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            raise _Refused(413, "too_large", "The body is too large.") from None
        self._check_signature(request, body)
        asked = _read(body)
        if asked.scope != DIRECT and not self._knows(asked.scope):
            raise _Refused(404, "unknown_server", "The bot is not in this server.")
        found = await self._grant(asked)
        if found is None:
            raise _Refused(
                409, "key_used", "This key has granted something else. Use a key of its own for each purchase."
            )
        log.info("user=%s scope=%s credits=%s repeated=%s", asked.member, asked.scope, asked.credits, found.is_repeated)
        return found

    def _check_signature(self, request: web.Request, body: bytes) -> None:
        """Over what was sent, byte by byte; the time is signed too."""
        sent, given = request.headers.get("X-Timestamp", ""), request.headers.get("X-Signature", "")
        signature = f"sha256={sign(self._secret, sent, body)}"
        if not hmac.compare_digest(signature.encode(), given.encode("utf-8", "surrogateescape")):
            raise _Refused(401, "bad_signature", "X-Signature is not the signature of X-Timestamp and this body.")
        if not _TIME.fullmatch(sent) or abs(self._now().timestamp() - int(sent)) > WINDOW.total_seconds():
            raise _Refused(
                401, "bad_time", "X-Timestamp is more than five minutes off. It is in seconds since 1970, UTC."
            )


def sign(secret: bytes, timestamp: str, body: bytes) -> str:
    """In hexadecimal."""
    signed = timestamp.encode("utf-8", "surrogateescape") + b"." + body
    return hmac.new(secret, signed, hashlib.sha256).hexdigest()


def _read(body: bytes) -> CreditRequest:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):  # also of bytes that are no UTF-8
        raise _wrong("The body is not JSON.") from None
    if not isinstance(found, dict) or not found.keys() <= _FIELDS:
        raise _wrong(f"The body must be an object with no other fields than {', '.join(sorted(_FIELDS))}.")
    key, credits_, reason = found.get("key"), found.get("credits"), found.get("reason")
    if not isinstance(key, str) or not 1 <= len(key) <= LONGEST_KEY or _LONE_HALF.search(key):
        raise _wrong(f"key must be a text of 1 to {LONGEST_KEY} characters, another one for each purchase.")
    if type(credits_) is not int or not 1 <= credits_ <= MOST_CREDITS:
        raise _wrong(f"credits must be a whole number from 1 to {MOST_CREDITS}.")
    if reason is not None and not (isinstance(reason, str) and len(reason) <= LONGEST_REASON and reason.isprintable()):
        raise _wrong(f"reason must be a text of up to {LONGEST_REASON} characters, in one line.")
    server = found.get("server")
    scope = DIRECT if server is None else Scope(_id(server, "server"))
    return CreditRequest(key, scope, UserId(_id(found.get("member"), "member")), credits_, reason or None)


def _id(value: object, field: str) -> int:
    """As text, since many programs cut a number of this length."""
    if not isinstance(value, str) or not _ID.fullmatch(value) or not 0 < int(value) < 2**63:
        raise _wrong(f"{field} must be the id that Discord shows, as a text of digits.")
    return int(value)


def _wrong(message: str) -> _Refused:
    return _Refused(400, "bad_request", message)


def _answer(status: int, answer: dict[str, Any]) -> web.Response:
    return web.json_response(answer, status=status, headers={"Cache-Control": "no-store"})
