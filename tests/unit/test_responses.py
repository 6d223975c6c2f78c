"""Tolerances in reading answers: one row each, with its source (`facts/videos-api.md` §3 is "T", §4 is "F")."""

from __future__ import annotations

import base64
import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.errors import VideoError, VideoOutcomeUnknown
from bot.models import FailureKind
from bot.providers import error_mapping, error_text, responses
from bot.providers.protocols import Phase
from bot.providers.responses import Answer, created_id, job_report, poll_after_s, retry_after_s, video_url
from tests.unit.video_answers import CREATED, LITELLM_WRAPPED, SEED_DONE, STATUSES, VLLM_FAILED, mutated, named

NOW = datetime(2026, 10, 21, 7, 0, tzinfo=UTC)
LONG_ID = "video_" + "a=/:" * 62 + "z"  # 255 characters


def answer(body: Any, status: int = 200, **headers: str) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, raw)


@pytest.mark.parametrize("name", sorted(CREATED))
def test_each_server_is_understood_at_create(name: str) -> None:
    known = CREATED[name]
    body = known.body
    wanted = body.get("id") or body.get("task_id") or body["data"]["task_id"]

    assert created_id(known.answer) == wanted, known.source


@pytest.mark.parametrize(
    ("source", "body", "wanted"),
    [
        ("T4: opaque, to 255 characters", {"id": LONG_ID}, LONG_ID),
        ("T4: may hold slashes, equal signs, colons", {"id": "a/b=:c"}, "a/b=:c"),
        ("T3: id before task_id", {"task_id": "t", "id": "i"}, "i"),
        ("T3: an empty id is none", {"id": "", "task_id": "t"}, "t"),
        ("T3: inside data", {"data": {"id": "d"}}, "d"),
        ("T3: inside data, beside a request's own", {"id": "req_1", "data": {"id": "d"}}, "d"),
        ("T3: as task_id, beside a request's own", {"id": "req_1", "task_id": "d"}, "d"),
        ("T3: a request's own is better than none", {"id": "req_1"}, "req_1"),
        ("T4: as long as they get", {"id": "x" * 2000}, "x" * 2000),
        ("T3: inside a list in data", {"data": [{"task_id": "d"}]}, "d"),
        ("T6: a number", {"id": 12345}, "12345"),
        ("T3: no id at all", {"status": "queued"}, None),
        ("T6: an id of the wrong kind", {"id": {"x": 1}}, None),
        ("T6: true is no id", {"id": True}, None),
        ("T4: what no database or URL can hold", {"id": "a\0b"}, None),
        ("T4: half a character", b'{"id": "\\ud800"}', None),
        ("T4: endless", {"id": "x" * 5000}, None),
        ("F18: HTML", b"<html>ok</html>", None),
        ("F18: an empty body", b"", None),
        ("F2: cut behind the id", b'{"id": "video_1", "stat', "video_1"),
        ("F2: cut behind the id, which is not the first", b'{"object": "video", "id": "video_1", "st', "video_1"),
        ("F2: cut inside the id", b'{"object": "video", "id": "video_', None),
        ("F2: cut inside a number", b'{"id": 123', None),
        ("F2: cut inside another object", b'{"error": {"id": "x", "mess', None),
        ("T8: an error under 200", {"error": {"message": "Invalid signature", "type": "401"}}, None),
    ],
    ids=named,
)
def test_the_id_of_a_create(source: str, body: Any, wanted: str | None) -> None:
    assert created_id(answer(body)) == wanted, source


DONE = ["completed", "complete", "succeeded", "success", "finished", "done", "COMPLETED", "Succeeded", " done\n"]
FAILED = ["failed", "failure", "fail", "cancelled", "canceled", "expired", "rejected", "deleted", "FAILED", "error"]
RUNNING = [
    *("queued", "in_progress", "unknown", "NOT_START", "submitted", "pending", "starting", "preprocessing"),
    *("processing", "running", "generating", "postprocessing", "warming_up"),
]


