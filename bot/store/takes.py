"""Several takes of one request: each is a job of its own, and all of them are reserved, or none.

The first has the interaction's id. The others' ids are those of interactions hours before, the same to the bit but for
the time: nothing that comes later can have one, and a collision with what has come is refused by the store.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.models import Job, JobId, Limits
from bot.store.database import Tx, Unit
from bot.store.reservations import reserve

_APART = 3_600_000 << 22
"""An hour, as Discord's ids count time: milliseconds above 22 other bits."""


def take_id(first: JobId, number: int) -> JobId:
    """The id of the take of this number; the first is 1."""
    return JobId(first - (number - 1) * _APART)


def first_take(job: Job) -> JobId:
    """The id of the first take of the job's request: its own, where there is but one."""
    return take_id(job.id, 2 - (job.spec.take or 1))


def reserve_all(takes: Sequence[Job], roles: Sequence[int], limits: Limits) -> Unit[list[Job]]:
    """Takes the credits of all and stores them. Where one is refused, nothing is kept; raises as `reserve` does."""

    def unit(tx: Tx) -> list[Job]:
        return [reserve(job, roles, limits, together=len(takes) - number)(tx) for number, job in enumerate(takes)]

    return unit
