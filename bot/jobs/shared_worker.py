"""A worker beside others that share its store: it carries the jobs that the queue between them gives it, no others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection

from bot.jobs.context import JobContext
from bot.jobs.dispatch import Dispatch
from bot.jobs.render_times import READ
from bot.jobs.steps.card import place
from bot.jobs.worker import Worker
from bot.models import Job, JobId, MessageId, Scope
from bot.store import jobs, server_settings

AGAIN_AFTER_S = 1.0
"""A job that is released at once, again and again, is claimed no oftener."""
LOOKED_AT_S = 0.05


class SharedWorker(Worker):
    """As a worker has it. Whatever two processes do with one job at a time, each move is made by one of them."""

    def __init__(self, context: JobContext, dispatch: Dispatch, *, carries: bool) -> None:
        super().__init__(context)
        self._dispatch = dispatch
        self._takes_up = carries
        self._mine: set[JobId] = set()
        self._taken_over: set[JobId] = set()  # of these: another process carries them by now

    async def start(self) -> int:
        """Claims jobs as they come, where this process carries any. Raises StoreUnavailable."""
        for scope in await self._context.store.read(server_settings.paused()):
            self._context.queue.pause(scope)
        self._context.render_times.learn(await self._context.store.read(jobs.renders(READ)))
        if self._takes_up and not self._stopping:
            self.check_workflows()
            await self._dispatch.start(self.carry)
        return 0

    async def carry(self, job: JobId) -> bool:
        """Carries it here until it needs no more work; False where it is released before.

        That is when this process stops, or another one has taken the job over.

        A create that is under way ends here first: another process would take its answer for lost.
        """
        self._mine.add(job)
        found: Job | None = None
        try:
            while not self._stopping and job not in self._taken_over:
                found = await self._context.look_up(jobs.find(job))
                if found is None or (found.card.finished and not found.state.needs_work):
                    return True
                began = time.monotonic()
                super().add(found)
                if not await self._wait_for_task(job) and not self._stopping:
                    return True
                await self._context.clock.sleep(began + AGAIN_AFTER_S - time.monotonic() if not self._stopping else 0)
            if (create := self._context.creates.get(job)) is not None:
                await asyncio.wait({create})
            return False
        finally:
            self._mine.discard(job)
            self._taken_over.discard(job)
            if found is not None:  # whoever carries it now has its slot
                self._context.queue.release(found)

    @property
    def mine(self) -> frozenset[JobId]:
        """Those that this process carries, for all it knows."""
        return frozenset(self._mine)

    def drop(self, jobs: Collection[JobId]) -> None:
        """Another process has taken these over: what is done with them here ends, but for a create under way."""
        for job in self._mine.intersection(jobs):
            self._taken_over.add(job)
            if (task := self._tasks.get(job)) is not None:
                task.cancel()

    async def _wait_for_task(self, job: JobId) -> bool:
        """Waits for the end of its task; True where somebody has ended it to begin anew."""
        was_cancelled = False
        while True:
            task = self._tasks.get(job)
            if task is not None:
                await asyncio.wait({task})
                was_cancelled = task.cancelled()
            elif job in self._cancelling:
                was_cancelled = True
                await self._context.clock.sleep(LOOKED_AT_S)
            else:
                return was_cancelled

    def add(self, job: Job, *, message: MessageId | None = None, ephemeral: bool = False) -> None:
        """Somebody carries it; this process, where it does already."""
        if job.id in self._mine:
            super().add(job, message=message, ephemeral=ephemeral)
        else:
            self._begin(self._hand_over(job, message, ephemeral=ephemeral), f"hand-over-{job.id}")

    async def _hand_over(self, job: Job, message: MessageId | None, *, ephemeral: bool) -> None:
        if message is not None:
            await place(self._context, job, message, ephemeral=ephemeral)
        await self._dispatch.free(job.id)
        if message is None:
            self._dispatch.tell(job.id)

    async def recheck(self, job: JobId) -> None:
        """A job was moved by somebody else: whoever carries it begins again from what the store says."""
        if job in self._mine:
            await super().recheck(job)
        else:
            await self._dispatch.free(job)
            self._dispatch.tell(job)

    def pause(self, scope: Scope) -> None:
        """Holds what waits on a server that was paused, in every process."""
        super().pause(scope)
        self._dispatch.changed()

    def resume(self, scope: Scope) -> None:
        """Resumes a paused server, in every process."""
        super().resume(scope)
        self._dispatch.changed()

    @property
    def waiting(self) -> list[JobId]:
        """Those that this process carries and that wait for a slot."""
        return [job for job in self._mine if self._context.queue.knows(job)]

    def carries(self, job: JobId) -> bool:
        """Whether this process carries it, whatever it does with it now."""
        return job in self._mine

    def changed_elsewhere(self, job: JobId) -> None:
        """Another process has changed it."""
        if job in self._mine:
            self._begin(super().recheck(job), f"recheck-{job}")

    async def _may_ask(self, provider: str) -> bool:
        return await self._dispatch.may_ask(provider)

    async def stop(self) -> None:
        """As a worker's; what is left is free for the others at once."""
        await self._dispatch.stop_claiming()
        await super().stop()
        await self._dispatch.close()
