"""While the provider works: polls write nothing, and no error ends a job that is paid for.

All lengths are counted as `Clock.since` does: a host's clock that is set refunds nobody.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.errors import TicketUnreadable, VideoError, VideoUnavailable
from bot.jobs import backoff
from bot.jobs.chat_protocol import Progress
from bot.jobs.context import Clock, JobContext
from bot.jobs.estimate import observed_s
from bot.jobs.outcomes import Outcome
from bot.jobs.progress import ProgressBar
from bot.jobs.steps.finish import close
from bot.models import FailureKind, Job, JobState
from bot.providers.protocols import Phase, VideoStatus
from bot.store.jobs import Render
from bot.store.row_mapping import to_ms

log = logging.getLogger(__name__)

LATE_POLLS_APART = 12
"""After the deadline a job is asked for so many times more seldom."""
FRESH = timedelta(seconds=5)
"""A render seen so soon after it began was begun by this very process, or as good as that."""
SHORTEST_STEP_S = 0.2
GONE_FOR_S = 600.0
"""A provider that has answered for a job and then denies it for so long has lost it."""
NOT_FOUND = 404


@dataclass(slots=True)
class _Watch:
    """One render under the eyes of this process; times in seconds since it was sent."""

    job: Job
    clock: Clock
    sent_at: datetime
    progress_bar: ProgressBar
    at_s: float  # when `look` was last called
    running_s: float  # it certainly ran then
    fresh: bool  # watched from its beginning, or at least told how far it is
    pause_s: float = 0.0  # before the poll that is next
    errors: int = 0  # in a row
    answered: bool = False  # the provider has told of this job, to this process
    gone_s: float | None = None  # when it first denied the job, since it last told of it
    queue_position: int | None = None  # in the provider's own queue
    can_cancel: bool = False

    def look(self) -> None:
        """Reads the clock, once for all that is told and decided then: thousands are polled."""
        self.at_s = self.clock.since(self.sent_at).total_seconds()

    def runs(self, status: VideoStatus) -> None:
        """A poll has said so.

        After a restart nobody knows since when it says this percentage. Taken as from the beginning, the bar is never
        behind what it showed before.
        """
        self.errors, self.answered, self.gone_s = 0, True, None
        self.running_s = self.at_s
        self.progress_bar = self.progress_bar.told(status.percent, self.running_s if self.fresh else 0.0)
        self.queue_position = status.queue_position
        if status.can_cancel is not None:
            self.can_cancel = status.can_cancel
        self.fresh = True

    def fails(self, error: VideoError) -> None:
        """A poll has said nothing of the job, or that there is no such job."""
        self.errors += 1
        if self.answered and error.http_status == NOT_FOUND and self.gone_s is None:
            self.gone_s = self.at_s

    def is_gone(self, error: VideoError) -> bool:
        """Whether the provider has lost the job, and says so now."""
        is_long = self.gone_s is not None and self.at_s - self.gone_s >= GONE_FOR_S
        return is_long and error.http_status == NOT_FOUND

    def progress(self) -> Progress:
        at_s = self.at_s
        expected_s = self.progress_bar.expected_s(at_s)
        due_at = None if expected_s is None else self.sent_at + timedelta(seconds=round(expected_s))
        return Progress(
            self.progress_bar.percent(at_s), self.progress_bar.due(at_s), due_at, self.queue_position, self.can_cancel
        )

    def step_s(self, left_s: float) -> float:
        """Until the next poll, or the bar shows something else before."""
        return min(left_s, max(SHORTEST_STEP_S, self.progress_bar.next_change_s(self.at_s))) if self.fresh else left_s

    def took(self) -> timedelta | None:
        """How long it rendered, now that it is done; None where that was not seen."""
        took_s = observed_s(self.running_s, self.at_s, self.pause_s)
        return None if took_s is None else timedelta(milliseconds=max(1, round(took_s * 1000)))


async def render(context: JobContext, job: Job) -> Job | None:
    """Polls until the provider is done, has failed or lost the job, or the deadline is past."""
    watch = _begin(context, job)
    deadline_s, loop = context.timing.job_timeout.total_seconds(), asyncio.get_running_loop()
    while True:
        left_s = watch.pause_s
        while left_s > 0:  # the bar moves in the meantime
            step_s = backoff.together(watch.step_s(left_s), loop.time())
            await context.clock.sleep(step_s)
            left_s -= step_s
            if watch.fresh and left_s > 0:
                watch.look()
                context.chat.show(job, watch.progress())
        answer = await _ask(context, job)
        watch.look()
        if isinstance(answer, TicketUnreadable):
            await _wait_out(context, watch.sent_at, context.timing.job_timeout + context.timing.answer_grace)
            return await context.end(job, JobState.TIMED_OUT, FailureKind.TIMED_OUT)
        if isinstance(answer, VideoError):
            watch.fails(answer)
            if watch.is_gone(answer):
                log.warning("job=%s the provider knew this job and now denies it", job.id)
                return await context.end(job, JobState.TIMED_OUT, FailureKind.GONE)
            if watch.at_s > deadline_s + context.timing.answer_grace.total_seconds():
                return await _give_up(context, job)
        elif answer.phase is not Phase.RUNNING:
            return await _ended(context, job, answer, watch.took())
        elif watch.at_s > deadline_s:
            return await _give_up(context, job)
        else:
            watch.runs(answer)
            context.chat.show(job, watch.progress())
        watch.pause_s = _next_pause(context, watch, answer)


async def await_late(context: JobContext, job: Job) -> Job | None:
    """After the deadline: refunded and said so; a late result is still delivered, for a day."""
    if not job.card.finished:
        await close(context, job)
    while True:
        answer = await _ask(context, job)
        if isinstance(answer, TicketUnreadable):
            await _wait_out(context, job.state_at, context.timing.late_for)
            return await context.end(job, JobState.FAILED, job.failure or FailureKind.TIMED_OUT)
        if isinstance(answer, VideoStatus) and answer.phase is not Phase.RUNNING:
            return await _ended(context, job, answer, None)
        if context.clock.since(job.state_at) > context.timing.late_for:
            return await context.end(job, JobState.FAILED, job.failure or FailureKind.TIMED_OUT)
        seldom_s = context.timing.poll_s * LATE_POLLS_APART
        await context.clock.sleep(backoff.poll_pause(seldom_s, 0.0, _asked(answer), 0, context.rng))


async def _wait_out(context: JobContext, since: datetime, ends_after: timedelta) -> None:
    """Waits until `ends_after` that moment: nobody can be asked. A start of another version may read the ticket."""
    while (left := ends_after - context.clock.since(since)) > timedelta():
        await context.clock.sleep(left.total_seconds())


def _begin(context: JobContext, job: Job) -> _Watch:
    """Found after a restart, a card stays as it is until the provider has told how far the render is."""
    sent_at = job.last_sent_at or job.state_at
    watch = _Watch(
        job,
        context.clock,
        sent_at,
        ProgressBar(context.render_times.estimate(job.spec, sent_at)),
        at_s=context.clock.since(sent_at).total_seconds(),
        running_s=(job.state_at - sent_at).total_seconds(),
        fresh=context.clock.since(job.state_at) < FRESH,
        can_cancel=context.providers.of(job).can_cancel,
    )
    if watch.fresh:
        context.chat.show(job, watch.progress())
        watch.pause_s = _next_pause(context, watch, None)
    else:
        watch.pause_s = _least_pause(context) * context.rng.random()
    return watch


def _next_pause(context: JobContext, watch: _Watch, answer: VideoStatus | VideoError | None) -> float:
    """The newest durations place the polls; those known when it was sent made the promise on its card."""
    now, least_s = context.clock.now(), _least_pause(context)
    estimate = context.render_times.estimate(watch.job.spec, now)
    planned_s = 0.0 if estimate is None else estimate.next_look_s(watch.at_s, least_s)
    return backoff.poll_pause(least_s, planned_s, _asked(answer), watch.errors, context.rng)


def _least_pause(context: JobContext) -> float:
    return backoff.least_pause(context.timing.poll_s, context.queue.at_provider)


async def _ask(context: JobContext, job: Job) -> VideoStatus | VideoError:
    """One poll; an error is one that brought no answer about the job."""
    assert job.ticket is not None
    try:
        return await context.providers.of(job).status(job.ticket)
    except TicketUnreadable as error:
        log.error("job=%s nobody can be asked for its video until the bot starts again: %s", job.id, error)  # noqa: TRY400 - no traceback
        return _bare(error)
    except VideoError as error:
        log.info("job=%s poll without an answer: %s", job.id, error)
        return _bare(error)
    except Exception as error:  # noqa: BLE001 - a mistake of the adapter's own: every limit holds all the same
        context.adapter_errors.log(job, "poll", error)
        return VideoUnavailable(type(error).__name__)


def _bare(error: VideoError) -> VideoError:
    """Without the frames it went through: thousands of jobs may keep one until their next poll."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def _asked(answer: VideoStatus | VideoError | None) -> float | None:
    """The pause the provider asks for, in seconds."""
    match answer:
        case VideoStatus():
            return answer.poll_after_s
        case VideoUnavailable():
            return answer.retry_after_s
        case _:
            return None


