"""Each outcome of a create, as DESIGN "A job's life" has it: what was certainly not made, a final no, or unknown."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.errors import VideoError, VideoOutcomeUnknown, VideoRejected, VideoUnavailable
from bot.models import FailureKind
from bot.providers.error_mapping import of_create
from bot.providers.responses import Answer
from tests.unit.video_answers import named

NOW = datetime(2026, 10, 21, 7, 0, tzinfo=UTC)
KEY = "sk-test-123456"
BAD, KIND_KEY, BALANCE, MODEL = FailureKind.BAD_REQUEST, FailureKind.KEY, FailureKind.BALANCE, FailureKind.MODEL
MODERATED, PERSON, LARGE = FailureKind.MODERATED, FailureKind.PERSON, FailureKind.TOO_LARGE


def outcome(
    status: int, body: Any = b"", *, is_whole: bool = True, headers: dict[str, str] | None = None
) -> str | VideoError:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return of_create(Answer(status, headers or {}, raw, is_whole), NOW, key=KEY)


def said(message: str, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}


@pytest.mark.parametrize("status", [200, 201, 202, 206, 299])
def test_any_2xx_with_an_id_is_success(status: int) -> None:
    assert outcome(status, {"id": "video_1", "status": "queued"}) == "video_1"


def test_even_a_job_that_failed_at_once_is_a_job() -> None:
    assert outcome(200, {"id": "video_1", "status": "failed", "error": {"code": "moderation_blocked"}}) == "video_1"


def test_a_whole_answer_counts_even_where_the_connection_did_not_end_well() -> None:
    assert outcome(200, {"id": "video_1"}, is_whole=False) == "video_1"


REJECTED: list[tuple[str, int, Any, FailureKind]] = [
    *(("T14, F1: a redirect is not followed", status, b"", BAD) for status in (300, 301, 302, 303, 307, 308, 399)),
    ("F3: ai-vision#78", 400, said("Inpaint image must match the requested width and height"), BAD),
    ("F4: huobao-drama#49", 400, said("expected a file, but got a string"), BAD),
    ("F5: huobao-drama#50", 400, said("unsupported mimetype"), BAD),
    ("F6: OpenMAIC#98", 400, said("expected one of '4', '8', or '12', but got an integer"), BAD),
    ("F28: model withdrawn, as 400", 400, said("The model 'sora-2' does not exist", "model_not_found"), MODEL),
    (
        "OpenAI: out of credit, as 400",
        400,
        said("Billing hard limit has been reached", "billing_hard_limit_reached"),
        BALANCE,
    ),
    (
        "new-api: no channel, so nothing was sent on",
        503,
        said("No available channel for sora-2", "model_not_found"),
        MODEL,
    ),
    ("LiteLLM", 400, said("/videos: Invalid model name passed in model=sora-9. Call `/v1/models`"), MODEL),
    ("vLLM-Omni", 400, said("Model mismatch: request specifies 'a', server has 'b'"), MODEL),
    (
        "LiteLLM: a wrong key",
        400,
        {"error": {"message": "No connected db.", "type": "no_db_connection", "code": "400"}},
        KIND_KEY,
    ),
    ("Google: a wrong key", 400, said("API key not valid. Please pass a valid API key.", "API_KEY_INVALID"), KIND_KEY),
    ("a wrong key as 403", 403, said("Incorrect API key provided", "invalid_api_key"), KIND_KEY),
    ("OpenAI: no balance, as 429", 429, said("You exceeded your current quota", "insufficient_quota"), BALANCE),
    (
        "LiteLLM: no budget, as 429",
        429,
        {"error": {"message": "Budget has been exceeded! Max budget: 1", "type": "budget_exceeded"}},
        BALANCE,
    ),
    (
        "LiteLLM: no budget, as 400",
        400,
        {"error": {"message": "Budget has been exceeded! Max budget: 1", "type": "budget_exceeded"}},
        BALANCE,
    ),
    ("new-api: no balance", 403, said("用户额度不足", "insufficient_user_quota"), BALANCE),
    ("seed: 401", 401, {"error": {"message": "Invalid signature", "type": "401"}}, KIND_KEY),
    ("GPTProto v3 prose", 401, {"code": 401, "message": "Token cannot be empty", "type": "error"}, KIND_KEY),
    ("F22: 402", 402, b"", BALANCE),
    ("seed: 403", 403, {"error": {"message": "insufficient balance", "type": "403"}}, BALANCE),
    ("F22: flat 403", 403, {"code": 403, "message": "no permission", "type": "error"}, BALANCE),
    ("F10, F28: 404", 404, {"error": {"type": "video_generation_user_error"}}, MODEL),
    ("T15: 405", 405, b"Method Not Allowed", BAD),
    ("F28: 410", 410, b"gone", MODEL),
    ("F27: 413", 413, b"<html>Request Entity Too Large</html>", LARGE),
    ("T9: 415", 415, b"", BAD),
    (
        "T9, F26: 422, TensorRT-LLM",
        422,
        {"detail": [{"loc": ["body", "fps"], "msg": "extra fields not permitted"}]},
        BAD,
    ),
    (
        "seed: 503 is a content policy violation",
        503,
        {"error": {"message": "Content policy violation", "type": "503"}},
        MODERATED,
    ),
    ("seed: whose real code is 400", 400, {"error": {"message": "Content blocked due to safety concerns"}}, MODERATED),
    ("GPTProto prose", 503, {"error": {"message": "Input may not meet the guidelines"}}, MODERATED),
    ("F8: PyRIT", 400, said("Blocked.", "sentinel_block"), MODERATED),
    ("F8: PyRIT", 400, said("Blocked.", "input_moderation"), MODERATED),
    ("F8: OpenAI", 400, said("Your request was blocked by our moderation system.", "moderation_blocked"), MODERATED),
    ("F8: as 403", 403, said("content_policy_violation"), MODERATED),
    ("F8: as 422", 422, {"detail": "The prompt is sensitive"}, MODERATED),
    ("F8: as 451", 451, said("prohibited content"), MODERATED),
    ("F8: plain text", 503, b"Content policy violation", MODERATED),
    (
        "T8: LiteLLM, JSON in a message",
        400,
        said('OpenAIException - {"error":{"code":"moderation_blocked"}}'),
        MODERATED,
    ),
    ("F7: clai#87", 400, said("people-in-user-uploads"), PERSON),
    ("F7: vm0#31359", 400, said("", "InputImageSensitiveContentDetected.PrivacyInformation"), PERSON),
    ("F7: guide", 400, said("Input images with faces of humans are rejected"), PERSON),
    ("F7: with moderation, as 503", 503, said("moderation: image shows a person"), PERSON),
]


@pytest.mark.parametrize(("source", "status", "body", "kind"), REJECTED, ids=named)
def test_a_final_no(source: str, status: int, body: Any, kind: FailureKind) -> None:
    error = outcome(status, body)

    assert isinstance(error, VideoRejected), source
    assert error.kind is kind, source
    assert error.http_status == status


@pytest.mark.parametrize(
    ("body", "is_said"),
    [(b"<html>Sorry, you have been blocked</html>", False), (b"", False), (said("insufficient balance"), True)],
)
def test_a_403_tells_whether_it_is_about_the_balance_or_leaves_it_open(body: Any, is_said: bool) -> None:  # noqa: FBT001
    error = outcome(403, body)

    assert isinstance(error, VideoRejected)
    assert (error.kind, error.is_said) == (BALANCE, is_said)


def test_a_429_is_certainly_nothing_made_and_pauses_the_queue() -> None:
    """F21, seed: also where it is an illegal parameter in disguise, or names the moderation."""
    error = outcome(429, said("moderation queue full"), headers={"retry-after": "12"})

    assert isinstance(error, VideoUnavailable)
    assert error.rate_limited
    assert error.retry_after_s == 12
    assert error.http_status == 429


@pytest.mark.parametrize(
    "body",
    [
        said("Too many running tasks"),
        said("Quota exceeded for quota metric 'Requests' and limit 'Requests per minute'", "RESOURCE_EXHAUSTED"),
        said("Rate limit reached for requests", "rate_limit_exceeded"),
        {"detail": "slow down"},
        b"",
    ],
)
def test_a_429_about_the_rate_is_not_about_the_balance(body: Any) -> None:
    assert isinstance(outcome(429, body), VideoUnavailable)


def test_a_proxy_that_wants_a_password_has_let_nothing_through() -> None:
    error = outcome(407, b"<html>Proxy Authentication Required</html>")

    assert isinstance(error, VideoUnavailable)
    assert not error.rate_limited


UNKNOWN: list[tuple[str, int, Any]] = [
    ("T3: 2xx without an id", 200, {"object": "video", "status": "queued"}),
    ("T8: an error as 200", 200, {"error": {"message": "Invalid signature", "type": "401"}}),
    ("F2: not JSON", 200, b"OK"),
    ("F2: HTML as 200", 200, b"<html>checking your browser</html>"),
    ("F2: empty", 204, b""),
    ("F2: cut", 200, b'{"id": "video_'),
    ("F2: id of the wrong kind", 200, {"id": [1]}),
    ("DESIGN: 408", 408, b""),
    ("DESIGN: 409", 409, said("conflict")),
    ("DESIGN: other 4xx", 418, b""),
    ("DESIGN: other 4xx", 425, b""),
    ("DESIGN: 451 without a word", 451, b""),
    ("seed: 500", 500, {"error": {"message": "An internal server error occurred"}}),
    ("F23: HTML 502", 502, b"<html>502 Bad Gateway</html>"),
    ("F23: 503 without moderation words", 503, said("The server is overloaded")),
    ("F21: 503 about load, not about a person", 503, said("Too many people are using this model")),
    ("F23: 503 that merely mentions a model", 503, said("weights of the model were not found, loading them")),
    ("F23: a rule as the reason for load", 503, said("For safety reasons we shed load")),
    ("F8: words count in 400, 403, 422, 451, 503 only", 500, said("moderation service crashed")),
    ("F8: a proxy's page is nobody's moderation", 503, b"<html>for your safety, sensitive content policy</html>"),
    ("F23: 504", 504, b""),
    ("a status there is not", 999, b""),
    ("an upgrade nobody asked for", 101, b""),
]


@pytest.mark.parametrize(("source", "status", "body"), UNKNOWN, ids=named)
def test_all_else_is_unknown_and_never_sent_again(source: str, status: int, body: Any) -> None:
    error = outcome(status, body)

    assert isinstance(error, VideoOutcomeUnknown), source
    assert error.kind is FailureKind.LOST_ANSWER
    assert error.http_status == status


@pytest.mark.parametrize("status", [400, 401, 403, 429, 500, 503])
def test_what_the_provider_says_is_cut_and_without_the_key(status: int) -> None:
    error = outcome(status, said(f"bad key {KEY} in request req_123 " + "x" * 5000))

    assert isinstance(error, VideoError)
    assert KEY not in str(error)
    assert KEY not in repr(error)
    assert len(error.provider_text) <= 200
    assert "req_123" in error.provider_text
