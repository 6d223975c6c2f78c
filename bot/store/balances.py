"""Who may spend how much, and what is spent: quotas, bonus credits, server limits, the budget, as sums of UTC days."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from bot.models import DIRECT, UNFINISHED, Balance, Limit, Limits, Period, Scope, Source, UserId
from bot.store import sql
from bot.store.database import Row, Tx, Unit
from bot.store.row_mapping import AccountRows, first_day, next_renewal

_USED = (
    "SELECT CAST(COALESCE(SUM(credits), 0) AS BIGINT) FROM member_usage"
    " WHERE scope = :scope AND member = :member AND reset_count = :reset_count AND day >= :first"
)
_BONUS = (
    "SELECT CAST(COALESCE(SUM(remaining), 0) AS BIGINT) FROM bonus_credits WHERE scope = :scope AND member = :member"
)
_STATES = ", ".join(f"'{state}'" for state in UNFINISHED)
_RUNNING = f"SELECT COUNT(*) FROM jobs WHERE member = :member AND state IN ({_STATES})"
REFUNDS = (
    "SELECT COUNT(*) FROM ledger WHERE scope = :scope AND member = :member AND kind = 'refund'"
    " AND day = :today AND reset_count = :reset_count AND taken_at IS NOT NULL"
)
"""The member's jobs of today that were refunded after the provider had taken them, since the last reset."""
BUDGET_USED = "SELECT CAST(COALESCE(SUM(credits), 0) AS BIGINT) FROM budget_usage WHERE day >= :budget_first"
_BALANCE = {"used": _USED, "bonus": _BONUS, "running": _RUNNING}


def rows_of(tx: Tx, scope: Scope, member: UserId) -> AccountRows:
    """As whoever holds the lock gets it, for those who only read."""
    return AccountRows(
        tx.one("SELECT * FROM servers WHERE scope = :scope", scope=scope),
        tx.one("SELECT * FROM members WHERE scope = :scope AND member = :member", scope=scope, member=member),
    )


def balance(scope: Scope, member: UserId, roles: Sequence[int], limits: Limits, now: datetime) -> Unit[Balance]:
    """What the member can spend now."""
    return lambda tx: balance_in(tx, rows_of(tx, scope, member), scope, member, roles, limits, now)


def balance_in(
    tx: Tx, rows: AccountRows, scope: Scope, member: UserId, roles: Sequence[int], limits: Limits, now: datetime
) -> Balance:
    """`balance`, inside a unit."""
    return balance_and_facts(tx, rows, scope, member, roles, limits, now, balance_sql())[0]


def balance_sql(**facts: str) -> str:
    """The statement for `balance_and_facts`: each of the facts is a SELECT of one number."""
    return sql.numbers(**_BALANCE, **facts)


def balance_and_facts(
    tx: Tx,
    rows: AccountRows,
    scope: Scope,
    member: UserId,
    roles: Sequence[int],
    limits: Limits,
    now: datetime,
    statement: str,
    **params: object,
) -> tuple[Balance, Row]:
    """`balance_in`, and the facts of a statement of `balance_sql`, found at once; `params` are the facts' own."""

    def used(per: Period) -> int:
        return _used(tx, scope, member, rows.reset_count, first_day(per, now))

    limit = _limit(tx, rows, scope, roles, limits, used)
    (found,) = tx.all(
        statement,
        scope=scope,
        member=member,
        reset_count=rows.reset_count,
        first=first_day(limit.per, now),
        **params,
    )
    balance = Balance(
        limit=limit,
        used=found["used"],
        bonus=found["bonus"],
        renews_at=next_renewal(limit.per, now),
        running=found["running"],
    )
    return balance, found


def limit_in(tx: Tx, scope: Scope, member: UserId, roles: Sequence[int], limits: Limits, now: datetime) -> Limit:
    """The limit that counts for the member now, whoever set it."""
    rows = rows_of(tx, scope, member)
    return _limit(
        tx,
        rows,
        scope,
        roles,
        limits,
        lambda per: _used(tx, scope, member, rows.reset_count, first_day(per, now)),
    )


