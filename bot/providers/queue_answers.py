"""Reads what fal and Comfy Router answer. Pure, and never raises on foreign words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.models import FailureKind
from bot.providers import embedded_video, error_mapping, error_phrases, error_text, responses
from bot.providers.json_api import job_id, usd
from bot.providers.responses import Answer

IN_QUEUE, COMPLETED = "IN_QUEUE", "COMPLETED"
REMOVED, CANCELLATION_REQUESTED = "OK", "CANCELLATION_REQUESTED"
ALREADY_COMPLETED, NOT_FOUND = "ALREADY_COMPLETED", "NOT_FOUND"

REFUSALS: Mapping[str, FailureKind] = {
    "invalid_input": FailureKind.BAD_REQUEST,
    "content_policy_violation": FailureKind.MODERATED,
    "insufficient_credits": FailureKind.BALANCE,
    "forbidden": FailureKind.BALANCE,
    "not_enabled": FailureKind.BALANCE,
    "model_not_found": FailureKind.MODEL,
    "unauthorized": FailureKind.KEY,
}
"""Buckets of a request that was refused before anything was made, or of one that ended so."""
_ENDED: Mapping[str, FailureKind] = {
    **REFUSALS,
    "cancelled": FailureKind.CANCELLED,
    "queue_timeout": FailureKind.BUSY,
}
REFUSED = frozenset({FailureKind.MODERATED, FailureKind.PERSON})
"""Failures by a model's rules, which may be charged for."""
_NEVER_CHARGED = frozenset(
    {"invalid_input", "insufficient_credits", "forbidden", "not_enabled", "model_not_found", "unauthorized"}
    | {"queue_timeout"}
)
_FAL_BUCKET = "x-fal-error-type"
_BUCKET_HEADERS = ("X-Comfy-Error-Type", _FAL_BUCKET)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a request failed: in words, as the provider sorts it, if it does, and whether it says it is its own fault."""

    said: error_text.Said
    bucket: str | None
    is_the_providers: bool = False


def request_id(answer: Answer) -> str | None:
    """The id of the queued request, also where the rest was cut off. Beside an error it counts only with an address."""
    body = answer.json or error_text.parsed_as_far_as_it_came(answer.body)
    if not isinstance(body, dict) or not (answer.is_success or "status_url" in body or "response_url" in body):
        return None
    return job_id(body.get("request_id"))


def word_of(answer: Answer) -> str | None:
    """The status word of a request, in capitals, or None where the answer is about no request."""
    body = answer.json
    word = body.get("status") if answer.is_success and isinstance(body, dict) else None
    return word.strip().upper() if isinstance(word, str) and word.strip() else None


def cancel_word_of(answer: Answer) -> str | None:
    """What a cancel found; both say it in the body under any status, and fal's refusals by the status alone."""
    body = answer.json
    word = body.get("status") if isinstance(body, dict) else None
    if isinstance(word, str) and word.strip():
        return word.strip().upper()
    return {404: NOT_FOUND, 409: ALREADY_COMPLETED}.get(answer.status)


def position_of(answer: Answer) -> int | None:
    """The place in the queue, where 1 is next: on the wire it is how many are ahead."""
    body = answer.json
    ahead = body.get("queue_position") if isinstance(body, dict) else None
    if not isinstance(ahead, int) or isinstance(ahead, bool):
        return None
    return ahead + 1 if 0 <= ahead < responses.MAX_QUEUE_POSITION else None


def bucket_of(answer: Answer) -> str | None:
    """How the provider sorts an error: in a header, or in the body."""
    body = answer.json
    inner = body.get("error_type") if isinstance(body, dict) else None
    for bucket in (*(answer.headers.get(name) for name in _BUCKET_HEADERS), inner):
        if isinstance(bucket, str) and bucket.strip():
            return bucket.strip().lower()[:80]
    return None