@pytest.mark.parametrize(
    ("word", "phase"),
    [*((word, Phase.DONE) for word in DONE), *((word, Phase.FAILED) for word in FAILED)]
    + [(word, Phase.RUNNING) for word in RUNNING],
)
def test_status_words_by_table(word: str, phase: Phase) -> None:
    """T5: new-api adaptor; TensorRT-LLM; ArcReel#410, #1888, #651; new-api#5045."""
    report = job_report(answer({"id": "v", "status": word}), "v")

    assert report is not None
    assert report.phase is phase
    assert report.is_known_word is (word != "warming_up")


@pytest.mark.parametrize(
    ("source", "value", "wanted"),
    [
        ("T6", 42, 42),
        ("T6", 42.9, 42),
        ("T6: new-api", "42%", 42),
        ("T6", " 42 % ", 42),
        ("T6", "42", 42),
        ("T6: TensorRT-LLM", None, None),
        ("T6", "soon", None),
        ("T6", 500, 100),
        ("T6", -3, 0),
        ("T6: a fraction", 0.42, 42),
        ("T6: 1 may be 1 % or 100 %: only shown", 1, 1),
        ("T6", True, None),
        ("T6", float("nan"), None),
        ("T6", "9" * 400, None),
        ("T6", [42], None),
    ],
    ids=named,
)
def test_progress_is_read_loosely(source: str, value: Any, wanted: int | None) -> None:
    report = job_report(answer({"id": "v", "status": "in_progress", "progress": value}), "v")

    assert report is not None
    assert report.percent == wanted, source


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("seed: a string", "1766560106"),
        ("OpenAI", 1766560106),
        ("T6: float", 1766560106.0),
        ("T6: ms", 1766560106000),
        ("T6: ms in a string", "1766560106000"),
        ("T6: ISO 8601", "2025-12-24T07:08:26Z"),
        ("T6: ISO 8601 without a zone", "2025-12-24T07:08:26"),
        ("T6: ISO 8601 elsewhere", "2025-12-24T09:08:26+02:00"),
    ],
    ids=named,
)
def test_times_are_read_loosely(source: str, value: Any) -> None:
    report = job_report(answer({**SEED_DONE, "expires_at": value}), "v")

    assert report is not None
    assert report.expires_at == datetime(2025, 12, 24, 7, 8, 26, tzinfo=UTC), source


@pytest.mark.parametrize("value", [None, "", "soon", 0, -5, 60, True, "nan", 1e300, [1], "2025-13-99"], ids=named)
def test_times_that_are_none_are_none(value: Any) -> None:
    report = job_report(answer({**SEED_DONE, "expires_at": value}), "v")

    assert report is not None
    assert report.expires_at is None


URL = "https://cdn.example.com/a.mp4?sig=x%2By"


@pytest.mark.parametrize(
    ("source", "body"),
    [
        ("seed", {"soraVideoUrl": URL}),
        ("T11: APIYI", {"video_url": URL}),
        ("T11: OpenRouter content", {"video_url": {"url": URL}}),
        ("T11: SGLang", {"url": URL}),
        ("T11: SGLang, OpenRouter", {"urls": [URL]}),
        ("T11: GPTProto v3, OpenRouter", {"unsigned_urls": [URL]}),
        ("T11: new-api", {"result_url": URL}),
        ("T11: new-api", {"metadata": {"url": URL}}),
        ("T11: LocalAI", {"data": [{"url": URL}]}),
        ("T11: Bifrost", {"videos": [{"url": URL}]}),
        ("T11", {"video": {"url": URL}}),
        ("T6: wrapped, ArcReel#1889", {"data": {"video_url": URL}}),
        ("T11: the first that is an address", {"soraVideoUrl": "", "url": "/files/a.mp4", "video_url": URL}),
        ("T11: long ones still serve the download", {"url": URL + "&" + "x" * 3000}),
    ],
    ids=named,
)
def test_the_url_under_all_its_names(source: str, body: Any) -> None:
    assert (video_url(body) or "").startswith(URL), source


