"""What admins decide about money. Every change leaves a ledger line with its actor; rules are lines of 0 credits.

A quota or limit that is set already is no change, and leaves none.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.models import Bonus, Change, ChangeContext, LedgerKind, Limit, Limits, Period, Scope, Source, UserId
from bot.report_models import Quotas
from bot.store import balances, ledger, sql
from bot.store.database import Tx, Unit


def set_member(by: ChangeContext, member: UserId, limit: Limit) -> Unit[None]:
    """Gives a member a quota of their own; use so far counts against it."""

    def unit(tx: Tx) -> None:
        lock = ledger.lock_rows(tx, by.scope, member)
        row = lock.rows.member
        if row is not None and (row["credits"], row["per"]) == (limit.credits, limit.per):
            return
        _append_rule(tx, by, lock.line, limit, member=member)
        sql.update(tx, "members", {"scope": by.scope, "member": member}, credits=limit.credits, per=limit.per)

    return unit


def changing(
    by: ChangeContext, member: UserId, roles: Sequence[int], limits: Limits, unit: Unit[object]
) -> Unit[Change]:
    """Runs a unit and tells the limit that counts for the member before and after it."""

    def around(tx: Tx) -> Change:
        before = balances.limit_in(tx, by.scope, member, roles, limits, by.now)
        unit(tx)
        return Change(before, balances.limit_in(tx, by.scope, member, roles, limits, by.now))

    return around


def set_role(by: ChangeContext, role: int, limit: Limit) -> Unit[Change]:
    """Gives all who have the role a quota."""

    def unit(tx: Tx) -> Change:
        line = ledger.next_line_id(tx, by.scope)
        before = _role_in(tx, by.scope, role)
        if before != limit:
            _append_rule(tx, by, line, limit, role=role)
            sql.put(tx, "roles", {"scope": by.scope, "role": role}, credits=limit.credits, per=limit.per)
        return Change(before, limit)

    return unit


def set_default(by: ChangeContext, limit: Limit | None) -> Unit[Change]:
    """What everybody else on the server has; None for the operator's default."""
    return lambda tx: _set_server(tx, by, "default", limit)


def set_server_limit(by: ChangeContext, limit: Limit | None) -> Unit[Change]:
    """What all on the server may spend together; None for as much as the budget has."""
    return lambda tx: _set_server(tx, by, "server", limit)


def _set_server(tx: Tx, by: ChangeContext, rule: str, limit: Limit | None) -> Change:
    lock = ledger.lock_rows(tx, by.scope)
    server = lock.rows.server
    before = balances.default_of(server) if rule == "default" else balances.server_limit_of(server)
    if limit != before:
        columns = "default" if rule == "default" else "server_limit"
        values = (None, None) if limit is None else (limit.credits, limit.per)
        changes = dict(zip((f"{columns}_credits", f"{columns}_per"), values, strict=True))
        sql.update(tx, "servers", {"scope": by.scope}, **changes)
        _append_rule(tx, by, lock.line, limit, reason=rule)
    return Change(before, limit)


def clear_member(by: ChangeContext, member: UserId) -> Unit[bool]:
    """Takes a member's own quota away; False where they had none."""

    def unit(tx: Tx) -> bool:
        line = ledger.next_line_id(tx, by.scope, member)
        cleared = tx.changed(
            "UPDATE members SET credits = NULL, per = NULL"
            " WHERE scope = :scope AND member = :member AND credits IS NOT NULL",
            scope=by.scope,
            member=member,
        )
        if cleared:
            _append(tx, by, line, LedgerKind.QUOTA, member=member)
        return bool(cleared)

    return unit


def clear_role(by: ChangeContext, role: int, reason: str | None = None) -> Unit[Limit | None]:
    """Takes a role's quota away and returns it; None where it had none."""

    def unit(tx: Tx) -> Limit | None:
        line = ledger.next_line_id(tx, by.scope)
        before = _role_in(tx, by.scope, role)
        if before is not None:
            tx.changed("DELETE FROM roles WHERE scope = :scope AND role = :role", scope=by.scope, role=role)
            _append(tx, by, line, LedgerKind.QUOTA, role=role, reason=reason)
        return before

    return unit


def forget_roles(by: ChangeContext, gone: Sequence[int]) -> Unit[list[int]]:
    """Takes the quota from each of these deleted roles; returns those that had one."""
    return lambda tx: [role for role in gone if clear_role(by, role, "the role was deleted")(tx) is not None]


def grant(by: ChangeContext, member: UserId, credits: int, reason: str | None) -> Unit[Bonus]:  # noqa: A002 - the word of the domain
    """Bonus credits without expiry, spent after the quota."""

    def unit(tx: Tx) -> Bonus:
        line = ledger.next_line_id(tx, by.scope, member)
        _append(tx, by, line, LedgerKind.GRANT, member=member, credits=credits, from_bonus=credits, reason=reason)
        sql.insert(tx, "bonus_credits", {"id": line, "scope": by.scope, "member": member, "remaining": credits})
        return Bonus(credits, balances.bonus_left(tx, by.scope, member))

    return unit


def revoke(by: ChangeContext, member: UserId, credits: int, reason: str | None) -> Unit[Bonus]:  # noqa: A002 - the word of the domain
    """Takes back bonus credits that are not spent yet, the oldest first, and as many as there are.

    What a job under way has taken stays taken, and a refund of it comes back as bonus credits.
    """

    def unit(tx: Tx) -> Bonus:
        line = ledger.next_line_id(tx, by.scope, member)
        total = balances.deduct_bonus(tx, by.scope, member, credits, "revoked_bonus_credits", line=line)
        if total:
            _append(tx, by, line, LedgerKind.REVOKE, member=member, credits=-total, from_bonus=-total, reason=reason)
        return Bonus(-total, balances.bonus_left(tx, by.scope, member))

    return unit


