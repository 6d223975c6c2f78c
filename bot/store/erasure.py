"""Prompts, addresses and places leave the store: at a member's request, and by age. The accounts stay.

A request is a time in `users.erasure_requested_at` and concerns what was asked for until then. What waits is cancelled
at once; what the provider has goes on, since it is paid for, and is erased by `carry_out` after its end. A message of
ours outlives its job in `pending_deletions`, until it is deleted at Discord or cannot be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.models import KEPT_FOR, FailureKind, JobId, JobState, UserId
from bot.store import jobs, pending_deletions, sql, users
from bot.store.database import Tx, Unit
from bot.store.jobs import UNENDED
from bot.store.pending_deletions import CARD, MENTION, SHOWN
from bot.store.row_mapping import day_of, to_ms

ENDED = ", ".join(f"'{state}'" for state in JobState if not state.needs_work)
PICTURE_ERASED = "picture_author = NULL, picture_url = '', picture_filename = ''"
TEXTS_ERASED = (
    f"prompt = '', options = NULL, {PICTURE_ERASED}, result_url = NULL,"
    " ticket = CASE WHEN ticket IS NULL THEN NULL ELSE '' END"
)
PLACE_ERASED = (
    "channel = 0, guild = NULL, message = NULL, token = NULL,"
    " shown_channel = NULL, shown_message = NULL, mention_message = NULL"
)
_MINE = "jobs.member = :member AND jobs.created_at <= :until"
_OVER = (
    f"{_MINE} AND jobs.state IN ({ENDED})"
    " AND NOT (jobs.state = 'undelivered' AND jobs.state_at > :until AND jobs.state_at >= :kept_since)"
)
"""What was under way at the request and could not be shown yet waits for its member, to be shown and then deleted."""


@dataclass(frozen=True, slots=True)
class Erased:
    """What came of a request so far."""

    jobs: Sequence[JobId]
    """Their texts have just been erased."""
    open_cards: Sequence[JobId]
    """Of them: those whose task still has to make the card's last edit, or to give up."""
    running: int
    """Go on, and are erased when they end."""
    pictures: Sequence[JobId] = ()
    """Others' jobs that were made of a picture of theirs: the kept copies have to go."""


def request(member: UserId, *, now: datetime) -> Unit[Erased]:
    """The member wants to be forgotten: remembered, and carried out as far as can be."""

    def unit(tx: Tx) -> Erased:
        sql.put(tx, "users", {"member": member}, erasure_requested_at=to_ms(now), privacy_note_at=None, choices=None)
        tx.note(users.ChoicesChanged(member))
        return carry_out(member, now=now)(tx)

    return unit


def open_erasures() -> Unit[list[UserId]]:
    """Members of whom something is still to be erased."""
    return lambda tx: [
        UserId(row["member"])
        for row in tx.all(
            "SELECT member FROM users WHERE erasure_requested_at IS NOT NULL AND EXISTS ("
            "SELECT 1 FROM jobs JOIN cards ON cards.job = jobs.id WHERE jobs.member = users.member"
            " AND jobs.created_at <= users.erasure_requested_at AND (jobs.deleted_at IS NULL OR cards.channel <> 0))"
            " OR erasure_requested_at IS NOT NULL AND EXISTS (SELECT 1 FROM jobs"
            " WHERE jobs.picture_author = users.member AND jobs.created_at <= users.erasure_requested_at)"
        )
    ]


def carry_out(member: UserId, *, now: datetime) -> Unit[Erased]:
    """Does of a request what can be done now; may be called again and again."""

    def unit(tx: Tx) -> Erased:
        asked = tx.one(
            "SELECT erasure_requested_at FROM users WHERE member = :member AND erasure_requested_at IS NOT NULL",
            member=member,
        )
        if asked is None:
            return Erased([], [], 0)
        mine = {"member": member, "until": asked["erasure_requested_at"], "kept_since": to_ms(now - KEPT_FOR)}
        _cancel(tx, now, **mine)
        over = tx.all(
            "SELECT jobs.id, cards.finished_at FROM jobs JOIN cards ON cards.job = jobs.id"
            f" WHERE {_OVER} AND jobs.deleted_at IS NULL ORDER BY jobs.id",
            **mine,
        )
        tx.changed(
            f"UPDATE jobs SET deleted_at = :now, {TEXTS_ERASED} WHERE {_OVER} AND deleted_at IS NULL",
            now=to_ms(now),
            **mine,
        )
        _erase_places(tx, **mine)
        lent = _erase_pictures(tx, **mine)
        running = tx.one(f"SELECT COUNT(*) AS n FROM jobs WHERE {_MINE} AND deleted_at IS NULL", **mine)
        assert running is not None
        return Erased(
            [JobId(row["id"]) for row in over],
            [JobId(row["id"]) for row in over if row["finished_at"] is None],
            running["n"],
            tuple(lent),
        )

    return unit


