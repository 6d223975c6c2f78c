"""Carries every job from its state to its end: one task a job, resumed from the store after a stop."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from pathlib import Path

from bot.errors import StoreUnavailable, VideoUnavailable
from bot.jobs import backoff
from bot.jobs.context import JobContext
from bot.jobs.finished_videos import FinishedVideos
from bot.jobs.fit_video import fitted
from bot.jobs.outcomes import Outcome
from bot.jobs.providers import warn_of_missing_parts
from bot.jobs.queue_positions import QueuePositions
from bot.jobs.render_times import READ
from bot.jobs.steps.card import place
from bot.jobs.steps.create_outcome import ask_key
from bot.jobs.steps.deliver import deliver, mention, retry
from bot.jobs.steps.finish import close
from bot.jobs.steps.lost_answer import resolve_lost_answer
from bot.jobs.steps.render import await_late, render
from bot.jobs.steps.shared_card import run_shared_card
from bot.jobs.steps.submit import submit
from bot.log_context import about_job
from bot.models import FailureKind, Job, JobId, JobState, MessageId, Scope
from bot.store import jobs, server_settings

log = logging.getLogger(__name__)

STEPS: dict[JobState, Callable[[JobContext, Job], Awaitable[Job | None]]] = {
    JobState.WAITING: submit,
    JobState.SUBMITTING: resolve_lost_answer,
    JobState.RENDERING: render,
    JobState.DELIVERING: deliver,
    JobState.TIMED_OUT: await_late,
    JobState.UNDELIVERED: retry,
}
"""What is done in each state; any other state is an end, and its card is closed."""

CREATES_FINISH_S = 60.0
REST_FINISHES_S = 5.0
RESUMED_AT_ONCE = 50


class Worker:
    """Owns the tasks of all jobs. Start it once, stop it once."""

    def __init__(self, context: JobContext) -> None:
        self._context = context
        self._queue_positions = QueuePositions(
            context.queue,
            context.render_times,
            context.chat.show,
            clock=context.clock,
            queue_timeout=context.timing.queue_timeout,
        )
        self._tasks: dict[JobId, asyncio.Task[None]] = {}
        self._cancelling: set[JobId] = set()  # at their provider; nobody else carries them meanwhile
        self._found: dict[JobId, Job] = {}  # at start, and not taken up yet
        self._resuming: asyncio.Task[None] | None = None
        self._questions: set[asyncio.Task[None]] = set()
        self._stopping = False
        context.circuit_breakers.ask_key = self._ask_key
        context.store.observe(context.take_events.heard)

    async def start(self) -> int:
        """Picks up every job that still needs work and tells how many; none once it is stopped.

        Raises StoreUnavailable.
        """
        for scope in await self._context.store.read(server_settings.paused()):
            self._context.queue.pause(scope)
        self._context.render_times.learn(await self._context.store.read(jobs.renders(READ)))
        found = await self._context.store.read(jobs.to_resume())
        if self._stopping:
            return 0
        for job in found:
            if job.state.holds_slot:
                sent_at = job.last_sent_at or job.state_at
                self._context.queue.occupy(job, for_s=self._context.clock.since(sent_at).total_seconds())
        self._found = {job.id: job for job in found}
        self._resuming = asyncio.create_task(self._resume(), name="resume")
        self.check_workflows()
        return len(found)

    async def _resume(self) -> None:
        """A few at a time: among thousands, the connection to Discord has its turns."""
        while self._found:
            for job in [*itertools.islice(self._found.values(), RESUMED_AT_ONCE)]:
                self.add(job)
            await asyncio.sleep(0)

    def add(self, job: Job, *, message: MessageId | None = None, ephemeral: bool = False) -> None:
        """Takes charge of a job; `message` is its card where that has just become known."""
        self._found.pop(job.id, None)  # what comes from elsewhere is newer
        if self._stopping or job.id in self._tasks or job.id in self._cancelling:
            return
        task = asyncio.create_task(self._drive(job, message, ephemeral), name=f"job-{job.id}")
        self._tasks[job.id] = task
        task.add_done_callback(partial(self._ended, job))

    def _ended(self, job: Job, _: asyncio.Task[None]) -> None:
        self._tasks.pop(job.id, None)
        self._context.circuit_breakers.withdraw(job.id)
        self._context.chat.forget(job)

    def _ask_key(self, provider: str) -> None:
        self._begin(self._verify_key(provider), f"key-{provider}")

    def _begin(self, question: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.create_task(question, name=name)
        self._questions.add(task)
        task.add_done_callback(self._questions.discard)

    def check_workflows(self) -> None:
        """What an operator's own server lacks is told now, not to the first member who asks for a video."""
        self._begin(self._check_workflows(), "workflows")

    async def _check_workflows(self) -> None:
        for provider in self._context.providers.current:
            models = [model.wire for model in self._context.catalog.models_of(provider.name)]
            await warn_of_missing_parts(provider, [model for model in models if model.workflow is not None])

    async def _may_ask(self, _provider: str) -> bool:
        """Whether no other process asks."""
        return True

    async def _verify_key(self, name: str) -> None:
        """Where the question settles nothing, the next request or job does."""
        outcome = Outcome.NEVER_SENT
        if not await self._may_ask(name):
            self._context.circuit_breakers.of(name).withdraw_question()
            return
        try:
            if not self._stopping:
                outcome = await ask_key(self._context, name)
        except Exception:
            log.exception("the question about the key of the provider %s failed", name)
        finally:
            settled = Outcome.NEVER_SENT if outcome is Outcome.NOT_ACCEPTED else outcome
            self._context.circuit_breakers.of(name).answer(settled)

    def pause(self, scope: Scope) -> None:
        """Holds what waits on a server that was paused."""
        self._context.queue.pause(scope)

    def resume(self, scope: Scope) -> None:
        """Resumes a paused server."""
        self._context.queue.resume(scope)

    async def cancel_unanswered(self, job: Job) -> None:
        """The member was refused although the store has the job: cancelled and refunded before anything is sent."""
        cancelled = await self._context.end(job, JobState.CANCELLED, FailureKind.NO_CARD)
        if cancelled is not None:
            self.add(cancelled)

    async def recheck(self, job: JobId) -> None:
        """A waiting job was moved by somebody else: its task starts again from what the store says."""
        found = await self._context.persist(jobs.find(job))
        if found is None or found.card.message is None:
            return  # its task is still finding out about its card, and sees the new state then
        task = self._tasks.get(job)
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
            found = await self._context.persist(jobs.find(job))
        if found is not None:
            self.add(found)

    def can_cancel(self, job: Job) -> bool:
        """Whether the provider of a render may still cancel it."""
        return job.state is JobState.RENDERING and self._context.providers.of(job).can_cancel

    async def cancel_render(self, job: Job) -> bool:
        """Asks the provider to cancel a render for which it then charges nothing: every credit comes back.

        False where it is too late for that. Raises VideoUnavailable where it is not known: polls tell. Nobody polls
        meanwhile, so that the end which the provider then tells of is this one.
        """
        if not self.can_cancel(job):
            return False
        if job.id in self._cancelling:
            raise VideoUnavailable("it is being cancelled")
        provider = self._context.providers.of(job)
        self._cancelling.add(job.id)
        try:
            task = self._tasks.get(job.id)
            if task is not None:
                task.cancel()
                await asyncio.wait({task})
            found = await self._context.reload(job)
            if found is None or found.state is not JobState.RENDERING or found.ticket is None:
                return found is not None and found.state is JobState.CANCELLED
            cancelled = await provider.cancel(found.ticket)
            if cancelled:
                await self._context.end(found, JobState.CANCELLED, FailureKind.CANCELLED)
            return cancelled
        finally:
            try:
                now = await self._context.reload(job)
            finally:
                self._cancelling.discard(job.id)
            if now is not None:
                self.add(now)

    @property
    def finished_videos(self) -> FinishedVideos:
        """What can be made of videos that are done."""
        return FinishedVideos(self._context)

    async def fitted(self, job: Job, video: Path, limit_bytes: int) -> Path | None:
        """The video with at most so many bytes, as `bot.jobs.fit_video` has it."""
        return await fitted(self._context, job, video, limit_bytes)

    @property
    def slots(self) -> int:
        """How many jobs may be at the providers."""
        return self._context.queue.slots

    @property
    def carried(self) -> frozenset[JobId]:
        """The jobs that have a task, or are about to get one after a start."""
        return frozenset(self._tasks) | frozenset(self._found) | self._cancelling

    async def stop(self) -> None:
        """Submits nothing new, waits for creates in flight (60 s), and leaves the rest to the next start."""
        self._stopping = True
        await self._queue_positions.close()
        self._context.queue.close()
        self._context.providers.stop_creating()
        for task in (self._resuming, *self._questions):
            if task is not None:
                task.cancel()
        tasks = set(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=REST_FINISHES_S)
        creates = set(self._context.creates.values())
        if creates:
            log.info("waiting for the answers to %s create requests", len(creates))
            _, late = await asyncio.wait(creates, timeout=CREATES_FINISH_S)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=REST_FINISHES_S)

    async def _drive(self, job: Job, message: MessageId | None, ephemeral: bool) -> None:  # noqa: FBT001 - private
        """Carries the job; with the first of several takes, the card that they share, too."""
        if job.card.request != job.id:
            await self._carry_on(job, message, ephemeral)
            return
        sharing = asyncio.create_task(self._run_shared_card(job), name=f"takes-{job.id}")
        try:
            await self._carry_on(job, message, ephemeral)
            await sharing
        finally:
            sharing.cancel()
            await asyncio.wait({sharing})

    async def _run_shared_card(self, job: Job) -> None:
        about_job(job)
        failures = 0
        while True:
            try:
                await run_shared_card(self._context, job.id, mention)
            except Exception as error:
                failures += 1
                log.error(  # noqa: TRY400 - as below
                    "job=%s its card, trying again: %r", job.id, error, exc_info=failures == 1
                )
                await self._context.clock.sleep(backoff.retry_pause(failures + 3, self._context.rng))
            else:
                self._context.refused.pop(job.id, None)
                return

    async def _carry_on(self, job: Job, message: MessageId | None, ephemeral: bool) -> None:  # noqa: FBT001 - private
        current: Job | None = await self._wait_to_begin(job)
        failures = 0
        while current is not None:
            job = current
            about_job(job)
            self._context.queue.follow(job)  # whatever ended before, and however: the slot is as the state says
            if job.state is not JobState.WAITING:
                self._context.circuit_breakers.withdraw(job.id)
            try:
                if message is not None:
                    placed = await place(self._context, job, message, ephemeral=ephemeral)
                    message, current = None, placed
                    continue
                step = STEPS.get(job.state)
                if step is None:
                    await close(self._context, job)
                    return
                current = await step(self._context, job) or await self._moved_by_others(job)
                failures = 0
            except Exception as error:
                failures += 1
                log.error(  # noqa: TRY400 - the traceback once: thousands of jobs may fail in the same way
                    "job=%s step %s failed, trying again: %r", job.id, job.state, error, exc_info=failures == 1
                )
                pause = backoff.store_pause if isinstance(error, StoreUnavailable) else backoff.retry_pause
                await self._context.clock.sleep(pause(failures + 3, self._context.rng))
                current = await self._context.reload(job)

    async def _wait_to_begin(self, job: Job) -> Job | None:
        """The job as it is, once first answers are through and no create of it is under way any more."""
        create = self._context.creates.get(job.id)
        if create is not None:  # it owns the job and its slot, and ends within the provider's deadlines
            await asyncio.wait({create})
            return await self._context.reload(job)
        self._context.queue.follow(job)  # before anything is waited for: others need the slot
        await self._context.interaction_priority.wait_until_idle()
        return job

    async def _moved_by_others(self, job: Job) -> Job | None:
        """A step that lost its race ends with nothing: the job as the winner left it, if there is work left."""
        found = await self._context.reload(job)
        if found is None:
            self._context.queue.release(job)
            return None
        self._context.queue.follow(found)
        if found.state is job.state:
            return None
        return found if found.state.needs_work or not found.card.finished else None
