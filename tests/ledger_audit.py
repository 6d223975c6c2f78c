"""The books held against each other: usage and bonus credits against the ledger, and jobs against both.

Reads a database of the bot, whoever wrote it; works the sums out anew and shares no code with the bot.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import Any, Protocol

Key = tuple[int | None, ...]


class Connection(Protocol):
    """Of sqlite3, or of psycopg."""

    def execute(self, query: str, /) -> Iterable[Any]: ...


_PAID = ("delivered", "undelivered", "delivering")  # with a refund only if it came too late
_MAY_STILL_COME = ("timed_out", "lost_answer", "gone")
_OPEN = ("waiting", "submitting", "rendering")
_WITHOUT_VIDEO = ("failed", "cancelled", "unknown", "timed_out")

_REFUNDED_JOBS = "SELECT job FROM ledger WHERE kind = 'refund' AND job IS NOT NULL"

_SUMS = {
    "member_usage (scope, member, reset_count, day)": (
        "SELECT scope, member, reset_count, day, credits FROM member_usage",
        "SELECT scope, member, reset_count, day, -from_quota FROM ledger WHERE from_quota <> 0",
    ),
    "server_usage (scope, day)": (
        "SELECT scope, day, credits FROM server_usage",
        "SELECT scope, day, -from_budget FROM ledger WHERE from_budget <> 0",
    ),
    "budget_usage (day)": (
        "SELECT day, credits FROM budget_usage",
        "SELECT day, -from_budget FROM ledger WHERE from_budget <> 0",
    ),
    "bonus_credits (scope, member)": (
        "SELECT scope, member, remaining FROM bonus_credits",
        "SELECT scope, member, from_bonus FROM ledger WHERE from_bonus <> 0",
    ),
    "bonus_credits (bonus_id)": (
        "SELECT id, remaining FROM bonus_credits",
        (
            "SELECT id, from_bonus FROM ledger WHERE kind = 'grant'"
            f" UNION ALL SELECT bonus_id, -credits FROM job_bonus_credits WHERE job NOT IN ({_REFUNDED_JOBS})"
            " UNION ALL SELECT bonus_id, -credits FROM revoked_bonus_credits"
        ),
    ),
    "what was revoked (line)": (
        "SELECT line, credits FROM revoked_bonus_credits",
        "SELECT id, -from_bonus FROM ledger WHERE kind = 'revoke'",
    ),
    "jobs and what they took (job)": (
        "SELECT id, credits FROM jobs",
        "SELECT job, -credits FROM ledger WHERE kind = 'reserve'",
    ),
    "jobs and what they took of the quota (job)": (
        "SELECT id, from_quota FROM jobs",
        "SELECT job, -from_quota FROM ledger WHERE kind = 'reserve'",
    ),
    "jobs and what they took of bonus credits (job)": (
        "SELECT job, credits FROM job_bonus_credits",
        "SELECT job, -from_bonus FROM ledger WHERE kind = 'reserve'",
    ),
}
"""What is kept, and the ledger's word on it: rows of a key and a number, which are added up."""

