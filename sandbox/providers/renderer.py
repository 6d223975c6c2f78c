"""Makes the videos: keeps the jobs, renders two at a time in threads, ends each when it is due."""

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from sandbox.providers.exchange import ErrorReply
from sandbox.providers.faults import RENDER_FAILED
from sandbox.providers.jobs import VideoJob
from sandbox.providers.mp4 import Render

RENDERS_AT_ONCE = 2
# Of videos; beyond it the oldest are gone as if expired. A long --serve must not eat the machine.
KEPT_BYTES = 1024**3
# How soon a job past its time is looked at again: the clock may be a test's own.
LOOK_AGAIN_SECONDS = 0.05

log = logging.getLogger(__name__)


class _StoppedError(Exception):
    """Ends a rendering thread when the renderer closes."""


class Renderer:
    """`changed` is called after each change of a job, on the loop's thread."""

    def __init__(self, render: Render, clock: Callable[[], float], changed: Callable[[], None]) -> None:
        self.jobs: dict[str, VideoJob] = {}
        self.clock = clock
        self._render, self._changed = render, changed
        self._pool: ThreadPoolExecutor | None = None
        self._renders: dict[str, asyncio.Task[None]] = {}
        self._kept: deque[VideoJob] = deque()
        self._kept_bytes = 0
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def open(self) -> None:
        """Takes up rendering, also of jobs that an earlier close left undone."""
        self._pool = ThreadPoolExecutor(RENDERS_AT_ONCE, "render")
        for job in self.jobs.values():
            if not job.is_over:
                self._begin(job)

    async def close(self) -> None:
        pool, self._pool = self._pool, None
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        if pool:
            await asyncio.to_thread(pool.shutdown, cancel_futures=True)
        await asyncio.gather(*self._renders.values(), return_exceptions=True)
        self._renders.clear()

    def make(self, job: VideoJob) -> None:
        self.jobs[job.id] = job
        self._begin(job)
        self._changed()

    def settle(self, job: VideoJob) -> None:
        before = job.state
        job.settle(self.clock())
        if job.state != before:
            self._changed()

    async def settled(self, job: VideoJob) -> VideoJob:
        """The job as it is now; one that ends now is waited for."""
        if job.ends_now and not job.is_over and job.id in self._renders:
            await asyncio.wait([self._renders[job.id]])
        self.settle(job)
        return job

    def finish(self, job_id: str) -> None:
        self.jobs[job_id].ends_now = True
        self.settle(self.jobs[job_id])

    def fail(self, job_id: str, error: ErrorReply) -> None:
        self.jobs[job_id].fail(error, self.clock())
        self._changed()

    def cancel(self, job_id: str, *, is_charged: bool) -> None:
        self.jobs[job_id].cancel(self.clock(), is_charged=is_charged)
        self._changed()

    def advance(self, job_id: str, progress: int) -> None:
        job = self.jobs[job_id]
        job.state, job.progress = "running", progress
        self._changed()

    def video(self, job: VideoJob) -> bytes | None:
        """The bytes while they last; one that is to be big gets a `free` box of noise at the end."""
        if job.state != "done" or job.video is None or self.clock() >= (job.expires_at or 0):
            return None
        missing = job.least_bytes - len(job.video)
        if missing > 0:
            job.video += (missing + 8).to_bytes(4, "big") + b"free" + os.urandom(missing)
            self._kept_bytes += missing + 8
        return job.video

    def _begin(self, job: VideoJob) -> None:
        if job.video is None:
            self._renders[job.id] = asyncio.create_task(self._rendered(job), name=f"render {job.id}")
        if job.render_seconds is not None:
            self._look_later(job)

    def _look_later(self, job: VideoJob) -> None:
        wait = max(LOOK_AGAIN_SECONDS, (job.due_at or 0) - self.clock())
        if (earlier := self._timers.pop(job.id, None)) is not None:  # the server was down in between
            earlier.cancel()
        self._timers[job.id] = asyncio.get_running_loop().call_later(wait, self._look, job)

    def _look(self, job: VideoJob) -> None:
        del self._timers[job.id]
        self.settle(job)
        if not (job.is_over or job.is_stuck or job.video is None):
            self._look_later(job)

    async def _rendered(self, job: VideoJob) -> None:
        try:
            video = await asyncio.get_running_loop().run_in_executor(self._pool, self._draw, job)
            self._keep(job, video)
        except _StoppedError:
            return
        except Exception:  # the edge of a worker step: a picture may break the decoder in any way
            log.exception("job=%s the render failed", job.id)
            if not job.is_over:
                job.fail(RENDER_FAILED, self.clock())
        finally:
            self._renders.pop(job.id, None)
        self.settle(job)
        if not job.is_over and job.render_seconds is not None and job.id not in self._timers:
            self._look_later(job)
        self._changed()

    def _keep(self, job: VideoJob, video: bytes) -> None:
        job.video, job.rendered_at = video, self.clock()
        self._kept.append(job)
        self._kept_bytes += len(video)
        while self._kept_bytes > KEPT_BYTES:
            oldest = self._kept.popleft()
            self._kept_bytes -= len(oldest.video or b"")
            oldest.video = None

    def _draw(self, job: VideoJob) -> bytes:
        def progress(share: float) -> None:
            if self._pool is None:
                raise _StoppedError
            job.encoded_share = share

        video = self._render(job.picture, job.pixels, int(job.seconds), progress)
        job.encoded_share = 1.0
        return video
