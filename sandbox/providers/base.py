"""What every local provider has, whatever its wire: a server, its key, faults, hooks, jobs and what they cost."""

import asyncio
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self, TypedDict, TypeVar, Unpack
from urllib.parse import urlsplit

from aiohttp import web

from sandbox.changes import Changes
from sandbox.providers.exchange import (
    CUT,
    Answer,
    Cut,
    ErrorReply,
    Exchange,
    Hook,
    Phase,
    RequestRefused,
    Route,
)
from sandbox.providers.faults import BUSY, FAULTS, RENDER_FAILED, VIDEO, InjectedFaults, Moment, Pending, due
from sandbox.providers.http import open_site, read_exchange, send
from sandbox.providers.jobs import Options, VideoJob
from sandbox.providers.mp4 import Render, render_video
from sandbox.providers.prompt_faults import faults_of
from sandbox.providers.renderer import Renderer
from sandbox.providers.settings import ProviderSettings

# A long --serve must not eat the machine; no test comes near this.
KEPT_REQUESTS = 100_000
FILE = Route("file", "GET", "/files/{file_name}", kind="file", is_open=True)
"""Where the video of each job lies, without a key."""
NO_SUCH_FILE = Answer(404, "<Error><Code>NoSuchKey</Code></Error>", {"Content-Type": "application/xml"})

T = TypeVar("T")


class Given(TypedDict, total=False):
    """What a local provider may be made with."""

    key: str | None
    render: Render
    settings: ProviderSettings | None
    clock: Callable[[], float]


