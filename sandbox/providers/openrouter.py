"""The wire of OpenRouter's `/api/v1/videos`, and of GPTProto's `/api/v3/videos`, from their published descriptions."""

import hashlib
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from sandbox.providers.base import LocalProvider
from sandbox.providers.exchange import Answer, ErrorReply, Exchange, RequestRefused, Route
from sandbox.providers.faults import VIDEO
from sandbox.providers.jobs import VideoJob
from sandbox.providers.json_request import check_last, options_in, picture_of, size_in
from sandbox.providers.settings import ProviderSettings

WORDS = {
    "queued": "pending",
    "running": "in_progress",
    "done": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
}
RATIOS = ("16:9", "9:16", "1:1", "4:3", "3:4", "3:2", "2:3", "21:9", "9:21")
RESOLUTIONS = ("360p", "480p", "720p", "768p", "1080p", "1K", "2K", "4K")
FRAMES = ("first_frame", "last_frame")
DURATIONS = tuple(range(1, 16))
FIELDS = {"model", "prompt", "duration", "resolution", "aspect_ratio", "size", "frame_images", "input_references"} | {
    "generate_audio", "seed", "callback_url", "previous_job_id", "provider", "user", "session_id",
}  # fmt: skip
KNOWN_MODELS = (
    "alibaba/wan-2.6", "alibaba/wan-2.7", "bytedance/seedance-2.0", "bytedance/seedance-2.0-fast",
    "google/veo-3.1", "google/veo-3.1-fast", "google/veo-3.1-lite", "kwaivgi/kling-v3.0-std", "minimax/hailuo-2.3",
)  # fmt: skip

GPTPROTO_CATALOG = """
[providers.gptproto]
wire = "openrouter"
url = "https://gptproto.com/api/v3"
key = "GPTPROTO_API_KEY"

[[models]]
id = "wan-2.6"
label = "Wan 2.6"
name = "wan/wan-2.6"
seconds = [5, 10]
sizes = ["720x1280", "1280x720"]
credits = 1

[[models]]
id = "seedance-2.0-fast"
label = "Seedance 2.0 Fast"
name = "doubao/dreamina-seedance-2-0-fast-260128"
seconds = [5, 10]
aspect_ratios = ["9:16", "16:9"]
resolutions = ["720p"]
credits = 1
last_image = true
seed = true
"""

Body = dict[str, Any]


def _openrouter_models() -> list[str]:
    return list(KNOWN_MODELS)


@dataclass(kw_only=True)
class OpenRouterSettings(ProviderSettings):
    models: list[str] | None = field(default_factory=_openrouter_models)  # None: any
    usd_per_second: float = 0.02
    signs_urls: bool = True  # a finished job has `urls`, which need no key
    takes_data_uris: bool = True


