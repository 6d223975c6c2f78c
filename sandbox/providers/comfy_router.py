"""Comfy Router's queue, from its published description: keys that make a resend safe, quotes, and error buckets."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, Unpack

from sandbox.providers.base import Given
from sandbox.providers.exchange import Answer, ErrorReply, Exchange, Route
from sandbox.providers.jobs import VideoJob
from sandbox.providers.json_request import seconds_in
from sandbox.providers.queue_wire import Body, LocalQueue, QueueSettings

KEYS_LAST_SECONDS = 24 * 3600
RESULTS_LAST_SECONDS = 24 * 3600
CREDITS_PER_USD = 211
DEFAULT_LIMIT = 20
LISTED = (
    "byteplus/dreamina-seedance-2-0-mini", "minimax/minimax-h3", "wan/wan2.7-i2v", "xai/grok-imagine-video-1.5-lite",
)  # fmt: skip
PATHS: Mapping[str, tuple[str, ...]] = {
    "byteplus": ("content", "video_url"),
    "minimax": ("task", "content", "url"),
    "wan": ("output", "video_url"),
    "ltx": ("result", "video_url"),
}
"""Where the result of a provider's models names the video; elsewhere it is `video.url`."""
BUCKETS: Mapping[int, str] = {
    400: "invalid_input",
    401: "unauthorized",
    402: "insufficient_credits",
    403: "forbidden",
    404: "model_not_found",
    409: "concurrency_limit_exceeded",
    413: "invalid_input",
    422: "invalid_input",
    429: "queue_backlog_full",
    500: "internal_error",
    503: "service_unavailable",
}


@dataclass(kw_only=True)
class ComfyRouterSettings(QueueSettings):
    usd_per_second: float = 0.02
    quotes: Literal["exact", "estimated", "unknown", "off"] = "exact"
    poll_after: int | None = 1  # seconds, sent as Retry-After with every poll of a request that goes on
    charges_on_policy_rejection: Literal["yes", "no", "unknown"] = "unknown"


@dataclass(frozen=True, slots=True)
class Used:
    """What a key stands for."""

    job: VideoJob
    request: str
    at: float


