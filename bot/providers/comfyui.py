"""The adapter for a ComfyUI server of the operator's own: a workflow is filled, queued, followed and fetched.

ComfyUI takes our id for a job, so that a lost answer is settled by asking for it. It runs on the operator's own GPU:
nothing is charged, and a cancelled job costs nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import aiohttp
from yarl import URL

from bot.errors import VideoError, VideoNotReady, VideoOutcomeUnknown, VideoRejected, VideoUnavailable
from bot.models import FailureKind, Ticket
from bot.providers import comfy_answers, comfy_workflow, error_mapping, error_text, multipart
from bot.providers.comfy_progress import MAX_MESSAGE_BYTES, Progress
from bot.providers.http import MAX_ANSWER_BYTES, path_segment
from bot.providers.json_api import ApiOptions, JsonApi, encoded, job_id, parts_of, ticket_of
from bot.providers.protocols import CreateRequest, Phase, VideoStatus
from bot.providers.responses import Answer
from bot.providers.ssrf_guard import same_origin
from bot.wire_config import ModelWire, ProviderConfig

log = logging.getLogger(__name__)

MAX_QUEUE_BYTES = 8 * 1024 * 1024
"""/queue repeats the whole workflow of every job that waits, those from the operator's browser too."""
LONG_BYTES = 256 * 1024
"""What is longer is parsed beside the event loop."""
SETTLE_S = 5.0
"""A request whose connection broke may still be in the server's hands: what is not there is looked for once more."""
CANCEL_S, LOOK_EVERY_S = 30.0, 0.5
"""A running sampler stops at its next step."""
FILE_IS_GONE = 404
TAKES_OUR_IDS = (0, 3, 45)
"""The first version of ComfyUI that lets us choose a job's id."""

_FOLDER = "animate-bot"  # below ComfyUI's input folder, so that the operator can clear it


@dataclass(frozen=True, slots=True)
class _Job:
    """What a ticket holds; `saved` is how the name of its file begins, where the workflow tells."""

    root: str
    id: str
    samplers: list[str]
    saved: str | None = None

    @classmethod
    def of(cls, ticket: Ticket) -> _Job:
        kept = parts_of(ticket, "root", has=("id", "samplers"))
        return cls(kept["root"], kept["id"], kept["samplers"], kept.get("saved"))

    def ticket(self) -> Ticket:
        return ticket_of({"root": self.root, "id": self.id, "samplers": self.samplers, "saved": self.saved})

    def at(self, path: str) -> str:
        return f"{self.root}/{path}"


@dataclass(frozen=True, slots=True)
class _Whereabouts:
    """Where a job is: in the queue, in the history, or nowhere."""

    queue: comfy_answers.Queue | None = None
    ended: comfy_answers.Ended | None = None

    @property
    def is_nowhere(self) -> bool:
        return self.queue is None and self.ended is None