class LocalOpenRouter(LocalProvider):
    """A local OpenRouter, for videos alone."""

    routes: ClassVar[tuple[Route, ...]] = (
        Route("create", "POST", "/api/v1/videos", kind="create"),
        Route("models", "GET", "/api/v1/videos/models", is_open=True),
        Route("poll", "GET", "/api/v1/videos/{job_id}", kind="poll"),
        Route("content", "GET", "/api/v1/videos/{job_id}/content", kind="file"),
    )
    base_path = "/api/v1"
    catalog = "openrouter"
    settings: OpenRouterSettings

    def new_key(self) -> str:
        return f"sk-or-v1-{secrets.token_hex(32)}"

    def bot_settings(self, folder: Path) -> dict[str, str]:
        return {"VIDEO_CATALOG": self.catalog, "VIDEO_API_URL": self.url, "VIDEO_API_KEY": self.key}

    def error_body(self, error: ErrorReply) -> Any:
        return {"error": {"code": error.status, "message": error.message}}

    async def answer(self, exchange: Exchange, job: VideoJob | None) -> Answer:
        match exchange.route:
            case "create":
                return await self._created(exchange)
            case "models":
                return Answer(200, {"data": [self._listed(name) for name in self.settings.models or KNOWN_MODELS]})
            case "":
                return self.error(ErrorReply(404, "Not Found"))
        if job is None:
            return self.error(ErrorReply(404, "Video generation job not found"))
        return Answer(200, self._job(job)) if exchange.route == "poll" else self._content(exchange, job)

    def usual_settings(self) -> OpenRouterSettings:
        return OpenRouterSettings()

    def _new_id(self) -> str:
        return f"gen-vid-{int(self.clock())}-{secrets.token_hex(10)}"

    def _polling_path(self, job: VideoJob) -> str:
        return f"{self.base_path}/videos/{job.id}"

    async def _created(self, exchange: Exchange) -> Answer:
        body = exchange.fields
        self._check(body)
        frames = {frame["frame_type"]: frame["image_url"]["url"] for frame in body.get("frame_images") or ()}
        if "first_frame" not in frames:
            raise _refused("frame_images: a first_frame is needed to animate a picture")
        picture, options = await self._picture(frames["first_frame"]), options_in(body)
        if "last_frame" in frames:
            options["last_picture"] = await self._picture(frames["last_frame"])
            check_last(picture, options["last_picture"] or b"")
        job = self.make(
            exchange, prompt=str(body.get("prompt", "")), model=body["model"], seconds=str(body.get("duration", 5)),
            size=size_in(body, picture), picture=picture, job_id=self._new_id(), **options,
        )  # fmt: skip
        return Answer(202, {"id": job.id, "polling_url": self._polling_path(job), "status": "pending"})

    async def _picture(self, reference: str) -> bytes:
        if not self.settings.takes_data_uris and reference.startswith("data:"):
            raise _refused("frame_images.0.image_url.url: must be a URL")
        try:
            return await picture_of(reference)
        except RequestRefused as refused:
            raise _refused(f"frame_images.0.image_url: {refused.error.message}") from None

    def _check(self, body: Body) -> None:
        """Raises RequestRefused with the first thing that is wrong."""
        if unknown := sorted(body.keys() - self._fields()):
            raise _refused(f"Unrecognized key: {unknown[0]}")
        if not isinstance(body.get("model"), str):
            raise _refused("model: Required")
        if self.settings.models is not None and body["model"] not in self.settings.models:
            raise RequestRefused(ErrorReply(404, f"{body['model']} is not a valid model ID"))
        sets = {"duration": DURATIONS, "resolution": self._resolutions(), "aspect_ratio": self._ratios()}
        for name, allowed in sets.items():
            if name in body and (type(body[name]) is bool or body[name] not in allowed):
                raise _refused(f"{name}: Invalid value, expected one of {', '.join(map(str, allowed))}")
        if "size" in body and ("resolution" in body or "aspect_ratio" in body):
            raise _refused("size: cannot be given together with resolution or aspect_ratio")
        for frame in body.get("frame_images") or ():
            if not (
                isinstance(frame, dict)
                and frame.keys() == {"type", "frame_type", "image_url"}
                and frame["type"] == "image_url"
                and frame["frame_type"] in FRAMES
                and isinstance(frame["image_url"], dict)
                and isinstance(frame["image_url"].get("url"), str)
            ):
                raise _refused("frame_images: Invalid input")

    def _fields(self) -> set[str]:
        return FIELDS

    def _ratios(self) -> tuple[str, ...]:
        return RATIOS

    def _resolutions(self) -> tuple[str, ...]:
        return RESOLUTIONS

    def _job(self, job: VideoJob) -> Body:
        body: Body = {"id": job.id, "polling_url": self._polling_path(job), "status": WORDS[job.state]}
        if job.is_over:
            cost = self.settings.usd_per_second * int(job.seconds) if job.state == "done" else 0.0
            body |= {"generation_id": f"gen-{job.id[8:]}", "usage": {"cost": round(cost, 6), "is_byok": False}}
        if job.error is not None:
            body["error"] = job.error.message
        if job.state == "done" and self.video(job) is not None:
            body |= self._outputs(job)
        return body

    def _outputs(self, job: VideoJob) -> Body:
        outputs: Body = {"unsigned_urls": [f"{self.url}/videos/{job.id}/content?index=0"]}
        if self.settings.signs_urls:
            signature = hashlib.sha256(f"{self.key}{job.file_name}".encode()).hexdigest()
            outputs |= {
                "urls": [f"{self.video_url(job)}?signature={signature}"],
                "expires_at": int(job.expires_at or 0),
            }
        return outputs

    def _content(self, exchange: Exchange, job: VideoJob) -> Answer:
        video = self.video(job) if exchange.query.get("index", "0") == "0" else None
        return Answer(200, video, VIDEO) if video else self.error(ErrorReply(404, "Video content not found"))

    def _listed(self, name: str) -> Body:
        return {
            "id": name, "canonical_slug": name, "name": name, "created": 1_760_000_000, "creativity": None,
            "supported_durations": list(DURATIONS), "supported_resolutions": list(RESOLUTIONS),
            "supported_aspect_ratios": list(RATIOS), "supported_sizes": None, "supported_frame_images": list(FRAMES),
            "generate_audio": True, "seed": True, "upscale_factor": None, "allowed_passthrough_parameters": [],
            "pricing_skus": {"duration_seconds": str(self.settings.usd_per_second)},
        }  # fmt: skip


