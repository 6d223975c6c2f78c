"""What admins decide about money. Every change leaves a ledger line with its actor; rules are lines of 0 credits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.models import Allowances, LedgerKind, Limit, Period, Scope, Source, UserId
from bot.store import ledger
from bot.store.database import Tx, Unit


@dataclass(frozen=True, slots=True)
class By:
    """Who changes what where, and when."""

    scope: Scope
    actor: UserId
    now: datetime


def set_member(by: By, member: UserId, limit: Limit) -> Unit[None]:
    """Gives a member an allowance of their own; use so far counts against it."""

    def unit(tx: Tx) -> None:
        _write(tx, by, limit, member=member)
        tx.changed(
            "UPDATE members SET credits = :credits, per = :per WHERE scope = :scope AND member = :member",
            credits=limit.credits,
            per=limit.per,
            scope=by.scope,
            member=member,
        )

    return unit


def set_role(by: By, role: int, limit: Limit) -> Unit[None]:
    """Gives all who have the role an allowance."""

    def unit(tx: Tx) -> None:
        _write(tx, by, limit, role=role)
        tx.changed(
            "INSERT INTO roles (scope, role, credits, per) VALUES (:scope, :role, :credits, :per)"
            " ON CONFLICT (scope, role) DO UPDATE SET credits = excluded.credits, per = excluded.per",
            scope=by.scope,
            role=role,
            credits=limit.credits,
            per=limit.per,
        )

    return unit


def set_default(by: By, limit: Limit) -> Unit[None]:
    """What everybody else on the server has."""

    def unit(tx: Tx) -> None:
        _write(tx, by, limit, reason="default")
        tx.changed(
            "UPDATE servers SET default_credits = :credits, default_per = :per WHERE scope = :scope",
            credits=limit.credits,
            per=limit.per,
            scope=by.scope,
        )

    return unit


def set_ceiling(by: By, limit: Limit) -> Unit[None]:
    """What all on the server may spend together."""

    def unit(tx: Tx) -> None:
        _write(tx, by, limit, reason="server")
        tx.changed(
            "UPDATE servers SET ceiling_credits = :credits, ceiling_per = :per WHERE scope = :scope",
            credits=limit.credits,
            per=limit.per,
            scope=by.scope,
        )

    return unit


def clear_member(by: By, member: UserId) -> Unit[bool]:
    """Takes a member's own allowance away; False where they had none."""

    def unit(tx: Tx) -> bool:
        line = ledger.lock(tx, by.scope, member)
        cleared = tx.changed(
            "UPDATE members SET credits = NULL, per = NULL"
            " WHERE scope = :scope AND member = :member AND credits IS NOT NULL",
            scope=by.scope,
            member=member,
        )
        if cleared:
            _append(tx, by, line, LedgerKind.ALLOWANCE, member=member)
        return bool(cleared)

    return unit


def clear_role(by: By, role: int) -> Unit[bool]:
    """Takes a role's allowance away; False where it had none."""
    return lambda tx: _clear_role(tx, by, role)


def forget_roles(by: By, existing: Sequence[int]) -> Unit[list[int]]:
    """Takes the allowance from every role that is not among `existing` any more; returns those."""

    def unit(tx: Tx) -> list[int]:
        rows = tx.all("SELECT role FROM roles WHERE scope = :scope ORDER BY role", scope=by.scope)
        gone = [row["role"] for row in rows if row["role"] not in existing]
        for role in gone:
            _clear_role(tx, by, role, reason="the role was deleted")
        return gone

    return unit


def grant(by: By, member: UserId, credits: int, reason: str | None) -> Unit[None]:  # noqa: A002 - the word of the domain
    """Extra credits without expiry, spent after the allowance."""

    def unit(tx: Tx) -> None:
        line = ledger.lock(tx, by.scope, member)
        _append(tx, by, line, LedgerKind.GRANT, member=member, credits=credits, from_pots=credits, reason=reason)
        tx.changed(
            "INSERT INTO pots (id, scope, member, remaining) VALUES (:id, :scope, :member, :credits)",
            id=line,
            scope=by.scope,
            member=member,
            credits=credits,
        )

    return unit


def reset(by: By, member: UserId) -> Unit[None]:
    """Forgets the member's use so far, by raising their epoch; grants stay."""

    def unit(tx: Tx) -> None:
        line = ledger.lock(tx, by.scope, member)
        _append(tx, by, line, LedgerKind.RESET, member=member)
        tx.changed(
            "UPDATE members SET epoch = members.epoch + 1 WHERE scope = :scope AND member = :member",
            scope=by.scope,
            member=member,
        )

    return unit


def every(scope: Scope) -> Unit[Allowances]:
    """All allowances of a server."""

    def unit(tx: Tx) -> Allowances:
        server = tx.one("SELECT * FROM servers WHERE scope = :scope", scope=scope)
        default = ceiling = None
        if server is not None and server["default_credits"] is not None:
            default = Limit(server["default_credits"], Period(server["default_per"]), Source.SERVER)
        if server is not None and server["ceiling_credits"] is not None:
            ceiling = Limit(server["ceiling_credits"], Period(server["ceiling_per"]), Source.SERVER)
        roles = tx.all("SELECT role, credits, per FROM roles WHERE scope = :scope ORDER BY role", scope=scope)
        members = tx.all(
            "SELECT member, credits, per FROM members WHERE scope = :scope AND credits IS NOT NULL ORDER BY member",
            scope=scope,
        )
        return Allowances(
            default,
            ceiling,
            [(row["role"], Limit(row["credits"], Period(row["per"]), Source.ROLE, row["role"])) for row in roles],
            [(UserId(row["member"]), Limit(row["credits"], Period(row["per"]), Source.OWN)) for row in members],
        )

    return unit


def _clear_role(tx: Tx, by: By, role: int, reason: str | None = None) -> bool:
    line = ledger.lock(tx, by.scope)
    cleared = tx.changed("DELETE FROM roles WHERE scope = :scope AND role = :role", scope=by.scope, role=role)
    if cleared:
        _append(tx, by, line, LedgerKind.ALLOWANCE, role=role, reason=reason)
    return bool(cleared)


def _write(tx: Tx, by: By, limit: Limit, *, member: UserId | None = None, **columns: object) -> None:
    line = ledger.lock(tx, by.scope, member)
    _append(
        tx,
        by,
        line,
        LedgerKind.ALLOWANCE,
        member=member,
        limit_credits=limit.credits,
        limit_per=limit.per,
        limit_source=limit.source,
        **columns,
    )


def _append(tx: Tx, by: By, line: int, kind: LedgerKind, **columns: object) -> None:
    ledger.append(tx, line, kind, now=by.now, scope=by.scope, actor=by.actor, **columns)
