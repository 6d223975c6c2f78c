"""The front door of the local /v1/videos: the server with its key, its taps and its faults round the Api."""

import asyncio
import secrets
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Self, TypeVar

from aiohttp import web

from sandbox.videos.api import Api
from sandbox.videos.faults import FAULTS, RENDER_FAILED, Moment
from sandbox.videos.provider_jobs import CUT, Answer, Cut, Exchange, Hook, Phase, Trouble, VideoJob
from sandbox.videos.render import Render, render_clip
from sandbox.videos.renderer import Studio
from sandbox.videos.shapes import SHAPES, Shape
from sandbox.videos.weather import Weather
from sandbox.videos.wire import open_site, read_exchange, send
from sandbox.videos.words import faults_of

# A long --serve must not eat the machine; no test comes near this.
KEPT_REQUESTS = 100_000

T = TypeVar("T")
Playing = dict[str, int | None]


class LocalVideos:
    """A `/v1/videos` on loopback; `url` ends in /v1 and is known once started.

    `elsewhere` is another origin of the same server, for redirects and keys that must not leak.
    Times of jobs come from `clock`; only waiting uses the loop's. The account outlives `stop`, and a
    second `start` goes on with it.
    """

    def __init__(
        self,
        *,
        key: str | None = None,
        render: Render = render_clip,
        weather: Weather | None = None,
        shape: str = "gptproto",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.key = key or f"sk-local-{secrets.token_hex(16)}"
        self.requests: list[Exchange] = []
        self.url = self.elsewhere = ""
        self._clock = clock
        self._studio = Studio(render, clock, self._note)
        self._api = Api(self._studio, weather or Weather(), SHAPES[shape])
        self._hooks: list[Hook] = []
        self._prompts: dict[str, Playing] = {}
        self._change = asyncio.Event()
        self._stopping = asyncio.Event()
        self._runner: web.ServerRunner | None = None
        self._count = 0

    async def start(self, port: int = 0) -> None:
        self._stopping = asyncio.Event()
        self._runner = web.ServerRunner(web.Server(self._handle, access_log=None), shutdown_timeout=0.5)
        await self._runner.setup()
        self._api.origin = await open_site(self._runner, port)
        self.url = f"{self._api.origin}/v1"
        self.elsewhere = await open_site(self._runner, 0)
        self._studio.open()

    async def stop(self) -> None:
        """Ends answers and renders in progress."""
        self._stopping.set()
        if self._runner:
            await self._runner.cleanup()
            self._runner = None
        await self._studio.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.stop()

    @property
    def weather(self) -> Weather:
        return self._api.weather

    @property
    def shape(self) -> Shape:
        return self._api.shape

    @property
    def jobs(self) -> dict[str, VideoJob]:
        """All that was made, and so paid: by id, also what was deleted since."""
        return self._studio.jobs

    @property
    def creates(self) -> int:
        """How many creates came in, refused ones too."""
        return sum(exchange.route == "create" for exchange in self.requests)

    def on_exchange(self, hook: Hook) -> None:
        """Calls `hook(phase, exchange)` around every request; what it returns takes the answer's place."""
        self._hooks.append(hook)

    def remove(self, hook: Hook) -> None:
        self._hooks.remove(hook)

    async def wait_for(self, predicate: Callable[[], T], timeout: float = 5, what: str = "a change") -> T:  # noqa: ASYNC109 - a fixed name of the front door
        """What `predicate` says once that is true; asked again after each request and change of a job."""
        try:
            async with asyncio.timeout(timeout):
                while not (found := predicate()):
                    await self._change.wait()
        except TimeoutError:
            raise TimeoutError(self._late(what, timeout)) from None
        return found

    def next_change(self) -> Coroutine[Any, Any, object]:
        """To be awaited: ends at the first request or change of a job after this call."""
        return self._change.wait()

    def finish(self, job_id: str) -> None:
        """Ends a job well now; where the rendering is not through, the next poll waits for it."""
        self._studio.finish(job_id)

    def fail(self, job_id: str, error: Trouble = RENDER_FAILED) -> None:
        self._studio.fail(job_id, error)

    def advance(self, job_id: str, progress: int) -> None:
        """Shows a job in progress; for `render_seconds=None`, where nothing moves by itself."""
        self._studio.advance(job_id, progress)

    def video_url(self, job: VideoJob) -> str:
        """Where the video of a job lies, without a key."""
        return self._api.video_url(job)

    def _note(self) -> None:
        change, self._change = self._change, asyncio.Event()
        change.set()

    def _late(self, what: str, seconds: float) -> str:
        jobs = ", ".join(f"{job.id} {job.status} {job.progress} %" for job in self.jobs.values())
        last = [f"{e.method} {e.path} {e.answer.status if e.answer else '-'}" for e in self.requests[-5:]]
        return f"{what} did not come within {seconds} s; jobs: {jobs or 'none'}; last requests: {last or 'none'}"

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return
        raise ConnectionAbortedError

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self._count += 1
        exchange = await read_exchange(request, self._count, self._clock())
        self.requests.append(exchange)
        del self.requests[: len(self.requests) - KEPT_REQUESTS]
        self._note()
        answer = await self._hooked("before", exchange) or await self._answered(exchange)
        answer = await self._hooked("inside", exchange) or answer
        exchange.answer = None if answer is CUT else answer
        response = await send(request, exchange, answer, slow_seconds=self.weather.slow_seconds, pause=self._pause)
        self._note()
        await self._hooked("after", exchange)
        return response

    async def _hooked(self, phase: Phase, exchange: Exchange) -> Answer | Cut | None:
        for hook in list(self._hooks):
            reply = await hook(phase, exchange)
            if reply is not None:
                return Answer(*reply) if isinstance(reply, tuple) else reply
        return None

    async def _answered(self, exchange: Exchange) -> Answer | Cut:
        """Faults of the job before those of the weather; late ones spoil only what went well."""
        if exchange.route not in {"", "file"} and not self._is_authorized(exchange):
            return self._api.error(Trouble(401, "Invalid signature"))
        job = self._api.found(exchange)
        playing = [self._own_faults(exchange, job), self.weather.playing]
        struck = await self._struck(playing, exchange, job, None)
        if struck:
            return struck
        answer = await self._api.answer(exchange, job)
        if answer.status >= 400:
            return answer
        if exchange.route == "create":
            self._prompts.pop(str(exchange.fields.get("prompt")), None)
            job = self.jobs[exchange.job_id or ""]
        return await self._struck(playing, exchange, job, answer) or answer

    def _is_authorized(self, exchange: Exchange) -> bool:
        given = exchange.headers.get("authorization", "")
        scheme, _, bearer = given.partition(" ")
        is_bearer = scheme.lower() == "bearer" and bearer.strip() == self.key
        return {"raw": given == self.key, "bearer": is_bearer}.get(self.weather.auth, is_bearer or given == self.key)

    def _own_faults(self, exchange: Exchange, job: VideoJob | None) -> Playing:
        if exchange.route != "create":
            return job.faults if job else {}
        prompt = str(exchange.fields.get("prompt"))
        return self._prompts.setdefault(prompt, faults_of(prompt))

    async def _struck(
        self, playing: list[Playing], exchange: Exchange, job: VideoJob | None, answer: Answer | None
    ) -> Answer | Cut | None:
        if "moved" in exchange.query:
            return None
        moment = Moment(
            exchange, self.shape, job, answer, self.elsewhere,
            self.weather.retry_after, self.weather.slow_seconds, self._pause,
        )  # fmt: skip
        for name in _due(playing, exchange.route, is_late=answer is not None):
            exchange.fault = f"{exchange.route}:{name}"
            try:
                struck = await FAULTS[name].play(moment)
            except ConnectionAbortedError:  # the server stops while the fault waits
                return CUT
            if struck is not None:
                return struck
        return None


def _due(playing: list[Playing], route: str, *, is_late: bool) -> Iterator[str]:
    """Names of the faults whose turn it is, each counted as it is taken."""
    for faults in playing:
        for key, left in list(faults.items()):
            on, _, name = key.partition(":")
            if on == route and left != 0 and FAULTS[name].is_late == is_late:
                faults[key] = None if left is None else left - 1
                yield name