class ComfyUIProvider(JsonApi):
    """`bot.providers.protocols.Provider` over ComfyUI's own routes. A proxy before it may want a key."""

    knows_keys = True
    can_cancel = True

    def __init__(
        self,
        config: ProviderConfig,
        *,
        settle_s: float = SETTLE_S,
        cancel_s: float = CANCEL_S,
        **options: Unpack[ApiOptions],
    ) -> None:
        super().__init__(config, **options)
        self._settle_s, self._cancel_s = settle_s, cancel_s
        self._client_id = str(uuid.uuid4())
        self._progress = Progress(self._listen)

    async def settle_auth(self) -> None:
        await self._settle_by(f"{self._endpoint}/system_stats")

    async def check(self, models: Sequence[ModelWire]) -> list[str]:
        found = [fault for model in models for fault in comfy_workflow.faults(model)]
        if await self._is_too_old():
            wanted = ".".join(map(str, TAKES_OUR_IDS))
            found.append(f"{self._name}: this ComfyUI is older than {wanted}, so lost answers cannot be settled")
        names = {name for model in models for name in comfy_workflow.classes(model.workflow or {})}
        info: dict[str, Any] = {}
        for name in sorted(names):
            info |= await self._get(f"{self._endpoint}/object_info/{path_segment(name)}")
        return found + [fault for model in models for fault in comfy_workflow.missing(model, info)]

    async def create(self, request: CreateRequest) -> Ticket:
        if wrong := comfy_workflow.faults(request.model):
            raise VideoRejected(FailureKind.MODEL, wrong[0])
        given = comfy_workflow.values(request)
        encoded(given)  # what cannot be sent is refused before the picture goes
        values = {**given, **await self._uploads(request)}
        asked = {
            "prompt": comfy_workflow.filled(request.model.workflow or {}, values),
            "prompt_id": values["key"],
            "client_id": self._client_id,
        }
        answer = await self._create(f"{self._endpoint}/prompt", encoded(asked), job_in=_job_in)
        found = _job_in(answer)
        if found is None:
            raise self._refusal(answer)
        if found != values["key"]:
            log.warning("%s is too old: it does not take the ids of our jobs", self._name)
        return self._job(found, request).ticket()

    async def settle(self, request: CreateRequest) -> Ticket | None:
        if await self._is_too_old():
            raise VideoOutcomeUnknown("this ComfyUI does not take the ids of our jobs")
        job = self._job(comfy_workflow.job_id_of(request.key), request)
        if (await self._look(job)).is_nowhere:
            await asyncio.sleep(self._settle_s)
            if (await self._look(job)).is_nowhere:
                return None
        return job.ticket()

    async def status(self, ticket: Ticket) -> VideoStatus:
        job = _Job.of(ticket)
        found = await self._look(job)
        if found.queue is not None:
            position = found.queue.position(job.id)
            percent = self._progress.percent(job.id, job.samplers) if position is None else None
            return VideoStatus(Phase.RUNNING, percent=percent, queue_position=position)
        self._progress.forget(job.id)
        if found.ended is None:
            return self._failed(FailureKind.GONE, "ComfyUI knows no such job any more: it was restarted or cleared")
        if found.ended.failure is not None:
            return self._failed(found.ended.failure.kind, found.ended.failure.text)
        return VideoStatus(Phase.DONE)  # its address is of the operator's own network: nothing to show to members

    async def download(self, ticket: Ticket, url: str | None, target: Path) -> None:
        job = _Job.of(ticket)
        is_own = url is not None and same_origin(URL(url), URL(job.root))
        own = url if url is not None and is_own else await self._address(job)
        try:
            await self._fetch(None if is_own else url, own, target, lambda _: None)
        except VideoNotReady as exc:
            if (await self._ask(own, at_most=1)).status != FILE_IS_GONE:
                raise
            raise VideoNotReady(exc.provider_text, http_status=FILE_IS_GONE, refused=True) from exc

    async def cancel(self, ticket: Ticket) -> bool:
        job = _Job.of(ticket)
        try:
            async with asyncio.timeout(self._cancel_s):
                return await self._cancelled(job)
        except TimeoutError as exc:
            raise VideoUnavailable("ComfyUI was asked to stop the job, and has not yet") from exc

    async def close(self) -> None:
        await self._progress.close()
        await super().close()

    async def _cancelled(self, job: _Job) -> bool:
        """Asks until the job is in no queue any more; interrupts once, since the next job may be somebody else's."""
        is_interrupted = False
        while (found := await self._look(job)).queue is not None:
            if not is_interrupted:
                is_interrupted = await self._stop(job, found.queue)
            await asyncio.sleep(LOOK_EVERY_S)
        self._progress.forget(job.id)
        return found.ended is None or found.ended.view is None

    async def _stop(self, job: _Job, queue: comfy_answers.Queue) -> bool:
        """Stops exactly this job, by the route of newer servers if it is there; whether that was an interrupt."""
        answer = await self._ask(job.at(f"api/jobs/{path_segment(job.id)}/cancel"), method="POST", body=b"{}")
        if answer.is_success:
            return job.id in queue.running
        if job.id in queue.waiting:
            await self._ask(job.at("queue"), method="POST", body=encoded({"delete": [job.id]}))
            return False
        await self._ask(job.at("interrupt"), method="POST", body=encoded({"prompt_id": job.id}))
        return True

    async def _look(self, job: _Job) -> _Whereabouts:
        """Raises VideoUnavailable where the server does not say.

        The queue is asked first: what is not in it any more has ended, and stands in the history by then. A queue that
        is too long to be read hides no finished video.
        """
        queue, trouble = None, None
        try:
            queue = comfy_answers.queue_of(await self._get(job.at("queue"), at_most=MAX_QUEUE_BYTES))
        except VideoUnavailable as exc:
            if exc.http_status is None:
                raise
            trouble = exc
        if queue is not None and job.id in queue:
            return _Whereabouts(queue=queue)
        history = await self._get(job.at(f"history/{path_segment(job.id)}"))
        ended = comfy_answers.ended(history, job.id)
        if ended is None and history:  # it is empty where the job is not in it
            raise VideoUnavailable("ComfyUI's history cannot be read")
        if ended is None and queue is None:
            raise trouble or VideoUnavailable("ComfyUI's queue cannot be read")
        return _Whereabouts(ended=ended or await self._left_behind(job))

    async def _left_behind(self, job: _Job) -> comfy_answers.Ended | None:
        """The video of a job that ComfyUI has forgotten: a restart takes the history, but no files."""
        for view in comfy_answers.views(job.saved) if job.saved else ():
            answer = await self._ask(job.at(f"view?{view}"), at_most=1)
            if answer.is_success:
                return comfy_answers.Ended(is_interrupted=False, failure=None, view=view)
            if answer.status >= 500 or answer.status == 429:
                raise error_mapping.of_no_report(answer, self._now(), key=self._key)
        return None

    async def _address(self, job: _Job) -> str:
        """Where the video is. Raises VideoUnavailable where the server does not tell any more."""
        ended = (await self._look(job)).ended
        if ended is None or ended.view is None:
            raise VideoUnavailable("ComfyUI does not say where the video is")
        return job.at(f"view?{ended.view}")

    async def _uploads(self, request: CreateRequest) -> dict[str, Any]:
        """What the workflow is to call the pictures, once the server has them; nothing is made by that."""
        pictures = {"image": request.picture, "last_image": request.last_image}
        named: dict[str, Any] = dict.fromkeys(pictures)
        for name in comfy_workflow.placeholders(request.model.workflow) & pictures.keys():
            picture = pictures[name]
            if picture is None:
                continue
            filename = f"{comfy_workflow.job_id_of(request.key)}-{name}.jpg"
            fields = {"type": "input", "subfolder": _FOLDER, "overwrite": "true"}
            body, kind = multipart.form(fields, "image", filename, picture)
            answer = await self._ask(f"{self._endpoint}/upload/image", method="POST", body=body, content_type=kind)
            named[name] = comfy_answers.uploaded(answer.json) if answer.is_success else None
            if named[name] is None:
                raise nothing_made(self._refusal(answer))
        return named

    async def _is_too_old(self) -> bool:
        version = comfy_answers.version(await self._get(f"{self._endpoint}/system_stats"))
        return version is not None and version < TAKES_OUR_IDS

    async def _get(self, address: str, *, at_most: int = MAX_ANSWER_BYTES) -> dict[str, Any]:
        """What a GET answers. Raises VideoUnavailable where that is no JSON object."""
        answer = await self._ask(address, at_most=at_most)
        if answer.is_success and answer.is_whole:
            is_long = len(answer.body) > LONG_BYTES
            body = await asyncio.to_thread(error_text.parsed, answer.body) if is_long else answer.json
            if isinstance(body, dict):
                return body
        raise error_mapping.of_no_report(answer, self._now(), key=self._key)

    def _refusal(self, answer: Answer) -> VideoError:
        """ComfyUI itself refuses with 400 alone, and knows no accounts: anything else is of a proxy before it."""
        error = error_mapping.of_refused_create(answer, self._now(), key=self._key)
        if isinstance(error, VideoRejected) and error.is_said:
            return error
        if answer.status == 403:
            return VideoRejected(FailureKind.KEY, error.provider_text, http_status=403)
        failure = comfy_answers.not_accepted(answer.json) if answer.status == 400 else None
        if failure is not None:
            return VideoRejected(failure.kind, self._safe(failure.text), http_status=400, is_said=True)
        return error

    def _failed(self, kind: FailureKind, text: str) -> VideoStatus:
        return VideoStatus(Phase.FAILED, failure=kind, provider_text=self._safe(text), charged=False)

    def _safe(self, text: str) -> str:
        return error_text.for_the_log(text, self._key)

    def _job(self, found: str, request: CreateRequest) -> _Job:
        workflow = request.model.workflow or {}
        saved = comfy_workflow.saved_as(workflow, request.key)
        return _Job(self._endpoint, found, comfy_workflow.samplers(workflow), saved)

    @contextlib.asynccontextmanager
    async def _listen(self) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        address = f"{self._endpoint}/ws?clientId={self._client_id}"
        async with self._http.listen(address, self._key_for(address), max_message_bytes=MAX_MESSAGE_BYTES) as socket:
            yield socket


def nothing_made(error: VideoError) -> VideoError:
    """Of a step before the one that makes something: whatever became of it, nothing was made."""
    if isinstance(error, VideoOutcomeUnknown):
        return VideoUnavailable(error.provider_text, http_status=error.http_status)
    return error


def _job_in(answer: Answer) -> str | None:
    body = answer.json or error_text.parsed_as_far_as_it_came(answer.body)
    return job_id(body.get("prompt_id")) if answer.is_success and isinstance(body, dict) else None
