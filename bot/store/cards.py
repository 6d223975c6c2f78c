"""Where jobs are shown: the card's message, the ways to it, and where the video ended up.

The takes of one request share a card: what is learnt of its message is kept with each of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from bot.models import ChannelId, Job, JobId, JobState, MessageId, Press
from bot.store import pending_deletions
from bot.store.database import Tx, Unit
from bot.store.pending_deletions import CARD, SHOWN
from bot.store.row_mapping import load, to_ms

S = JobState
_GOES_ON = ", ".join(f"'{state}'" for state in S if state.needs_work or state is S.UNDELIVERED)
_SENT = ", ".join(
    f"'{state}'" for state in S if (state.needs_work and state is not S.WAITING) or state is S.UNDELIVERED
)
"""The provider has the job, and no message is known to show its video."""
_SHARED = "(job = :job OR request = (SELECT mine.request FROM cards AS mine WHERE mine.job = :job))"
"""The rows of one card."""
ON_CARD = "jobs.state = 'delivered' AND cards.apart_at IS NULL AND cards.shown_message IS NULL"
"""The video stands on the card itself."""


def place(job: JobId, message: MessageId, *, ephemeral_at: datetime | None) -> Unit[Job | None]:
    """The card is known to be ours: stores its message. Returns the job, None if there is none.

    Where the bot itself reaches it, it is a member of the server: that is remembered (`bot.store.memberships`).
    """
    seen: dict[str, object] = {"message": message}
    if ephemeral_at is not None:  # else it is left alone: what was private at the reservation stays so
        seen["ephemeral_at"] = to_ms(ephemeral_at)
    update = _update_shared(job, seen)

    def unit(tx: Tx) -> Job | None:
        tx.changed(
            "INSERT INTO guilds (guild) SELECT guild FROM cards"
            " WHERE job = :job AND guild IS NOT NULL AND bot_reaches_at IS NOT NULL ON CONFLICT (guild) DO NOTHING",
            job=job,
        )
        return update(tx)

    return unit


def keep_token(job: JobId, press: Press) -> Unit[int]:
    """The card was pressed, and may have to be deleted by the token of this press. Another message changes nothing."""
    return lambda tx: tx.changed(
        f"UPDATE cards SET token = :token, token_ends_at = :ends_at WHERE {_SHARED} AND message = :message",
        job=job,
        message=press.message,
        token=press.token,
        ends_at=to_ms(press.token_ends_at),
    )


def drop_token(job: JobId) -> Unit[Job | None]:
    """The interaction's token is dead, or no longer needed: it leaves the store."""
    return _update_shared(job, {"token": None})


def drop_dead_token(job: JobId, *, now: datetime) -> Unit[int]:
    """As `drop_token`, unless a press has brought a fresh one in the meantime."""
    return lambda tx: tx.changed(
        f"UPDATE cards SET token = NULL WHERE {_SHARED} AND token_ends_at < :now", job=job, now=to_ms(now)
    )


def drop_bot_access(job: JobId) -> Unit[Job | None]:
    """The bot's own token cannot reach the card any more."""
    return _update_shared(job, {"bot_reaches_at": None})


def mark_removed(job: JobId, *, now: datetime) -> Unit[Job | None]:
    """Somebody deleted the card."""
    return _update_shared(job, {"removed_at": to_ms(now), "token": None})


def hide(job: JobId, press: Press, *, now: datetime, hidden: bool) -> Unit[Job | None]:
    """The card is to go and the job goes on; None, and nothing done, where the card may hold the video by now.

    `hidden`: its member wants the card gone, not the video. From here on no edit of the card makes the job delivered
    (`shows_video`), so the file stays; only then may the message be deleted at Discord, which is pending from here on:
    by the token of this `press` where the bot's own does not reach the card.
    """
    hides = {"hidden_at": to_ms(now)} if hidden else {}
    update = _update_shared(job, {"removed_at": to_ms(now), **hides}, states=_SENT)
    return lambda tx: None if update(tx) is None else _delete_card(tx, job, press)


def shows_video(tx: Tx, job: JobId) -> bool:
    """Whether a video that Discord took is where its member sees it: on a card that stands, or in another message."""
    taken_down = "SELECT job FROM cards WHERE job = :job AND removed_at IS NOT NULL AND shown_message IS NULL"
    return tx.one(taken_down, job=job) is None


def clear(job: JobId, press: Press, state: JobState, *, now: datetime) -> Unit[Job | None]:
    """The messages of a job that is over are to go from their channel; what stands in direct messages stays.

    None, and nothing done, where the job is not in that state any more, or was deleted by its member.
    """
    update = _update_shared(job, {"removed_at": to_ms(now)}, states=f"'{state}'", shown=True)

    def unit(tx: Tx) -> Job | None:
        if update(tx) is None:
            return None
        _delete_card(tx, job, press)
        pending_deletions.add(tx, [SHOWN], f"{_SHARED} AND shown_channel = channel", job=job)
        tx.changed(
            f"UPDATE cards SET shown_channel = NULL, shown_message = NULL WHERE {_SHARED} AND shown_channel = channel",
            job=job,
        )
        return load(tx, job)

    return unit


def _delete_card(tx: Tx, job: JobId, press: Press) -> Job | None:
    """The pressed message is to be deleted, by whichever token reaches it; no edit has one from here on."""
    keep_token(job, press)(tx)
    pending_deletions.add(tx, [CARD], "cards.job = :job", job=job)
    return drop_token(job)(tx)