@pytest.mark.parametrize(
    "url",
    [
        "",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "/v1/videos/x",
        "ftp://a/b",
        "https://a /",
        5,
        None,
        "data:,x",
        "https://[::1",
        "https://a:99999999/",
        "https:///a",
        "https://\uff0e/",
    ],
)
def test_what_is_no_address_is_no_url(url: Any) -> None:
    assert video_url({"url": url, "urls": {"get": URL}}) is None


def test_a_running_job_has_no_url() -> None:
    report = job_report(answer({**SEED_DONE, "status": "in_progress", "url": "https://api.example.com/poll"}), "v")

    assert report is not None
    assert report.url is None


@pytest.mark.parametrize(
    ("source", "body", "status", "wanted"),
    [
        ("seed", SEED_DONE, 200, Phase.DONE),
        ("T7: vLLM-Omni, a job under an HTTP error", VLLM_FAILED, 422, Phase.FAILED),
        ("T7: the same at 500", VLLM_FAILED, 500, Phase.FAILED),
        ("T7, T8: LiteLLM, as text in error.message", LITELLM_WRAPPED, 422, Phase.FAILED),
        ("T4: another id than the one asked for", {"id": "other", "status": "completed"}, 200, Phase.DONE),
        ("T17: no id", {"status": "completed"}, 200, Phase.DONE),
        ("T6: wrapped in data", {"data": {"id": "v", "status": "failed"}}, 200, Phase.FAILED),
        (
            "F15: the outer status wins",
            {"id": "v", "status": "failed", "data": {"status": "in_progress"}},
            200,
            Phase.FAILED,
        ),
        ("F15: and the reverse", {"id": "v", "status": "running", "data": {"status": "failed"}}, 200, Phase.RUNNING),
        ("an envelope's own word", {"status": "success", "data": {"id": "v", "status": "running"}}, 200, Phase.RUNNING),
        ("T5: no word at all", {"id": "v", "progress": 5}, 200, Phase.RUNNING),
        ("T6: a word of the wrong kind", {"id": "v", "status": 3}, 200, Phase.RUNNING),
        ("F23: an error that calls itself a status", {"status": "error", "message": "upstream"}, 200, None),
        ("F23: Spring", {"status": 500, "error": "Internal Server Error", "path": "/v1"}, 500, None),
        ("F11: a failed question, not a failed job", {"status": "failed", "message": "not found"}, 404, None),
        ("F11: new-api", {"code": "task_not_exist", "message": "task_not_exist"}, 400, None),
        ("F11: 404", {"error": {"message": "Video not found", "code": "not_found"}}, 404, None),
        ("F11: LiteLLM, 500 for an unknown id", {"error": {"message": "litellm.InternalServerError"}}, 500, None),
        ("F21: 429", {"error": {"message": "slow down"}}, 429, None),
        ("F23: HTML", b"<html>502</html>", 502, None),
        ("F23: HTML as 200", b"<html>ok</html>", 200, None),
        ("F23: empty", b"", 200, None),
        ("F23: a list", [SEED_DONE], 200, None),
        ("F23: no JSON", b"completed", 200, None),
        ("F23: deeper than any parser", b"[" * 100_000, 200, None),
        ("F23: a number of 5000 digits", b'{"id": ' + b"9" * 5000 + b', "status": "completed"}', 200, None),
    ],
    ids=named,
)
def test_what_a_status_answer_says_of_the_job(source: str, body: Any, status: int, wanted: Phase | None) -> None:
    report = job_report(answer(body, status), "video_gen_9f" if status >= 400 else "v")

    assert (report.phase if report else None) == wanted, source


def litellm(upstream: str, model: str = "sora") -> str:
    inner = f"litellm:custom_llm_provider:hosted_vllm;model_id:{model};video_id:{upstream}"
    return "video_" + base64.b64encode(inner.encode()).decode()


