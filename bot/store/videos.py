"""A member's own jobs, as /videos lists them."""

from __future__ import annotations

from datetime import datetime

from bot.models import UNFINISHED, Job, JobId, JobState, UserId
from bot.store import pending_deletions
from bot.store.database import Tx, Unit
from bot.store.erasure import ENDED, TEXTS_ERASED
from bot.store.pending_deletions import CARD, SHOWN
from bot.store.row_mapping import JOB_SQL, job_of, to_ms

_WITH_VIDEO = f"'{JobState.DELIVERED}', '{JobState.UNDELIVERED}'"
_UNFINISHED = ", ".join(f"'{state}'" for state in UNFINISHED)
_OTHERS_GO_ON = (
    "SELECT 1 FROM cards JOIN jobs AS other ON other.id = cards.job"
    f" WHERE cards.request = jobs.id AND other.state IN ({_UNFINISHED})"
)
_OTHERS_NEED_IT = (
    "SELECT 1 FROM cards AS other JOIN jobs AS take ON take.id = other.job"
    " WHERE other.request = cards.request AND other.job <> cards.job AND take.deleted_at IS NULL"
    f" AND (take.state IN ({_UNFINISHED}, '{JobState.UNDELIVERED}')"
    f" OR (take.state = '{JobState.DELIVERED}' AND other.apart_at IS NULL AND other.shown_message IS NULL))"
)


def of_member(member: UserId, count: int) -> Unit[list[Job]]:
    """The newest jobs of a member, in all places, without those they deleted."""

    def unit(tx: Tx) -> list[Job]:
        rows = tx.all(
            f"{JOB_SQL} WHERE jobs.member = :member AND jobs.deleted_at IS NULL"
            " ORDER BY jobs.created_at DESC, jobs.id DESC LIMIT :count",
            member=member,
            count=count,
        )
        return [job_of(row) for row in rows]

    return unit


def erase(job: JobId, *, now: datetime, with_video: bool = True) -> Unit[bool]:
    """Takes a job that has ended off its member's list, and its texts and addresses out of the store.

    Its messages are to be deleted from here on; a card that takes share, when the last that needs it is erased.

    Credits, times and ids stay: the books need them. False where it has not ended, or has a video and none was to be
    deleted; what was erased before stays so. False too for the first of several takes while another is in progress: the
    card is the first one's.
    """
    spared = "" if with_video else f" AND state NOT IN ({_WITH_VIDEO})"
    spared += f" AND NOT EXISTS ({_OTHERS_GO_ON})"

    def unit(tx: Tx) -> bool:
        erased = tx.changed(
            f"UPDATE jobs SET deleted_at = COALESCE(deleted_at, :now), {TEXTS_ERASED}"
            f" WHERE id = :job AND state IN ({ENDED}){spared}",
            now=to_ms(now),
            job=job,
        )
        if erased:
            where = f"cards.job = :job AND removed_at IS NULL AND NOT EXISTS ({_OTHERS_NEED_IT})"
            pending_deletions.add(tx, [CARD], where, job=job)
            pending_deletions.add(tx, [SHOWN], "cards.job = :job", job=job)
            tx.changed("UPDATE cards SET finished_at = :now, token = NULL WHERE job = :job", now=to_ms(now), job=job)
        return bool(erased)

    return unit
