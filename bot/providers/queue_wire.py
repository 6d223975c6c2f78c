"""The queue wire, in two dialects: fal and Comfy Router. A request is queued, asked for, collected, or cancelled.

There is no failed state: a request that is COMPLETED with an error has failed. Comfy Router keeps a key of ours for a
day: sent again within it, a create is answered with the same request, and nothing is paid a second time. It also says
beforehand what a request will cost.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Unpack

from bot.errors import VideoError, VideoOutcomeUnknown, VideoRejected, VideoUnavailable
from bot.models import FailureKind, Ticket
from bot.providers import (
    embedded_video,
    error_mapping,
    error_phrases,
    error_text,
    json_template,
    queue_answers,
    responses,
)
from bot.providers.http import path_segment
from bot.providers.json_api import ApiOptions, JsonApi, encoded, parts_of, ticket_of
from bot.providers.protocols import CreateRequest, Phase, VideoStatus
from bot.providers.responses import Answer
from bot.wire_config import ModelWire, ProviderConfig

log = logging.getLogger(__name__)

KEYS_LAST = timedelta(hours=23)
"""Comfy Router keeps keys for 24 hours, and one it has forgotten is paid for again: an hour is left for clocks."""
_LEAST_USD = 1e-6
"""A quote so little above is the same amount: prices per second are multiplied as binary fractions."""
_NAMESPACES = ("workflows", "comfy")  # of fal: before the owner of an app
_UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"  # asked for to learn about the key alone


@dataclass(frozen=True, slots=True)
class Dialect:
    """What differs. `app` is the path under which the requests of a model are found."""

    auth: str
    submit: str
    app: Callable[[str], str]
    question: str
    knows_keys: bool


def _fal_app(model: str) -> str:
    """Owner and alias: the rest of an endpoint's path is no part of its requests' addresses."""
    segments = model.split("/")
    return "/".join(segments[: 3 if segments[0] in _NAMESPACES else 2])


DIALECTS: Mapping[str, Dialect] = {
    "fal": Dialect("key", "{model}", _fal_app, f"fal-ai/any/requests/{_UNKNOWN_ID}/status", knows_keys=False),
    "comfy-router": Dialect(
        "x-api-key", "v2/models/{model}/requests", "v2/models/{}".format, "v2/models?limit=1", knows_keys=True
    ),
}


class QueueProvider(JsonApi):
    """`bot.providers.protocols.Provider` over the queue wire."""

    can_cancel = True

    def __init__(self, config: ProviderConfig, **options: Unpack[ApiOptions]) -> None:
        """The dialect is the configuration's, "fal" where it names none. Raises ValueError where there is none such."""
        dialect = DIALECTS.get(config.dialect or "fal")
        if dialect is None:
            raise ValueError(f"the provider {config.name} has the dialect {config.dialect}: known are {list(DIALECTS)}")
        super().__init__(config, auth=dialect.auth, **options)
        self._dialect = dialect
        self.knows_keys = dialect.knows_keys

    async def settle_auth(self) -> None:
        await self._settle_by(f"{self._endpoint}/{self._dialect.question}")

    async def check(self, models: Sequence[ModelWire]) -> list[str]:
        missing = [fault for model in models for fault in json_template.faults_of(model)]
        missing += [f"the catalog has no body for the model {model.name}" for model in models if model.body is None]
        if not self.knows_keys:
            return missing  # fal has no list
        for model in models:
            answer = await self._ask(f"{self._endpoint}/v2/models/{model.name}")
            if queue_answers.bucket_of(answer) == "model_not_found":
                missing.append(f"{self._name} does not have the model {model.name}: {self._told(answer)}")
        return missing

    async def create(self, request: CreateRequest) -> Ticket:
        body = await asyncio.to_thread(_body, request)
        if self.knows_keys and request.max_usd is not None:
            await self._ask_for_the_price(request, body, request.max_usd)
        answer = await self._submit(request, body)
        ticket = self._ticket(answer, request.model)
        if ticket is not None and answer.is_success:
            return ticket
        error = self._refusal(answer)
        if isinstance(error, VideoOutcomeUnknown):
            error.ticket = ticket
        raise error

    async def settle(self, request: CreateRequest) -> Ticket | None:
        """Sends the same request again under its key: what was made already is answered, else it is made now."""
        if not self.knows_keys:
            raise VideoOutcomeUnknown("this wire knows no keys")
        if request.sent_at is None or self._now() - request.sent_at >= KEYS_LAST:
            raise VideoOutcomeUnknown("the provider may have forgotten the key")
        if not request.picture:
            raise VideoOutcomeUnknown("the picture is gone, so the request cannot be sent again")
        try:
            answer = await self._submit(request, await asyncio.to_thread(_body, request))
        except VideoOutcomeUnknown as exc:
            raise VideoUnavailable(exc.provider_text) from exc
        ticket = self._ticket(answer, request.model)
        if ticket is not None and answer.is_success:
            return ticket
        raise self._unsettled(answer)

    async def status(self, ticket: Ticket) -> VideoStatus:
        kept = parts_of(ticket, "status", "response", "cancel")
        answer = await self._ask(kept["status"])
        word = queue_answers.word_of(answer)
        if word is None:
            raise error_mapping.of_no_report(answer, self._now(), key=self._key)
        if word == queue_answers.COMPLETED:
            return await self._completed(kept, answer)
        return VideoStatus(
            phase=Phase.RUNNING,
            queue_position=queue_answers.position_of(answer),
            can_cancel=word == queue_answers.IN_QUEUE,
            poll_after_s=responses.poll_after_s(answer.headers, self._now(), at_most=responses.MAX_POLL_AFTER_S),
        )

    async def download(self, ticket: Ticket, url: str | None, target: Path) -> None:
        kept = parts_of(ticket, "status", "response", "cancel")
        await self._fetch(url, kept["response"], target, lambda body: queue_answers.url_in(body, kept.get("result")))

    async def cancel(self, ticket: Ticket) -> bool:
        """Only a request that still waits in the queue is cancelled: one that runs may be charged, and is paid for."""
        kept = parts_of(ticket, "status", "response", "cancel")
        if queue_answers.word_of(await self._ask(kept["status"])) != queue_answers.IN_QUEUE:
            return False
        answer = await self._ask(kept["cancel"], method="PUT")
        word = queue_answers.cancel_word_of(answer)
        if word == queue_answers.REMOVED:
            return True
        if word in (queue_answers.ALREADY_COMPLETED, queue_answers.NOT_FOUND):
            return False
        if word == queue_answers.CANCELLATION_REQUESTED:
            after = await self._ask(kept["status"])
            if queue_answers.word_of(after) == queue_answers.COMPLETED:
                return queue_answers.bucket_of(after) == "cancelled"
        raise error_mapping.of_no_report(answer, self._now(), key=self._key)

    async def _submit(self, request: CreateRequest, body: bytes) -> Answer:
        address = f"{self._endpoint}/{self._dialect.submit.format(model=request.model.name)}"
        key = {"Idempotency-Key": request.key} if self.knows_keys else {}
        return await self._create(address, body, headers=key, job_in=queue_answers.request_id)

    async def _ask_for_the_price(self, request: CreateRequest, body: bytes, max_usd: float) -> None:
        """Raises VideoRejected(OVER_PRICE) where the quote is above what may be paid; else as `create` does."""
        model = request.model.name
        answer = await self._ask(f"{self._endpoint}/v2/models/{model}/estimate", method="POST", body=body)
        if answer.is_success:
            most = queue_answers.most_usd(answer.json)
            if most is not None and most > max_usd + _LEAST_USD:
                log.error(
                    "%s asks up to %.4f USD for a video of %s, and %.4f were reserved: it is not made. See to its "
                    "price in the catalog",
                    self._name, most, model, max_usd,
                )  # fmt: skip
                raise VideoRejected(FailureKind.OVER_PRICE, f"quoted at {most:.4f} USD", is_said=True)
            return
        bucket = queue_answers.bucket_of(answer)
        if bucket == "not_enabled" or (bucket is None and answer.status in (404, 405)):
            return  # there are no quotes here
        error = self._refusal(answer)
        if isinstance(error, VideoRejected):
            raise error
        raise error_mapping.of_no_report(answer, self._now(), key=self._key)

    async def _completed(self, kept: Mapping[str, Any], answer: Answer) -> VideoStatus:
        """What became of a request that has ended; its result tells more of a failure, and where the video is."""
        result = await self._ask(kept["response"])
        reason = queue_answers.failure_in(answer, result)
        url = queue_answers.url_in(result.json, kept.get("result")) if result.is_success else None
        if reason is None and queue_answers.is_result(result):
            withheld = None if url else error_phrases.of_the_request(error_text.said(result.json), is_busy=False)
            if withheld is None:
                if url is None and not embedded_video.is_in(result.body):
                    log.error("the result of %s names no video at %r", kept["response"], kept.get("result"))
                return self._done(kept, result, url)
            reason = queue_answers.Reason(error_text.said(result.json), None)
        if reason is None:
            raise error_mapping.of_no_report(result, self._now(), key=self._key)
        failure = queue_answers.kind_of(reason)
        refusals = kept.get("refusals")
        model, requests, _ = kept["response"].rpartition("/requests/")
        if refusals is None and self.knows_keys and requests and failure in queue_answers.REFUSED:
            refusals = queue_answers.charges_refusals(await self._ask(model))
        return VideoStatus(
            Phase.FAILED,
            failure=failure,
            provider_text=error_text.for_the_log(reason.said.text or reason.bucket or "", self._key),
            charged=queue_answers.is_charged(reason, failure, refusals=refusals),
        )

    def _done(self, kept: Mapping[str, Any], result: Answer, url: str | None) -> VideoStatus:
        """A video that the provider itself calls unsafe is one, or was refused, as the catalog wants it."""
        is_unsafe = queue_answers.is_flagged(result.json, kept.get("unsafe"))
        if not (is_unsafe and kept.get("refuses_unsafe")):
            return VideoStatus(Phase.DONE, url=url, cost_usd=kept.get("usd"), is_unsafe=is_unsafe)
        return VideoStatus(
            Phase.FAILED,
            failure=FailureKind.MODERATED,
            provider_text=f"{kept['unsafe']} is set",
            charged=True,
            cost_usd=kept.get("usd"),
        )

    def _ticket(self, answer: Answer, model: ModelWire) -> Ticket | None:
        """The new request, or one that is told of beside an error."""
        found = queue_answers.request_id(answer)
        if found is None:
            return None
        body = answer.json if isinstance(answer.json, dict) else {}
        base = f"{self._endpoint}/{self._dialect.app(model.name)}/requests/{path_segment(found)}"
        return ticket_of(
            {
                "id": found,
                "status": self._own(body.get("status_url"), f"{base}/status"),
                "response": self._own(body.get("response_url"), base),
                "cancel": self._own(body.get("cancel_url"), f"{base}/cancel"),
                "result": model.result,
                "refusals": model.charges_refusals,
                **({"unsafe": model.unsafe, "refuses_unsafe": model.refuses_unsafe} if model.unsafe else {}),
                "usd": queue_answers.exact_usd(body.get("estimate")),
            }
        )

    def _refusal(self, answer: Answer) -> VideoError:
        """The error of a create. Words come first, then the bucket, then the status."""
        error = error_mapping.of_refused_create(answer, self._now(), key=self._key)
        if isinstance(error, VideoRejected) and error.is_said:
            return error
        kind = queue_answers.REFUSALS.get(queue_answers.bucket_of(answer) or "")
        if kind is not None and 400 <= answer.status < 500 and answer.status != 409:
            return VideoRejected(kind, self._told(answer), http_status=answer.status, is_said=True)
        if answer.status == 503 and self.knows_keys and "Retry-After" in answer.headers:
            return error_mapping.of_no_report(answer, self._now(), key=self._key)  # no room; nothing was taken
        return error

    def _unsettled(self, answer: Answer) -> VideoError:
        """The error of a create that was sent again. What it says of the first one decides, not what it says itself."""
        bucket = queue_answers.bucket_of(answer)
        if answer.status == 409 and bucket != "concurrency_limit_exceeded":
            return VideoOutcomeUnknown(self._told(answer), http_status=409)
        error = self._refusal(answer)
        is_replayed = answer.headers.get("Idempotent-Replayed", "").lower() == "true"
        is_about_the_request = answer.status in (400, 413, 422) and not _is_about_the_account(error)
        if isinstance(error, VideoRejected) and (is_replayed or is_about_the_request):
            return error  # the first one's own answer, or what every request like it is answered
        return error_mapping.of_no_report(answer, self._now(), key=self._key)


def _is_about_the_account(error: VideoError) -> bool:
    """Or about what is on offer: it may have come to that since the first was taken, or by it."""
    return error.kind in (FailureKind.KEY, FailureKind.BALANCE, FailureKind.MODEL)


def _body(request: CreateRequest) -> bytes:
    """Raises VideoRejected where the catalog has no body for the model, or no address for its picture."""
    if request.model.body is None:
        raise VideoRejected(FailureKind.BAD_REQUEST, f"the catalog has no body for {request.model.name}")
    if not json_template.has_picture(request):
        raise VideoRejected(FailureKind.BAD_REQUEST, "this model takes the picture as an address only: set PUBLIC_URL")
    return encoded(json_template.filled(request.model.body, json_template.values_of(request)))