OURS = {"id": "v", "status": "failed"}
NO_END: list[tuple[str, Any]] = [
    ("another request's id", {"id": "req_8f2c", "status": "failed", "message": "upstream overloaded, please retry"}),
    ("another job's id", {"id": "video_2", "status": "failed"}),
    ("another job's id as task_id", {"task_id": "video_2", "status": "FAILURE"}),
    ("another job's id inside data", {"data": {"id": "video_2", "status": "failed"}}),
    ("another job's id, as text", {"error": {"message": json.dumps({"id": "video_2", "status": "failed"})}}),
    ("a gateway's error", {"id": "req_8f2c", "status": "error", "message": "upstream overloaded, please retry"}),
    ("a gateway's error with our id", {"id": "v", "status": "error", "message": "upstream overloaded"}),
    ("a gateway's fail with our id", {"id": "v", "status": "fail", "message": "upstream overloaded"}),
    ("no id", {"status": "failed", "message": "upstream overloaded"}),
    ("done", {"id": "v", "status": "completed", "url": "https://cdn.example.com/a.mp4"}),
    ("running", {"id": "v", "status": "in_progress"}),
    ("our id inside the question's echo", {"request": OURS, "status": "failed"}),
]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429, 451, 500, 501, 502, 503, 504, 520, 302, 199])
@pytest.mark.parametrize(("source", "body"), NO_END, ids=named)
def test_under_an_http_error_no_body_but_our_failed_jobs_own_is_an_answer(source: str, body: Any, status: int) -> None:
    assert job_report(answer(body, status), "v") is None, source


@pytest.mark.parametrize("word", ["failed", "FAILURE", "cancelled", "canceled", "expired", "rejected", "deleted"])
@pytest.mark.parametrize("status", [400, 404, 422, 500, 503])
def test_our_own_failed_job_under_an_http_error_is_an_end(word: str, status: int) -> None:
    job = {"id": "v", "status": word}
    wrapped = {"error": {"message": f"Hosted_vllmException - {json.dumps({'id': 'up_1', 'status': word})}"}}
    for body, asked in ((job, "v"), ({"data": job}, "v"), (wrapped, "up_1"), (wrapped, litellm("up_1"))):
        report = job_report(answer(body, status), asked)

        assert report is not None
        assert report.phase is Phase.FAILED


def test_the_same_litellm_job_bears_other_ids_from_answer_to_answer() -> None:
    """BerriAI/litellm#33423."""
    assert job_report(answer({"id": litellm("up_1", ""), "status": "failed"}, 500), litellm("up_1")) is not None
    assert job_report(answer({"id": litellm("up_2", ""), "status": "failed"}, 500), litellm("up_1")) is None


@pytest.mark.parametrize(
    ("source", "body", "wanted"),
    [
        ("a gateway's error under 200", {"id": "req_8f2c", "status": "error", "message": "try again"}, None),
        ("a gateway's failure under 200", {"id": "req_8f2c", "status": "failed", "message": "overloaded"}, None),
        ("JSend", {"status": "success", "data": {}}, None),
        ("JSend", {"status": "success", "data": None, "message": "ok"}, None),
        ("JSend", {"status": "fail", "message": "try again"}, None),
        ("JSend round a job", {"status": "success", "data": {"id": "v", "status": "processing"}}, Phase.RUNNING),
        (
            "a request's id round our job",
            {"id": "req_1", "status": "success", "data": {"id": "v", "status": "running"}},
            Phase.RUNNING,
        ),
        ("success with a video", {"status": "success", "video_url": "https://a.example.com/b.mp4"}, Phase.DONE),
        ("our job with an error", {"id": "v", "status": "error"}, Phase.FAILED),
    ],
    ids=named,
)
def test_an_envelopes_word_is_not_the_jobs(source: str, body: Any, wanted: Phase | None) -> None:
    report = job_report(answer(body), "v")

    assert (report.phase if report else None) == wanted, source


@pytest.mark.parametrize("name", ["data", "error", "metadata", "video"])
def test_no_depth_of_json_brings_down_the_reader(name: str) -> None:
    deep = f'{{"id":"v","status":"completed","{name}":' * 900 + "1" + "}" * 900

    report = job_report(answer(deep.encode()), "v")

    assert report is None or report.url is None