class LocalComfyRouter(LocalQueue):
    """A local api.comfy.org, for the queue alone."""

    routes = (
        Route("create", "POST", "/v2/models/{provider}/{model}/requests", kind="create"),
        Route("estimate", "POST", "/v2/models/{provider}/{model}/estimate"),
        Route("poll", "GET", "/v2/models/{provider}/{model}/requests/{job_id}/status", kind="poll"),
        Route("result", "GET", "/v2/models/{provider}/{model}/requests/{job_id}", kind="poll"),
        Route("cancel", "PUT", "/v2/models/{provider}/{model}/requests/{job_id}/cancel"),
        Route("models", "GET", "/v2/models"),
        Route("model", "GET", "/v2/models/{provider}/{model}"),
    )
    catalog = "comfy-router"
    settings: ComfyRouterSettings

    def __init__(self, **given: Unpack[Given]) -> None:
        super().__init__(**given)
        self._used: dict[str, Used] = {}

    def new_key(self) -> str:
        return f"comfyui-{secrets.token_hex(32)}"

    def usual_settings(self) -> ComfyRouterSettings:
        return ComfyRouterSettings()

    def is_authorized(self, exchange: Exchange) -> bool:
        given = exchange.headers.get("x-api-key") or exchange.headers.get("authorization", "").removeprefix("Bearer ")
        return given == self.key

    def violations(self, exchange: Exchange) -> list[str]:
        if exchange.fault is not None:
            return []
        from sandbox.contracts import comfy_router  # needs a library that only developers have

        return comfy_router.violations(exchange)

    def error_body(self, error: ErrorReply) -> Any:
        if error.param is not None:
            return {
                "detail": [{"loc": ["body", error.param], "msg": error.message, "type": error.kind or "value_error"}]
            }
        return {"detail": error.message, "error_type": _bucket(error)}

    def error(self, error: ErrorReply) -> Answer:
        answer = super().error(error)
        return replace(answer, headers={**answer.headers, "X-Comfy-Error-Type": _bucket(error)})

    def path_of(self, job: VideoJob) -> str:
        return f"/v2/models/{job.model}"

    async def answer(self, exchange: Exchange, job: VideoJob | None) -> Answer:
        model = f"{exchange.in_path.get('provider')}/{exchange.in_path.get('model')}"
        match exchange.route:
            case "create":
                return await self._created(exchange, model)
            case "estimate":
                return self._estimated(exchange, model)
            case "models":
                return self._page(int(exchange.query.get("limit", DEFAULT_LIMIT)))
            case "model":
                self.check_model(model)
                return Answer(200, self._listed(model))
            case "":
                return self.error(ErrorReply(404, "Not found"))
        if job is None or job.model != model:
            return self.error(ErrorReply(404, "No such request", code="request_not_found"))
        match exchange.route:
            case "poll":
                return Answer(200, self._status(job), self._pace(job))
            case "cancel":
                found = self.end_early(job)
                word = "ALREADY_COMPLETED" if found == "ALREADY_COMPLETED" else "CANCELLATION_REQUESTED"
                return Answer(409 if word == found else 202, {"request_id": job.id, "status": word})
        return self._result(job)

    async def _created(self, exchange: Exchange, model: str) -> Answer:
        key = exchange.headers.get("idempotency-key", "")
        request = hashlib.sha256(f"{exchange.path}\n".encode() + exchange.body).hexdigest()
        used = self._used.get(key)
        if used is not None and self.clock() - used.at < KEYS_LAST_SECONDS:
            if used.request != request:
                return self.error(ErrorReply(409, "The key was used for a different request", code="invalid_input"))
            exchange.job_id = used.job.id
            return Answer(201, self._new(used.job), {"Idempotent-Replayed": "true"})
        job = await self.queued(exchange, model, key=key or None)
        if key:
            self._used[key] = Used(job, request, self.clock())
        body = self._new(job)
        if self.settings.quotes != "off":
            body["estimate"] = self._quote(model, int(job.seconds))
        return Answer(201, body)

    def _new(self, job: VideoJob) -> Body:
        """A handle as a submit answers it: the request has not been started."""
        return self.handle(job) | {"status": "IN_QUEUE", "queue_position": self.ahead_of(job)}

    def _estimated(self, exchange: Exchange, model: str) -> Answer:
        if self.settings.quotes == "off":
            return self.error(ErrorReply(403, "Estimates are not enabled for you yet", code="not_enabled"))
        self.check_model(model)
        return Answer(200, self._quote(model, seconds_in(exchange.fields)))

    def _quote(self, model: str, seconds: int) -> Body:
        usd = self.settings.usd_per_second * seconds
        at = datetime.fromtimestamp(self.clock(), UTC).isoformat().replace("+00:00", "Z")
        quote: Body = {"source": self.settings.quotes, "currency": "USD", "provider": model.partition("/")[0]}
        quote |= {"model": model, "pricing_as_of": at}
        match self.settings.quotes:
            case "exact":
                amount = {"amount": f"{usd:.4f}", "amount_cents": usd * 100, "credits": round(usd * CREDITS_PER_USD, 2)}
                return quote | amount
            case "estimated":
                return quote | {"min_amount": f"{usd / 2:.4f}", "max_amount": f"{usd * 2:.4f}"}
        return quote | {"reason": "not_quotable"}

    def _status(self, job: VideoJob) -> Body:
        body = self.handle(job)
        if job.state == "queued":
            body["queue_position"] = self.ahead_of(job)
        if job.error is not None:
            body["error_type"] = _ended(job.error)
        elif job.state == "cancelled":
            body["error_type"] = "cancelled"
        return body

    def _result(self, job: VideoJob) -> Answer:
        if not job.is_over:
            return Answer(202, self._status(job), self._pace(job))
        if job.error is not None:
            error = replace(job.error, status=502, kind=None, code=_ended(job.error), param=None)
            return self.error(replace(error, status=400) if error.code == "content_policy_violation" else error)
        if job.state == "cancelled":
            return self.error(ErrorReply(409, "The request was cancelled", code="cancelled"))
        if self.clock() - (job.completed_at or 0) >= RESULTS_LAST_SECONDS or self.video(job) is None:
            return self.error(ErrorReply(410, "The result has aged out", code="request_not_found"))
        result: Any = self.video_url(job)
        for step in reversed(PATHS.get(job.model.partition("/")[0], ("video", "url"))):
            result = {step: result}
        return Answer(200, result)

    def _pace(self, job: VideoJob) -> dict[str, str]:
        wait = self.settings.poll_after
        return {} if job.is_over or wait is None else {"Retry-After": str(wait)}

    def _page(self, limit: int) -> Answer:
        """The first page; nobody here has more models than one page holds."""
        listed = [self._listed(name) for name in self._names()[:limit]]
        return Answer(200, {"data": listed, "has_more": False, "limit": limit})

    def _names(self) -> tuple[str, ...]:
        return LISTED if self.settings.models is None else tuple(self.settings.models)

    def _listed(self, name: str) -> Body:
        provider, _, model = name.partition("/")
        charges = {"charges_on_policy_rejection": self.settings.charges_on_policy_rejection}
        return {"id": name, "provider": provider, "model": model, "billing": charges}


def _bucket(error: ErrorReply) -> str:
    if error.code in {"model_not_found", "request_not_found", "invalid_input", "not_enabled", "cancelled"} | {
        "content_policy_violation", "provider_error",
    }:  # fmt: skip
        return str(error.code)
    if "moderation" in (error.code or "") or "policy" in error.message.lower():
        return "content_policy_violation"
    return BUCKETS.get(error.status, "internal_error")


def _ended(error: ErrorReply) -> str:
    """The bucket of a request that ran and failed."""
    bucket = _bucket(error)
    return bucket if bucket == "content_policy_violation" else "provider_error"
