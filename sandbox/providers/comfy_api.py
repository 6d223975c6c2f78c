"""The Comfy API v2 on loopback, as `comfy-api-proxy` and Comfy Cloud speak it: assets, jobs, keys that are taken once.

After the published description of the API, and after the proxy's source where the description is silent.
"""

import secrets
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Unpack

from sandbox.providers.base import Given, LocalProvider
from sandbox.providers.comfy_workflow import Asked, ComfySettings, Refusal, prompt_of, read
from sandbox.providers.exchange import Answer, ErrorReply, Exchange, RequestRefused, Route
from sandbox.providers.faults import VIDEO
from sandbox.providers.jobs import State, VideoJob

WORDS: dict[State, str] = {
    "queued": "queued", "running": "running", "done": "succeeded", "failed": "failed", "cancelled": "canceled",
}  # fmt: skip
KEY_IS_TAKEN = ErrorReply(422, "This Idempotency-Key has already been used.", code="idempotency_key_reuse")
NO_SUCH_JOB = ErrorReply(404, "No such job.", code="not_found")
NODES = 12
CATALOG = """\
[providers.comfy-api]
wire = "comfyui"
dialect = "api-v2"
url = "https://cloud.comfy.org"
key = "COMFY_API_KEY"

[[models]]
id = "wan-2.2"
label = "Wan 2.2"
seconds = [3, 5]
sizes = ["704x1280", "1280x704"]
credits = 1
workflow = "wan-2.2.json"
fps = 24
"""


@dataclass(kw_only=True)
class ComfyAPISettings(ComfySettings):
    """`lists`: jobs can be listed, as at the proxy. `tells_start`: when a job began is told, as in the cloud."""

    lists: bool = True
    tells_start: bool = False
    is_unreachable: bool = False  # the ComfyUI behind it
    wants_key: bool = True