def _cancel(tx: Tx, now: datetime, **mine: object) -> None:
    for row in tx.all(f"SELECT id FROM jobs WHERE {_MINE} AND state = 'waiting' ORDER BY id", **mine):
        jobs.move(row["id"], JobState.WAITING, JobState.CANCELLED, now=now, failure=FailureKind.CANCELLED)(tx)


def _erase_pictures(tx: Tx, **mine: object) -> list[JobId]:
    """Of others' jobs that are over: the picture was theirs, the prompt is not."""
    lent = f"picture_author = :member AND created_at <= :until AND state IN ({ENDED})"
    found = [JobId(row["id"]) for row in tx.all(f"SELECT id FROM jobs WHERE {lent} ORDER BY id", **mine)]
    if found:
        tx.changed(f"UPDATE jobs SET {PICTURE_ERASED} WHERE {lent}", **mine)
    return found


def _erase_places(tx: Tx, **mine: object) -> None:
    """Of jobs whose card is done with. A video that came after the request stays where its member may fetch it."""
    done = f"{_MINE} AND jobs.deleted_at IS NOT NULL AND cards.finished_at IS NOT NULL AND cards.channel <> 0"
    late = "jobs.state IN ('delivered', 'undelivered') AND jobs.state_at > :until"
    # A card that several takes share stays until all of them are done with it.
    needed = (
        "EXISTS (SELECT 1 FROM cards AS other JOIN jobs AS take ON take.id = other.job"
        " WHERE other.request = cards.request AND other.job <> cards.job AND (take.deleted_at IS NULL"
        " OR other.finished_at IS NULL OR (take.state IN ('delivered', 'undelivered') AND take.state_at > :until)))"
    )
    for kinds, where in (((CARD,), f"{done} AND removed_at IS NULL AND NOT {needed}"), ((SHOWN, MENTION), done)):
        pending_deletions.add(tx, kinds, f"{where} AND NOT ({late})", **mine)
    tx.changed(
        f"UPDATE cards SET {PLACE_ERASED} WHERE job IN"
        f" (SELECT jobs.id FROM jobs JOIN cards ON cards.job = jobs.id WHERE {done})",
        **mine,
    )


def erase_picture(job: JobId) -> Unit[int]:
    """The picture of this job is not to be used any more: its author wants that."""
    return lambda tx: tx.changed(f"UPDATE jobs SET {PICTURE_ERASED} WHERE id = :job", job=job)


def old_prompts(*, asked_before: datetime, at_most: int) -> Unit[list[JobId]]:
    """Ended jobs asked for before that UTC day whose prompts and addresses are still here."""

    def unit(tx: Tx) -> list[JobId]:
        rows = tx.all(
            f"SELECT id FROM jobs WHERE day < :day AND prompt <> '' AND state NOT IN ({UNENDED})"
            " ORDER BY day LIMIT :at_most",
            day=day_of(asked_before),
            at_most=at_most,
        )
        return [JobId(row["id"]) for row in rows]

    return unit


def drop_prompts(of: Sequence[JobId]) -> Unit[None]:
    """The prompts and addresses of these go; the jobs stay listed."""

    def unit(tx: Tx) -> None:
        for job in of:
            tx.changed(f"UPDATE jobs SET {TEXTS_ERASED} WHERE id = :job", job=job)

    return unit


def dead_tokens(*, now: datetime) -> Unit[list[JobId]]:
    """Jobs that keep a token past its end."""
    dead = "SELECT job FROM cards WHERE token IS NOT NULL AND token_ends_at < :now AND finished_at IS"
    each = f"{dead} NULL UNION ALL {dead} NOT NULL"  # of either there are few, and either has an index
    return lambda tx: [JobId(row["job"]) for row in tx.all(each, now=to_ms(now))]


def has_asked_for_erasure(author: UserId, *, since: datetime) -> Unit[bool]:
    """Whether the author of a picture has wanted to be forgotten after it was used."""
    return lambda tx: (
        tx.one(
            "SELECT member FROM users WHERE member = :author AND erasure_requested_at >= :since",
            author=author,
            since=to_ms(since),
        )
        is not None
    )


def needing_files(*, undelivered_since: datetime) -> Unit[set[JobId]]:
    """Jobs under way and those they are made again from, and jobs whose video Discord has not taken since then."""

    def unit(tx: Tx) -> set[JobId]:
        rows = tx.all(
            "SELECT id, again_of FROM jobs"
            f" WHERE state IN ({UNENDED}) OR (state = 'undelivered' AND state_at >= :since)",
            since=to_ms(undelivered_since),
        )
        return {JobId(job) for row in rows for job in (row["id"], row["again_of"]) if job is not None}

    return unit
