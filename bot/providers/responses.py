"""Reads what a `/v1/videos` answers, over all servers we know of. Pure, and never raises on foreign words."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from yarl import URL

from bot.providers import embedded_video, error_text
from bot.providers.protocols import Phase

MAX_ID_LENGTH = 2048  # LiteLLM makes 138 characters of 38; nothing paid is lost for being long
MAX_URL_LENGTH = 8192
MAX_DATA_DEPTH = 4  # envelopes round an address
MAX_POLL_AFTER_S = 60.0
MAX_QUEUE_POSITION = 1_000_000
"""Beyond it is no place that anybody would wait for."""
LONGEST_EXPIRY = timedelta(days=8)
"""The longest seen in the field are six days; an end in the year 9999 is none."""

_DONE = frozenset({"completed", "complete", "succeeded", "success", "finished", "done"})
_FAILED = frozenset({"failed", "failure", "fail", "error", "cancelled", "canceled", "expired", "rejected", "deleted"})
_RUNNING = frozenset(
    {"queued", "in_progress", "in-progress", "unknown", "not_start", "submitted", "pending", "starting"}
    | {"preprocessing", "processing", "running", "generating", "postprocessing", "created", "waiting"}
)
_ENVELOPE = frozenset({"error", "fail", "success"})
"""What a gateway may say of its own answer in the place where a job has its status."""
_ID_NAMES = ("id", "task_id", "video_id")
_JOB_ID_NAMES = ("video_id", "task_id", "job_id", "generation_id")
_STATUS_NAMES = ("status", "state", "task_status")
_URL_PATHS: tuple[tuple[str | int, ...], ...] = (
    ("soraVideoUrl",),
    ("video_url",),
    ("video_url", "url"),
    ("url",),
    ("urls", 0),
    ("unsigned_urls", 0),
    ("result_url",),
    ("metadata", "url"),
    ("data", 0, "url"),
    ("videos", 0, "url"),
    ("video", "url"),
    ("download_url",),
    ("output", "url"),
    ("output", 0),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `is_whole` is false when it was cut, too slow, or longer than we read."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_whole: bool = True

    @property
    def json(self) -> Any:
        """The body as JSON, or None."""
        return error_text.parsed(self.body)

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class JobReport:
    """The job as a status answer tells it; `word` is the provider's own status word."""

    phase: Phase
    word: str
    percent: int | None
    url: str | None
    expires_at: datetime | None
    error: error_text.Said

    @property
    def is_known_word(self) -> bool:
        return self.word in _DONE or self.word in _FAILED or self.word in _RUNNING


def created_id(answer: Answer) -> str | None:
    """The id of a created job: `id`, else `task_id`, else the same inside `data`; also where the rest was cut off.

    A question's own id is taken only where there is no other.
    """
    body = answer.json or error_text.parsed_as_far_as_it_came(answer.body)
    if not isinstance(body, dict):
        return None
    parts = (body, _first_dict(body.get("data")))
    found = [each for part in parts for name in _ID_NAMES if (each := _id_of(part, (name,)))]
    return next((each for each in found if not _is_a_questions(each)), found[0] if found else None)


def id_beside_an_error(answer: Answer) -> str | None:
    """The id of a job that may have been made although the create was answered with an error.

    A bare `id` there is often the request's own: it counts only with what a job has. To ask for a wrong one is free.
    """
    body = answer.json or error_text.parsed_as_far_as_it_came(answer.body)
    if not isinstance(body, dict):
        return None
    parts = (body, *(_first_dict(body.get(name)) for name in ("data", "error", "video", "task", "job")))
    for part in parts:
        if found := _id_of(part, _JOB_ID_NAMES):
            return found
        found = _id_of(part)
        if found and not _is_a_questions(found) and _looks_like_a_job(part, found):
            return found
    return None


