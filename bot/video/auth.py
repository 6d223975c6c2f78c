"""Which form of the key an endpoint takes: settled by asking for an unknown id, never by a second create."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Literal

from bot.errors import VideoRejected, VideoUnavailable
from bot.models import FailureKind
from bot.video import words
from bot.video.wire import Answer

log = logging.getLogger(__name__)

Form = Literal["raw", "bearer"]
Ask = Callable[[str, str], Awaitable[Answer]]
"""GETs an id that cannot exist at an endpoint, with an Authorization; raises VideoUnavailable."""

_FORMS: tuple[Form, ...] = ("raw", "bearer")


class Auth:
    """Settles the form once per endpoint; a form that has once worked is kept for good."""

    def __init__(self, key: str, form: Literal["auto", "raw", "bearer"], ask: Ask) -> None:
        self._key = key
        self._fixed: Form | None = None if form == "auto" else form
        self._ask = ask
        self._settled: dict[str, Form] = {}
        self._proven: set[str] = set()
        self._refused: dict[str, set[Form]] = {}
        self._lock = asyncio.Lock()

    async def header(self, endpoint: str) -> str:
        """The Authorization for an endpoint, settling it first if need be. Raises as `settle` does."""
        if self._fixed is None and endpoint not in self._settled:
            async with self._lock:
                if endpoint not in self._settled:
                    await self._settle(endpoint)
        return self._header(self._fixed or self._settled[endpoint])

    async def settle(self, endpoint: str) -> None:
        """Asks the endpoint now. Raises VideoRejected(KEY) if it takes no form, else VideoUnavailable."""
        async with self._lock:
            await self._settle(endpoint)

    def worked(self, endpoint: str) -> None:
        """A real answer came for this form: it is fixed."""
        if endpoint in self._settled:
            self._proven.add(endpoint)

    def refused(self, endpoint: str) -> None:
        """A create got 401 although an unknown id had not; the next one tries the other form."""
        if endpoint in self._settled and endpoint not in self._proven:
            self._refused.setdefault(endpoint, set()).add(self._settled.pop(endpoint))

    async def _settle(self, endpoint: str) -> None:
        forms = self._candidates(endpoint)
        if not forms:
            self._refused.pop(endpoint, None)  # the operator may have mended the key: start over next time
            raise VideoRejected(FailureKind.KEY, "every form of the key was refused", http_status=401)
        answers: list[tuple[int, Form, Answer]] = []
        for form in forms:
            answer = await self._ask(endpoint, self._header(form))
            answers.append((_doubt(answer), form, answer))
            if _doubt(answer) == 0:
                break
        doubt, form, answer = min(answers, key=lambda found: found[0])
        told = words.for_the_log(words.error_text(answer.body), self._key)
        if all(found[0] == _REFUSED for found in answers):
            raise VideoRejected(FailureKind.KEY, told, http_status=401)
        if doubt >= _SILENT:
            raise VideoUnavailable(
                told, http_status=answer.status, rate_limited=answer.status == 429, retry_after_s=None
            )
        self._settled[endpoint] = form
        if self._fixed is None:
            log.info("auth=%s settled for endpoint=%s", form, endpoint)

    def _candidates(self, endpoint: str) -> list[Form]:
        if self._fixed:
            return [self._fixed]
        if endpoint in self._proven:
            return [self._settled[endpoint]]
        return [form for form in _FORMS if form not in self._refused.get(endpoint, ())]

    def _header(self, form: Form) -> str:
        return self._key if form == "raw" else f"Bearer {self._key}"


_SILENT, _REFUSED = 2, 3


def _doubt(answer: Answer) -> int:
    """How little an answer says about the key: 0 taken, 1 likely taken, _SILENT nothing, _REFUSED refused.

    LiteLLM answers an unknown id with a 500 in JSON, and a raw key (without its database) with a bare 500.
    """
    if answer.status == 401 or _says_unauthorised(answer.json):
        return _REFUSED
    if answer.status in (408, 429) or answer.status > 500:
        return _SILENT
    if answer.status == 500:
        return 1 if isinstance(answer.json, dict) else _SILENT
    return 1 if answer.status in (402, 403) or 300 <= answer.status < 400 else 0


def _says_unauthorised(body: object) -> bool:
    """GPTProto's `{"error": {"type": "401"}}` and `{"code": 401}`, whatever status carries them."""
    if not isinstance(body, dict):
        return False
    error = body.get("error")
    inner = (error.get("type"), error.get("code")) if isinstance(error, dict) else ()
    return any(str(code) == "401" for code in (body.get("code"), *inner))
