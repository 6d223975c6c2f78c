"""The queue wire: what fal and Comfy Router have in common, and fal itself, from its client and documents.

A request is queued under its model's path, asked for until it is COMPLETED, and its result collected; a failed one is
COMPLETED too, with an error. Any model is taken unless the settings name some, and its body may name its fields as it
likes.
"""

import secrets
import uuid
from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.providers.base import LocalProvider
from sandbox.providers.exchange import Answer, ErrorReply, Exchange, RequestRefused, Route
from sandbox.providers.jobs import VideoJob
from sandbox.providers.json_request import (
    check_last,
    options_in,
    picture_of,
    pictures_in,
    prompt_in,
    seconds_in,
    size_in,
)
from sandbox.providers.settings import ProviderSettings

WORDS = {"queued": "IN_QUEUE", "running": "IN_PROGRESS"}
NAMESPACES = ("workflows", "comfy")

Body = dict[str, Any]


@dataclass(kw_only=True)
class QueueSettings(ProviderSettings):
    models: list[str] | None = None  # None: any


class LocalQueue(LocalProvider):
    """What both dialects share."""

    id_fields = ("request_id",)
    catalog: str
    settings: QueueSettings

    def bot_settings(self, folder: Path) -> dict[str, str]:
        return {"VIDEO_CATALOG": self.catalog, "VIDEO_API_URL": self.url, "VIDEO_API_KEY": self.key}

    def prompt_of(self, exchange: Exchange) -> str:
        return prompt_in(exchange.fields)

    async def queued(self, exchange: Exchange, model: str, *, key: str | None = None) -> VideoJob:
        """The new job of a create. Raises RequestRefused where model or body are not taken."""
        self.check_model(model)
        body = exchange.fields
        if not (prompt := prompt_in(body)):
            raise RequestRefused(ErrorReply(422, "Field required", "missing", "invalid_input", "prompt"))
        if not (pictures := pictures_in(body)):
            raise RequestRefused(ErrorReply(422, "Field required", "missing", "invalid_input", "image_url"))
        seconds = seconds_in(body)
        options = options_in(body)
        picture = await picture_of(pictures[0])
        if len(pictures) > 1:
            options["last_picture"] = await picture_of(pictures[1])
            check_last(picture, options["last_picture"] or b"")
        return self.make(
            exchange, prompt=prompt, model=model, seconds=str(seconds), size=size_in(body, picture), picture=picture,
            job_id=str(uuid.uuid4()), key=key, **options,
        )  # fmt: skip

    def check_model(self, model: str) -> None:
        if self.settings.models is not None and model not in self.settings.models:
            raise RequestRefused(ErrorReply(404, f"{model} is not found", code="model_not_found"))

    def handle(self, job: VideoJob) -> Body:
        """What every answer about a request has: its id and three addresses."""
        base = f"{self.origin}{self.path_of(job)}/requests/{job.id}"
        return {
            "request_id": job.id,
            "status": WORDS.get(job.state, "COMPLETED"),
            "status_url": f"{base}/status",
            "response_url": base,
            "cancel_url": f"{base}/cancel",
        }

    def ahead_of(self, job: VideoJob) -> int:
        """How many requests wait before this one."""
        waiting = [each for each in self.jobs.values() if each.state == "queued"]
        return waiting.index(job) if job in waiting else 0

    def end_early(self, job: VideoJob) -> str:
        """Carries out a cancel and says what it found. What runs already goes on, and is charged."""
        self.settle(job)
        if job.is_over:
            return "ALREADY_COMPLETED"
        if job.state == "queued":
            self.cancel(job.id, is_charged=False)
            return "CANCELLED"
        return "CANCELLATION_REQUESTED"

    @abstractmethod
    def path_of(self, job: VideoJob) -> str:
        """The path before the requests of a job's model."""


class LocalFal(LocalQueue):
    """A local queue.fal.run."""

    routes = (
        Route("create", "POST", "/{endpoint*}", kind="create"),
        Route("poll", "GET", "/{app*}/requests/{job_id}/status", kind="poll"),
        Route("result", "GET", "/{app*}/requests/{job_id}", kind="poll"),
        Route("cancel", "PUT", "/{app*}/requests/{job_id}/cancel"),
    )
    catalog = "fal"

    def new_key(self) -> str:
        return f"{uuid.uuid4()}:{secrets.token_hex(16)}"

    def usual_settings(self) -> QueueSettings:
        return QueueSettings()

    def is_authorized(self, exchange: Exchange) -> bool:
        return exchange.headers.get("authorization") == f"Key {self.key}"

    def error_body(self, error: ErrorReply) -> Any:
        if error.param is None and error.code is None:
            return {"detail": error.message}
        kind = "content_policy_violation" if "moderation" in (error.code or "") else error.kind or "value_error"
        where = ["body", error.param or "prompt"]
        return {"detail": [{"loc": where, "msg": error.message, "type": kind, "url": "https://docs.fal.ai/errors"}]}

    def path_of(self, job: VideoJob) -> str:
        segments = job.model.split("/")
        return f"/{'/'.join(segments[: 3 if segments[0] in NAMESPACES else 2])}"

    async def answer(self, exchange: Exchange, job: VideoJob | None) -> Answer:
        if exchange.route == "create":
            made = await self.queued(exchange, exchange.in_path["endpoint"])
            return Answer(
                200, {**self.handle(made), "logs": None, "metrics": {}, "queue_position": self.ahead_of(made)}
            )
        if exchange.route == "" or job is None or exchange.in_path["app"] != self.path_of(job).removeprefix("/"):
            return self.error(ErrorReply(404, "Request not found"))
        match exchange.route:
            case "poll":
                return Answer(200 if job.is_over else 202, self._status(job))
            case "cancel":
                found = self.end_early(job)
                status, word = {"ALREADY_COMPLETED": (400, found), "CANCELLED": (200, "OK")}.get(found, (202, found))
                return Answer(status, {"status": word})
        return self._result(job)

    def _status(self, job: VideoJob) -> Body:
        body: Body = self.handle(job)
        if job.state == "queued":
            return body | {"queue_position": self.ahead_of(job)}
        body |= {"logs": None}
        if job.is_over:
            body["metrics"] = {"inference_time": (job.completed_at or 0) - job.created_at}
        if job.state == "failed":
            body |= {"error": job.error.message if job.error else "", "error_type": "generation_failed"}
        if job.state == "cancelled":
            body |= {"error": "Request was cancelled", "error_type": "request_cancelled"}
        return body

    def _result(self, job: VideoJob) -> Answer:
        if not job.is_over:
            return self.error(ErrorReply(400, "Request is still in progress"))
        if job.error is not None:
            return Answer(422, self.error_body(job.error), {"x-fal-error-type": "generation_failed"})
        video = self.video(job)
        if video is None:
            return self.error(ErrorReply(404, "Request not found"))
        file = {"url": self.video_url(job), "content_type": "video/mp4", "file_name": job.file_name}
        is_unsafe = "[unsafe]" in job.prompt
        return Answer(200, {"video": file | {"file_size": len(video)}, "seed": 42, "has_nsfw_concepts": [is_unsafe]})
