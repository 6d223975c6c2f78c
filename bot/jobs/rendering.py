"""While the provider works: polls write nothing, and no error ends a job that is paid for."""

from __future__ import annotations

import logging

from bot.errors import VideoError
from bot.jobs import pace
from bot.jobs.closing import close
from bot.jobs.desk import Desk
from bot.models import FailureKind, Job, JobState
from bot.video.port import Phase, VideoStatus

log = logging.getLogger(__name__)

LATE_POLLS_APART = 12
"""After the deadline a job is asked for so many times more seldom."""


async def render(desk: Desk, job: Job) -> Job | None:
    """Polls until the provider is done, has failed, or the deadline is past."""
    deadline = (job.submitted_at or job.state_at) + desk.timing.job_timeout
    desk.chat.show(job)
    errors, pause = 0, desk.timing.poll_s * desk.rng.random()
    while True:
        await desk.clock.sleep(pause)
        status = await _ask(desk, job)
        now = desk.clock.now()
        if status is None:
            errors += 1
            if now > deadline + desk.timing.answer_grace:
                return await _give_up(desk, job)
        elif status.phase is not Phase.RUNNING:
            return await _ended(desk, job, status)
        elif now > deadline:
            return await _give_up(desk, job)
        else:
            errors = 0
            desk.chat.show(job, status.percent)
        asked = None if status is None else status.poll_after_s
        pause = pace.poll_pause(desk.timing.poll_s, asked, errors, desk.rng)


async def await_late(desk: Desk, job: Job) -> Job | None:
    """After the deadline: refunded and said so; a late result is still delivered, for a day."""
    if not job.card.finished:
        await close(desk, job)
    while True:
        status = await _ask(desk, job)
        if status is not None and status.phase is not Phase.RUNNING:
            return await _ended(desk, job, status)
        if desk.clock.now() > job.state_at + desk.timing.late_for:
            return await desk.end(job, JobState.FAILED, FailureKind.TIMED_OUT)
        await desk.clock.sleep(pace.poll_pause(desk.timing.poll_s * LATE_POLLS_APART, None, 0, desk.rng))


async def _ask(desk: Desk, job: Job) -> VideoStatus | None:
    """One poll; None when it brought no answer about the job."""
    assert job.provider_id is not None
    try:
        return await desk.videos.status(job.endpoint, job.provider_id)
    except VideoError as error:
        log.info("job=%s poll without an answer: %s", job.id, error)
        return None


async def _ended(desk: Desk, job: Job, status: VideoStatus) -> Job | None:
    desk.breaker.ended(job)
    if status.phase is Phase.DONE:
        moved = await desk.move(job, JobState.DELIVERING, result_url=status.url, result_expires_at=status.expires_at)
        desk.line.leave(job)
        return moved
    kind = status.failure or FailureKind.PROVIDER
    log.warning("job=%s failed at the provider kind=%s: %s", job.id, kind, status.provider_text)
    return await _leave(desk, job, JobState.FAILED, kind)


async def _give_up(desk: Desk, job: Job) -> Job | None:
    desk.breaker.lost(job)
    return await _leave(desk, job, JobState.TIMED_OUT, FailureKind.TIMED_OUT)


async def _leave(desk: Desk, job: Job, to: JobState, kind: FailureKind) -> Job | None:
    moved = await desk.end(job, to, kind)
    desk.line.leave(job)
    return moved