@pytest.mark.parametrize(
    ("source", "status", "body", "wanted"),
    [
        ("a job that was made all the same", 500, {"id": "video_1", "status": "queued"}, "video_1"),
        ("by its kind", 502, {"id": "9f2c", "object": "video"}, "9f2c"),
        ("by its name", 504, {"task_id": "9f2c", "message": "still waiting for the upstream"}, "9f2c"),
        ("by how it begins", 500, {"id": "video_9f2c", "error": {"message": "answer lost"}}, "video_9f2c"),
        ("inside the error", 500, {"error": {"message": "no answer in time", "video_id": "9f2c"}}, "9f2c"),
        ("inside data", 408, {"code": "timeout", "data": {"id": "9f2c", "status": "submitted"}}, "9f2c"),
        ("cut", 500, b'{"id": "video_1", "status": "queued", "mod', "video_1"),
        ("a request's own", 500, {"id": "req_8f2c", "status": "error"}, None),
        ("a request's own, though it looks alike", 500, {"id": "req_video", "object": "video"}, None),
        ("an error's own", 500, {"error": {"id": "9f2c", "message": "oops"}}, None),
        ("none", 500, {"error": "oops"}, None),
        ("HTML", 502, b"<html>", None),
        ("under 200 it would have counted", 200, {"status": "queued"}, None),
    ],
    ids=named,
)
def test_an_id_beside_an_error_is_handed_up_with_the_unknown_outcome(
    source: str, status: int, body: Any, wanted: str | None
) -> None:
    error = error_mapping.of_create(answer(body, status), NOW, key=KEY)

    assert isinstance(error, VideoOutcomeUnknown), source
    assert error.provider_id == wanted


@pytest.mark.parametrize("name", sorted(STATUSES))
def test_each_server_is_understood_at_status(name: str) -> None:
    phases = {
        "gptproto": Phase.DONE,
        "openai failed": Phase.FAILED,
        "vllm-omni failed": Phase.FAILED,
        "litellm wrapped": Phase.FAILED,
        "tensorrt-llm": Phase.RUNNING,
        "new-api": Phase.DONE,
        "bifrost": Phase.DONE,
        "sglang": Phase.RUNNING,
        "gptproto v3": Phase.DONE,
        "gptproto v3 wrapper": Phase.FAILED,
    }
    report = job_report(STATUSES[name].answer, "video_gen_9f")

    assert (report.phase if report else None) == phases.get(name), STATUSES[name].source
    if report and report.phase is Phase.DONE:
        assert report.url


@pytest.mark.parametrize(
    ("source", "body", "kind", "text"),
    [
        ("OpenAI", {"error": {"code": "moderation_blocked", "message": "Blocked."}}, FailureKind.MODERATED, "Blocked"),
        ("F8: PyRIT", {"error": {"code": "output_moderation"}}, FailureKind.MODERATED, "output_moderation"),
        ("F8: PyRIT", {"error": {"code": "sentinel_block"}}, FailureKind.MODERATED, "sentinel_block"),
        ("Bifrost", {"content_filter": {"filtered_count": 1}}, FailureKind.MODERATED, "content_filter"),
        ("F7: clai#87", {"error": {"code": "people-in-user-uploads"}}, FailureKind.PERSON, "people"),
        (
            "F7: vm0#31359",
            {"error": "InputImageSensitiveContentDetected.PrivacyInformation"},
            FailureKind.PERSON,
            "Image",
        ),
        ("F7", {"error": {"message": "Image contains a human face"}}, FailureKind.PERSON, "face"),
        ("TensorRT-LLM: a string", {"error": "CUDA out of memory"}, FailureKind.PROVIDER, "CUDA"),
        ("SGLang: no code", {"error": {"message": "worker died"}}, FailureKind.PROVIDER, "worker"),
        ("T6: null", {"error": None}, FailureKind.PROVIDER, ""),
        ("T6: code as a number", {"error": {"code": 500, "message": "oops"}}, FailureKind.PROVIDER, "500 oops"),
        ("new-api", {"fail_reason": "content policy violation"}, FailureKind.MODERATED, "content policy"),
        ("no surface is a face", {"error": "interface error on surface"}, FailureKind.PROVIDER, "interface"),
        ("case-sensitive", {"error": "model names are case-sensitive"}, FailureKind.PROVIDER, "case"),
    ],
    ids=named,
)
def test_why_a_render_failed(source: str, body: dict[str, Any], kind: FailureKind, text: str) -> None:
    report = job_report(answer({"id": "v", "status": "failed", **body}), "v")

    assert report is not None
    assert error_mapping.of_failed_render(report.error) is kind, source
    assert text in report.error.text


