"""How often a member had a prompt reworded today; of earlier days nothing is kept."""

from __future__ import annotations

from datetime import datetime

from bot.models import UserId
from bot.store.database import Tx, Unit
from bot.store.row_mapping import day_of


def claim(member: UserId, per_day: int, *, now: datetime) -> Unit[bool]:
    """Takes one of the member's times of this UTC day; False where none is left."""

    def unit(tx: Tx) -> bool:
        taken = tx.changed(
            "INSERT INTO prompt_help (member, day, asked) VALUES (:member, :day, 1) ON CONFLICT (member) DO UPDATE"
            " SET asked = CASE WHEN prompt_help.day = excluded.day THEN prompt_help.asked + 1 ELSE 1 END,"
            " day = excluded.day WHERE prompt_help.day <> excluded.day OR prompt_help.asked < :per_day",
            member=member,
            day=day_of(now),
            per_day=per_day,
        )
        return taken == 1

    return unit


def release(member: UserId, *, now: datetime) -> Unit[int]:
    """One of this day's times is not used after all."""
    return lambda tx: tx.changed(
        "UPDATE prompt_help SET asked = asked - 1 WHERE member = :member AND day = :day AND asked > 0",
        member=member,
        day=day_of(now),
    )


def has_old(*, now: datetime) -> Unit[bool]:
    """Whether something was counted on earlier days."""
    return lambda tx: tx.one("SELECT 1 FROM prompt_help WHERE day < :day LIMIT 1", day=day_of(now)) is not None


def purge(*, now: datetime) -> Unit[int]:
    """What was counted on earlier days goes."""
    return lambda tx: tx.changed("DELETE FROM prompt_help WHERE day < :day", day=day_of(now))
