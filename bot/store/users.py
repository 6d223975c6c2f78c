"""What is remembered of a person beside money: what they were told, and whether they muted mentions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.models import UserId
from bot.store import sql
from bot.store.database import Tx, Unit
from bot.store.row_mapping import maybe_ms, to_ms


@dataclass(frozen=True, slots=True)
class ChoicesChanged:
    """Noted with each change of what a member last chose, or of whether that is remembered."""

    member: UserId


def was_shown_privacy_note(member: UserId) -> Unit[bool]:
    """Whether the member was told where their picture and prompt go."""
    return _is_set(member, "privacy_note_at")


def claim_privacy_note(member: UserId, *, now: datetime) -> Unit[bool]:
    """True for the one caller who may tell the member, once; marked before it is sent."""

    def unit(tx: Tx) -> bool:
        claimed = tx.changed(
            "INSERT INTO users (member, privacy_note_at) VALUES (:member, :now)"
            " ON CONFLICT (member) DO UPDATE SET privacy_note_at = excluded.privacy_note_at"
            " WHERE users.privacy_note_at IS NULL",
            member=member,
            now=to_ms(now),
        )
        return claimed == 1

    return unit


def has_muted_mentions(member: UserId) -> Unit[bool]:
    """Whether the member muted mentions."""
    return _is_set(member, "mentions_muted_at")


def set_mentions_muted(member: UserId, since: datetime | None) -> Unit[None]:
    """No mentions from now on; None for mentions."""
    return lambda tx: sql.put(tx, "users", {"member": member}, mentions_muted_at=maybe_ms(since))


def last_choices(member: UserId) -> Unit[str | None]:
    """What they last chose, as it was remembered; None where nothing is, or they do not want that."""

    def unit(tx: Tx) -> str | None:
        row = tx.one("SELECT choices FROM users WHERE member = :member AND choices_off_at IS NULL", member=member)
        return None if row is None else row["choices"]

    return unit


def remember_choices(member: UserId, choices: str) -> Unit[int]:
    """What they chose just now, unless they do not want that."""

    def unit(tx: Tx) -> int:
        tx.note(ChoicesChanged(member))
        return tx.changed(
            "INSERT INTO users (member, choices) VALUES (:member, :choices)"
            " ON CONFLICT (member) DO UPDATE SET choices = excluded.choices WHERE users.choices_off_at IS NULL",
            member=member,
            choices=choices,
        )

    return unit


def are_choices_off(member: UserId) -> Unit[bool]:
    """Whether they do not want their choices remembered."""
    return _is_set(member, "choices_off_at")


def set_choices_off(member: UserId, since: datetime | None) -> Unit[None]:
    """No choices are remembered from now on, and none of before; None for remembering."""

    def unit(tx: Tx) -> None:
        sql.put(tx, "users", {"member": member}, choices=None, choices_off_at=maybe_ms(since))
        tx.note(ChoicesChanged(member))

    return unit


def _is_set(member: UserId, column: str) -> Unit[bool]:
    statement = f"SELECT member FROM users WHERE member = :member AND {column} IS NOT NULL"
    return lambda tx: tx.one(statement, member=member) is not None