def renew(job: JobId, press: Press) -> Unit[Job | None]:
    """A press on a button of the card brought a fresh token for it; the card may be edited again.

    None, and nothing done, for a job that is over: a card with the video has had its last edit.
    """
    reached = {
        "message": press.message,
        "token": press.token,
        "token_ends_at": to_ms(press.token_ends_at),
        "upload_limit_bytes": press.upload_limit_bytes,
        "removed_at": None,
        "hidden_at": None,
    }
    update = _update_shared(job, reached, states=_GOES_ON)

    def unit(tx: Tx) -> Job | None:
        if update(tx) is None:
            return None
        tx.changed(
            f"UPDATE cards SET finished_at = NULL WHERE {_SHARED} AND (job = request"
            f" OR job IN (SELECT jobs.id FROM jobs WHERE jobs.id = cards.job AND jobs.state IN ({_GOES_ON})))",
            job=job,
        )
        pending_deletions.forget(press.message)(tx)
        return load(tx, job)

    return unit


def show_elsewhere(job: JobId, channel: ChannelId, message: MessageId) -> Unit[Job | None]:
    """The video stands in another message than the card."""
    return _update(job, shown_channel=channel, shown_message=message)


def show_apart(job: JobId, *, now: datetime) -> Unit[int]:
    """The video of this take stands, or will stand, in another message than the card."""
    return lambda tx: tx.changed(
        "UPDATE cards SET apart_at = :now WHERE job = :job AND apart_at IS NULL", now=to_ms(now), job=job
    )


def finish(job: JobId, *, now: datetime) -> Unit[Job | None]:
    """The last edit is made, or can never be made; the token is no longer needed."""
    return _update(job, finished_at=to_ms(now), token=None)


def finish_delivered(job: JobId, *, now: datetime) -> Unit[int]:
    """The delivering edit was the card's last; one whose video stands elsewhere still has to say so."""
    return lambda tx: tx.changed(
        "UPDATE cards SET finished_at = :now, token = NULL WHERE job = :job AND shown_message IS NULL",
        now=to_ms(now),
        job=job,
    )


def claim_post(job: JobId, channel: ChannelId | None, *, now: datetime, again_for: timedelta) -> Unit[bool | None]:
    """Whether the video may be sent as a message of its own: once; to the same `channel` again for so long.

    True for the first time, False for another, None where it may not.
    """

    def unit(tx: Tx) -> bool | None:
        first = tx.changed(
            "UPDATE cards SET posted_at = :now, posted_channel = :channel WHERE job = :job AND posted_at IS NULL",
            now=to_ms(now),
            channel=channel,
            job=job,
        )
        again = tx.one(
            "SELECT job FROM cards WHERE job = :job AND posted_channel = :channel AND posted_at > :since",
            channel=channel,
            since=to_ms(now - again_for),
            job=job,
        )
        return True if first else None if again is None else False

    return unit


def release_post(job: JobId) -> Unit[Job | None]:
    """The message with the video was not taken."""
    return _update(job, posted_at=None, posted_channel=None)


def claim_mention(job: JobId, *, now: datetime) -> Unit[bool]:
    """True for the one caller who may mention the member, unless they have muted that; marked before it is sent."""

    def unit(tx: Tx) -> bool:
        claimed = tx.changed(
            "UPDATE cards SET mentioned_at = :now WHERE job = :job AND mentioned_at IS NULL AND NOT EXISTS ("
            "SELECT 1 FROM jobs JOIN users ON users.member = jobs.member"
            " WHERE jobs.id = cards.job AND users.mentions_muted_at IS NOT NULL)",
            now=to_ms(now),
            job=job,
        )
        return claimed == 1

    return unit


def remember_mention(job: JobId, message: MessageId) -> Unit[Job | None]:
    """The mention stands there, by the card."""
    return _update(job, mention_message=message)


def _update(job: JobId, *, states: str | None = None, **values: object) -> Unit[Job | None]:
    """Sets columns of the card; with `states`, only while the job is in one of them and not deleted."""
    sets = ", ".join(f"{name} = :{name}" for name in values)
    there = f"SELECT id FROM jobs WHERE id = :job AND deleted_at IS NULL AND state IN ({states})"
    only = "" if states is None else f" AND job IN ({there})"

    def unit(tx: Tx) -> Job | None:
        changed = tx.changed(f"UPDATE cards SET {sets} WHERE job = :job{only}", job=job, **values)
        return load(tx, job) if changed else None

    return unit


def _update_shared(
    job: JobId, values: Mapping[str, object], *, states: str | None = None, shown: bool = False
) -> Unit[Job | None]:
    """As `_update`, for all takes on the card: with `states`, while one of them is in these.

    And only while the card shows no video, or `shown` allows it.
    """
    sets = ", ".join(f"{name} = :{name}" for name in values)
    takes = f"SELECT jobs.id FROM jobs JOIN cards ON cards.job = jobs.id WHERE {_SHARED}"

    def unit(tx: Tx) -> Job | None:
        if states is not None and (
            tx.one(f"{takes} AND jobs.deleted_at IS NULL AND jobs.state IN ({states})", job=job) is None
            or (not shown and tx.one(f"{takes} AND {ON_CARD}", job=job) is not None)
        ):
            return None
        changed = tx.changed(f"UPDATE cards SET {sets} WHERE {_SHARED}", job=job, **values)
        return load(tx, job) if changed else None

    return unit
