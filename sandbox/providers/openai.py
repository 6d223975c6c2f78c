"""The wire of `/v1/videos`, in the dialect of any of the servers that speak it."""

import gzip
from pathlib import Path
from typing import Any, Unpack

from sandbox.providers.base import Given, LocalProvider
from sandbox.providers.exchange import Answer, ErrorReply, Exchange, Route
from sandbox.providers.faults import VIDEO
from sandbox.providers.jobs import VideoJob
from sandbox.providers.openai_dialects import DIALECTS, Body, job_body
from sandbox.providers.openai_request import OpenAISettings, read_request

DEFAULT_LIMIT = "20"


class LocalOpenAI(LocalProvider):
    """A `/v1/videos` on loopback. `dialect` is a name in `openai_dialects.DIALECTS`."""

    routes = (
        Route("create", "POST", "/v1/videos", kind="create"),
        Route("list", "GET", "/v1/videos"),
        Route("models", "GET", "/v1/models"),
        Route("poll", "GET", "/v1/videos/{job_id}", kind="poll"),
        Route("delete", "DELETE", "/v1/videos/{job_id}"),
        Route("content", "GET", "/v1/videos/{job_id}/content", kind="file"),
    )
    base_path = "/v1"
    id_fields = ("id", "task_id")
    settings: OpenAISettings

    def __init__(self, *, dialect: str = "gptproto", **given: Unpack[Given]) -> None:
        super().__init__(**given)
        self.dialect = DIALECTS[dialect]

    def usual_settings(self) -> OpenAISettings:
        return OpenAISettings()

    def bot_settings(self, folder: Path) -> dict[str, str]:
        return {"VIDEO_API_KEY": self.key, "VIDEO_API_URL": self.url}

    def is_authorized(self, exchange: Exchange) -> bool:
        given = exchange.headers.get("authorization", "")
        scheme, _, bearer = given.partition(" ")
        is_bearer = scheme.lower() == "bearer" and bearer.strip() == self.key
        return {"raw": given == self.key, "bearer": is_bearer}.get(self.settings.auth, is_bearer or given == self.key)

    def fields_of(self, body: Any) -> dict[str, Any] | None:
        inner = body.get("data") if self.dialect.wrapped and isinstance(body, dict) else body
        return inner if isinstance(inner, dict) else None

    def violations(self, exchange: Exchange) -> list[str]:
        """Other servers differ from the description, and an injected fault is not the bot's."""
        if self.dialect is not DIALECTS["gptproto"] or exchange.fault is not None:
            return []
        from sandbox.contracts import videos  # needs a library that only developers have

        return videos.violations(exchange)

    def error_body(self, error: ErrorReply) -> Any:
        return self.dialect.error(error)

    async def answer(self, exchange: Exchange, job: VideoJob | None) -> Answer:
        match exchange.route:
            case "create":
                return self._created(exchange)
            case "models":
                listed = [
                    {"id": name, "object": "model", "created": 0, "owned_by": "local"} for name in self.settings.models
                ]
                return Answer(200, {"object": "list", "data": listed})
            case "list" if self.dialect.lists:
                return self._listed(exchange)
            case "" | "list":
                message = f"Invalid URL ({exchange.method} {exchange.path})"
                return self.error(ErrorReply(404, message, "invalid_request_error"))
        if job is None:
            return self.error(self.dialect.unknown)
        match exchange.route:
            case "poll":
                return self._polled(job)
            case "content":
                return self._content(exchange, job)
        return self._deleted(job)

    def _created(self, exchange: Exchange) -> Answer:
        asked = read_request(exchange, self.settings, strict=self.settings.strict or self.dialect.strict)
        job = self.make(
            exchange, prompt=asked.prompt, model=asked.model, seconds=asked.seconds, size=asked.size,
            picture=asked.picture, job_id=self.dialect.new_id(), **asked.options,
        )  # fmt: skip
        body = self.dialect.created(job) if self.dialect.created else self._body(job)
        return Answer(self.dialect.created_status, body, self._poll_after())

    def _polled(self, job: VideoJob) -> Answer:
        body = self._body(job)
        if "id" in body:
            body["id"] = self.dialect.poll_id(job.id)
        return Answer(self.dialect.failed_status if job.error else 200, body, self._poll_after())

    def _content(self, exchange: Exchange, job: VideoJob) -> Answer:
        if job.state != "done":
            early = self.dialect.early(job)
            return self.error(early) if isinstance(early, ErrorReply) else early
        video = self.video(job)
        if video is None:
            return self.error(ErrorReply(404, "Video content has expired", "invalid_request_error"))
        if self.dialect.gzips and "gzip" in exchange.headers.get("accept-encoding", ""):
            return Answer(200, gzip.compress(video), VIDEO | {"Content-Encoding": "gzip"})
        return Answer(200, video, VIDEO)

    def _deleted(self, job: VideoJob) -> Answer:
        if self.dialect.deletes == "no":
            return self.error(ErrorReply(405, "Method Not Allowed"))
        if self.dialect.deletes == "ended" and not job.is_over:
            return self.error(ErrorReply(409, "Video is still being generated", "invalid_request_error"))
        job.is_deleted = True
        return Answer(200, {"id": job.id, "object": "video.deleted", "deleted": True})

    def _listed(self, exchange: Exchange) -> Answer:
        jobs = [job for job in self.jobs.values() if not job.is_deleted]
        if exchange.query.get("order", "desc") == "desc":
            jobs.reverse()
        ids = [job.id for job in jobs]
        after = exchange.query.get("after")
        start = ids.index(after) + 1 if after in ids else 0
        page = jobs[start : start + int(exchange.query.get("limit", DEFAULT_LIMIT))]
        for job in page:
            self.settle(job)
        return Answer(200, {
            "object": "list", "data": [self._body(job) for job in page], "has_more": jobs[-1:] != page[-1:],
            "first_id": page[0].id if page else None, "last_id": page[-1].id if page else None,
        })  # fmt: skip

    def _body(self, job: VideoJob) -> Body:
        url = self.video_url(job) if job.state == "done" else ""
        return job_body(self.dialect, job, url, self.settings.status_words)

    def _poll_after(self) -> dict[str, str]:
        wait = self.settings.poll_after_ms
        return {} if wait is None else {"openai-poll-after-ms": str(wait)}
