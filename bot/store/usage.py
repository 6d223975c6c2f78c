"""Who used what, over days: on a server, or everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.models import FailureKind, JobState, Scope, UserId
from bot.report_models import UsageRow
from bot.store.database import Tx, Unit
from bot.store.row_mapping import day_of

_TAKEN = "ticket IS NOT NULL AND state <> :cancelled"
"""The provider has taken the job, and did not cancel it, for which it charges nothing."""


@dataclass(frozen=True, slots=True)
class TotalRow:
    """Jobs alike of one place. The members got `refunded` back, the budget `unspent`; of the `made` that the provider
    took it told the cost of all but `untold`, together `told_usd`.
    """

    scope: Scope
    provider: str
    model: str
    seconds: int
    size: str | None
    asked: int
    made: int
    untold: int
    told_usd: float
    credits: int
    refunded: int
    unspent: int


def everywhere(days: int, now: datetime) -> Unit[list[TotalRow]]:
    """The jobs of the last `days` UTC days in all servers and direct messages, today among them."""

    def unit(tx: Tx) -> list[TotalRow]:
        rows = tx.all(
            "SELECT jobs.scope, provider, model, seconds, size, COUNT(*) AS asked,"
            f" COUNT(CASE WHEN {_TAKEN} THEN 1 END) AS made,"
            f" COUNT(CASE WHEN {_TAKEN} AND cost_usd_micros IS NULL THEN 1 END) AS untold,"
            " CAST(COALESCE(SUM(cost_usd_micros), 0) AS BIGINT) AS told_micros,"
            " CAST(SUM(jobs.credits) AS BIGINT) AS credits,"
            " CAST(COALESCE(SUM(ledger.credits), 0) AS BIGINT) AS refunded,"
            " CAST(COALESCE(SUM(ledger.from_budget), 0) AS BIGINT) AS unspent"
            " FROM jobs LEFT JOIN ledger ON ledger.job = jobs.id AND ledger.kind = 'refund'"
            " WHERE jobs.day >= :first GROUP BY jobs.scope, provider, model, seconds, size"
            " ORDER BY jobs.scope, provider, model, seconds, size",
            first=day_of(now - timedelta(days=days - 1)),
            cancelled=JobState.CANCELLED,
        )
        return [
            TotalRow(
                scope=Scope(row["scope"]),
                told_usd=row["told_micros"] / 1_000_000,
                **{
                    name: row[name]
                    for name in (
                        "provider", "model", "seconds", "size", "asked", "made", "untold", "credits", "refunded",
                        "unspent",
                    )
                },
            )
            for row in rows
        ]  # fmt: skip

    return unit


def usage(scope: Scope, days: int, now: datetime) -> Unit[list[UsageRow]]:
    """The jobs of the last `days` UTC days, today among them."""

    def unit(tx: Tx) -> list[UsageRow]:
        rows = tx.all(
            "SELECT jobs.day, jobs.member, model, seconds, size, state, failure, COUNT(*) AS videos,"
            " CAST(SUM(jobs.credits) AS BIGINT) AS credits,"
            " CAST(COALESCE(SUM(ledger.credits), 0) AS BIGINT) AS refunded,"
            f" COUNT(CASE WHEN {_TAKEN} THEN 1 END) AS made,"
            f" COUNT(CASE WHEN {_TAKEN} AND cost_usd_micros IS NULL THEN 1 END)"
            " AS untold, CAST(COALESCE(SUM(cost_usd_micros), 0) AS BIGINT) AS told_micros"
            " FROM jobs LEFT JOIN ledger ON ledger.job = jobs.id AND ledger.kind = 'refund'"
            " WHERE jobs.scope = :scope AND jobs.day >= :first"
            " GROUP BY jobs.day, jobs.member, model, seconds, size, state, failure"
            " ORDER BY jobs.member, model, seconds, size, state, failure, jobs.day",
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
                day=row["day"],
            )
            for row in rows
        ]

    return unit
