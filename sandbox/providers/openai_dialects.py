"""The same job and the same errors as each family of servers words them, after their sources.

gptproto follows its own page, openai the published description; the others their published sources.
"""

import base64
import json
import secrets
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sandbox.providers.exchange import Answer, ErrorReply
from sandbox.providers.jobs import State, VideoJob

Body = dict[str, Any]

OPENAI_WORDS: dict[State, str] = {
    "queued": "queued", "running": "in_progress", "done": "completed", "failed": "failed", "cancelled": "failed",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one family answers; a job's body is made from it and the URL of its video, "" before the end."""

    name: str
    body: Callable[[VideoJob, str], Body]
    error: Callable[[ErrorReply], Any]
    new_id: Callable[[], str] = field(default=lambda: f"video_{secrets.token_hex(16)}")
    poll_id: Callable[[str], str] = field(default=lambda job_id: job_id)
    words: Mapping[State, str] = field(default_factory=lambda: OPENAI_WORDS)
    created_status: int = 200
    created: Callable[[VideoJob], Body] | None = None  # where the create answer is another than the job
    failed_status: int = 200  # of a poll that finds the job failed
    wrapped: bool = False  # the job stands inside "data"
    early: Callable[[VideoJob], Answer | ErrorReply]  # from /content before the end
    unknown: ErrorReply = field(default_factory=lambda: ErrorReply(404, "Video not found", "invalid_request_error"))
    strict: bool = False  # an unknown field is refused
    lists: bool = True
    deletes: Literal["ended", "any", "no"] = "ended"
    gzips: bool = False  # the video too, for those who accept it


def _times(job: VideoJob) -> tuple[int, int | None, int | None]:
    return (
        int(job.created_at),
        None if job.completed_at is None else int(job.completed_at),
        None if job.state != "done" or job.expires_at is None else int(job.expires_at),
    )


def _base(job: VideoJob) -> Body:
    created_at, completed_at, expires_at = _times(job)
    return {
        "id": job.id, "object": "video", "model": job.model, "status": OPENAI_WORDS[job.state],
        "progress": job.progress, "created_at": created_at, "completed_at": completed_at, "expires_at": expires_at,
        "size": job.size, "seconds": job.seconds, "prompt": job.prompt, "remixed_from_video_id": None,
        "error": job.error and {"code": job.error.code or "server_error", "message": job.error.message},
    }  # fmt: skip


def _without_nulls(body: Body) -> Body:
    return {name: value for name, value in body.items() if value is not None}


def _gptproto(job: VideoJob, url: str) -> Body:
    """The seed's sample, name for name: times are strings, the URL comes with the end."""
    body = _without_nulls(_base(job)) | ({"soraVideoUrl": url} if url else {})
    del body["prompt"]
    return {name: str(value) if name.endswith("_at") else value for name, value in body.items()}


def _gptproto_early(job: VideoJob) -> Answer:
    """The seed's sample of /content is a queued job, with whole-numbered time and a quality."""
    names = ("id", "object", "model", "status", "progress", "created_at", "size", "seconds")
    return Answer(200, {name: _base(job)[name] for name in names} | {"quality": "standard"})


def _gptproto_error(error: ErrorReply) -> Body:
    """What it passes through is OpenAI's error object; its own has the status as text for a type."""
    if error.kind:
        return _openai_error(error)
    return {"error": {"message": error.message, "type": str(error.status)}}


def _openai(job: VideoJob, _url: str) -> Body:
    return _base(job)


def _openai_error(error: ErrorReply) -> Body:
    kind = error.kind or ("server_error" if error.status >= 500 else "invalid_request_error")
    return {"error": {"message": error.message, "type": kind, "param": error.param, "code": error.code}}


def _litellm_id() -> str:
    inner = f"litellm:custom_llm_provider:openai;model_id:sora;video_id:video_{secrets.token_hex(16)}"
    return "video_" + base64.b64encode(inner.encode()).decode()


def _litellm_poll_id(job_id: str) -> str:
    """The id a poll shows leads to another upstream: it is of no use (BerriAI/litellm#33423)."""
    inner = base64.b64decode(job_id.removeprefix("video_")).replace(b"model_id:sora;", b"model_id:;")
    return "video_" + base64.b64encode(inner).decode()


def _litellm_error(error: ErrorReply) -> Body:
    inner = json.dumps(_openai_error(error))
    names = {400: "BadRequestError", 401: "AuthenticationError", 429: "RateLimitError"}
    message = f"litellm.{names.get(error.status, 'APIError')}: OpenAIException - {inner}"
    return {"error": {"message": message, "type": None, "param": None, "code": str(error.status)}}


def _vllm_omni(job: VideoJob, _url: str) -> Body:
    done = job.state == "done"
    error = job.error and {"code": job.error.status, "message": job.error.message}
    return _base(job) | {
        "progress": 100 if done else 0, "quality": "default", "media_type": "video/mp4", "error": error,
        "file_name": f"{job.id}.mp4" if done else None, "inference_time_s": 5.25 if done else None,
    }  # fmt: skip


def _vllm_error(error: ErrorReply) -> Body:
    kinds = {400: "BadRequestError", 401: "Unauthorized", 404: "NotFoundError"}
    kind = kinds.get(error.status, "InternalServerError")
    return {"error": {"message": error.message, "type": kind, "param": None, "code": error.status}}


def _vllm_early(job: VideoJob) -> ErrorReply:
    if job.error:
        return ErrorReply(422, job.error.message)
    return ErrorReply(404, "Video generation is still in progress")


def _sglang(job: VideoJob, _url: str) -> Body:
    body = _base(job) | {
        "quality": "standard", "url": None, "error": job.error and {"message": job.error.message},
        "file_path": f"outputs/{job.id}.mp4" if job.state == "done" else None,
    }  # fmt: skip
    del body["prompt"]
    return body


def _tensorrt(job: VideoJob, _url: str) -> Body:
    body = _base(job) | {"progress": None, "duration": float(job.seconds), "fps": 24}
    body["error"] = job.error and job.error.message
    del body["seconds"], body["remixed_from_video_id"]
    return body


def _tensorrt_error(error: ErrorReply) -> Body:
    kind = {404: "NotFoundError", 500: "InternalServerError"}.get(error.status, "BadRequestError")
    return {
        "object": "error",
        "message": error.message,
        "type": kind,
        "param": None,
        "code": error.status,
    }


def _new_api(job: VideoJob, url: str) -> Body:
    body = _without_nulls(_base(job)) | {"task_id": job.id, "progress": f"{job.progress}%"}
    body["created_at"] *= 1000  # milliseconds in its own sample
    del body["prompt"]
    return body | ({"metadata": {"url": url}} if url else {})


def _new_api_error(error: ErrorReply) -> Body:
    return {"code": error.code or "invalid_request", "message": error.message, "data": None}


def _new_api_task(job: VideoJob, url: str) -> Body:
    return {
        "task_id": job.id, "status": OPENAI_WORDS[job.state], "progress": f"{job.progress}%",
        "submit_time": int(job.created_at), "result_url": url,
        "fail_reason": job.error.message if job.error else "",
    }  # fmt: skip


def _bifrost(job: VideoJob, url: str) -> Body:
    videos = [{"type": "url", "url": url, "content_type": "video/mp4"}] if url else None
    body = _base(job) | {"progress": float(job.progress), "videos": videos}
    return _without_nulls(body) | {"extra_fields": {"request_type": "video_retrieve", "provider": "openai"}}


def _bifrost_error(error: ErrorReply) -> Body:
    inner = _openai_error(error)["error"]
    return {"is_bifrost_error": False, "status_code": error.status, "error": inner, "extra_fields": {}}


def _detail(error: ErrorReply) -> Body:
    return {"detail": error.message}


def _not_ready(status: int, message: str) -> Callable[[VideoJob], ErrorReply]:
    return lambda job: ErrorReply(
        status, message.format(id=job.id, status=OPENAI_WORDS[job.state]), "invalid_request_error"
    )


UNKNOWN_TASK = ErrorReply(400, "task_not_exist", "invalid_request_error", "task_not_exist")
TASK_EARLY = _not_ready(400, "Task is not completed yet, current status: {status}")

_ALL = (
    Dialect(name="gptproto", body=_gptproto, error=_gptproto_error, early=_gptproto_early),
    Dialect(
        name="openai", body=_openai, error=_openai_error,
        early=_not_ready(404, "Video is not ready yet, use GET /v1/videos/{{video_id}} to check status"),
    ),
    Dialect(
        name="litellm", body=_openai, error=_litellm_error, new_id=_litellm_id, poll_id=_litellm_poll_id,
        early=lambda job: Answer(200, json.dumps(_base(job)), {"Content-Type": "video/mp4"}),
        unknown=ErrorReply(500, "Connection error.", "server_error"), lists=False, deletes="no", gzips=True,
    ),
    Dialect(
        name="vllm-omni", body=_vllm_omni, error=_vllm_error, early=_vllm_early, failed_status=422,
        new_id=lambda: f"video_gen_{uuid.uuid4().hex}", deletes="any",
    ),
    Dialect(
        name="sglang", body=_sglang, error=_detail, new_id=lambda: str(uuid.uuid4()), deletes="any",
        early=_not_ready(404, "Generation is still in-progress"),
    ),
    Dialect(
        name="tensorrt-llm", body=_tensorrt, error=_tensorrt_error, created_status=202, strict=True,
        deletes="any", words=OPENAI_WORDS | {"running": "generating"},
        early=_not_ready(400, "Video {id} is not ready (status: {status})"),
    ),
    Dialect(
        name="new-api", body=_new_api, error=_new_api_error, new_id=lambda: f"task_{secrets.token_hex(16)}",
        early=TASK_EARLY, unknown=UNKNOWN_TASK, lists=False, deletes="no",
    ),
    Dialect(
        name="new-api-task", body=_new_api_task, error=_new_api_error, wrapped=True,
        new_id=lambda: f"task_{secrets.token_hex(16)}", created=lambda job: {"task_id": job.id},
        words={
            "queued": "NOT_START", "running": "RUNNING", "done": "SUCCESS", "failed": "FAILURE", "cancelled": "FAILURE",
        },
        early=TASK_EARLY, unknown=UNKNOWN_TASK, lists=False, deletes="no",
    ),
    Dialect(
        name="bifrost", body=_bifrost, error=_bifrost_error,
        new_id=lambda: f"video_{secrets.token_hex(16)}:openai",
        early=_not_ready(400, "video is not ready, current status: {status}"),
    ),
)  # fmt: skip
DIALECTS: Mapping[str, Dialect] = {dialect.name: dialect for dialect in _ALL}


def job_body(dialect: Dialect, job: VideoJob, url: str, words: Mapping[str, str]) -> Body:
    """The body that shows a job; `words` are said in place of the API's own for a status."""
    body = dialect.body(job, url)
    body["status"] = words.get(OPENAI_WORDS[job.state], dialect.words[job.state])
    return {"code": "success", "message": "", "data": body} if dialect.wrapped else body
