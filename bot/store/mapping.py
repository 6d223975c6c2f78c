"""Rows to models and back: times are milliseconds since 1970 in the database and aware UTC outside."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from bot.models import (
    Card,
    ChannelId,
    FailureKind,
    GuildId,
    Job,
    JobId,
    JobState,
    MessageId,
    Period,
    Picture,
    Scope,
    UserId,
    VideoSpec,
)
from bot.store.database import Row, Tx

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)

JOB_SQL = "SELECT * FROM jobs JOIN cards ON cards.job = jobs.id"


@dataclass(frozen=True, slots=True)
class Standing:
    """What is set for a server and for a member of it, as rows of this transaction; None where nothing is yet."""

    server: Row | None
    member: Row | None

    @property
    def reset_count(self) -> int:
        """The member's reset_count: 0 until the first reset."""
        return 0 if self.member is None else self.member["reset_count"]


def to_ms(moment: datetime) -> int:
    """Exact: no float in between."""
    return (moment - _EPOCH) // _MS


def from_ms(ms: int) -> datetime:
    """Aware UTC."""
    return _EPOCH + ms * _MS


def maybe_ms(moment: datetime | None) -> int | None:
    """`to_ms`, None staying None."""
    return None if moment is None else to_ms(moment)


def maybe_time(ms: int | None) -> datetime | None:
    """`from_ms`, None staying None."""
    return None if ms is None else from_ms(ms)


def day_of(moment: datetime) -> int:
    """The UTC day, counted from 1970-01-01."""
    return (moment.astimezone(UTC) - _EPOCH).days


def first_day(per: Period, now: datetime) -> int:
    """The first UTC day of the period that `now` is in."""
    today = now.astimezone(UTC).date()
    starts = {
        Period.DAY: today,
        Period.WEEK: today - timedelta(days=today.weekday()),
        Period.MONTH: today.replace(day=1),
        Period.TOTAL: date(1970, 1, 1),
    }
    return (starts[per] - date(1970, 1, 1)).days


def next_renewal(per: Period, now: datetime) -> datetime | None:
    """When the period after the one of `now` begins; None for TOTAL."""
    if per is Period.TOTAL:
        return None
    start = from_ms(0) + timedelta(days=first_day(per, now))
    match per:
        case Period.DAY:
            return start + timedelta(days=1)
        case Period.WEEK:
            return start + timedelta(days=7)
        case _:
            return (start + timedelta(days=32)).replace(day=1)


def job_of(row: Row) -> Job:
    """A job from a row of `JOB_SQL`."""
    return Job(
        id=JobId(row["id"]),
        key=row["key"],
        state=JobState(row["state"]),
        state_at=from_ms(row["state_at"]),
        created_at=from_ms(row["created_at"]),
        scope=Scope(row["scope"]),
        member=UserId(row["member"]),
        spec=VideoSpec(row["model"], row["prompt"], row["seconds"], row["size"], row["credits"]),
        picture=Picture(
            url=row["picture_url"],
            filename=row["picture_name"],
            size_bytes=row["picture_bytes"] or None,  # 0: not known
            content_type=row["picture_type"],
            width=row["picture_width"],
            height=row["picture_height"],
            spoiler=row["picture_spoiler_at"] is not None,
        ),
        card=_card_of(row),
        endpoint=row["endpoint"],
        not_before=maybe_time(row["not_before"]),
        first_sent_at=maybe_time(row["first_sent_at"]),
        last_sent_at=maybe_time(row["last_sent_at"]),
        provider_id=row["provider_id"],
        result_url=row["result_url"],
        result_expires_at=maybe_time(row["result_expires_at"]),
        failure=None if row["failure"] is None else FailureKind(row["failure"]),
        again_of=row["again_of"],
        picture_author=row["picture_author"],
        deleted=row["deleted_at"] is not None,
        fetched=row["fetched_at"] is not None,
    )


def _card_of(row: Row) -> Card:
    return Card(
        application=row["application"],
        channel=ChannelId(row["channel"]),
        guild=None if row["guild"] is None else GuildId(row["guild"]),
        message=None if row["message"] is None else MessageId(row["message"]),
        token=row["token"],
        token_ends_at=from_ms(row["token_ends_at"]),
        upload_limit_bytes=row["upload_limit"],
        bot_reaches=row["bot_reaches_at"] is not None,
        ephemeral=row["ephemeral_at"] is not None,
        finished=row["finished_at"] is not None,
        removed=row["removed_at"] is not None,
        hidden=row["hidden_at"] is not None,
        shown_channel=row["shown_channel"],
        shown_message=row["shown_message"],
        locale=row["locale"],
        member_locale=row["member_locale"],
    )


def load(tx: Tx, job: JobId) -> Job | None:
    """The job, or None."""
    row = tx.one(f"{JOB_SQL} WHERE jobs.id = :job", job=job)
    return None if row is None else job_of(row)
