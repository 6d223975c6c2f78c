"""The adapter for the "Comfy API v2": comfy-api-proxy before a ComfyUI of one's own, Comfy Cloud, and deployments.

The id of a job is the server's, but a request carries a key that is taken once: sent again it makes a job only if the
first had not arrived, and is refused if it had. So a lost answer may be asked for by sending the request once more.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Unpack

from yarl import URL

from bot.errors import VideoError, VideoOutcomeUnknown, VideoRejected, VideoUnavailable
from bot.models import FailureKind, Ticket
from bot.providers import comfy_answers, comfy_workflow, error_mapping, error_text, multipart, responses
from bot.providers.comfyui import CANCEL_S, LOOK_EVERY_S, nothing_made
from bot.providers.http import path_segment
from bot.providers.json_api import ApiOptions, JsonApi, encoded, job_id, parts_of, ticket_of
from bot.providers.protocols import CreateRequest, Phase, VideoStatus
from bot.providers.responses import Answer
from bot.providers.ssrf_guard import same_origin
from bot.wire_config import ModelWire, ProviderConfig

MAX_LISTED = 30
"""So many of the newest jobs are looked through for one whose answer was lost."""
KEYS_LAST = timedelta(hours=23)
"""Keys are forgotten after 24 hours, and a request would be paid for anew; an hour is left for clocks."""
LISTED_AFTER = timedelta(minutes=2)
"""So long after it was first sent a job that is not listed may still come to be."""

_PATH = "/api/v2"
_KEY_IS_TAKEN = "idempotency_key_reuse"
_KINDS = {
    "invalid_workflow": FailureKind.MODEL,
    "workflow_format_ui": FailureKind.MODEL,
    "deployment_stopped": FailureKind.MODEL,
    "missing_asset": FailureKind.BAD_REQUEST,
    "insufficient_credits": FailureKind.BALANCE,
}
_SAME_EACH_TIME = ("invalid_workflow", "workflow_format_ui")  # whatever became of the key
_RUNNING = frozenset({"queued", "running", "canceling"})
_FAILED = {
    "failed": "the job failed",
    "canceled": "the job was canceled at ComfyUI",
    "expired": "ComfyUI knows no such job any more: it was restarted, or the job's time is over",
}


class ComfyAPIProvider(JsonApi):
    """`bot.providers.protocols.Provider` over the Comfy API v2; the configured address is without its path."""

    knows_keys = True
    can_cancel = True

    def __init__(self, config: ProviderConfig, *, cancel_s: float = CANCEL_S, **options: Unpack[ApiOptions]) -> None:
        super().__init__(config, **options)
        self._base = f"{self._endpoint.removesuffix(_PATH)}{_PATH}"
        self._cancel_s = cancel_s

    async def settle_auth(self) -> None:
        await self._settle_by(self._at("00000000-0000-0000-0000-000000000000"))

    async def check(self, models: Sequence[ModelWire]) -> list[str]:
        return [fault for model in models for fault in comfy_workflow.faults(model)]

    async def create(self, request: CreateRequest) -> Ticket:
        if wrong := comfy_workflow.faults(request.model):
            raise VideoRejected(FailureKind.MODEL, wrong[0])
        answer = await self._send(request)
        return await self._made(request, answer) or self._raised(self._refusal(answer))

    async def settle(self, request: CreateRequest) -> Ticket | None:
        """Sends the request once more: it makes the video, or is refused since the first had arrived."""
        is_fresh = request.sent_at is not None and self._now() - request.sent_at < KEYS_LAST
        if not request.picture or not is_fresh:
            return await self._find(request)
        try:
            answer = await self._send(request)
        except VideoOutcomeUnknown as exc:  # it can be sent again
            raise VideoUnavailable(exc.provider_text) from exc
        if ticket := await self._made(request, answer):
            return ticket
        error = nothing_made(self._refusal(answer))
        if isinstance(error, VideoRejected) and _in(answer.json, "error", "code") not in _SAME_EACH_TIME:
            # It may be refused before the key is looked at: that says nothing about the first request.
            may_pass = error.kind in (FailureKind.KEY, FailureKind.BALANCE)
            kind = VideoUnavailable if may_pass else VideoOutcomeUnknown
            raise kind(error.provider_text, http_status=answer.status)
        raise error

    async def status(self, ticket: Ticket) -> VideoStatus:
        kept = parts_of(ticket, "self")
        job = await self._job(kept["self"])
        word = job["status"]
        if word in _RUNNING:
            return VideoStatus(Phase.RUNNING, percent=_percent(job), queue_position=_position(job))
        if word != "succeeded":
            return self._failed(job, refusals=kept.get("refusals"))
        url = _video_of(job, kept["self"])
        if url is None:
            text = "the workflow ended without a video file: it needs a node that saves one"
            return VideoStatus(Phase.FAILED, failure=FailureKind.PROVIDER, provider_text=text)
        # At the provider's own origin it needs the key: nothing to show to members.
        is_open = not same_origin(URL(url), URL(kept["self"]))
        return VideoStatus(Phase.DONE, url=url if is_open else None, expires_at=responses.moment(job.get("expires_at")))

    async def download(self, ticket: Ticket, url: str | None, target: Path) -> None:
        """The job names the video's address anew each time: one that was given before is signed, and may be over."""
        own = parts_of(ticket, "self")["self"]
        elsewhere = url if url and not same_origin(URL(url, encoded=True), URL(own)) else None
        await self._fetch(elsewhere, own, target, lambda job: _video_of(job, own) if isinstance(job, dict) else None)

    async def cancel(self, ticket: Ticket) -> bool:
        own = parts_of(ticket, "self")["self"]
        job = await self._job(own)
        if job["status"] not in _RUNNING:
            return bool(job["status"] == "canceled" and not job.get("started_at"))
        if job.get("started_at"):
            return False  # it may cost something by now
        await self._ask(self._own(_in(job, "urls", "cancel"), f"{own}/cancel"), method="POST", body=b"{}")
        for _ in range(int(self._cancel_s / LOOK_EVERY_S)):
            job = await self._job(own)
            if job["status"] not in _RUNNING:
                # The proxy knows one that it took out of ComfyUI's queue as expired.
                return job["status"] in ("canceled", "expired") and not job.get("started_at")
            await asyncio.sleep(LOOK_EVERY_S)
        raise VideoUnavailable("ComfyUI was asked to stop the job, and has not yet")

    async def _send(self, request: CreateRequest) -> Answer:
        """Raises VideoUnavailable before anything is sent where ComfyUI cannot be reached.

        The proxy keeps the key of a request that it could not pass on, although nothing came of it: so it is asked
        for a job first, which it looks for in ComfyUI.
        """
        body = await self._body(request)
        answer = await self._ask(self._at(request.key))
        if answer.status >= 500:
            raise error_mapping.of_no_report(answer, self._now(), key=self._key)
        return await self._create(f"{self._base}/jobs", body, job_in=_job_in, headers={"Idempotency-Key": request.key})

    async def _body(self, request: CreateRequest) -> bytes:
        """Uploads the pictures, which makes nothing yet."""
        values = {**comfy_workflow.values(request), "image": None, "last_image": None}
        encoded(values)  # what cannot be sent is refused before the picture goes
        used = comfy_workflow.placeholders(request.model.workflow)
        for name, picture in (("image", request.picture), ("last_image", request.last_image)):
            if picture is not None and name in used:
                values[name] = await self._asset(f"{values['key']}-{name}.jpg", picture)
        workflow = comfy_workflow.filled(request.model.workflow or {}, values)
        return encoded({"workflow": _marked(workflow, request.key)})

    async def _asset(self, filename: str, picture: bytes) -> dict[str, Any]:
        """The reference to an uploaded picture, which stands where a file's name does."""
        fields = {"content_type": "image/jpeg", "file_path": filename}
        body, kind = multipart.form(fields, "file", filename, picture)
        answer = await self._ask(f"{self._base}/assets", method="POST", body=body, content_type=kind)
        found = job_id(_in(answer.json, "id")) if answer.is_success else None
        if found is None:
            raise nothing_made(self._refusal(answer))
        return {"__type": "core/ASSET", "info": {"id": found}}

    async def _made(self, request: CreateRequest, answer: Answer) -> Ticket | None:
        """The job of an answer; None where it refuses in other words than that the key is taken."""
        if found := _job_in(answer):
            return self._ticket(found, _in(answer.json, "urls", "self"), request.model)
        if answer.status == 422 and _in(answer.json, "error", "code") == _KEY_IS_TAKEN:
            return await self._find(request)
        return None

    async def _find(self, request: CreateRequest) -> Ticket:
        """The job of a request that may have arrived: the one with our mark in its workflow, among the newest.

        The proxy lists a job once ComfyUI has answered. Raises VideoUnavailable where that may still come, else
        VideoOutcomeUnknown.
        """
        answer = await self._ask(f"{self._base}/jobs?limit={MAX_LISTED}")
        if answer.status >= 500 or answer.status == 429:
            raise error_mapping.of_no_report(answer, self._now(), key=self._key)
        listed = _in(answer.json, "jobs") or _in(answer.json, "data")
        for job in listed[:MAX_LISTED] if answer.is_success and isinstance(listed, list) else ():
            found = job_id(_in(job, "id"))
            if found is None:
                continue
            ticket = self._ticket(found, _in(job, "urls", "self"), request.model)
            workflow = await self._ask(f"{parts_of(ticket, 'self')['self']}/workflow")
            if workflow.is_success and _is_marked(_in(workflow.json, "workflow"), request.key):
                return ticket
        if answer.is_success and request.sent_at is not None and self._now() - request.sent_at < LISTED_AFTER:
            raise VideoUnavailable("the request may have arrived, and its job is not listed yet")
        raise VideoOutcomeUnknown("the request may have arrived, and its job is not listed", http_status=answer.status)

    async def _job(self, address: str) -> dict[str, Any]:
        answer = await self._ask(address)
        word = _in(answer.json, "status")
        if answer.is_success and isinstance(word, str) and word in {*_RUNNING, *_FAILED, "succeeded"}:
            body: dict[str, Any] = answer.json
            return body
        raise error_mapping.of_no_report(answer, self._now(), key=self._key)

    def _failed(self, job: dict[str, Any], *, refusals: bool | None) -> VideoStatus:
        error = _in(job, "error")
        kind, text = FailureKind.PROVIDER, _FAILED[job["status"]]
        if job["status"] == "expired":
            kind = FailureKind.GONE
        elif job["status"] == "failed" and isinstance(error, dict):
            named = {"exception_message": error.get("message"), "node_type": error.get("class_type")}
            failure = comfy_answers.failure_of({**named, "node_id": error.get("node_id")})
            kind, text = failure.kind, failure.text
        charged = refusals if kind in (FailureKind.MODERATED, FailureKind.PERSON) else None
        text = error_text.for_the_log(text, self._key)
        return VideoStatus(Phase.FAILED, failure=kind, provider_text=text, charged=charged)

    def _refusal(self, answer: Answer) -> VideoError:
        kind = _KINDS.get(str(_in(answer.json, "error", "code")))
        if kind is not None and 400 <= answer.status < 500:
            return VideoRejected(kind, self._told(answer), http_status=answer.status, is_said=True)
        return error_mapping.of_refused_create(answer, self._now(), key=self._key)

    def _raised(self, error: VideoError) -> Ticket:
        raise error

    def _ticket(self, found: str, given: Any, model: ModelWire) -> Ticket:
        own = self._own(given, self._at(found))
        return ticket_of({"id": found, "self": own, "refusals": model.charges_refusals})

    def _at(self, job: str) -> str:
        return f"{self._base}/jobs/{path_segment(job)}"