async def _ended(context: JobContext, job: Job, status: VideoStatus, took: timedelta | None) -> Job | None:
    context.circuit_breakers.report(job, Outcome.ENDED)
    if status.phase is Phase.DONE:
        render_ms = None if took is None else took // timedelta(milliseconds=1)
        covered = {"picture_spoiler_at": to_ms(context.clock.now())} if status.is_unsafe else {}
        moved = await context.move(
            job,
            JobState.DELIVERING,
            **covered,
            result_url=status.url,
            result_expires_at=status.expires_at,
            render_ms=render_ms,
            cost_usd=_cost_usd(status),
        )
        if moved is not None and took is not None and job.last_sent_at is not None:
            spec = job.spec
            context.render_times.learn([Render(spec.model, spec.seconds, spec.size, job.last_sent_at + took, took)])
        return moved
    kind = status.failure or FailureKind.PROVIDER
    charged = {None: "unknown", True: "yes", False: "no"}[status.charged]
    log.warning("job=%s failed at the provider kind=%s charged=%s: %s", job.id, kind, charged, status.provider_text)
    return await context.move(job, JobState.FAILED, failure=kind, cost_usd=_cost_usd(status))


async def _give_up(context: JobContext, job: Job) -> Job | None:
    context.circuit_breakers.report(job, Outcome.TIMED_OUT)
    return await context.end(job, JobState.TIMED_OUT, FailureKind.TIMED_OUT)


def _cost_usd(status: VideoStatus) -> float | None:
    """What it really cost, where the provider tells."""
    return 0.0 if status.cost_usd is None and status.charged is False else status.cost_usd