@pytest.mark.parametrize(
    ("source", "headers", "wanted"),
    [
        ("T16: seconds", {"retry_after": "7"}, 7),
        ("T16: with a fraction", {"retry_after": "1.5"}, 1.5),
        ("T16: a date", {"retry_after": "Wed, 21 Oct 2026 07:00:30 GMT"}, 30),
        ("T16: a date, by the server's own clock",
         {"retry_after": "Wed, 21 Oct 2026 09:00:30 GMT", "date": "Wed, 21 Oct 2026 09:00:00 GMT"}, 30),
        ("T16: a date gone by", {"retry_after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ("T16: ms", {"retry_after_ms": "2500"}, 2.5),
        ("T16: ms before seconds", {"retry_after_ms": "2500", "retry_after": "9"}, 2.5),
        ("T16: LiteLLM", {"llm_provider-retry_after": "8"}, 8),
        ("T16: LiteLLM, ms", {"llm_provider-retry_after_ms": "800"}, 0.8),
        ("T16: clamped", {"retry_after": "86400"}, 600),
        ("T16: below nothing", {"retry_after": "-5"}, 0),
        ("T16: no number", {"retry_after": "later"}, None),
        ("T16: not finite", {"retry_after": "inf"}, None),
        ("T16: a date there is not", {"retry_after": "Wed, 99 Oct 2026 07:28:00 GMT"}, None),
        ("T16: none", {}, None),
    ],
    ids=named,
)  # fmt: skip
def test_retry_after_in_all_its_spellings(source: str, headers: dict[str, str], wanted: float | None) -> None:
    asked = {name.replace("_", "-").replace("llm-provider", "llm_provider"): value for name, value in headers.items()}

    assert retry_after_s(asked, NOW, at_most=600) == wanted, source


def test_the_pause_between_polls_is_obeyed_and_clamped() -> None:
    assert poll_after_s({"openai-poll-after-ms": "1500", "retry-after": "9"}, NOW, at_most=60) == 1.5
    assert poll_after_s({"openai-poll-after-ms": "9999999"}, NOW, at_most=60) == 60
    assert poll_after_s({"retry-after": "9"}, NOW, at_most=60) == 9
    assert poll_after_s({}, NOW, at_most=60) is None
    assert timedelta(seconds=poll_after_s({"openai-poll-after-ms": "20"}, NOW, at_most=60) or 0).total_seconds() == 0.02


KEY = "sk-proj-abcdef123456"


@pytest.mark.parametrize(
    "text",
    [
        f"Incorrect API key provided: {KEY}.",
        f"Authorization: Bearer {KEY}",
        "x" * 190 + KEY,
        f'{{"headers": {{"authorization": "Bearer {KEY}"}}}}',
        "leaked from elsewhere: sk-someoneelse99",
    ],
)
def test_no_key_reaches_the_log(text: str) -> None:
    told = error_text.for_the_log(text, KEY)

    assert KEY not in told
    assert "abcdef" not in told
    assert "someoneelse" not in told
    assert len(told) <= 200


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (
            "GET https://b.s3.amazonaws.com/a.mp4?X-Amz-Signature=s3cr3t77&x=1 failed",
            "https://b.s3.amazonaws.com/a.mp4?… failed",
        ),
        ("see (https://cdn.example.com/a.mp4#s3cr3t77).", "https://cdn.example.com/a.mp4?…"),
        ("https://user:s3cr3t77@example.com/a", "https://example.com/a"),
        ('{"url":"https://a.example.com/b?sig=s3cr3t77"}', '{"url":"https://a.example.com/b?…"}'),
        ("could not read /files/a.mp4?token=s3cr3t77&n=1", "/files/a.mp4?token=…&n=1"),
        ("api_key=s3cr3t77 is not known", "[key] is not known"),
    ],
)
def test_no_signature_and_no_password_reaches_the_log(text: str, kept: str) -> None:
    told = error_text.for_the_log(text, KEY)

    assert "s3cr3t" not in told
    assert kept in told


