"""The append-only ledger, and the lock that orders it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.models import FailureKind, LedgerKind, Limit, Period, Scope, Source, UserId
from bot.report_models import LedgerLine
from bot.store.database import Row, Tx, Unit
from bot.store.row_mapping import AccountRows, from_ms, to_ms

_COLUMNS = (
    "id", "at", "kind", "job", "scope", "member", "role", "credits", "from_quota", "from_bonus", "from_budget",
    "day", "reset_count", "limit_credits", "limit_per", "limit_source", "server_limit_credits", "server_limit_per",
    "budget_credits", "budget_per", "taken_at", "actor", "reason",
)  # fmt: skip
_INSERT = (
    f"INSERT INTO ledger ({', '.join(_COLUMNS)}) VALUES ({', '.join(':' + name for name in _COLUMNS)})"
    " ON CONFLICT (job, kind) DO NOTHING"
)
_NOTHING: dict[str, object] = dict.fromkeys(_COLUMNS) | {
    "credits": 0, "from_quota": 0, "from_bonus": 0, "from_budget": 0,
}  # fmt: skip


UNDONE = "undone"
"""The reason of a line that takes a change of credits or a reset back; no admin's words."""


@dataclass(frozen=True, slots=True)
class Lock:
    """Held to the end of the transaction: the next ledger line's id, and the rows as they stand."""

    line: int
    rows: AccountRows


@dataclass(frozen=True, slots=True)
class Booked:
    """Noted with each line: the change of what somebody can spend; 0 for rules."""

    kind: LedgerKind
    credits: int


def lock_rows(tx: Tx, scope: Scope, member: UserId | None = None) -> Lock:
    """Takes the rows of budget, server and member, in that order.

    Every unit that changes money starts with it: on PostgreSQL these rows are the lock, on SQLite the transaction is.
    """
    row = tx.one(
        "INSERT INTO budget (id, lines) VALUES (1, 1)"
        " ON CONFLICT (id) DO UPDATE SET lines = budget.lines + 1 RETURNING lines"
    )
    assert row is not None
    server = tx.one(
        "INSERT INTO servers (scope) VALUES (:scope) ON CONFLICT (scope) DO UPDATE SET scope = servers.scope"
        " RETURNING *",
        scope=scope,
    )
    person = None
    if member is not None:
        person = tx.one(
            "INSERT INTO members (scope, member, reset_count) VALUES (:scope, :member, 0)"
            " ON CONFLICT (scope, member) DO UPDATE SET reset_count = members.reset_count RETURNING *",
            scope=scope,
            member=member,
        )
    return Lock(row["lines"], AccountRows(server, person))


def next_line_id(tx: Tx, scope: Scope, member: UserId | None = None) -> int:
    """`lock_rows`, for those who need the next ledger line's id alone."""
    return lock_rows(tx, scope, member).line


def append(tx: Tx, line: int, kind: LedgerKind, *, now: datetime, scope: Scope, **columns: object) -> bool:
    """Adds one line; False where this job has a line of this kind already, and nothing is to be booked."""
    values = _NOTHING | {"id": line, "at": to_ms(now), "kind": kind, "scope": scope} | columns
    is_new = tx.changed(_INSERT, **values) == 1
    if is_new:
        tx.note(Booked(kind, int(str(values["credits"]))))
    return is_new


def newest(scope: Scope, member: UserId, count: int) -> Unit[list[LedgerLine]]:
    """The last `count` lines of a member, newest first."""

    def unit(tx: Tx) -> list[LedgerLine]:
        rows = tx.all(
            "SELECT ledger.*, jobs.key AS job_key FROM ledger"
            " LEFT JOIN jobs ON jobs.id = ledger.job"
            " WHERE ledger.scope = :scope AND ledger.member = :member ORDER BY ledger.id DESC LIMIT :count",
            scope=scope,
            member=member,
            count=count,
        )
        return [_line_of(row) for row in rows]

    return unit


def _line_of(row: Row) -> LedgerLine:
    limit = None
    if row["limit_credits"] is not None:
        limit = Limit(row["limit_credits"], Period(row["limit_per"]), Source(row["limit_source"]), row["role"])
    kind = LedgerKind(row["kind"])
    failure = FailureKind(row["reason"]) if kind is LedgerKind.REFUND and row["reason"] else None
    is_undo = row["reason"] == UNDONE
    return LedgerLine(
        at=from_ms(row["at"]),
        kind=kind,
        credits=row["credits"],
        job_key=row["job_key"],
        failure=failure,
        limit=limit,
        actor=row["actor"],
        reason=None if failure or is_undo else row["reason"],
        is_undo=is_undo,
    )
