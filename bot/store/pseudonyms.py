"""Whose numbers these are: once nothing needs to know, use, ledger and jobs stay as they are under nobody's name.

The books are held by member and server, so all of a member's rows of a server get one and the same new name, in one
unit: every sum stays what it was, and no quota, server limit or budget counts anything else than before. The name is a
negative number made of a fresh ledger id, which no person has and no two get.
"""

from __future__ import annotations

from datetime import datetime

from bot.models import DIRECT, Limits, Period, Scope, UserId
from bot.store import ledger, role_gifts, users
from bot.store.database import Tx, Unit
from bot.store.row_mapping import day_of, first_day, from_ms

ADMIN_ACTS = "kind IN ('grant', 'revoke', 'reset', 'quota', 'pause', 'block')"
_NAMED = ("ledger", "jobs", "member_usage", "bonus_credits", "admin_acts")


def pseudonymize(tx: Tx, scope: Scope, member: UserId) -> None:
    """Takes the member's name off all that is counted on the server, and what admins wrote about them."""
    nobody = -ledger.next_line_id(tx, scope)
    for table in _NAMED:
        tx.changed(
            f"UPDATE {table} SET member = :nobody WHERE scope = :scope AND member = :member",
            nobody=nobody,
            scope=scope,
            member=member,
        )
    tx.changed(
        "UPDATE ledger SET actor = :nobody WHERE scope = :scope AND member = :nobody AND actor = :member",
        nobody=nobody,
        scope=scope,
        member=member,
    )
    tx.changed("DELETE FROM role_gifts_given WHERE scope = :scope AND member = :member", scope=scope, member=member)
    tx.changed(
        f"UPDATE admin_acts SET {', '.join(map(_without_reason, ('old_value', 'new_value')))}"
        " WHERE scope = :scope AND member = :nobody AND what = 'block'",
        nobody=nobody,
        scope=scope,
    )
    tx.changed(
        f"UPDATE ledger SET reason = NULL WHERE scope = :scope AND member = :nobody AND {ADMIN_ACTS}",
        nobody=nobody,
        scope=scope,
    )


def _without_reason(column: str) -> str:
    """A block stays one: its value is a list with the reason alone, and 'null' where there was no block."""
    return f"{column} = CASE WHEN {column} = 'null' THEN {column} ELSE '[null]' END"


def pseudonymize_member(scope: Scope, member: UserId) -> Unit[None]:
    """`pseudonymize`, as a unit of its own."""
    return lambda tx: pseudonymize(tx, scope, member)


def erased_people() -> Unit[list[UserId]]:
    """Everybody who asked to be forgotten and is still known by name."""
    return lambda tx: [
        UserId(row["member"])
        for row in tx.all("SELECT member FROM users WHERE erasure_requested_at IS NOT NULL ORDER BY member")
    ]


def forget_name(member: UserId, limits: Limits, *, now: datetime) -> Unit[bool]:
    """Where a member asked to be forgotten: takes their name off wherever no period needs it; True once it is gone.

    Their own quota, a block and bonus credits stay theirs: they would come back by asking to be forgotten.
    """

    def unit(tx: Tx) -> bool:
        row = tx.one("SELECT erasure_requested_at FROM users WHERE member = :member", member=member)
        if row is None or row["erasure_requested_at"] is None:
            return True
        first = _first_counted(now)
        left = 0
        for scope in _scopes(tx, member):
            if _is_needed(tx, scope, member, limits, now=now, until=row["erasure_requested_at"]):
                left += 1
                continue
            pseudonymize(tx, scope, member)
            tx.changed(
                "DELETE FROM members WHERE scope = :scope AND member = :member"
                " AND credits IS NULL AND blocked_at IS NULL",
                scope=scope,
                member=member,
            )
        if left or day_of(from_ms(row["erasure_requested_at"])) >= first:
            return False
        _forget_person(tx, member, row["erasure_requested_at"])
        return True

    return unit


def _first_counted(now: datetime) -> int:
    """The first day that any period but `total` counts: a week may have begun before the month."""
    return min(first_day(Period.MONTH, now), first_day(Period.WEEK, now))


def _scopes(tx: Tx, member: UserId) -> list[Scope]:
    """Where the books know the member; each ledger line of theirs made a row of `members`."""
    return [
        Scope(row["scope"])
        for row in tx.all(
            "SELECT scope FROM members WHERE member = :member AND EXISTS (SELECT 1 FROM ledger"
            " WHERE ledger.scope = members.scope AND ledger.member = members.member) ORDER BY scope",
            member=member,
        )
    ]


def _is_needed(tx: Tx, scope: Scope, member: UserId, limits: Limits, *, now: datetime, until: int) -> bool:
    if Period.TOTAL in _periods(tx, scope, member, limits):
        return True
    first = _first_counted(now)
    in_use = tx.one(
        "SELECT 1 AS found FROM jobs JOIN cards ON cards.job = jobs.id WHERE jobs.scope = :scope"
        " AND jobs.member = :member AND (jobs.day >= :first OR jobs.created_at > :until OR jobs.deleted_at IS NULL"
        " OR cards.channel <> 0) LIMIT 1",
        scope=scope,
        member=member,
        first=first,
        until=until,
    )
    bonus = tx.one(
        "SELECT 1 AS found FROM bonus_credits WHERE scope = :scope AND member = :member AND remaining > 0 LIMIT 1",
        scope=scope,
        member=member,
    )
    return in_use is not None or bonus is not None or role_gifts.holds(tx, scope, member, now)


def _periods(tx: Tx, scope: Scope, member: UserId, limits: Limits) -> set[str]:
    """Every period that may count for the member there: which roles they have is not known."""
    rows = tx.all(
        "SELECT per FROM members WHERE scope = :scope AND member = :member AND per IS NOT NULL"
        " UNION SELECT per FROM roles WHERE scope = :scope"
        " UNION SELECT default_per FROM servers WHERE scope = :scope AND default_per IS NOT NULL",
        scope=scope,
        member=member,
    )
    return {row["per"] for row in rows} | {limits.direct.per if scope == DIRECT else limits.default.per}


def _forget_person(tx: Tx, member: UserId, until: int) -> None:
    """Also what they did as an admin is nobody's from now on. Muted mentions stay muted, and choices unremembered."""
    tx.changed(
        f"UPDATE ledger SET actor = NULL WHERE actor = :member AND at <= :until AND {ADMIN_ACTS}",
        member=member,
        until=until,
    )
    tx.changed("UPDATE role_gifts SET actor = NULL WHERE actor = :member AND at <= :until", member=member, until=until)
    tx.changed("UPDATE admin_acts SET actor = NULL WHERE actor = :member AND at <= :until", member=member, until=until)
    tx.changed("UPDATE users SET erasure_requested_at = NULL WHERE member = :member", member=member)
    tx.changed(
        "DELETE FROM users WHERE member = :member AND privacy_note_at IS NULL AND mentions_muted_at IS NULL"
        " AND choices_off_at IS NULL",
        member=member,
    )
    tx.note(users.ChoicesChanged(member))
