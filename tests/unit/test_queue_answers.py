"""What fal and Comfy Router answer, read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.models import FailureKind
from bot.providers import queue_answers
from bot.providers.responses import Answer


def answer(body: Any, status: int = 200, **headers: str) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, raw)


DONE = answer({"status": "COMPLETED", "request_id": "r"})
VIDEO = answer({"video": {"url": "https://v3.fal.media/a.mp4"}})
FAILURES: list[tuple[str, Answer, Answer, FailureKind, bool | None]] = [
    (
        "fal says it in the status",
        answer({"status": "COMPLETED", "error": "Runner crashed", "error_type": "runner_disconnected"}),
        answer({"detail": "Runner crashed"}, 503, **{"x-fal-error-type": "runner_disconnected"}),
        FailureKind.PROVIDER,
        False,
    ),
    (
        "fal says it in the result alone",
        DONE,
        answer({"detail": [{"loc": ["body", "prompt"], "msg": "flagged", "type": "content_policy_violation"}]}, 422),
        FailureKind.MODERATED,
        True,
    ),
    (
        "fal's header alone",
        DONE,
        answer(b"gone wrong", 500, **{"x-fal-error-type": "internal_error"}),
        FailureKind.PROVIDER,
        False,
    ),
    (
        "an input that fal's model may have worked on",
        DONE,
        answer({"detail": [{"loc": ["body", "image_url"], "msg": "too small", "type": "image_too_small"}]}, 422),
        FailureKind.PROVIDER,
        None,
    ),
    (
        "Comfy Router's bucket",
        answer({"status": "COMPLETED", "error_type": "content_policy_violation"}),
        answer({"detail": "The image contains a real person.", "error_type": "content_policy_violation"}, 400),
        FailureKind.PERSON,
        True,
    ),
    (
        "a body that the model does not take",
        answer({"status": "COMPLETED", "error_type": "invalid_input"}),
        answer({"detail": [{"loc": ["duration"], "msg": "too long", "type": "less_than"}]}, 422),
        FailureKind.BAD_REQUEST,
        False,
    ),
    (
        "never started",
        answer({"status": "COMPLETED", "error_type": "queue_timeout"}),
        answer({"detail": "waited too long", "error_type": "queue_timeout"}, 504),
        FailureKind.BUSY,
        False,
    ),
    (
        "cancelled by somebody",
        answer({"status": "COMPLETED", "error_type": "cancelled"}),
        answer({"detail": "cancelled", "error_type": "cancelled"}, 409),
        FailureKind.CANCELLED,
        None,
    ),
    (
        "a bucket there is not yet",
        answer({"status": "COMPLETED", "error_type": "meteor_strike"}),
        answer({"detail": "?"}, 500),
        FailureKind.PROVIDER,
        None,
    ),
]


@pytest.mark.parametrize(("what", "status", "result", "kind", "charged"), FAILURES, ids=[row[0] for row in FAILURES])
def test_completed_with_an_error_is_a_failure_of_its_kind(
    what: str, status: Answer, result: Answer, kind: FailureKind, charged: object
) -> None:
    reason = queue_answers.failure_in(status, result)

    assert reason is not None, what
    assert queue_answers.kind_of(reason) is kind
    assert queue_answers.is_charged(reason, kind, refusals=True) is charged


@pytest.mark.parametrize("result", [VIDEO, answer({}, 404), answer({}, 429), answer(b"<html>", 502), answer({}, 401)])
def test_completed_without_an_error_is_none_whatever_keeps_the_result_from_us(result: Answer) -> None:
    assert queue_answers.failure_in(DONE, result) is None


@pytest.mark.parametrize(
    ("body", "path", "found"),
    [
        ({"video": {"url": "https://a/b.mp4"}}, "video.url", "https://a/b.mp4"),
        ({"content": {"video_url": "https://a/b.mp4"}}, "content.video_url", "https://a/b.mp4"),
        ({"task": {"content": {"url": "https://a/b.mp4"}}}, "task.content.url", "https://a/b.mp4"),
        ({"videos": [{"uri": "https://a/b.mp4"}]}, "videos.0.uri", "https://a/b.mp4"),
        ({"videos": []}, "videos.0.uri", None),
        ({"video": {"url": "https://a/b.mp4"}}, "output.url", "https://a/b.mp4"),
        ({"video": {"url": "https://a/b.mp4"}}, None, "https://a/b.mp4"),
        ({"video": {"url": "file:///etc/passwd"}}, "video.url", None),
        (["https://a/b.mp4"], "0", "https://a/b.mp4"),
        ("text", "video.url", None),
    ],
)
def test_the_video_is_found_at_its_path_or_under_a_usual_name(body: Any, path: str | None, found: str | None) -> None:
    assert queue_answers.url_in(body, path) == found


def test_the_place_in_the_queue_counts_from_one() -> None:
    places = [queue_answers.position_of(answer({"queue_position": ahead})) for ahead in (0, 3, -1, True, "2", None)]
    absurd = [queue_answers.position_of(answer({"queue_position": ahead})) for ahead in (10**6, 10**4000)]

    assert places == [1, 4, None, None, None, None]
    assert absurd == [None, None]


def test_a_request_beside_an_error_counts_only_with_an_address() -> None:
    assert queue_answers.request_id(answer({"request_id": "r"}, 201)) == "r"
    assert queue_answers.request_id(answer({"request_id": "r"}, 500)) is None
    assert queue_answers.request_id(answer({"request_id": "r", "status_url": "https://q/r"}, 500)) == "r"
    assert queue_answers.request_id(answer({"request_id": "x" * 600}, 200)) is None
    assert queue_answers.request_id(answer(["r"], 200)) is None


@pytest.mark.parametrize(
    ("estimate", "exact", "most"),
    [
        ({"source": "exact", "amount": "0.15"}, 0.15, 0.15),
        ({"source": "estimated", "min_amount": "0.1", "max_amount": "0.4"}, None, 0.4),
        ({"source": "unknown", "reason": "not_quotable"}, None, None),
        ({"source": "new", "amount": "0.15"}, None, None),
        ({"source": "exact", "amount": "free"}, None, None),
        (None, None, None),
    ],
)
def test_a_quote_is_read_by_how_sure_it_is(estimate: Any, exact: float | None, most: float | None) -> None:
    assert (queue_answers.exact_usd(estimate), queue_answers.most_usd(estimate)) == (exact, most)
