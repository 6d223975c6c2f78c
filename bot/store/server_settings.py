"""What admins decide beside money: pause, blocks, the log channel. What is so already leaves no ledger line."""

from __future__ import annotations

from datetime import datetime

from bot.models import ChangeContext, ChannelId, FailureKind, Job, JobState, LedgerKind, Scope, Server, UserId
from bot.store import jobs, ledger, sql
from bot.store.database import Tx, Unit
from bot.store.row_mapping import maybe_ms, maybe_time, to_ms


def server(scope: Scope) -> Unit[Server]:
    """How a server stands; one never heard of stands as at first."""

    def unit(tx: Tx) -> Server:
        row = tx.one(
            "SELECT paused_at, pause_reason, log_channel, others_at FROM servers WHERE scope = :scope", scope=scope
        )
        if row is None:
            return Server()
        return Server(
            maybe_time(row["paused_at"]), row["pause_reason"], row["log_channel"], row["others_at"] is not None
        )

    return unit


def paused() -> Unit[list[Scope]]:
    """Every server that is paused."""
    return lambda tx: [Scope(row["scope"]) for row in tx.all("SELECT scope FROM servers WHERE paused_at IS NOT NULL")]


def pause(by: ChangeContext, reason: str | None) -> Unit[None]:
    """Stops taking jobs on the server."""
    return _pause(by, by.now, reason)


def resume(by: ChangeContext) -> Unit[None]:
    """Takes jobs again."""
    return _pause(by, None, None)


def _pause(by: ChangeContext, at: datetime | None, reason: str | None) -> Unit[None]:
    def unit(tx: Tx) -> None:
        lock = ledger.lock_rows(tx, by.scope)
        row = lock.rows.server
        if row is not None and _is_already(row["paused_at"], row["pause_reason"], at, reason):
            return
        sql.update(tx, "servers", {"scope": by.scope}, paused_at=maybe_ms(at), pause_reason=reason)
        said = _said("paused", reason) if at else "resumed"
        ledger.append(tx, lock.line, LedgerKind.PAUSE, now=by.now, scope=by.scope, actor=by.actor, reason=said)

    return unit


def block(by: ChangeContext, member: UserId, reason: str | None) -> Unit[list[Job]]:
    """Shuts a member out of the server and cancels, refunds and returns what they have waiting there."""

    def unit(tx: Tx) -> list[Job]:
        _block(tx, by, member, by.now, reason)
        waiting = tx.all(
            "SELECT id FROM jobs WHERE scope = :scope AND member = :member AND state = 'waiting' ORDER BY id",
            scope=by.scope,
            member=member,
        )
        moved = [
            jobs.move(row["id"], JobState.WAITING, JobState.CANCELLED, now=by.now, failure=FailureKind.BLOCKED)(tx)
            for row in waiting
        ]
        return [job for job in moved if job is not None]

    return unit


def unblock(by: ChangeContext, member: UserId) -> Unit[None]:
    """Lets a member in again."""
    return lambda tx: _block(tx, by, member, None, None)


def _block(tx: Tx, by: ChangeContext, member: UserId, at: datetime | None, reason: str | None) -> None:
    lock = ledger.lock_rows(tx, by.scope, member)
    row = lock.rows.member
    if row is not None and _is_already(row["blocked_at"], row["block_reason"], at, reason):
        return
    sql.update(tx, "members", {"scope": by.scope, "member": member}, blocked_at=maybe_ms(at), block_reason=reason)
    said = _said("blocked", reason) if at else "unblocked"
    ledger.append(
        tx, lock.line, LedgerKind.BLOCK, now=by.now, scope=by.scope, member=member, actor=by.actor, reason=said
    )


def _is_already(since: int | None, why: str | None, at: datetime | None, reason: str | None) -> bool:
    """Whether a pause or block, as the row has it, is as it is to be; `at` is None where there is to be none."""
    return (since is None) == (at is None) and why == reason


def _said(what: str, reason: str | None) -> str:
    """As the ledger keeps it: what was done, then the admin's own words."""
    return what if reason is None else f"{what}: {reason}"


def allow_others(by: ChangeContext, *, allowed: bool) -> Unit[None]:
    """Whether members may animate pictures that other people posted."""

    def unit(tx: Tx) -> None:
        ledger.next_line_id(tx, by.scope)
        sql.update(tx, "servers", {"scope": by.scope}, others_at=to_ms(by.now) if allowed else None)

    return unit


def set_log_channel(by: ChangeContext, channel: ChannelId | None) -> Unit[ChannelId | None]:
    """Where each job is listed from now on, None for nowhere; tells where it was before."""

    def unit(tx: Tx) -> ChannelId | None:
        ledger.next_line_id(tx, by.scope)
        before = server(by.scope)(tx).log_channel
        sql.update(tx, "servers", {"scope": by.scope}, log_channel=channel)
        return before

    return unit