def is_result(answer: Answer) -> bool:
    """Whether this is what a model made: JSON of its own, perhaps with the video in it, or the video itself."""
    if not answer.is_success or answer.status == 202:
        return False
    is_video = answer.headers.get("Content-Type", "").lower().startswith("video/")
    return is_video or isinstance(answer.json, dict | list) or embedded_video.is_in(answer.body)


def failure_in(status: Answer, result: Answer) -> Reason | None:
    """Why a completed request failed, or None where neither answer says that it did."""
    body = status.json if isinstance(status.json, dict) else {}
    told = {name: body.get(name) for name in ("error", "error_type")}
    # Of fal, at times only the result tells: with the error that the model ended with.
    is_failed_result = not result.is_success and (
        (result.status in (400, 422) and isinstance(result.json, dict)) or _FAL_BUCKET in result.headers
    )
    if not any(told.values()) and not is_failed_result:
        return None
    more = error_text.error_said(result.body) if isinstance(result.json, dict) and not result.is_success else None
    parts = [error_text.said(told), *([more] if more else [])]
    pieces, codes = (tuple(dict.fromkeys(x for each in parts for x in getattr(each, n))) for n in ("pieces", "codes"))
    is_the_providers = _FAL_BUCKET in result.headers and result.status >= 500
    return Reason(error_text.Said(pieces, codes), bucket_of(status) or bucket_of(result), is_the_providers)


def kind_of(reason: Reason) -> FailureKind:
    """The kind of a failure: by its words, which know of persons, else by its bucket."""
    return (
        error_phrases.of_the_request(reason.said, is_busy=False)
        or _ENDED.get(reason.bucket or "")
        or error_mapping.of_failed_render(reason.said)
    )


def is_charged(reason: Reason, failure: FailureKind, *, refusals: bool | None) -> bool | None:
    """Whether a failed request is charged for, where it can be known; `refusals`: those by the model's rules are.

    fal charges for none of its own errors, and for an input that is refused only where a model has worked on it.
    """
    if reason.is_the_providers:
        return False
    if failure in REFUSED:
        return refusals
    return False if reason.bucket in _NEVER_CHARGED else None


def charges_refusals(model: Answer) -> bool | None:
    """Whether a model as Comfy Router lists it is charged for when its rules refuse; None where that is not known."""
    body = model.json if model.is_success and isinstance(model.json, dict) else {}
    billing = body.get("billing")
    said = billing.get("charges_on_policy_rejection") if isinstance(billing, dict) else None
    return {"yes": True, "no": False}.get(str(said))


def url_in(result: Any, path: str | None) -> str | None:
    """The video's address: at its path, such as "video.url" or "videos.0.url", else under a name seen in the field."""
    found = result
    for step in (path or "").split("."):
        found = responses.step_into(found, int(step) if step.isdecimal() else step)
    if isinstance(found, str) and responses.is_http(found.strip()):
        return found.strip()
    return responses.video_url(result)


def is_flagged(result: Any, flag: str | None) -> bool:
    """Whether the provider's own flag is set: true, or a list with true in it. "!path" is set where false stands."""
    if flag is None:
        return False
    found = result
    for step in flag.removeprefix("!").split("."):
        found = responses.step_into(found, int(step) if step.isdecimal() else step)
    marks = found if isinstance(found, list) else [found]
    return any(mark is (not flag.startswith("!")) for mark in marks)


def exact_usd(estimate: Any) -> float | None:
    """What a request costs, where that is known exactly."""
    return usd(estimate.get("amount")) if isinstance(estimate, dict) and estimate.get("source") == "exact" else None


def most_usd(estimate: Any) -> float | None:
    """The most that a request can cost, where that is known."""
    if not isinstance(estimate, dict) or estimate.get("source") not in ("exact", "estimated"):
        return None
    amounts = (usd(estimate.get("amount")), usd(estimate.get("max_amount")))
    return next((amount for amount in amounts if amount is not None), None)