def job_report(answer: Answer, asked: str) -> JobReport | None:
    """The job `asked` for, as this answer tells it, or None where the answer is not about the job.

    Under an HTTP error only a body with this job's own id that says it failed is a job: vLLM-Omni tells of failed jobs
    so, and LiteLLM passes that on as text inside its own error message. "error" is what a gateway calls its own answer.
    An answer with the video in it is of a job that is done, however much of it was read.
    """
    if answer.is_success and embedded_video.is_in(answer.body):
        return JobReport(Phase.DONE, "completed", None, None, None, error_text.Said())
    body = answer.json
    if not isinstance(body, dict):
        return None
    if not answer.is_success:
        inside = (_job_in(part, asked) for text in _strings(body.get("error")) for part in error_text.embedded(text))
        for job in (_job_in(body, asked), *inside):
            if job and _is_of(job, asked) and _word(job) in _FAILED - _ENVELOPE:
                return _report(job, body)
        return None
    job = _job_in(body, asked)
    if job is None or _is_an_envelope(job, asked):
        return None
    return _report(job, body)


def listed_names(answer: Answer) -> set[str] | None:
    """The ids of a list of models; None where the answer is none."""
    listed = answer.json.get("data") if answer.is_success and isinstance(answer.json, dict) else None
    if not isinstance(listed, list):
        return None
    return {each["id"] for each in listed if isinstance(each, dict) and isinstance(each.get("id"), str)}


def video_url(body: Any) -> str | None:
    """The first http(s) address under one of the names seen in the field."""
    if not isinstance(body, dict):
        return None
    for _ in range(MAX_DATA_DEPTH):
        for path in _URL_PATHS:
            found: Any = body
            for step in path:
                found = step_into(found, step)
            if isinstance(found, str) and is_http(found.strip()):
                return found.strip()
        body = body.get("data")
        if not isinstance(body, dict):
            break
    return None


def retry_after_s(headers: Mapping[str, str], now: datetime, *, at_most: float) -> float | None:
    """How long the provider asks us to wait, between 0 and `at_most` seconds."""
    for prefix in ("", "llm_provider-"):
        wait_ms = as_number(headers.get(f"{prefix}retry-after-ms"))
        if wait_ms is not None:
            return _clamped(wait_ms / 1000, at_most)
        said = headers.get(f"{prefix}retry-after")
        wait_s = as_number(said)
        if wait_s is None and said:
            at = _http_date(said)
            wait_s = (at - (_http_date(headers.get("date", "")) or now)).total_seconds() if at else None
        if wait_s is not None:
            return _clamped(wait_s, at_most)
    return None


def poll_after_s(headers: Mapping[str, str], now: datetime, *, at_most: float) -> float | None:
    """The pause the provider asks for between polls."""
    for name in ("openai-poll-after-ms", "llm_provider-openai-poll-after-ms"):
        wait_ms = as_number(headers.get(name))
        if wait_ms is not None:
            return _clamped(wait_ms / 1000, at_most)
    return retry_after_s(headers, now, at_most=at_most)


def _job_in(body: Any, asked: str) -> dict[str, Any] | None:
    """The dictionary that describes the job: the outermost with a status, or an envelope's `data`."""
    if not isinstance(body, dict):
        return None
    inner = _first_dict(body.get("data"))
    if _word(inner) and _is_of(inner, asked) and not _is_of(body, asked):
        return inner
    if _id_of(body) and (_word(body) or not _word(inner)):
        return body
    if _word(inner):
        return inner
    if _word(body):
        return body
    return inner if _id_of(inner) else None


def _report(job: dict[str, Any], body: dict[str, Any]) -> JobReport:
    word = _word(job)
    phase = Phase.DONE if word in _DONE else Phase.FAILED if word in _FAILED else Phase.RUNNING
    expires_at = job.get("expires_at", job.get("expiresAt"))
    return JobReport(
        phase=phase,
        word=word,
        percent=_percent(job.get("progress")),
        url=(video_url(job) or video_url(body)) if phase is Phase.DONE else None,
        expires_at=moment(expires_at) if phase is Phase.DONE else None,
        error=(error_text.said(job) or error_text.said(body)) if phase is Phase.FAILED else error_text.Said(),
    )


