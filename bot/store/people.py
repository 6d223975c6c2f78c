"""What is remembered of a person beside money: what they were told, and whether they want pings."""

from __future__ import annotations

from datetime import datetime

from bot.models import UserId
from bot.store.database import Tx, Unit
from bot.store.mapping import maybe_ms, to_ms


def is_told(member: UserId) -> Unit[bool]:
    """Whether the member was told where their picture and prompt go."""
    sql = "SELECT member FROM people WHERE member = :member AND told_at IS NOT NULL"
    return lambda tx: tx.one(sql, member=member) is not None


def claim_telling(member: UserId, *, now: datetime) -> Unit[bool]:
    """True for the one caller who may tell the member, once ever; marked before it is sent."""

    def unit(tx: Tx) -> bool:
        claimed = tx.changed(
            "INSERT INTO people (member, told_at) VALUES (:member, :now)"
            " ON CONFLICT (member) DO UPDATE SET told_at = excluded.told_at WHERE people.told_at IS NULL",
            member=member,
            now=to_ms(now),
        )
        return claimed == 1

    return unit


def is_silent(member: UserId) -> Unit[bool]:
    """Whether the member wants no pings."""
    sql = "SELECT member FROM people WHERE member = :member AND silent_at IS NOT NULL"
    return lambda tx: tx.one(sql, member=member) is not None


def set_silent(member: UserId, since: datetime | None) -> Unit[None]:
    """No pings from now on; None for pings."""

    def unit(tx: Tx) -> None:
        tx.changed(
            "INSERT INTO people (member, silent_at) VALUES (:member, :since)"
            " ON CONFLICT (member) DO UPDATE SET silent_at = excluded.silent_at",
            member=member,
            since=maybe_ms(since),
        )

    return unit
