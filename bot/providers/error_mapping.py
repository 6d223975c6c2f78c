"""What an answer to a create means for the money, and why a render failed. Pure."""

from __future__ import annotations

from datetime import datetime

from bot.errors import VideoError, VideoOutcomeUnknown, VideoRejected, VideoUnavailable
from bot.models import FailureKind
from bot.providers import error_phrases, error_text, responses

MAX_RETRY_AFTER_S = 600.0

_MAY_BE_MODERATION = frozenset({400, 403, 422, 451, 503})
_NOT_ABOUT_THE_FILE = frozenset({401, 402, 408, 425, 429, 502, 503, 504})
_KINDS = {
    400: FailureKind.BAD_REQUEST,
    401: FailureKind.KEY,
    402: FailureKind.BALANCE,
    403: FailureKind.BALANCE,
    404: FailureKind.MODEL,
    405: FailureKind.BAD_REQUEST,
    410: FailureKind.MODEL,
    413: FailureKind.TOO_LARGE,
    415: FailureKind.BAD_REQUEST,
    422: FailureKind.BAD_REQUEST,
}
_ALSO_SAID = {
    403: (FailureKind.KEY, FailureKind.BALANCE, FailureKind.MODEL),
    429: (FailureKind.BALANCE,),
} | dict.fromkeys((400, 402, 422), (FailureKind.KEY, FailureKind.BALANCE, FailureKind.MODEL))
"""What an error may be about, in so many words, where its status says otherwise or nothing."""


def of_create(answer: responses.Answer, now: datetime, *, key: str) -> str | VideoError:
    """The new job's id, or the error to raise. The order is the rule: moderation words before the status."""
    if answer.is_success and (created := responses.created_id(answer)):
        return created
    return of_refused_create(answer, now, key=key)


def of_refused_create(answer: responses.Answer, now: datetime, *, key: str) -> VideoError:
    """The error to raise for an answer to a create in which no new job was found."""
    status = answer.status
    said = error_text.error_said(answer.body)
    told = error_text.for_the_log(said.text, key)
    if kind := _said_kind(status, said):
        return VideoRejected(kind, told, http_status=status, is_said=True)
    if status in (407, 429):  # 407: a proxy of ours, which let nothing through
        wait_s = responses.retry_after_s(answer.headers, now, at_most=MAX_RETRY_AFTER_S)
        return VideoUnavailable(told, retry_after_s=wait_s, rate_limited=status == 429, http_status=status)
    if 300 <= status < 400:
        return VideoRejected(FailureKind.BAD_REQUEST, told or "redirected", http_status=status)
    if kind := _KINDS.get(status):
        return VideoRejected(kind, told, http_status=status)
    cut = "" if answer.is_whole else "(answer cut) "
    found = None if answer.is_success else responses.id_beside_an_error(answer)
    return VideoOutcomeUnknown(cut + told, http_status=status, provider_id=found)


def of_no_report(answer: responses.Answer, now: datetime, *, key: str) -> VideoUnavailable:
    """The error to raise for an answer to a poll that is not about the job."""
    return VideoUnavailable(
        error_text.for_the_log(error_text.error_text(answer.body), key),
        retry_after_s=responses.poll_after_s(answer.headers, now, at_most=responses.MAX_POLL_AFTER_S),
        rate_limited=answer.status == 429,
        http_status=answer.status,
    )


def of_failed_render(said: error_text.Said) -> FailureKind:
    """Why the provider says a job failed."""
    return error_phrases.of_the_request(said, is_busy=False) or FailureKind.PROVIDER


def refuses_content(answer: responses.Answer) -> bool:
    """An error in JSON in place of a finished video, unless it is about the key, the balance, or this moment."""
    body = answer.json
    if answer.status in _NOT_ABOUT_THE_FILE or not isinstance(body, dict):
        return False
    return answer.status >= 400 or bool(body.get("error"))


def _said_kind(status: int, said: error_text.Said) -> FailureKind | None:
    """What the error is about where it says so itself. HTML is some proxy's page, whatever words it holds."""
    if error_text.is_html(said.text):
        return None
    if status in _MAY_BE_MODERATION and (kind := error_phrases.of_the_request(said, is_busy=status == 503)):
        return kind
    if status == 503 and "model_not_found" in said.codes:  # new-api: no channel, so nothing was sent on
        return FailureKind.MODEL
    return next((kind for kind in _ALSO_SAID.get(status, ()) if error_phrases.is_about(kind, said)), None)