def revoke_grant(by: ChangeContext, member: UserId, grant_line: int) -> Unit[Bonus]:
    """Takes back what is left of the bonus credits that the ledger line `grant_line` gave."""

    def unit(tx: Tx) -> Bonus:
        line = ledger.next_line_id(tx, by.scope, member)
        row = tx.one("SELECT remaining FROM bonus_credits WHERE id = :line", line=grant_line)
        left = 0 if row is None else row["remaining"]
        if left:
            balances.return_bonus(tx, grant_line, -left)
            sql.insert(tx, "revoked_bonus_credits", {"line": line, "bonus_id": grant_line, "credits": left})
            _append(
                tx, by, line, LedgerKind.REVOKE, member=member, credits=-left, from_bonus=-left, reason=ledger.UNDONE
            )
        return Bonus(-left, balances.bonus_left(tx, by.scope, member))

    return unit


def undo_reset(by: ChangeContext, member: UserId, count: int) -> Unit[bool]:
    """Sets the reset count back to `count`; False where the member has used something since it was raised."""

    def unit(tx: Tx) -> bool:
        line = ledger.next_line_id(tx, by.scope, member)
        used = tx.one(
            "SELECT 1 AS found FROM jobs WHERE scope = :scope AND member = :member AND reset_count > :count"
            " UNION SELECT 1 AS found FROM member_usage WHERE scope = :scope AND member = :member"
            " AND reset_count > :count",
            scope=by.scope,
            member=member,
            count=count,
        )
        if used is not None:
            return False
        sql.update(tx, "members", {"scope": by.scope, "member": member}, reset_count=count)
        _append(tx, by, line, LedgerKind.RESET, member=member, reason=ledger.UNDONE)
        return True

    return unit


def reset(by: ChangeContext, member: UserId) -> Unit[None]:
    """Forgets the member's use so far, by raising their reset count; bonus credits stay."""

    def unit(tx: Tx) -> None:
        line = ledger.next_line_id(tx, by.scope, member)
        _append(tx, by, line, LedgerKind.RESET, member=member)
        tx.changed(
            "UPDATE members SET reset_count = members.reset_count + 1 WHERE scope = :scope AND member = :member",
            scope=by.scope,
            member=member,
        )

    return unit


def reset_used(by: ChangeContext, member: UserId) -> Unit[None]:
    """As `reset`, where there is anything to forget: no credits and no failures since the last reset are no change."""

    def unit(tx: Tx) -> None:
        rows = ledger.lock_rows(tx, by.scope, member).rows
        used = tx.one(
            "SELECT 1 AS found FROM ledger WHERE scope = :scope AND member = :member AND reset_count = :count"
            " UNION SELECT 1 AS found FROM member_usage WHERE scope = :scope AND member = :member"
            " AND reset_count = :count",
            scope=by.scope,
            member=member,
            count=rows.reset_count,
        )
        if used is not None:
            reset(by, member)(tx)

    return unit


def every(scope: Scope) -> Unit[Quotas]:
    """All quotas of a server."""

    def unit(tx: Tx) -> Quotas:
        server = tx.one("SELECT * FROM servers WHERE scope = :scope", scope=scope)
        roles = tx.all("SELECT role, credits, per FROM roles WHERE scope = :scope ORDER BY role", scope=scope)
        members = tx.all(
            "SELECT member, credits, per FROM members WHERE scope = :scope AND credits IS NOT NULL ORDER BY member",
            scope=scope,
        )
        blocked = tx.all(
            "SELECT member, block_reason FROM members WHERE scope = :scope AND blocked_at IS NOT NULL ORDER BY member",
            scope=scope,
        )
        bonus = tx.all(
            "SELECT member, CAST(SUM(remaining) AS BIGINT) AS credits FROM bonus_credits"
            " WHERE scope = :scope AND remaining > 0 AND member > 0 GROUP BY member ORDER BY member",
            scope=scope,
        )
        return Quotas(
            balances.default_of(server),
            balances.server_limit_of(server),
            [(row["role"], Limit(row["credits"], Period(row["per"]), Source.ROLE, row["role"])) for row in roles],
            [(UserId(row["member"]), Limit(row["credits"], Period(row["per"]), Source.OWN)) for row in members],
            [(UserId(row["member"]), row["block_reason"]) for row in blocked],
            [(UserId(row["member"]), row["credits"]) for row in bonus],
        )

    return unit


def _role_in(tx: Tx, scope: Scope, role: int) -> Limit | None:
    row = tx.one("SELECT credits, per FROM roles WHERE scope = :scope AND role = :role", scope=scope, role=role)
    return None if row is None else Limit(row["credits"], Period(row["per"]), Source.ROLE, role)


def _append_rule(tx: Tx, by: ChangeContext, line: int, limit: Limit | None, **columns: object) -> None:
    if limit is not None:
        columns |= {"limit_credits": limit.credits, "limit_per": limit.per, "limit_source": limit.source}
    _append(tx, by, line, LedgerKind.QUOTA, **columns)


def _append(tx: Tx, by: ChangeContext, line: int, kind: LedgerKind, **columns: object) -> None:
    ledger.append(tx, line, kind, now=by.now, scope=by.scope, actor=by.actor, **columns)
