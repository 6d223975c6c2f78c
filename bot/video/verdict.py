"""What an answer to a create means for the money, and why a render failed. Pure."""

from __future__ import annotations

import re
from datetime import datetime

from bot.errors import VideoError, VideoOutcomeUnknown, VideoRejected, VideoUnavailable
from bot.models import FailureKind
from bot.video import wire, words

MAX_RETRY_AFTER_S = 600.0

_MAY_BE_MODERATION = frozenset({400, 403, 422, 451, 503})
_MODERATION = re.compile(
    r"moderation|sentinel_block|content[\s_-]?policy|policy[\s_-]?violation"
    r"|content[\s_-]?filter|content[\s_-]blocked|safety|(?<!in)(?<!case[\s_-])sensitive|usage polic|meet the guidelines"
    r"|community guidelines|nsfw|prohibited content|inappropriate",
    re.IGNORECASE,
)
_PERSON = re.compile(
    r"people[\s_-]in[\s_-]user[\s_-]uploads|privacyinformation|real[\s_-](?:person|people|human|face)"
    r"|human[\s_-]face|face[\s_-]detect|public[\s_-]figure|likeness",
    re.IGNORECASE,
)
_MENTIONS_PERSON = re.compile(r"\b(?:face|faces|facial|person|persons|people|humans?)\b", re.IGNORECASE)
_BALANCE = re.compile(
    r"insufficient[\s_-](?:balance|quota|funds|credit)|billing[\s_-]hard[\s_-]limit|billing_not_active",
    re.IGNORECASE,
)
_MODEL = re.compile(r"model[\s_-]not[\s_-]found|no such model|unknown model|model .{0,80}does not exist", re.IGNORECASE)

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


def of_create(answer: wire.Answer, now: datetime, *, key: str) -> str | VideoError:
    """The new job's id, or the error to raise. The order is the rule: moderation words before the status."""
    status = answer.status
    if answer.is_success and (created := wire.created_id(answer)):
        return created
    text = words.error_text(answer.body)
    told = words.for_the_log(text, key)
    if refusal := _refusal(status, text):
        return VideoRejected(refusal, told, http_status=status)
    if status == 429:
        wait_s = wire.retry_after_s(answer.headers, now, at_most=MAX_RETRY_AFTER_S)
        return VideoUnavailable(told, retry_after_s=wait_s, rate_limited=True, http_status=status)
    if 300 <= status < 400:
        return VideoRejected(FailureKind.BAD_REQUEST, told or "redirected", http_status=status)
    if kind := _KINDS.get(status):
        return VideoRejected(_nearer(kind, text), told, http_status=status)
    cut = "" if answer.is_whole else "(answer cut) "
    return VideoOutcomeUnknown(cut + told, http_status=status)


def of_failed_render(text: str) -> FailureKind:
    """Why the provider says a job failed."""
    if _PERSON.search(text) or _MENTIONS_PERSON.search(text):
        return FailureKind.PERSON
    return FailureKind.MODERATED if _MODERATION.search(text) else FailureKind.PROVIDER


def refuses_content(answer: wire.Answer) -> bool:
    """An error in JSON in place of a finished video, unless it is about the key, the balance, or this moment."""
    body = answer.json
    if answer.status in _NOT_ABOUT_THE_FILE or not isinstance(body, dict):
        return False
    return answer.status >= 400 or bool(body.get("error"))


def _refusal(status: int, text: str) -> FailureKind | None:
    """A refusal of what was asked for. HTML is some proxy's page, whatever words it holds."""
    if status not in _MAY_BE_MODERATION or words.is_html(text):
        return None
    is_moderation = _MODERATION.search(text) is not None
    # A 403 may be about the balance, a 503 about load ("too many people"): there a bare word is not enough.
    may_be_bare = is_moderation or status not in (403, 503)
    if _PERSON.search(text) or (may_be_bare and _MENTIONS_PERSON.search(text)):
        return FailureKind.PERSON
    return FailureKind.MODERATED if is_moderation else None


def _nearer(kind: FailureKind, text: str) -> FailureKind:
    """A 400, 403 or 422 may be about the balance or the model, in words."""
    if kind in (FailureKind.BAD_REQUEST, FailureKind.BALANCE):
        if _BALANCE.search(text):
            return FailureKind.BALANCE
        if _MODEL.search(text):
            return FailureKind.MODEL
    return kind