class LocalComfyAPI(LocalProvider):
    """`url` is without the path of the API, as an operator names it."""

    routes = (
        Route("upload", "POST", "/api/v2/assets"),
        Route("by_hash", "HEAD", "/api/v2/assets/by-hash/{name}"),
        Route("create", "POST", "/api/v2/jobs", kind="create"),
        Route("list", "GET", "/api/v2/jobs"),
        Route("poll", "GET", "/api/v2/jobs/{job_id}", kind="poll"),
        Route("workflow", "GET", "/api/v2/jobs/{job_id}/workflow"),
        Route("cancel", "POST", "/api/v2/jobs/{job_id}/cancel"),
        Route("content", "GET", "/api/v2/assets/{name}/content", kind="file"),
        Route("health", "GET", "/api/v2/health", is_open=True),
    )
    settings: ComfyAPISettings

    def __init__(self, **given: Unpack[Given]) -> None:
        super().__init__(**given)
        self.assets: dict[str, bytes] = {}
        self._workflows: dict[str, Any] = {}
        self._keys: set[str] = set()

    def usual_settings(self) -> ComfyAPISettings:
        return ComfyAPISettings()

    def bot_settings(self, folder: Path) -> dict[str, str]:
        catalog = folder / "comfy-api.toml"
        catalog.write_text(CATALOG)
        return {"VIDEO_CATALOG": str(catalog), "VIDEO_API_URL": self.url, "VIDEO_API_KEY": self.key}

    def is_authorized(self, exchange: Exchange) -> bool:
        return not self.settings.wants_key or super().is_authorized(exchange)

    def find(self, exchange: Exchange) -> VideoJob | None:
        if exchange.route == "content":
            return next((job for job in self.jobs.values() if job.file_name == exchange.in_path["name"]), None)
        return super().find(exchange)

    def prompt_of(self, exchange: Exchange) -> str:
        return prompt_of(exchange.fields.get("workflow"))

    def error_body(self, error: ErrorReply) -> Any:
        return {"error": {"code": error.code or error.kind or "error", "message": error.message, "details": None}}

    def violations(self, exchange: Exchange) -> list[str]:
        """An injected fault is not of the description."""
        if exchange.fault is not None:
            return []
        from sandbox.contracts import comfy_api  # needs a library that only developers have

        return comfy_api.violations(exchange)

    async def answer(self, exchange: Exchange, job: VideoJob | None) -> Answer:
        match exchange.route:
            case "upload":
                return self._uploaded(exchange)
            case "create":
                return self._created(exchange)
            case "by_hash":  # each picture is a new one here
                return Answer(404)
            case "health":
                return Answer(200, {"status": "healthy"})
            case "list" if self.settings.lists:
                newest = [each for each in reversed(self.jobs.values()) if not each.is_deleted]
                limit = int(exchange.query.get("limit", "50"))
                return Answer(200, {"jobs": [self._body(each) for each in newest[:limit]], "truncated": False})
            case "content":
                video = self.video(job) if job else None
                gone = ErrorReply(404, "Output bytes are no longer retrievable.", code="output_unavailable")
                return Answer(200, video, VIDEO) if video else self.error(gone)
        if exchange.route in ("poll", "cancel") and self.settings.is_unreachable:
            return self.error(ErrorReply(503, "Could not reach ComfyUI.", code="upstream_unreachable"))
        if job is None:
            return self.error(NO_SUCH_JOB)
        if exchange.route == "workflow":
            return Answer(200, {"workflow": self._workflows[job.id], "format": "api"})
        if exchange.route == "cancel" and not job.is_over:
            self.cancel(job.id)
        return Answer(200, self._body(job))

    def _uploaded(self, exchange: Exchange) -> Answer:
        picture = next((part for part in exchange.parts if part.name == "file" and part.filename), None)
        if picture is None or not exchange.fields.get("file_path"):
            return self.error(ErrorReply(422, "Missing 'file' or 'file_path'.", code="invalid_request"))
        name = str(uuid.uuid4())
        self.assets[name] = picture.body
        now = self.clock()
        return Answer(201, {
            "id": name, "hash": f"blake3:{secrets.token_hex(32)}", "size_bytes": len(picture.body),
            "content_type": "image/jpeg", "file_path": exchange.fields["file_path"], "created_new": True,
            "url": f"{self.origin}/api/v2/assets/{name}/content", "url_expires_at": _at(now, 24),
            "created_at": _at(now),
        })  # fmt: skip

    def _created(self, exchange: Exchange) -> Answer:
        """As in the proxy: the key is given back only where ComfyUI surely refused the workflow."""
        workflow = self._resolved(exchange.fields.get("workflow"))
        asked = read(workflow, self.settings, self.assets)
        key = exchange.headers.get("idempotency-key")
        if key in self._keys:
            return self.error(KEY_IS_TAKEN)
        if key:
            self._keys.add(key)
        if self.settings.is_unreachable:  # the key stays taken: who knows what became of it
            return self.error(ErrorReply(503, "Could not reach ComfyUI.", code="upstream_unreachable"))
        try:
            job = self._made(exchange, asked, key)
        except RequestRefused:
            self._keys.discard(key or "")
            raise
        self._workflows[job.id] = workflow
        return Answer(201, self._body(job))

    def _made(self, exchange: Exchange, asked: Asked | Refusal, key: str | None) -> VideoJob:
        if isinstance(asked, Refusal):
            raise RequestRefused(ErrorReply(422, f"{asked.message} {dict(asked.node_errors)}", code="invalid_workflow"))
        return self.make(
            exchange, prompt=asked.prompt, model="local", seconds=asked.seconds, size=asked.size,
            picture=self.assets.get(asked.picture), job_id=str(uuid.uuid4()), key=key,
            seed=asked.seed, last_picture=self.assets.get(asked.last_picture or ""),
        )  # fmt: skip

    def _resolved(self, value: Any) -> Any:
        """The workflow with the ids of assets where references to them stood."""
        if isinstance(value, list):
            return [self._resolved(each) for each in value]
        if not isinstance(value, dict):
            return value
        if value.get("__type") == "core/ASSET":
            name = (value.get("info") or {}).get("id")
            if name not in self.assets:
                raise RequestRefused(ErrorReply(422, "Unresolvable core/ASSET reference.", code="missing_asset"))
            return name
        return {name: self._resolved(each) for name, each in value.items()}

    def _body(self, job: VideoJob) -> dict[str, Any]:
        self.settle(job)
        waiting = [each.id for each in self.jobs.values() if each.state == "queued" and not each.is_deleted]
        own = f"{self.origin}/api/v2/jobs/{job.id}"
        began = self.settings.tells_start and job.state not in ("queued", "cancelled")
        share = job.progress / 100
        error = (
            {"code": "node_execution_error", "message": job.error.message, "node_id": "sampler"} if job.error else None
        )
        return {
            "id": job.id, "status": WORDS[job.state], "created_at": _at(job.created_at),
            "started_at": _at(job.created_at) if began else None,
            "completed_at": None if job.completed_at is None else _at(job.completed_at),
            "expires_at": _at(job.created_at, 24),
            "queue_position": waiting.index(job.id) + 1 if job.id in waiting else None,
            "progress": None if job.state != "running" else {
                "value": share, "nodes_done": int(share * NODES), "nodes_total": NODES, "message": "KSampler"
            },
            "outputs": [self._output(job)] if job.state == "done" else [],
            "error": error,
            "urls": {"self": own, "events": f"{own}/events", "cancel": f"{own}/cancel"},
        }  # fmt: skip

    def _output(self, job: VideoJob) -> dict[str, Any]:
        """Of the type "image", as the proxy tells of what core nodes save."""
        return {
            "node_id": "saved", "name": job.file_name, "type": "image", "content_type": "video/mp4",
            "size_bytes": len(job.video or b""), "id": job.file_name, "hash": None,
            "url": f"{self.origin}/api/v2/assets/{job.file_name}/content",
            "url_expires_at": _at(job.created_at, 24), "job_id": job.id,
        }  # fmt: skip


def _at(seconds: float, hours: float = 0) -> str:
    return (datetime.fromtimestamp(seconds, UTC) + timedelta(hours=hours)).isoformat()