def _is_of(job: dict[str, Any], asked: str) -> bool:
    """Whether it bears this job's id, or the same one in LiteLLM's wrapping."""
    return any(
        found is not None and _unwrapped(found) == _unwrapped(asked)
        for found in (_id_of(job, (name,)) for name in _ID_NAMES)
    )


def _unwrapped(job_id: str) -> str:
    """LiteLLM's ids hold the upstream's, and the rest of them differs from answer to answer."""
    try:
        inner = base64.b64decode(job_id.removeprefix("video_"), validate=True).decode()
    except ValueError:
        return job_id
    return inner.rpartition("video_id:")[2] if inner.startswith("litellm:") else job_id


def _is_an_envelope(job: dict[str, Any], asked: str) -> bool:
    """{"status": "error", "message": …}, {"status": "success"}: words about an answer, not about the job."""
    word, found = _word(job), _id_of(job) or ""
    if word == "error" or (word in _FAILED and _is_a_questions(found)):
        return not _is_of(job, asked)
    return word in _ENVELOPE and not found and video_url(job) is None


def _is_a_questions(found: str) -> bool:
    """A gateway's name for one request, not for a job."""
    return found.lower().startswith("req")


def _looks_like_a_job(part: dict[str, Any], found: str) -> bool:
    kind = part.get("object")
    return bool(
        _word(part) in (_RUNNING | _DONE | _FAILED) - _ENVELOPE
        or (isinstance(kind, str) and "video" in kind.lower())
        or found.lower().startswith(("video", "task", "job", "gen"))
    )


def _id_of(body: dict[str, Any], names: tuple[str, ...] = _ID_NAMES) -> str | None:
    for name in names:
        value = body.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**64:
            return str(value)
        if isinstance(value, str):
            found = value.strip()
            if 0 < len(found) <= MAX_ID_LENGTH and found.isprintable():
                return found
    return None


def _word(body: dict[str, Any]) -> str:
    for name in _STATUS_NAMES:
        value = body.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip().lower()
    return ""


def _first_dict(value: Any) -> dict[str, Any]:
    if isinstance(value, list) and value:
        value = value[0]
    return value if isinstance(value, dict) else {}


def step_into(value: Any, step: str | int) -> Any:
    if isinstance(step, str):
        return value.get(step) if isinstance(value, dict) else None
    return value[step] if isinstance(value, list) and len(value) > step else None


def is_http(text: str) -> bool:
    """Whether this can be the address of a video."""
    is_like_one = text[:8].lower().startswith(("http://", "https://")) and len(text) <= MAX_URL_LENGTH
    if not is_like_one or not text.isprintable() or " " in text:
        return False
    try:
        return bool(URL(text).host)
    except ValueError:  # of a port or a host that there cannot be
        return False


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for text in value.values() if isinstance(text, str))


def as_number(value: Any) -> float | None:
    """A finite number, also from its text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _percent(value: Any) -> int | None:
    number = as_number(value.strip().removesuffix("%") if isinstance(value, str) else value)
    if number is None:
        return None
    if isinstance(value, float) and 0 < value < 1:
        number *= 100  # a fraction
    return int(min(100.0, max(0.0, number)))


def moment(value: Any) -> datetime | None:
    """Seconds, milliseconds, microseconds, or ISO 8601, as aware UTC."""
    number = as_number(value)
    try:
        if number is None:
            at = datetime.fromisoformat(value) if isinstance(value, str) else None
            return at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC) if at else None
        while number > 1e11:
            number /= 1000
        return datetime.fromtimestamp(number, UTC) if number > 1e9 else None
    except (ValueError, OverflowError, OSError):
        return None


def _http_date(text: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(text)
        return at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _clamped(wait_s: float, at_most: float) -> float:
    return min(at_most, max(0.0, wait_s))
