"""Which process carries a job: this one, or, where several share a store, the one that a queue between them says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from bot.models import Job, JobId
from bot.store.database import Unit

Carry = Callable[[JobId], Awaitable[bool]]
"""Carries a job here until it needs no more work; False where it was released before that, for another process."""


class Dispatch(Protocol):
    """Between the processes that share a store. Without one, a process carries all jobs itself."""

    def entering(self, unit: Unit[list[Job]]) -> Unit[list[Job]]:
        """A reservation that also enters the job into the queue, both or neither."""

    def sending(self, unit: Unit[Job | None], job: Job) -> Unit[Job | None]:
        """The move of a job to its provider.

        Raises NoSlotError where all processes together have no slot for it, CircuitHeldError where a circuit that
        another one has opened is against it, or is tried by another one, and NotCarriedError where another one has
        taken the job over.
        """

    def carrying(self, unit: Unit[Job | None], job: Job) -> Unit[Job | None]:
        """A move that is made only while this process carries the job.

        Another one that has taken it over may have edited the card since: what it shows in the end, it alone decides.
        """

    async def may_ask(self, provider: str) -> bool:
        """Whether this process is the one to ask about the provider's key now."""

    def look(self) -> None:
        """What all share is read now: what this process knows of it is too old."""

    async def start(self, carry: Carry) -> None:
        """Begins to claim jobs, each carried with `carry`."""

    async def free(self, job: JobId) -> None:
        """Somebody may claim it now, where nobody carries it."""

    def tell(self, job: JobId) -> None:
        """Whoever else carries it soon looks at what the store says now."""

    def changed(self) -> None:
        """The others soon learn what has changed of all that they share: a pause, a slot."""

    async def stop_claiming(self) -> None:
        """Claims no more jobs."""

    async def close(self) -> None:
        """What was released here is free for the others; to be called when no `carry` waits for anything any more."""
