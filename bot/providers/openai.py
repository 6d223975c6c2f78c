"""The adapter for a `/v1/videos` API: what is sent, and with what care. Reading answers lives in `responses`."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, Unpack, cast

from bot.errors import VideoOutcomeUnknown, VideoRejected, VideoUnavailable
from bot.models import FailureKind, Ticket
from bot.providers import error_mapping, error_text, json_template, responses
from bot.providers.auth import Auth, Question
from bot.providers.http import path_segment
from bot.providers.json_api import ApiOptions, JsonApi, parts_of
from bot.providers.multipart import form
from bot.providers.protocols import CreateRequest, Phase, VideoStatus
from bot.providers.responses import Answer
from bot.wire_config import ModelWire, PictureForm, ProviderConfig

log = logging.getLogger(__name__)

_UNKNOWN_ID = "video_0000000000"  # asked for to learn about the key alone
_ONE_CREATE = {"x-litellm-num-retries": "0"}
"""LiteLLM as installed repeats a create twice, and each may be paid. Others know nothing of this header."""
_MAX_NEW_WORDS = 100


class OpenAIProvider(JsonApi):
    """`bot.providers.protocols.Provider` over an OpenAI-style Videos API; used and closed on one loop.

    It knows no keys of ours and cannot cancel. How it takes its key is found out (`bot.providers.auth`).
    """

    def __init__(
        self,
        config: ProviderConfig,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        **options: Unpack[ApiOptions],
    ) -> None:
        """Raises ValueError for an address or a key that cannot be used."""
        super().__init__(config, **options)
        auth = config.auth if config.auth in ("raw", "bearer") else "auto"
        self._auth = Auth(
            self._key if config.auth != "none" else "",
            cast("Literal['auto', 'raw', 'bearer']", auth),
            self._question,
            home=self._endpoint,
            now=monotonic,
        )
        self._new_words: set[str] = set()

    async def settle_auth(self) -> None:
        """Asks the API about our key now, also when the form is already settled."""
        await self._auth.settle(self._endpoint)

    async def check(self, models: Sequence[ModelWire]) -> list[str]:
        """By the list of models, where the API has one that names any of these."""
        answer = await self._question(self._endpoint, "models", await self._auth.header(self._endpoint))
        names = responses.listed_names(answer) or set()
        wanted = {model.name for model in models}
        if not wanted & names:  # video models are often left out of such lists
            return []
        return [f"{self._name} does not list the model {name}" for name in sorted(wanted - names)]

    def faults(self) -> list[str]:
        if not self._auth.is_long_unsettled:
            return []
        return [f"the bot cannot find out how the provider {self._name} takes its key, and sends it nothing"]

    async def create(self, request: CreateRequest) -> Ticket:
        try:
            body, content_type = body_of(request)
        except UnicodeEncodeError as exc:
            raise VideoRejected(FailureKind.BAD_REQUEST, "the prompt is not valid Unicode") from exc
        headers = {**_with(await self._auth.header(self._endpoint)), "Content-Type": content_type, **_ONE_CREATE}
        answer = await self._http.create(f"{self._endpoint}/videos", headers, body, job_in=_job_in)
        outcome = error_mapping.of_create(answer, self._now(), key=self._key)
        if answer.status == 401:
            self._auth.refused(self._endpoint)
        if isinstance(outcome, VideoOutcomeUnknown) and outcome.provider_id is not None:
            outcome.ticket = ticket_of(self._endpoint, outcome.provider_id)
        if isinstance(outcome, Exception):
            raise outcome
        self._auth.worked(self._endpoint)
        return ticket_of(self._endpoint, outcome)

    async def settle(self, request: CreateRequest) -> Ticket | None:  # noqa: ARG002
        raise VideoOutcomeUnknown("this wire knows no keys")

    async def cancel(self, ticket: Ticket) -> bool:  # noqa: ARG002 - the wire has no such request
        return False

    async def status(self, ticket: Ticket) -> VideoStatus:
        endpoint, provider_id = _parts(ticket)
        try:
            authorization = await self._auth.header(endpoint)
        except VideoRejected as exc:
            raise VideoUnavailable(exc.provider_text, http_status=exc.http_status) from exc
        answer = await self._http.ask(video_path(endpoint, provider_id), _with(authorization))
        report = responses.job_report(answer, provider_id)
        wait_s = responses.poll_after_s(answer.headers, self._now(), at_most=responses.MAX_POLL_AFTER_S)
        if report is None:
            raise error_mapping.of_no_report(answer, self._now(), key=self._key)
        self._auth.worked(endpoint)
        self._note(report)
        is_failed = report.phase is Phase.FAILED
        return VideoStatus(
            phase=report.phase,
            percent=report.percent,
            url=report.url,
            expires_at=report.expires_at and min(report.expires_at, self._now() + responses.LONGEST_EXPIRY),
            failure=error_mapping.of_failed_render(report.error) if is_failed else None,
            provider_text=error_text.for_the_log(report.error.text or report.word, self._key) if is_failed else "",
            poll_after_s=wait_s,
        )

    async def download(self, ticket: Ticket, url: str | None, target: Path) -> None:
        endpoint, provider_id = _parts(ticket)
        try:
            authorization = await self._auth.header(endpoint)
        except (VideoRejected, VideoUnavailable):
            authorization = self._auth.guess(endpoint)
        job = video_path(endpoint, provider_id)
        told_in = None if url else job  # it may have the video in it
        await self._downloads.fetch(endpoint, url, f"{job}/content", _with(authorization), target, told_in=told_in)

    async def _question(self, endpoint: str, question: Question, authorization: str | None) -> Answer:
        address = f"{endpoint.rstrip('/')}/models" if question == "models" else video_path(endpoint, _UNKNOWN_ID)
        return await self._http.ask(address, _with(authorization))

    def _note(self, report: responses.JobReport) -> None:
        is_new = not report.is_known_word and report.word not in self._new_words
        if is_new and len(self._new_words) < _MAX_NEW_WORDS:
            self._new_words.add(report.word)
            log.warning("unknown status word=%r; read as still running", report.word[:40])


def body_of(request: CreateRequest) -> tuple[bytes, str]:
    """The whole body of a create and its content type: a form with the picture as a file, or JSON with a data URI.

    Raises UnicodeEncodeError on lone surrogates.
    """
    model = request.model
    has_shape = request.aspect_ratio is not None or request.resolution is not None
    fields: dict[str, Any] = {
        "model": model.name,
        "prompt": request.prompt,
        "seconds": str(request.seconds),
        "size": None if has_shape else request.size,
        "aspect_ratio": request.aspect_ratio,
        "resolution": request.resolution,
        "generate_audio": request.sound,
        "seed": request.seed,
        "negative_prompt": request.negative_prompt,
    }
    fields = {name: value for name, value in fields.items() if value is not None}
    fields |= json_template.filled(model.body or {}, json_template.values_of(request))
    if model.picture is PictureForm.FILE:
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
        return form(texts, "input_reference", "picture.jpg", request.picture)
    uri = json_template.data_uri(request.picture)
    fields["input_reference"] = {"image_url": uri} if model.picture is PictureForm.OBJECT else uri
    return json.dumps(fields, ensure_ascii=False).encode(), "application/json"


def ticket_of(endpoint: str, provider_id: str) -> Ticket:
    """A job's id and where it is."""
    return Ticket(json.dumps({"endpoint": endpoint.rstrip("/"), "id": provider_id}))


def _parts(ticket: Ticket) -> tuple[str, str]:
    kept = parts_of(ticket, "endpoint", has=("id",))
    return kept["endpoint"], str(kept["id"])


def video_path(endpoint: str, provider_id: str) -> str:
    """The job's address."""
    return f"{endpoint.rstrip('/')}/videos/{path_segment(provider_id)}"


def _with(authorization: str | None) -> dict[str, str]:
    return {} if authorization is None else {"Authorization": authorization}


def _job_in(answer: Answer) -> str | None:
    return responses.created_id(answer) if answer.is_success else responses.id_beside_an_error(answer)