def _job_in(answer: Answer) -> str | None:
    body = answer.json or error_text.parsed_as_far_as_it_came(answer.body)
    return job_id(_in(body, "id")) if answer.is_success else None


def _in(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _marked(workflow: dict[str, Any], key: str) -> dict[str, Any]:
    """The workflow with our key in the title of its first node, where nothing but an editor looks."""
    first = next(iter(workflow))
    return {**workflow, first: {**workflow[first], "_meta": {"title": f"animate-bot {key}"}}}


def _is_marked(workflow: Any, key: str) -> bool:
    nodes = workflow.values() if isinstance(workflow, dict) else ()
    return any(_in(node, "_meta", "title") == f"animate-bot {key}" for node in nodes)


def _percent(job: Mapping[str, Any]) -> int | None:
    """None where the server knows only that it runs, as the proxy does."""
    value = responses.as_number(_in(job, "progress", "value"))
    return int(100 * min(1.0, value)) if value is not None and value > 0 else None


def _position(job: Mapping[str, Any]) -> int | None:
    value = job.get("queue_position")
    is_place = isinstance(value, int) and not isinstance(value, bool) and 0 < value <= responses.MAX_QUEUE_POSITION
    return value if is_place else None


def _video_of(job: Mapping[str, Any], own: str) -> str | None:
    """The address of the first video; the type of what core nodes save as one is "image"."""
    outputs = job.get("outputs")
    for output in outputs if isinstance(outputs, list) else ():
        name, kind, url = (_in(output, field) for field in ("name", "content_type", "url"))
        is_video = str(name).lower().endswith(comfy_answers.VIDEO_ENDINGS) or str(kind).startswith("video/")
        if is_video and isinstance(url, str) and len(url) <= responses.MAX_URL_LENGTH:
            with contextlib.suppress(ValueError):
                return str(URL(own).join(URL(url, encoded=True)))
    return None
