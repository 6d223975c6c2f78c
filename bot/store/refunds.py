"""Giving credits back: to the member, and where certainly no video was made to server limit and budget too.

`bot.store.jobs.MOVES` says which move refunds whom; the move and its refund are one unit.
"""

from __future__ import annotations

import enum
from datetime import datetime

from bot.models import JobId, LedgerKind
from bot.store import balances, ledger
from bot.store.database import Tx
from bot.store.row_mapping import to_ms


class Refund(enum.Enum):
    """Who gets credits back on a move."""

    NONE = enum.auto()
    MEMBER = enum.auto()  # the provider may have made a video: server limit and budget keep theirs
    ALL = enum.auto()  # certainly no video was made


def refund(tx: Tx, job: JobId, refund: Refund, now: datetime) -> None:
    """Returns exactly what the job took to where it was taken from: days and bonus credits; once."""
    row = tx.one("SELECT * FROM jobs WHERE id = :job", job=job)
    assert row is not None
    line = ledger.next_line_id(tx, row["scope"], row["member"])
    to_budget = row["credits"] if refund is Refund.ALL else 0
    fresh = ledger.append(
        tx,
        line,
        LedgerKind.REFUND,
        now=now,
        scope=row["scope"],
        job=job,
        member=row["member"],
        credits=row["credits"],
        from_quota=row["from_quota"],
        from_bonus=row["credits"] - row["from_quota"],
        from_budget=to_budget,
        day=row["day"],
        reset_count=row["reset_count"],
        taken_at=to_ms(now) if row["ticket"] is not None and refund is Refund.MEMBER else None,
        reason=row["failure"],
    )
    if not fresh:
        return
    balances.book(
        tx,
        scope=row["scope"],
        member=row["member"],
        reset_count=row["reset_count"],
        day=row["day"],
        from_quota=-row["from_quota"],
        from_budget=-to_budget,
    )
    for part in tx.all("SELECT bonus_id, credits FROM job_bonus_credits WHERE job = :job", job=job):
        balances.return_bonus(tx, part["bonus_id"], part["credits"])
