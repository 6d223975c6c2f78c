"""Valid jobs, cards and limits, taking only what matters; and what an admin does to a store, as units."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.models import (
    Card,
    ChannelId,
    Clip,
    GuildId,
    Job,
    JobId,
    JobState,
    LedgerKind,
    Limit,
    Limits,
    MessageId,
    Period,
    Picture,
    Scope,
    UserId,
)
from bot.store import ledger
from bot.store.database import Tx, Unit

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)  # a Wednesday
GUILD = Scope(810_000_000_000_000_001)
MEMBER = UserId(910_000_000_000_000_001)
ADMIN = UserId(910_000_000_000_000_099)


def a_clip(**changes: Any) -> Clip:
    """Four seconds of sora-2."""
    return replace(Clip(model="sora-2", prompt="puts on a hat", seconds=4, size=None, credits=4), **changes)


def a_picture(**changes: Any) -> Picture:
    """An upright JPEG of a phone."""
    picture = Picture(
        url="https://cdn.example/cat.jpg",
        filename="cat.jpg",
        size_bytes=200_000,
        content_type="image/jpeg",
        width=3000,
        height=4000,
    )
    return replace(picture, **changes)


def a_card(*, at: datetime = NOON, **changes: Any) -> Card:
    """A card in a guild, its message stored, its token fresh."""
    card = Card(
        application=1,
        channel=ChannelId(2),
        guild=GuildId(GUILD),
        message=MessageId(3),
        token="interaction-token",
        token_ends_at=at + timedelta(minutes=15),
        upload_limit_bytes=10 * 1024 * 1024,
        bot_reaches=True,
    )
    return replace(card, **changes)


def a_job(number: int = 1, *, cost: int = 4, at: datetime = NOON, **changes: Any) -> Job:
    """A job just asked for; `number` makes its id and key."""
    job = Job(
        id=JobId(number),
        key=f"key{number}",
        state=JobState.WAITING,
        state_at=at,
        created_at=at,
        scope=GUILD,
        member=MEMBER,
        clip=a_clip(credits=cost),
        picture=a_picture(),
        card=a_card(at=at),
        endpoint="https://videos.example/v1",
    )
    return replace(job, **changes)


def limits(
    default: int = 20,
    per: Period = Period.DAY,
    *,
    direct: int | None = None,
    budget: int = 1_000_000,
    budget_per: Period = Period.DAY,
    jobs_per_user: int = 1_000,
) -> Limits:
    """The operator's limits; what is not named stands in nobody's way."""
    return Limits(
        default=Limit(default, per),
        direct=Limit(default if direct is None else direct, per),
        budget=Limit(budget, budget_per),
        jobs_per_user=jobs_per_user,
    )


def grant(member: UserId, credits: int, *, scope: Scope = GUILD, now: datetime = NOON) -> Unit[int]:  # noqa: A002 - the domain's word
    """Extra credits; returns the pot."""

    def unit(tx: Tx) -> int:
        line = ledger.lock(tx, scope, member)
        ledger.append(
            tx, line, LedgerKind.GRANT, now=now, scope=scope, member=member, actor=ADMIN,
            credits=credits, from_pots=credits,
        )  # fmt: skip
        tx.changed(
            "INSERT INTO pots (id, scope, member, remaining) VALUES (:id, :scope, :member, :credits)",
            id=line, scope=scope, member=member, credits=credits,
        )  # fmt: skip
        return line

    return unit


def reset(member: UserId, *, scope: Scope = GUILD, now: datetime = NOON) -> Unit[None]:
    """Forgets the member's use so far."""

    def unit(tx: Tx) -> None:
        line = ledger.lock(tx, scope, member)
        ledger.append(tx, line, LedgerKind.RESET, now=now, scope=scope, member=member, actor=ADMIN)
        tx.changed(
            "UPDATE members SET epoch = epoch + 1 WHERE scope = :scope AND member = :member", scope=scope, member=member
        )

    return unit


def set_own(member: UserId, credits: int, per: Period = Period.DAY, *, scope: Scope = GUILD) -> Unit[None]:  # noqa: A002 - the domain's word
    """An allowance of the member's own."""
    return _of_member(scope, member, credits=credits, per=per)


def set_role(role: int, credits: int, per: Period = Period.DAY, *, scope: Scope = GUILD) -> Unit[int]:  # noqa: A002 - the domain's word
    """An allowance for all who have the role."""
    return lambda tx: tx.changed(
        "INSERT INTO roles (scope, role, credits, per) VALUES (:scope, :role, :credits, :per)"
        " ON CONFLICT (scope, role) DO UPDATE SET credits = excluded.credits, per = excluded.per",
        scope=scope, role=role, credits=credits, per=per,
    )  # fmt: skip


def set_default(credits: int, per: Period = Period.DAY, *, scope: Scope = GUILD) -> Unit[None]:  # noqa: A002 - the domain's word
    """The server's default allowance."""
    return _of_server(scope, default_credits=credits, default_per=per)


def set_ceiling(credits: int, per: Period = Period.DAY, *, scope: Scope = GUILD) -> Unit[None]:  # noqa: A002 - the domain's word
    """All that the server may spend."""
    return _of_server(scope, ceiling_credits=credits, ceiling_per=per)


def pause(reason: str | None = None, *, scope: Scope = GUILD) -> Unit[None]:
    """Stops taking jobs."""
    return _of_server(scope, paused_at=1, pause_reason=reason)


def resume(*, scope: Scope = GUILD) -> Unit[None]:
    """Takes jobs again."""
    return _of_server(scope, paused_at=None, pause_reason=None)


def block(member: UserId, reason: str | None = None, *, scope: Scope = GUILD) -> Unit[None]:
    """Shuts a member out."""
    return _of_member(scope, member, blocked_at=1, block_reason=reason)


def unblock(member: UserId, *, scope: Scope = GUILD) -> Unit[None]:
    """Lets a member in again."""
    return _of_member(scope, member, blocked_at=None, block_reason=None)


def clear(member: UserId, *, scope: Scope = GUILD) -> Unit[None]:
    """Removes the member's own allowance."""
    return _of_member(scope, member, credits=None, per=None)


def _of_server(scope: Scope, **columns: object) -> Unit[None]:
    def unit(tx: Tx) -> None:
        ledger.lock(tx, scope)
        sets = ", ".join(f"{name} = :{name}" for name in columns)
        tx.changed(f"UPDATE servers SET {sets} WHERE scope = :scope", scope=scope, **columns)

    return unit


def _of_member(scope: Scope, member: UserId, **columns: object) -> Unit[None]:
    def unit(tx: Tx) -> None:
        ledger.lock(tx, scope, member)
        sets = ", ".join(f"{name} = :{name}" for name in columns)
        tx.changed(
            f"UPDATE members SET {sets} WHERE scope = :scope AND member = :member",
            scope=scope, member=member, **columns,
        )  # fmt: skip

    return unit