class LocalProvider(ABC):
    """A provider on loopback; `url` is known once started and has `base_path` at its end.

    `elsewhere` is another origin of the same server, for redirects and keys that must not leak.
    Times of jobs come from `clock`; only waiting uses the loop's. Jobs outlive `stop`, and a second `start` goes on
    with them.
    """

    routes: ClassVar[tuple[Route, ...]]
    """All but the one for files. The one that makes a video is named "create"."""
    base_path: ClassVar[str] = ""
    id_fields: tuple[str, ...] = ("id",)
    """Where an answer has the id of a job, for the faults that change it."""
    settings: ProviderSettings
    name: str = ""
    """Under which the registry has it; without one, a provider that a test has made."""

    def __init__(
        self,
        *,
        key: str | None = None,
        render: Render = render_video,
        settings: ProviderSettings | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.key = key or self.new_key()
        self.settings = settings or self.usual_settings()
        self.requests: list[Exchange] = []
        self.origin = self.url = self.elsewhere = ""
        self.faults = InjectedFaults((*self.routes, FILE))
        self.clock = clock
        self.changes = Changes(self._latest)
        self._renderer = Renderer(render, clock, self.changes.notify)
        self._files: dict[str, VideoJob] = {}
        self._hooks: list[Hook] = []
        self._prompts: dict[str, Pending] = {}
        self._stopping = asyncio.Event()
        self._runner: web.ServerRunner | None = None
        self._count = 0

    def new_key(self) -> str:
        """In the form that the real ones have."""
        return f"sk-local-{secrets.token_hex(16)}"

    def usual_settings(self) -> ProviderSettings:
        """Where none are given."""
        return ProviderSettings()

    # What a wire says --------------------------------------------------------------------------------------------

    @abstractmethod
    async def answer(self, exchange: Exchange, job: VideoJob | None) -> Answer:
        """What a request gets with which nothing is wrong; may raise `RequestRefused`.

        `job` is the one that `find` found. The route is "" where there is none such.
        """

    @abstractmethod
    def error_body(self, error: ErrorReply) -> Any:
        """An error in the form of this API."""

    @abstractmethod
    def bot_settings(self, folder: Path) -> dict[str, str]:
        """The settings with which a bot uses this provider. What they name as a file is written into the folder."""

    def is_authorized(self, exchange: Exchange) -> bool:
        return exchange.headers.get("authorization") == f"Bearer {self.key}"

    def find(self, exchange: Exchange) -> VideoJob | None:
        """The job a request is about: the one whose id stands in the path."""
        return self.jobs.get(exchange.job_id or "")

    def fields_of(self, body: Any) -> dict[str, Any] | None:
        """The fields of the job in the body of an answer, as they stand there; None where there is none."""
        return body if isinstance(body, dict) else None

    def prompt_of(self, exchange: Exchange) -> str:
        """The prompt in a create request, whose words may ask for faults."""
        return str(exchange.fields.get("prompt"))

    async def stream(self, exchange: Exchange, request: web.BaseRequest) -> web.StreamResponse | None:
        """A WebSocket or another answer that goes on; None where the request has an ordinary answer."""
        return None

    def violations(self, exchange: Exchange) -> list[str]:
        """What of a request and its answer is against the published description, a sentence each."""
        return []

    # What a wire is given ----------------------------------------------------------------------------------------

    def make(
        self,
        exchange: Exchange,
        *,
        prompt: str,
        model: str,
        seconds: str,
        size: str,
        picture: bytes | None,
        job_id: str = "",
        key: str | None = None,
        **more: Unpack[Options],
    ) -> VideoJob:
        """A job, which counts as paid from here on. Raises `RequestRefused` (429) where too many are running."""
        running = sum(not job.is_over for job in self.jobs.values())
        if self.settings.max_running is not None and running >= self.settings.max_running:
            raise RequestRefused(BUSY)
        job = VideoJob(
            job_id or secrets.token_hex(16), prompt, model, seconds, size, picture,
            created_at=self.clock(), render_seconds=self.settings.render_seconds,
            lifetime_seconds=self.settings.lifetime_seconds, faults=faults_of(prompt), key=key, **more,
        )  # fmt: skip
        exchange.job_id = job.id
        self._files[job.file_name] = job
        self._renderer.make(job)
        return job

    def with_key(self, key: str) -> VideoJob | None:
        """The job that was made under a key of the client's."""
        return next((job for job in self.jobs.values() if job.key == key), None)

    def settle(self, job: VideoJob) -> None:
        """Brings the state of a job up to now."""
        self._renderer.settle(job)

    def video(self, job: VideoJob) -> bytes | None:
        """The bytes while they last."""
        return self._renderer.video(job)

    def file_path(self, job: VideoJob) -> str:
        return f"/files/{job.file_name}"

    def video_url(self, job: VideoJob) -> str:
        """Where the video of a job lies, without a key."""
        return f"{self.origin}{self.file_path(job)}"

    def error(self, error: ErrorReply) -> Answer:
        headers = {"Retry-After": self.settings.retry_after} if error.status == BUSY.status else {}
        return Answer(error.status, self.error_body(error), headers)

    # What tests, the page and the terminal use -------------------------------------------------------------------

    @property
    def jobs(self) -> dict[str, VideoJob]:
        """All that was made: by id, also what was deleted since."""
        return self._renderer.jobs

    @property
    def creates(self) -> int:
        """How many creates came in, refused ones too."""
        return sum(exchange.route == "create" for exchange in self.requests)

    def times_created(self, prompt: str | None = None) -> int:
        """How many videos were made, of this prompt or of all."""
        return sum(prompt in (None, job.prompt) for job in self.jobs.values())

    def times_charged(self, prompt: str | None = None) -> int:
        """How many videos were paid for; a cancelled one may be free."""
        return sum(job.is_charged and prompt in (None, job.prompt) for job in self.jobs.values())

    def on_exchange(self, hook: Hook) -> None:
        """Calls `hook(phase, exchange)` around every request; what it returns takes the answer's place."""
        self._hooks.append(hook)

    def remove(self, hook: Hook) -> None:
        self._hooks.remove(hook)

    def finish(self, job_id: str) -> None:
        """Ends a job well now; where the rendering is not through, the next poll waits for it."""
        self._renderer.finish(job_id)

    def fail(self, job_id: str, error: ErrorReply = RENDER_FAILED) -> None:
        self._renderer.fail(job_id, error)

    def cancel(self, job_id: str, *, is_charged: bool = False) -> None:
        self._renderer.cancel(job_id, is_charged=is_charged)

    def advance(self, job_id: str, progress: int) -> None:
        """Shows a job in progress; for `render_seconds=None`, where nothing moves by itself."""
        self._renderer.advance(job_id, progress)

    async def wait_for(self, predicate: Callable[[], T], timeout: float = 5, what: str = "a change") -> T:  # noqa: ASYNC109 - a fixed name
        """What `predicate` says once that is true; asked again after each request and change of a job."""
        return await self.changes.wait_for(predicate, timeout, what)

    async def start(self, port: int = 0) -> None:
        """At a port that it had before, `elsewhere` is what it was, too."""
        other_port = urlsplit(self.elsewhere).port if port else None
        self._stopping = asyncio.Event()
        self._runner = web.ServerRunner(web.Server(self._handle, access_log=None), shutdown_timeout=0.5)
        await self._runner.setup()
        self.origin = await open_site(self._runner, port)
        self.url = f"{self.origin}{self.base_path}"
        self.elsewhere = await open_site(self._runner, other_port or 0)
        self._renderer.open()

    async def stop(self) -> None:
        """Ends answers and renders in progress."""
        self._stopping.set()
        if self._runner:
            await self._runner.cleanup()
            self._runner = None
        await self._renderer.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.stop()

    async def pause(self, seconds: float) -> None:
        """Waits so long; raises ConnectionAbortedError where the server stops in between."""
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return
        raise ConnectionAbortedError

    # One request -------------------------------------------------------------------------------------------------

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self._count += 1
        exchange = await read_exchange(request, (*self.routes, FILE), self._count, self.clock())
        self.requests.append(exchange)
        del self.requests[: len(self.requests) - KEPT_REQUESTS]
        self.changes.notify()
        answer = await self._hooked("before", exchange)
        if answer is None and self._may_ask(exchange) and (stream := await self.stream(exchange, request)) is not None:
            exchange.answer = Answer(stream.status)
            return stream
        answer = answer or await self._answered(exchange)
        answer = await self._hooked("inside", exchange) or answer
        exchange.answer = None if answer is CUT else answer
        slow = self.settings.slow_seconds
        response = await send(request, exchange, answer, slow_seconds=slow, pause=self.pause)
        self.changes.notify()
        await self._hooked("after", exchange)
        return response

    async def _hooked(self, phase: Phase, exchange: Exchange) -> Answer | Cut | None:
        for hook in list(self._hooks):
            reply = await hook(phase, exchange)
            if reply is not None:
                return Answer(*reply) if isinstance(reply, tuple) else reply
        return None

    def _may_ask(self, exchange: Exchange) -> bool:
        is_open = any(route.is_open for route in (*self.routes, FILE) if route.name == exchange.route)
        return exchange.route == "" or is_open or self.is_authorized(exchange)

    async def _answered(self, exchange: Exchange) -> Answer | Cut:
        """Faults of the job before those of the provider; late ones spoil only what went well."""
        if not self._may_ask(exchange):
            return self.error(ErrorReply(401, "Invalid signature"))
        job = self._visited(exchange)
        faults = [self._own_faults(exchange, job), self.faults.pending]
        struck = await self._struck(faults, exchange, job, None)
        if struck:
            return struck
        try:
            answer = await self._carried_out(exchange, job)
        except RequestRefused as refused:
            answer = self.error(refused.error)
        if answer.status >= 400:
            return answer
        if exchange.route == "create":
            self._prompts.pop(self.prompt_of(exchange), None)
            job = self.jobs[exchange.job_id or ""]
        return await self._struck(faults, exchange, job, answer) or answer

    async def _carried_out(self, exchange: Exchange, job: VideoJob | None) -> Answer:
        if job:
            await self._renderer.settled(job)
        if exchange.route != FILE.name:
            return await self.answer(exchange, job)
        video = self.video(job) if job else None
        return Answer(200, video, VIDEO) if video else NO_SUCH_FILE

    def _visited(self, exchange: Exchange) -> VideoJob | None:
        """The job a request is about; the visit is noted in it."""
        if exchange.route == FILE.name:
            job = self._files.get(exchange.in_path["file_name"])
            exchange.job_id = job.id if job else None
        else:
            job = self.find(exchange)
        if job is None or job.is_deleted:
            return None
        if exchange.kind == "poll":
            job.polls.append(exchange.at)
        elif exchange.kind == "file":
            job.downloads.append(exchange.at)
        return job

    def _own_faults(self, exchange: Exchange, job: VideoJob | None) -> Pending:
        if exchange.route != "create":
            return job.faults if job else {}
        prompt = self.prompt_of(exchange)
        return self._prompts.setdefault(prompt, faults_of(prompt))

    async def _struck(
        self, faults: Sequence[Pending], exchange: Exchange, job: VideoJob | None, answer: Answer | None
    ) -> Answer | Cut | None:
        if "moved" in exchange.query:
            return None
        moment = Moment(self, exchange, job, answer)
        for name in due(faults, exchange.route, is_late=answer is not None):
            exchange.fault = f"{exchange.route}:{name}"
            try:
                struck = await FAULTS[name].play(moment)
            except ConnectionAbortedError:  # the server stops while the fault waits
                return CUT
            if struck is not None:
                return struck
        return None

    def _latest(self) -> str:
        jobs = ", ".join(f"{job.id} {job.state} {job.progress}%" for job in self.jobs.values())
        last = [f"{e.method} {e.path} {e.answer.status if e.answer else '-'}" for e in self.requests[-5:]]
        return f"; jobs: {jobs or 'none'}; last requests: {last or 'none'}"