class LocalGPTProto(LocalOpenRouter):
    """GPTProto's newer API: paths and fields of its own, addresses that need no key, unknown fields ignored."""

    routes = (
        Route("create", "POST", "/api/v3/videos", kind="create"),
        Route("poll", "GET", "/api/v3/videos/{job_id}", kind="poll"),
        Route("result", "GET", "/api/v3/tasks/result/{job_id}", kind="poll"),
    )
    base_path = "/api/v3"

    def bot_settings(self, folder: Path) -> dict[str, str]:
        """With a catalog of this API alone: that of the bot has GPTProto's older one first."""
        path = folder / "gptproto.toml"
        path.write_text(GPTPROTO_CATALOG, "utf-8")
        host = self.elsewhere.partition("//")[2]
        return super().bot_settings(folder) | {"VIDEO_CATALOG": str(path), "VIDEO_DOWNLOAD_HOSTS": host}

    async def answer(self, exchange: Exchange, job: VideoJob | None) -> Answer:
        if exchange.route == "result" and job is not None:
            return Answer(200, self._job(job))
        return await super().answer(exchange, job)

    def error_body(self, error: ErrorReply) -> Any:
        if error.status == 401:
            return {"code": 401, "message": "Token cannot be empty", "type": "error"}
        return super().error_body(error)

    def usual_settings(self) -> OpenRouterSettings:
        return OpenRouterSettings(models=None)

    def _new_id(self) -> str:
        return f"job-{secrets.token_hex(12)}"

    def _polling_path(self, job: VideoJob) -> str:
        return f"{self.base_path}/tasks/result/{job.id}"

    def _check(self, body: Body) -> None:
        if not str(body.get("prompt", "")).strip():
            raise _refused("prompt: minLength 1")
        super()._check({name: value for name, value in body.items() if name in self._fields()})

    def _fields(self) -> set[str]:
        return FIELDS | {"mode", "negative_prompt"}

    def _ratios(self) -> tuple[str, ...]:
        return (*RATIOS, "auto")

    def _resolutions(self) -> tuple[str, ...]:
        return ("480p", "720p", "1080p", "1K", "2K", "4K", "512", "512p", "540p", "768p")

    def _job(self, job: VideoJob) -> Body:
        body = super()._job(job)
        return body | {"model": job.model, "native_status": job.state.upper()}

    def _outputs(self, job: VideoJob) -> Body:
        """The videos lie at another host, where anybody may fetch them."""
        return {"unsigned_urls": [f"{self.elsewhere}{self.file_path(job)}"]}


def _refused(message: str) -> RequestRefused:
    return RequestRefused(ErrorReply(400, message))
