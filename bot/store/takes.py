"""Several takes of one request: each is a job of its own, and all of them are reserved, or none.

The first has the interaction's id. The others' ids are those of interactions hours before, the same to the bit but for
the time: nothing that comes later can have one, and a collision with what has come is refused by the store. All share
the first one's card: `cards.request` has its id.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.models import Job, JobId, JobState, Limits
from bot.store import cards, jobs
from bot.store.database import Tx, Unit
from bot.store.reservations import reserve
from bot.store.row_mapping import JOB_SQL, job_of

_APART = 3_600_000 << 22
"""An hour, as Discord's ids count time: milliseconds above 22 other bits."""
_PENDING = (JobState.WAITING, JobState.SUBMITTING, JobState.RENDERING)
_DONE = (JobState.DELIVERING, JobState.UNDELIVERED)


def take_id(first: JobId, number: int) -> JobId:
    """The id of the take of this number; the first is 1."""
    return JobId(first - (number - 1) * _APART)


def reserve_all(takes: Sequence[Job], roles: Sequence[int], limits: Limits) -> Unit[list[Job]]:
    """Takes the credits of all and stores them. Where one is refused, nothing is kept; raises as `reserve` does."""

    def unit(tx: Tx) -> list[Job]:
        return [reserve(job, roles, limits, together=len(takes) - number)(tx) for number, job in enumerate(takes)]

    return unit


def of_request(request: JobId) -> Unit[list[Job]]:
    """All takes of a request, the first first."""
    found = f"{JOB_SQL} WHERE cards.request = :request ORDER BY jobs.id DESC"
    return lambda tx: [job_of(row) for row in tx.all(found, request=request)]


def is_pending(take: Job) -> bool:
    """Whether the others wait for this one: its own deadlines end that."""
    fetching = take.state is JobState.DELIVERING and not take.fetched and not take.card.apart
    return take.state in _PENDING or fetching


def is_ready(take: Job) -> bool:
    """Whether its video is here, to be shown with the others'."""
    card = take.card
    return take.state in _DONE and take.fetched and not (take.deleted or card.apart or card.finished or card.hidden)


def is_on_card(take: Job) -> bool:
    """Whether the card shows its video, as far as the store knows."""
    return take.state is JobState.DELIVERED and not take.card.apart and take.card.shown_message is None


def is_apart(take: Job, first: Job) -> bool:
    """Whether its video goes another way than on the card: that is closed, or is not to show it."""
    return take.card.apart or take.card.hidden or take.card.removed or first.card.finished


def gather(request: JobId, there: Sequence[JobId], *, now: datetime) -> Unit[list[Job]]:
    """The takes that the card is to show, decided once: those that come later stand in messages of their own.

    `there` are those whose file is there. Empty where one is pending: nothing is decided then.
    """

    def unit(tx: Tx) -> list[Job]:
        takes = of_request(request)(tx)
        if any(map(is_pending, takes)):
            return []
        chosen = [take for take in takes if is_ready(take) and take.id in there]
        for take in takes if chosen else ():
            if take not in chosen:
                cards.show_apart(take.id, now=now)(tx)
        return chosen

    return unit


def scatter(request: JobId, *, now: datetime) -> Unit[None]:
    """The card takes none of the videos that it does not show yet: each goes its own way."""

    def unit(tx: Tx) -> None:
        for take in of_request(request)(tx):
            if not is_on_card(take):
                cards.show_apart(take.id, now=now)(tx)

    return unit


def deliver_together(shown: Sequence[Job], *, now: datetime) -> Unit[list[Job]]:
    """The card shows these: its last edit is made. Empty, and nothing done, where it was taken down meanwhile."""

    def unit(tx: Tx) -> list[Job]:
        moved = [jobs.move(job.id, job.state, JobState.DELIVERED, now=now)(tx) for job in shown]
        found = [job for job in moved if job is not None]
        for job in found[:1]:
            assert job.card.request is not None
            cards.finish(job.card.request, now=now)(tx)
        return found

    return unit


def keep_together(kept: Sequence[Job], *, now: datetime) -> Unit[None]:
    """The chat does not take these now; they are offered again."""

    def unit(tx: Tx) -> None:
        for job in kept:
            if job.state is JobState.DELIVERING:
                jobs.move(job.id, JobState.DELIVERING, JobState.UNDELIVERED, now=now)(tx)

    return unit
