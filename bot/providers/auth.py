"""Which form of the key an endpoint takes, and who is given it: settled by questions that cost nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Literal

from yarl import URL

from bot.errors import VideoRejected, VideoUnavailable
from bot.models import FailureKind
from bot.providers import error_phrases, error_text
from bot.providers.responses import Answer
from bot.providers.ssrf_guard import same_origin

log = logging.getLogger(__name__)

UNSETTLED_S = 60.0
"""What is not settled for so long is told to the operator."""

Form = Literal["raw", "bearer"]
Question = Literal["unknown id", "models"]
Ask = Callable[[str, Question, str | None], Awaitable[Answer]]
"""GETs an id that cannot exist, or the models, at an endpoint, with an Authorization; raises VideoUnavailable."""

_FORMS: tuple[Form, ...] = ("raw", "bearer")
_TAKEN, _LIKELY, _SILENT, _REFUSED = range(4)


class Auth:
    """Settles the form once per endpoint; a form that has once worked is kept for good.

    The key belongs to the origin of `home`: an endpoint elsewhere is that of a job begun under other settings, and is
    asked without any key. `now` is a clock in seconds that only runs forward.
    """

    def __init__(
        self, key: str, form: Literal["auto", "raw", "bearer"], ask: Ask, *, home: str, now: Callable[[], float]
    ) -> None:
        self._key = key
        self._fixed: Form | None = None if form == "auto" else form
        self._ask = ask
        self._home_endpoint = home
        self._home = URL(home).origin()
        self._now = now
        self._settled: dict[str, Form] = {}
        self._proven: set[str] = set()
        self._refused: dict[str, set[Form]] = {}
        self._unsettled_since: float | None = None
        self._is_told = False
        self._foreign: set[URL] = set()
        self._lock = asyncio.Lock()

    @property
    def is_long_unsettled(self) -> bool:
        """For a minute and more no question has told which form is taken."""
        return self._unsettled_since is not None and self._now() - self._unsettled_since >= UNSETTLED_S

    async def header(self, endpoint: str) -> str | None:
        """The Authorization for an endpoint, settling it first if need be; None where it is not to have the key.

        Raises as `settle` does.
        """
        if not self._key or not self._is_home(endpoint):
            return None
        if self._fixed is None and endpoint not in self._settled:
            async with self._lock:
                if endpoint not in self._settled:
                    await self._settle(endpoint)
        return self._header(self._fixed or self._settled[endpoint])

    async def settle(self, endpoint: str) -> None:
        """Asks the endpoint now. Raises VideoRejected(KEY) if it takes no form, else VideoUnavailable."""
        if not self._key:
            return
        async with self._lock:
            await self._settle(endpoint)

    def guess(self, endpoint: str) -> str | None:
        """A form for a question that may need no key at all, while none is settled."""
        return self._key if self._key and self._is_home(endpoint) else None

    def worked(self, endpoint: str) -> None:
        """A real answer came for this form: it is fixed."""
        if endpoint in self._settled:
            self._proven.add(endpoint)

    def refused(self, endpoint: str) -> None:
        """A create got 401 although the questions had not; the next one tries the other form, if that may be taken."""
        if endpoint in self._settled and endpoint not in self._proven:
            self._refused.setdefault(endpoint, set()).add(self._settled.pop(endpoint))

    def _is_home(self, endpoint: str) -> bool:
        if endpoint == self._home_endpoint or same_origin(URL(endpoint), self._home):
            return True
        origin = URL(endpoint).origin()
        if origin not in self._foreign:
            self._foreign.add(origin)
            log.warning(
                "videos in progress at %s belong to another VIDEO_API_URL: the bot asks for them without a key, "
                "because the key is for %s",
                origin,
                self._home,
            )
        return False

    async def _settle(self, endpoint: str) -> None:
        try:
            form = await self._found(endpoint)
        except VideoUnavailable as exc:
            self._note_unsettled(exc)
            if self.is_long_unsettled:
                raise VideoUnavailable(
                    exc.provider_text,
                    kind=FailureKind.KEY,
                    retry_after_s=exc.retry_after_s,
                    rate_limited=exc.rate_limited,
                    http_status=exc.http_status,
                ) from exc
            raise
        except VideoRejected:
            self._unsettled_since = None  # that is an answer, too
            raise
        self._unsettled_since = None
        self._settled[endpoint] = form
        if self._fixed is None:
            log.info("auth=%s settled for endpoint=%s", form, URL(endpoint).with_user(None))

    async def _found(self, endpoint: str) -> Form:
        """The form this endpoint takes, or most likely takes."""
        refused = self._refused.get(endpoint, set())
        forms = self._candidates(endpoint)
        if refused.issuperset(forms):
            self._refused.pop(endpoint, None)  # the operator may have mended the key: start over next time
            raise VideoRejected(FailureKind.KEY, "every form of the key was refused", http_status=401)
        found: list[tuple[int, Form, Answer]] = []
        for form in sorted(forms, key=refused.__contains__):
            answer = await self._ask(endpoint, "unknown id", self._header(form))
            found.append((max(_doubt(answer), _LIKELY if form in refused else _TAKEN), form, answer))
            if found[-1][0] == _TAKEN:
                return form
        found = await self._asked_for_models(endpoint, found, refused)
        doubt, form, answer = min(found, key=lambda each: each[0])
        told = error_text.for_the_log(error_text.error_text(answer.body), self._key)
        if all(each[0] == _REFUSED for each in found):
            raise VideoRejected(FailureKind.KEY, told, http_status=answer.status)
        if doubt >= _SILENT:
            raise VideoUnavailable(told, http_status=answer.status, rate_limited=answer.status == 429)
        return form

    async def _asked_for_models(
        self, endpoint: str, found: list[tuple[int, Form, Answer]], refused: set[Form]
    ) -> list[tuple[int, Form, Answer]]:
        """The same with what the list of models tells, where an unknown id settles nothing.

        LiteLLM passes the unknown id on, and an upstream's 401 about another key comes back. A list that is open to
        everybody tells nothing.
        """
        lists: list[tuple[int, Form, Answer]] = []
        for doubt, form, answer in found:
            models = await self._models(endpoint, self._header(form))
            if models is None:
                return found
            if _is_a_list(models):
                lists.append((_LIKELY if form in refused else _TAKEN, form, models))
            elif doubt == _SILENT and _doubt(models) == _REFUSED:
                lists.append((_REFUSED, form, models))
            else:
                lists.append((doubt, form, answer))
        if any(_is_a_list(answer) for _, _, answer in lists):
            to_anybody = await self._models(endpoint, None)
            if to_anybody is None or _is_a_list(to_anybody):
                return found
        return lists

    async def _models(self, endpoint: str, authorization: str | None) -> Answer | None:
        try:
            return await self._ask(endpoint, "models", authorization)
        except VideoUnavailable:
            return None

    def _note_unsettled(self, error: VideoUnavailable) -> None:
        if self._unsettled_since is None:
            self._unsettled_since, self._is_told = self._now(), False
        if self.is_long_unsettled and not self._is_told:
            self._is_told = True
            log.error(
                "for a minute the bot could not find out how the provider takes VIDEO_API_KEY (%s); it sends nothing "
                "until it knows. If the key is right, set VIDEO_API_AUTH to raw or bearer",
                error.provider_text or f"http {error.http_status}",
            )

    def _candidates(self, endpoint: str) -> list[Form]:
        if self._fixed:
            return [self._fixed]
        if endpoint in self._proven:
            return [self._settled[endpoint]]
        return list(_FORMS)

    def _header(self, form: Form) -> str:
        return self._key if form == "raw" else f"Bearer {self._key}"


def _doubt(answer: Answer) -> int:
    """How little an answer says about the key.

    LiteLLM answers an unknown id with a 500 in JSON, and a raw key (without its database) with a bare 500.
    """
    if refuses_key(answer):
        return _REFUSED
    if answer.status in (407, 408, 429) or answer.status > 500:
        return _SILENT
    if answer.status == 500:
        return _LIKELY if isinstance(answer.json, dict) else _SILENT
    return _LIKELY if answer.status in (402, 403) or 300 <= answer.status < 400 else _TAKEN


def _is_a_list(answer: Answer) -> bool:
    body = answer.json
    return answer.is_success and (
        isinstance(body, list) or (isinstance(body, dict) and isinstance(body.get("data", body.get("models")), list))
    )


def refuses_key(answer: Answer) -> bool:
    """Whether an answer says that the key is not taken.

    That is a 401, GPTProto's `{"error": {"type": "401"}}` and `{"code": 401}`, whatever status carries them, and
    LiteLLM's 400.
    """
    if answer.status == 401:
        return True
    body = answer.json
    if not isinstance(body, dict):
        return False
    error = body.get("error")
    inner = (error.get("type"), error.get("code")) if isinstance(error, dict) else ()
    if any(str(code) == "401" for code in (body.get("code"), *inner)):
        return True
    return 400 <= answer.status < 500 and error_phrases.is_about(FailureKind.KEY, error_text.said(body))
