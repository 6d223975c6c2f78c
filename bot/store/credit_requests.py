"""Bonus credits that were asked for from outside: each key grants once, in the transaction that keeps it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from bot.models import Bonus, ChangeContext, UserId
from bot.store import balances, quotas, sql
from bot.store.database import Tx, Unit


@dataclass(frozen=True, slots=True)
class Granted:
    """What came of it. `is_repeated`: the key had granted before, and nothing was given now."""

    bonus: Bonus
    is_repeated: bool


def grant(by: ChangeContext, member: UserId, credits: int, reason: str | None, *, key: str) -> Unit[Granted | None]:  # noqa: A002 - the word of the domain
    """Gives the credits once for this key; None where it was used for something else."""
    key_hash = _hash(key)
    body_hash = _hash(f"{by.scope} {member} {credits} {reason}")

    def unit(tx: Tx) -> Granted | None:
        taken = tx.changed(
            "INSERT INTO credit_requests (key, body, line) VALUES (:key, :body, 0) ON CONFLICT (key) DO NOTHING",
            key=key_hash,
            body=body_hash,
        )
        if not taken:
            before = tx.one("SELECT body FROM credit_requests WHERE key = :key", key=key_hash)
            if before is None or before["body"] != body_hash:
                return None
            return Granted(Bonus(credits, balances.bonus_left(tx, by.scope, member)), is_repeated=True)
        bonus = quotas.grant(by, member, credits, reason)(tx)
        line = tx.one(
            "SELECT MAX(id) AS line FROM bonus_credits WHERE scope = :scope AND member = :member",
            scope=by.scope,
            member=member,
        )
        assert line is not None
        sql.update(tx, "credit_requests", {"key": key_hash}, line=line["line"])
        return Granted(bonus, is_repeated=False)

    return unit


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
