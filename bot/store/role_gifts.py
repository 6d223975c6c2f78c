"""Bonus credits, or a reset, for all with a role. Who has it is known when they use the bot: then they get it, once.

Whatever spends or tells credits asks `give` or `are_due` first, so a gift counts before anything else does.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from bot.models import ChangeContext, Scope, UserId
from bot.store import ledger, quotas, sql
from bot.store.database import Row, Tx, Unit
from bot.store.row_mapping import to_ms

LASTS = timedelta(days=30)
"""Who has the role later than that gets nothing; this bounds what is looked at, too."""
_NOT_GIVEN = (
    "FROM role_gifts WHERE scope = :scope AND at > :gifts_since AND ended_at IS NULL"
    " AND NOT EXISTS (SELECT 1 FROM role_gifts_given"
    " WHERE role_gifts_given.gift = role_gifts.id AND role_gifts_given.member = :member)"
)
NOT_GIVEN = f"SELECT COUNT(*) {_NOT_GIVEN}"
"""Gifts of the server that the member has not got, with their roles or without; `gifts_since` is `since`."""


def add(by: ChangeContext, role: int, credits: int | None, reason: str | None) -> Unit[int]:  # noqa: A002 - the word of the domain
    """So many bonus credits for everyone with the role; without a number, a reset. Returns the gift's id."""

    def unit(tx: Tx) -> int:
        gift = ledger.next_line_id(tx, by.scope)
        row = {"scope": by.scope, "role": role, "credits": credits, "actor": by.actor, "reason": reason}
        sql.insert(tx, "role_gifts", {"id": gift, "at": to_ms(by.now), **row})
        return gift

    return unit


def are_due(scope: Scope, member: UserId, roles: Sequence[int], now: datetime) -> Unit[bool]:
    """Whether `give` would give something."""
    return lambda tx: bool(_due(tx, scope, member, roles, now))


def give(scope: Scope, member: UserId, roles: Sequence[int], now: datetime) -> Unit[int]:
    """Gives the member what their roles were given and they have not got yet, the oldest first; returns how many."""

    def unit(tx: Tx) -> int:
        if not _due(tx, scope, member, roles, now):
            return 0
        ledger.next_line_id(tx, scope, member)  # from here on nobody else gives them anything
        due = _due(tx, scope, member, roles, now)
        for gift in due:
            _give(tx, gift, scope, member, now)
        return len(due)

    return unit


def since(now: datetime) -> int:
    """What is older is given to nobody any more; milliseconds since 1970."""
    return to_ms(now - LASTS)


def _due(tx: Tx, scope: Scope, member: UserId, roles: Sequence[int], now: datetime) -> list[Row]:
    mine = {*roles, scope}  # @everyone has the server's id
    rows = tx.all(f"SELECT * {_NOT_GIVEN} ORDER BY id", scope=scope, member=member, gifts_since=since(now))
    return [row for row in rows if row["role"] in mine]


def _give(tx: Tx, gift: Row, scope: Scope, member: UserId, now: datetime) -> None:
    """In the name of the admin who gave it."""
    by = ChangeContext(scope, gift["actor"], now)
    if gift["credits"] is None:
        quotas.reset(by, member)(tx)
    else:
        quotas.grant(by, member, gift["credits"], gift["reason"])(tx)
    line = tx.one(
        "SELECT MAX(id) AS line FROM ledger WHERE scope = :scope AND member = :member", scope=scope, member=member
    )
    assert line is not None
    sql.insert(tx, "role_gifts_given", {"gift": gift["id"], "scope": scope, "member": member, "line": line["line"]})


def end(by: ChangeContext, gift: int) -> Unit[None]:
    """Undoes it: nobody gets it any more, and of credits that were given what is not spent is taken back."""

    def unit(tx: Tx) -> None:
        ledger.next_line_id(tx, by.scope)
        sql.update(tx, "role_gifts", {"id": gift}, ended_at=to_ms(by.now))
        row = tx.one("SELECT credits FROM role_gifts WHERE id = :gift", gift=gift)
        if row is None or row["credits"] is None:
            return
        given = tx.all("SELECT member, line FROM role_gifts_given WHERE gift = :gift ORDER BY member", gift=gift)
        for each in given:
            quotas.revoke_grant(by, each["member"], each["line"])(tx)

    return unit


def newest(tx: Tx, scope: Scope, role: int | None) -> Row | None:
    """The role's newest gift that was not undone."""
    return tx.one(
        "SELECT id, credits FROM role_gifts WHERE scope = :scope AND role = :role AND ended_at IS NULL"
        " ORDER BY id DESC LIMIT 1",
        scope=scope,
        role=role,
    )


def holds(tx: Tx, scope: Scope, member: UserId, now: datetime) -> bool:
    """Whether the member got something that they would get once more if nobody knew of it."""
    row = tx.one(
        "SELECT 1 AS found FROM role_gifts_given JOIN role_gifts ON role_gifts.id = role_gifts_given.gift"
        " WHERE role_gifts_given.scope = :scope AND role_gifts_given.member = :member AND role_gifts.at > :since",
        scope=scope,
        member=member,
        since=to_ms(now - LASTS),
    )
    return row is not None
