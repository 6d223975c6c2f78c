"""What admins decide: allowances. Every change leaves a ledger line of 0 credits with its actor."""

from __future__ import annotations

from datetime import datetime

from bot.models import LedgerKind, Limit, Scope, UserId
from bot.store import ledger
from bot.store.database import Tx, Unit


def set_member(scope: Scope, member: UserId, limit: Limit, *, actor: UserId, now: datetime) -> Unit[None]:
    """Gives a member an allowance of their own; use so far counts against it."""

    def unit(tx: Tx) -> None:
        line = ledger.lock(tx, scope, member)
        tx.changed(
            "UPDATE members SET credits = :credits, per = :per WHERE scope = :scope AND member = :member",
            credits=limit.credits,
            per=limit.per,
            scope=scope,
            member=member,
        )
        ledger.append(
            tx,
            line,
            LedgerKind.ALLOWANCE,
            now=now,
            scope=scope,
            member=member,
            actor=actor,
            limit_credits=limit.credits,
            limit_per=limit.per,
            limit_source=limit.source,
        )

    return unit