_NOTHING_LIKE_IT = {
    "below nothing in member_usage": "SELECT scope, member, day FROM member_usage WHERE credits < 0",
    "below nothing in server_usage": "SELECT scope, day FROM server_usage WHERE credits < 0",
    "below nothing in budget_usage": "SELECT day FROM budget_usage WHERE credits < 0",
    "below nothing in bonus_credits": "SELECT id FROM bonus_credits WHERE remaining < 0",
    "a line that does not add up": (
        "SELECT id FROM ledger WHERE kind IN ('reserve', 'refund', 'grant', 'revoke')"
        " AND credits <> from_quota + from_bonus"
    ),
    "a rule that moves credits": (
        "SELECT id FROM ledger WHERE kind IN ('quota', 'pause', 'block')"
        " AND (credits <> 0 OR from_quota <> 0 OR from_bonus <> 0 OR from_budget <> 0)"
    ),
    "a line beyond the counter": "SELECT id FROM ledger WHERE id > (SELECT COALESCE(MAX(lines), 0) FROM budget)",
    "a reservation that does not say what admitted it": (
        "SELECT id FROM ledger WHERE kind = 'reserve' AND (member IS NULL OR day IS NULL OR reset_count IS NULL"
        " OR limit_credits IS NULL OR limit_per IS NULL OR limit_source IS NULL"
        " OR budget_credits IS NULL OR budget_per IS NULL)"
    ),
    "a refund of nothing reserved": (
        "SELECT id FROM ledger WHERE kind = 'refund'"
        " AND job NOT IN (SELECT job FROM ledger WHERE kind = 'reserve' AND job IS NOT NULL)"
    ),
    "a refund that is not what was taken, from where it was taken": (
        "SELECT back.id FROM ledger AS back JOIN ledger AS took ON took.job = back.job AND took.kind = 'reserve'"
        " WHERE back.kind = 'refund' AND NOT (back.credits = -took.credits AND back.scope = took.scope"
        " AND back.member = took.member AND back.day = took.day AND back.reset_count = took.reset_count"
        " AND back.from_quota = -took.from_quota AND back.from_bonus = -took.from_bonus"
        " AND back.from_budget IN (0, -took.from_budget))"
    ),
    "a budget refund for a job the provider had taken": (
        "SELECT ledger.id FROM ledger JOIN jobs ON jobs.id = ledger.job"
        " WHERE ledger.kind = 'refund' AND ledger.from_budget <> 0"
        " AND (jobs.ticket IS NOT NULL OR jobs.state = 'unknown')"
        " AND NOT (jobs.state = 'cancelled' AND jobs.last_sent_at IS NOT NULL)"  # by the provider, without a charge
    ),
    "a job without a video and without a refund": (
        f"SELECT id FROM jobs WHERE state IN {_WITHOUT_VIDEO} AND id NOT IN ({_REFUNDED_JOBS})"
    ),
    "a refund for a job under way": (f"SELECT id FROM jobs WHERE state IN {_OPEN} AND id IN ({_REFUNDED_JOBS})"),
    "a refund for a paid job that was never late": (
        f"SELECT jobs.id FROM jobs JOIN ledger ON ledger.job = jobs.id AND ledger.kind = 'refund'"
        f" WHERE jobs.state IN {_PAID} AND COALESCE(ledger.reason, '') NOT IN {_MAY_STILL_COME}"
    ),
}
"""Rows that must not be there."""


def differences(connection: Connection) -> list[str]:
    """One sentence for each place where the books disagree; none where they are right."""
    return [*_unequal_sums(connection), *_strange_rows(connection), *_overdrafts(connection)]


def _unequal_sums(connection: Connection) -> Iterator[str]:
    for name, (kept, ledger) in _SUMS.items():
        has, should = _added_up(connection, kept), _added_up(connection, ledger)
        for key in sorted(has.keys() | should.keys(), key=str):
            if has[key] != should[key]:
                yield f"{name} {key}: {has[key]} kept, {should[key]} by the ledger"


def _added_up(connection: Connection, sql: str) -> Counter[Key]:
    sums: Counter[Key] = Counter()
    for *key, count in connection.execute(sql):
        sums[tuple(key)] += count
    return sums


def _strange_rows(connection: Connection) -> Iterator[str]:
    for name, sql in _NOTHING_LIKE_IT.items():
        for row in connection.execute(sql):
            yield f"{name}: {tuple(row)}"


def _overdrafts(connection: Connection) -> Iterator[str]:
    """Goes through the ledger in its order: at each reservation no limit it names may be passed."""
    member_usage: dict[Key, Counter[int]] = {}
    server_usage: dict[Key, Counter[int]] = {}
    budget_usage: Counter[int] = Counter()
    for line in connection.execute(
        "SELECT id, kind, scope, member, reset_count, day, from_quota, from_budget, limit_credits, limit_per,"
        " server_limit_credits, server_limit_per, budget_credits, budget_per FROM ledger"
        " WHERE kind IN ('reserve', 'refund') ORDER BY id"
    ):
        number, kind, scope, member, reset_count, day, quota, budget = tuple(line)[:8]
        of_member = member_usage.setdefault((scope, member, reset_count), Counter())
        of_server = server_usage.setdefault((scope,), Counter())
        of_member[day] -= quota
        of_server[day] -= budget
        budget_usage[day] -= budget
        if kind != "reserve":
            continue
        limit, limit_per, server_limit, server_limit_per, most, most_per = tuple(line)[8:]
        if quota and limit is not None and _since(of_member, limit_per, day) > limit:
            yield f"line {number} exceeds the quota of {limit} per {limit_per}"
        if server_limit is not None and _since(of_server, server_limit_per, day) > server_limit:
            yield f"line {number} exceeds the server limit of {server_limit} per {server_limit_per}"
        if most is not None and _since(budget_usage, most_per, day) > most:
            yield f"line {number} passes the budget of {most} per {most_per}"


def _since(use: Counter[int], per: str, day: int) -> int:
    first = first_day(per, day)
    return sum(count for spent, count in use.items() if spent >= first)


def first_day(per: str, day: int) -> int:
    """The first day of the period that a UTC day, counted from 1970-01-01, is in."""
    today = date(1970, 1, 1) + timedelta(days=day)
    match per:
        case "day":
            return day
        case "week":
            return day - today.isoweekday() + 1
        case "month":
            return day - today.day + 1
        case _:
            return 0