def _limit(
    tx: Tx, rows: AccountRows, scope: Scope, roles: Sequence[int], limits: Limits, used: Callable[[Period], int]
) -> Limit:
    """The member's own; else of their roles' the one with most left now; else the server's; else the setting."""
    own, server = rows.member, rows.server
    if own is not None and own["credits"] is not None:
        return Limit(own["credits"], Period(own["per"]), Source.OWN)
    mine = set(roles)
    set_here = "SELECT role, credits, per FROM roles WHERE scope = :scope ORDER BY role"
    of_roles = [
        Limit(row["credits"], Period(row["per"]), Source.ROLE, row["role"])
        for row in (tx.all(set_here, scope=scope) if mine else ())
        if row["role"] in mine
    ]
    if of_roles:
        return max(of_roles, key=lambda limit: limit.credits - used(limit.per))
    if scope == DIRECT:
        return limits.direct
    return default_of(server) or limits.default


def default_of(server: Row | None) -> Limit | None:
    """The server's default, if an admin has set one."""
    if server is None or server["default_credits"] is None:
        return None
    return Limit(server["default_credits"], Period(server["default_per"]), Source.SERVER)


def bonus_left(tx: Tx, scope: Scope, member: UserId) -> int:
    """Bonus credits that are left."""
    return _number(tx, _BONUS, scope=scope, member=member)


def deduct_bonus(tx: Tx, scope: Scope, member: UserId, credits: int, to: str, **by: int) -> int:  # noqa: A002 - the word of the domain
    """Takes so many of the member's bonus credits, the oldest first, as far as there are any; returns how many.

    What was taken of which is noted in the table `to`, with `by`.
    """
    missing = credits
    given = tx.all(
        "SELECT id, remaining FROM bonus_credits"
        " WHERE scope = :scope AND member = :member AND remaining > 0 ORDER BY id",
        scope=scope,
        member=member,
    )
    for row in given:
        if part := min(missing, row["remaining"]):
            return_bonus(tx, row["id"], -part)
            sql.insert(tx, to, by | {"bonus_id": row["id"], "credits": part})
            missing -= part
    return credits - missing


def return_bonus(tx: Tx, bonus_id: int, credits: int) -> None:  # noqa: A002 - the word of the domain
    """Gives bonus credits back to where they were taken from; negative to take them."""
    tx.changed(
        "UPDATE bonus_credits SET remaining = remaining + :credits WHERE id = :bonus_id",
        credits=credits,
        bonus_id=bonus_id,
    )


def server_limit_of(server: Row | None) -> Limit | None:
    """The server limit, if an admin has set one."""
    if server is None or server["server_limit_credits"] is None:
        return None
    return Limit(server["server_limit_credits"], Period(server["server_limit_per"]), Source.SERVER)


def server_limit_in(tx: Tx, scope: Scope) -> Limit | None:
    """`server_limit_of`, for those who do not have the row."""
    return server_limit_of(tx.one("SELECT * FROM servers WHERE scope = :scope", scope=scope))


def server_used(tx: Tx, scope: Scope, per: Period, now: datetime) -> int:
    """Credits counted against the server limit in the period of `now`."""
    return _number(
        tx,
        "SELECT CAST(COALESCE(SUM(credits), 0) AS BIGINT) FROM server_usage WHERE scope = :scope AND day >= :first",
        scope=scope,
        first=first_day(per, now),
    )


def budget_used(tx: Tx, per: Period, now: datetime) -> int:
    """Credits counted against the operator's budget in the period of `now`."""
    return _number(tx, BUDGET_USED, budget_first=first_day(per, now))


def book(
    tx: Tx, *, scope: Scope, member: UserId, reset_count: int, day: int, from_quota: int, from_budget: int
) -> None:
    """Adds to the usage of member, server and budget on that day; negative to give back."""
    if from_quota:
        key = {"scope": scope, "member": member, "reset_count": reset_count, "day": day}
        sql.add(tx, "member_usage", key, credits=from_quota)
    if from_budget:
        sql.add(tx, "server_usage", {"scope": scope, "day": day}, credits=from_budget)
        sql.add(tx, "budget_usage", {"day": day}, credits=from_budget)


def _used(tx: Tx, scope: Scope, member: UserId, reset_count: int, first: int) -> int:
    return _number(tx, _USED, scope=scope, member=member, reset_count=reset_count, first=first)


def _number(tx: Tx, select: str, **params: object) -> int:
    (row,) = tx.all(sql.numbers(found=select), **params)
    found: int = row["found"]
    return found
