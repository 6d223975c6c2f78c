"""The books held against each other: what is kept as use and pots against the ledger, and jobs against both.

Reads a database of the bot, whoever wrote it; works the sums out anew and shares no code with the bot.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta

Key = tuple[int | None, ...]

_PAID = ("delivered", "undelivered", "delivering")  # with a refund only if it came too late
_MAY_STILL_COME = ("timed_out", "lost_answer", "gone")
_OPEN = ("waiting", "submitting", "rendering")
_WITHOUT_VIDEO = ("failed", "cancelled", "unknown", "timed_out")

_REFUNDED_JOBS = "SELECT job FROM ledger WHERE kind = 'refund' AND job IS NOT NULL"

_SUMS = {
    "member_use (scope, member, epoch, day)": (
        "SELECT scope, member, epoch, day, credits FROM member_use",
        "SELECT scope, member, epoch, day, -from_allowance FROM ledger WHERE from_allowance <> 0",
    ),
    "server_use (scope, day)": (
        "SELECT scope, day, credits FROM server_use",
        "SELECT scope, day, -from_budget FROM ledger WHERE from_budget <> 0",
    ),
    "budget_use (day)": (
        "SELECT day, credits FROM budget_use",
        "SELECT day, -from_budget FROM ledger WHERE from_budget <> 0",
    ),
    "pots (scope, member)": (
        "SELECT scope, member, remaining FROM pots",
        "SELECT scope, member, from_pots FROM ledger WHERE from_pots <> 0",
    ),
    "pots (pot)": (
        "SELECT id, remaining FROM pots",
        (
            "SELECT id, from_pots FROM ledger WHERE kind = 'grant'"
            f" UNION ALL SELECT pot, -credits FROM job_pots WHERE job NOT IN ({_REFUNDED_JOBS})"
            " UNION ALL SELECT pot, -credits FROM revoked_pots"
        ),
    ),
    "what was revoked (line)": (
        "SELECT line, credits FROM revoked_pots",
        "SELECT id, -from_pots FROM ledger WHERE kind = 'revoke'",
    ),
    "jobs and what they took (job)": (
        "SELECT id, credits FROM jobs",
        "SELECT job, -credits FROM ledger WHERE kind = 'reserve'",
    ),
    "jobs and what they took from the allowance (job)": (
        "SELECT id, from_allowance FROM jobs",
        "SELECT job, -from_allowance FROM ledger WHERE kind = 'reserve'",
    ),
    "jobs and what they took from pots (job)": (
        "SELECT job, credits FROM job_pots",
        "SELECT job, -from_pots FROM ledger WHERE kind = 'reserve'",
    ),
}
"""What is kept, and the ledger's word on it: rows of a key and a number, which are added up."""

_NOTHING_LIKE_IT = {
    "below nothing in member_use": "SELECT scope, member, day FROM member_use WHERE credits < 0",
    "below nothing in server_use": "SELECT scope, day FROM server_use WHERE credits < 0",
    "below nothing in budget_use": "SELECT day FROM budget_use WHERE credits < 0",
    "below nothing in pots": "SELECT id FROM pots WHERE remaining < 0",
    "a line that does not add up": (
        "SELECT id FROM ledger WHERE kind IN ('reserve', 'refund', 'grant', 'revoke')"
        " AND credits <> from_allowance + from_pots"
    ),
    "a rule that moves credits": (
        "SELECT id FROM ledger WHERE kind IN ('allowance', 'pause', 'block')"
        " AND (credits <> 0 OR from_allowance <> 0 OR from_pots <> 0 OR from_budget <> 0)"
    ),
    "a line beyond the counter": "SELECT id FROM ledger WHERE id > (SELECT COALESCE(MAX(lines), 0) FROM budget)",
    "a reservation that does not say what admitted it": (
        "SELECT id FROM ledger WHERE kind = 'reserve' AND (member IS NULL OR day IS NULL OR epoch IS NULL"
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
        " AND back.member = took.member AND back.day = took.day AND back.epoch = took.epoch"
        " AND back.from_allowance = -took.from_allowance AND back.from_pots = -took.from_pots"
        " AND back.from_budget IN (0, -took.from_budget))"
    ),
    "a budget refund for a job the provider had taken": (
        "SELECT ledger.id FROM ledger JOIN jobs ON jobs.id = ledger.job"
        " WHERE ledger.kind = 'refund' AND ledger.from_budget <> 0"
        " AND (jobs.provider_id IS NOT NULL OR jobs.state = 'unknown')"
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


def differences(connection: sqlite3.Connection) -> list[str]:
    """One sentence for each place where the books disagree; none where they are right."""
    return [*_unequal_sums(connection), *_strange_rows(connection), *_overdrafts(connection)]


def _unequal_sums(connection: sqlite3.Connection) -> Iterator[str]:
    for name, (kept, ledger) in _SUMS.items():
        has, should = _added_up(connection, kept), _added_up(connection, ledger)
        for key in sorted(has.keys() | should.keys(), key=str):
            if has[key] != should[key]:
                yield f"{name} {key}: {has[key]} kept, {should[key]} by the ledger"


def _added_up(connection: sqlite3.Connection, sql: str) -> Counter[Key]:
    sums: Counter[Key] = Counter()
    for *key, count in connection.execute(sql):
        sums[tuple(key)] += count
    return sums


def _strange_rows(connection: sqlite3.Connection) -> Iterator[str]:
    for name, sql in _NOTHING_LIKE_IT.items():
        for row in connection.execute(sql):
            yield f"{name}: {tuple(row)}"


def _overdrafts(connection: sqlite3.Connection) -> Iterator[str]:
    """Goes through the ledger in its order: at each reservation no limit it names may be passed."""
    member_use: dict[Key, Counter[int]] = {}
    server_use: dict[Key, Counter[int]] = {}
    budget_use: Counter[int] = Counter()
    for line in connection.execute(
        "SELECT id, kind, scope, member, epoch, day, from_allowance, from_budget, limit_credits, limit_per,"
        " ceiling_credits, ceiling_per, budget_credits, budget_per FROM ledger"
        " WHERE kind IN ('reserve', 'refund') ORDER BY id"
    ):
        number, kind, scope, member, epoch, day, allowance, budget = tuple(line)[:8]
        of_member = member_use.setdefault((scope, member, epoch), Counter())
        of_server = server_use.setdefault((scope,), Counter())
        of_member[day] -= allowance
        of_server[day] -= budget
        budget_use[day] -= budget
        if kind != "reserve":
            continue
        limit, limit_per, ceiling, ceiling_per, most, most_per = tuple(line)[8:]
        if allowance and limit is not None and _since(of_member, limit_per, day) > limit:
            yield f"line {number} passes the allowance of {limit} per {limit_per}"
        if ceiling is not None and _since(of_server, ceiling_per, day) > ceiling:
            yield f"line {number} passes the ceiling of {ceiling} per {ceiling_per}"
        if most is not None and _since(budget_use, most_per, day) > most:
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
