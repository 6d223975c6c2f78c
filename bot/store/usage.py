"""Who used what on a server, over days."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.models import FailureKind, JobState, Scope, UsageRow, UserId
from bot.store.database import Tx, Unit
from bot.store.row_mapping import day_of


def usage(scope: Scope, days: int, now: datetime) -> Unit[list[UsageRow]]:
    """The jobs of the last `days` UTC days, today among them."""

    def unit(tx: Tx) -> list[UsageRow]:
        rows = tx.all(
            "SELECT jobs.member, model, seconds, size, state, failure, COUNT(*) AS videos,"
            " CAST(SUM(jobs.credits) AS BIGINT) AS credits,"
            " CAST(COALESCE(SUM(ledger.credits), 0) AS BIGINT) AS refunded,"
            " COUNT(CASE WHEN ticket IS NOT NULL AND state <> :cancelled THEN 1 END) AS made,"
            " COUNT(CASE WHEN ticket IS NOT NULL AND state <> :cancelled AND cost_usd_micros IS NULL THEN 1 END)"
            " AS untold, CAST(COALESCE(SUM(cost_usd_micros), 0) AS BIGINT) AS told_micros"
            " FROM jobs LEFT JOIN ledger ON ledger.job = jobs.id AND ledger.kind = 'refund'"
            " WHERE jobs.scope = :scope AND jobs.day >= :first"
            " GROUP BY jobs.member, model, seconds, size, state, failure"
            " ORDER BY jobs.member, model, seconds, size, state, failure",
            scope=scope,
            first=day_of(now - timedelta(days=days - 1)),
            cancelled=JobState.CANCELLED,  # by the provider, which charged nothing
        )
        return [
            UsageRow(
                member=UserId(row["member"]),
                model=row["model"],
                seconds=row["seconds"],
                size=row["size"],
                state=JobState(row["state"]),
                failure=None if row["failure"] is None else FailureKind(row["failure"]),
                videos=row["videos"],
                credits=row["credits"],
                refunded=row["refunded"],
                made=row["made"],
                untold=row["untold"],
                told_usd=row["told_micros"] / 1_000_000,
            )
            for row in rows
        ]

    return unit
