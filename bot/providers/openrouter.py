"""The wire of OpenRouter's `/videos`, which GPTProto's `/api/v3/videos` speaks too: JSON, one id, no percentage.

A finished video has `urls`, signed, which need no key, and `unsigned_urls`, which at the provider's own origin need it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from yarl import URL

from bot.errors import VideoOutcomeUnknown, VideoRejected
from bot.models import FailureKind, Ticket
from bot.providers import error_mapping, error_text, json_template, responses
from bot.providers.http import path_segment
from bot.providers.json_api import JsonApi, encoded, job_id, parts_of, ticket_of, usd
from bot.providers.protocols import CreateRequest, Phase, VideoStatus
from bot.providers.responses import Answer
from bot.providers.ssrf_guard import same_origin
from bot.wire_config import ModelWire

_UNKNOWN_ID = "gen-vid-0000000000-00000000000000000000"  # asked for to learn about the key alone


class OpenRouterProvider(JsonApi):
    """`bot.providers.protocols.Provider` over OpenRouter's wire. It knows no keys of ours and cannot cancel."""

    async def settle_auth(self) -> None:
        await self._settle_by(self._job(_UNKNOWN_ID))

    async def check(self, models: Sequence[ModelWire]) -> list[str]:
        faults = [fault for model in models for fault in json_template.faults_of(model)]
        answer = await self._ask(f"{self._endpoint}/videos/models")
        names = responses.listed_names(answer)
        if names is None:
            return faults
        unlisted = [model.name for model in models if model.name not in names]
        return [*faults, *(f"{self._name} does not list the model {name}" for name in unlisted)]

    async def create(self, request: CreateRequest) -> Ticket:
        body = await asyncio.to_thread(lambda: encoded(body_of(request)))
        answer = await self._create(f"{self._endpoint}/videos", body, job_in=_job_in)
        found = _job_in(answer)
        ticket = None if found is None else self._ticket(found, answer, request.model)
        if ticket is not None and answer.is_success:
            return ticket
        error = error_mapping.of_refused_create(answer, self._now(), key=self._key)
        if isinstance(error, VideoOutcomeUnknown):
            error.ticket = ticket
        raise error

    async def settle(self, request: CreateRequest) -> Ticket | None:  # noqa: ARG002
        raise VideoOutcomeUnknown("this wire knows no keys")

    async def status(self, ticket: Ticket) -> VideoStatus:
        kept = parts_of(ticket, "poll", has=("id",))
        answer = await self._ask(kept["poll"])
        report = responses.job_report(answer, kept["id"])
        if report is None:
            raise error_mapping.of_no_report(answer, self._now(), key=self._key)
        is_failed = report.phase is Phase.FAILED
        failure = error_mapping.of_failed_render(report.error) if is_failed else None
        cost = _cost(answer.json)
        return VideoStatus(
            phase=report.phase,
            url=_open_url(answer.json, URL(kept["poll"])) if report.phase is Phase.DONE else None,
            expires_at=report.expires_at and min(report.expires_at, self._now() + responses.LONGEST_EXPIRY),
            failure=failure,
            provider_text=error_text.for_the_log(report.error.text or report.word, self._key) if is_failed else "",
            poll_after_s=responses.poll_after_s(answer.headers, self._now(), at_most=responses.MAX_POLL_AFTER_S),
            cost_usd=cost,
            charged=_charged(failure, cost, refusals=kept.get("refusals")),
        )

    async def download(self, ticket: Ticket, url: str | None, target: Path) -> None:
        await self._fetch(url, parts_of(ticket, "poll")["poll"], target, _keyed_url)

    async def cancel(self, ticket: Ticket) -> bool:  # noqa: ARG002 - the wire has no such request
        return False

    def _ticket(self, found: str, answer: Answer, model: ModelWire) -> Ticket:
        body = _inner(answer.json)
        poll = self._own(body.get("polling_url"), self._job(found))
        return ticket_of({"id": found, "poll": poll, "refusals": model.charges_refusals})

    def _job(self, found: str) -> str:
        return f"{self._endpoint}/videos/{path_segment(found)}"


def body_of(request: CreateRequest) -> dict[str, Any]:
    """The JSON of a create; the model's own `body` adds to it, or replaces members.

    Raises VideoRejected where the model takes an address and the bot has none for the picture.
    """
    picture = json_template.picture_of(request)
    if picture is None:
        raise VideoRejected(FailureKind.BAD_REQUEST, "this model takes the picture as an address only: set PUBLIC_URL")
    frames = [_frame("first_frame", picture)]
    if request.last_image is not None:
        frames.append(_frame("last_frame", json_template.last_picture_of(request)))
    has_shape = request.aspect_ratio is not None or request.resolution is not None
    body = {
        "model": request.model.name,
        "prompt": request.prompt,
        "duration": request.seconds,
        "resolution": request.resolution,
        "aspect_ratio": request.aspect_ratio,
        "size": None if has_shape else request.size,
        "frame_images": frames,
        "generate_audio": request.sound,
        "seed": request.seed,
        "negative_prompt": request.negative_prompt,
    }
    more = json_template.filled(request.model.body, json_template.values_of(request)) if request.model.body else {}
    return {name: value for name, value in body.items() if value is not None} | more


def _frame(kind: str, picture: str | None) -> dict[str, Any]:
    return {"type": "image_url", "frame_type": kind, "image_url": {"url": picture}}


def _job_in(answer: Answer) -> str | None:
    found = responses.created_id(answer) if answer.is_success else responses.id_beside_an_error(answer)
    return job_id(found)


def _open_url(body: Any, poll: URL) -> str | None:
    """An address that needs no key: a signed one, or an unsigned one that is not at the provider itself."""
    if signed := _first(body, "urls"):
        return signed
    unsigned = _first(body, "unsigned_urls") or responses.video_url(body)
    return unsigned if unsigned and not same_origin(URL(unsigned), poll) else None


def _keyed_url(body: Any) -> str | None:
    return _first(body, "unsigned_urls") or responses.video_url(body)


def _first(body: Any, name: str) -> str | None:
    urls = _inner(body).get(name)
    found = urls[0] if isinstance(urls, list) and urls else None
    return found.strip() if isinstance(found, str) and responses.is_http(found.strip()) else None


def _cost(body: Any) -> float | None:
    usage = _inner(body).get("usage")
    return usd(usage.get("cost")) if isinstance(usage, dict) else None


def _charged(failure: FailureKind | None, cost: float | None, *, refusals: bool | None) -> bool | None:
    if failure is None:
        return None
    if cost is not None:
        return cost > 0
    return refusals if failure in (FailureKind.MODERATED, FailureKind.PERSON) else None


def _inner(body: Any) -> Mapping[str, Any]:
    """The job itself, also inside an envelope."""
    if not isinstance(body, dict):
        return {}
    data = body.get("data")
    return data if isinstance(data, dict) and "status" not in body else body