@pytest.mark.parametrize(
    "body", [{"status": "queued", "prompt": "my secret"}, {"data": [{"seconds": "4", "revised_prompt": "my secret"}]}]
)
def test_what_the_member_wrote_is_no_word_of_an_error(body: Any) -> None:
    told = error_text.error_text(answer(body).body)

    assert "my secret" not in told
    assert "queued" in told or "seconds" in told


def test_words_for_the_log_are_one_line() -> None:
    assert error_text.for_the_log("a\nb\x1b[31m\u202ec\0", KEY) == "a b [31m c"
    assert error_text.for_the_log("a " * 300, KEY).endswith("…")


@pytest.mark.parametrize(
    ("source", "body", "wanted"),
    [
        ("T8: object", {"error": {"message": "m", "type": "t", "param": None, "code": "c"}}, "c t m"),
        ("T8: text", {"error": "m"}, "m"),
        ("T8: FastAPI", {"detail": "m"}, "m"),
        ("T8: FastAPI, a list", {"detail": [{"loc": ["body"], "msg": "m"}]}, "m"),
        ("T8: flat", {"code": 401, "message": "m", "type": "error"}, "401 error m"),
        ("T8: JSON in a message", {"error": {"message": 'x: {"error":{"code":"c","message":"m"}}'}}, "c m"),
        ("GPTProto v3 wrapper", {"data": {"error": "m"}, "code": 500}, "500 m"),
        ("T8: HTML", b"<h1>502</h1>", "<h1>502</h1>"),
        ("T8: empty", b"", ""),
        ("T8: bytes", b"\xff\xfe", "2 bytes that are no text, beginning ff fe"),
        (
            "T8: a picture",
            b"GIF89a\x01\0\x90\xff" * 9,
            "bytes that are no text, beginning 47 49 46 38 39 61 01 00 90 ff 47 49",
        ),
        ("T8: Latin-1", "caf\xe9 is no model of ours".encode("latin-1"), "is no model of ours"),
    ],
    ids=named,
)
def test_error_shapes(source: str, body: Any, wanted: str) -> None:
    assert error_text.error_text(answer(body).body).endswith(wanted), source


@settings(max_examples=500, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(min_value=0, max_value=2**40))
def test_no_mutated_answer_brings_down_the_reader(seed: int) -> None:
    given_answer = mutated(random.Random(seed))

    check_read(given_answer)


def check_read(given_answer: Answer) -> None:
    """Everything that is done with an answer, and what must hold of it."""
    outcome = error_mapping.of_create(given_answer, NOW, key=KEY)
    report = job_report(given_answer, "v")
    pause_s = poll_after_s(given_answer.headers, NOW, at_most=60)

    if isinstance(outcome, VideoError):
        assert len(outcome.provider_text) <= 250
        assert KEY not in str(outcome)
    else:
        assert given_answer.is_success
        assert 0 < len(outcome) <= responses.MAX_ID_LENGTH
        outcome.encode()
    assert pause_s is None or 0 <= pause_s <= 60
    if report is not None:
        assert report.percent is None or 0 <= report.percent <= 100
        assert report.expires_at is None or report.expires_at.tzinfo is UTC
        assert report.url is None or report.url.isprintable()
        assert error_mapping.of_failed_render(report.error) in FailureKind
        assert len(error_text.for_the_log(report.error.text, KEY)) <= 200
