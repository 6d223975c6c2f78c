"""The auditor audited: each way to falsify the books is seen by `tests.ledger_audit`."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bot.models import FailureKind, JobState
from bot.store import jobs
from bot.store.database import Tx
from bot.store.migrations import migrate
from bot.store.reservations import reserve
from tests.builders import MEMBER, NOON, a_job, grant, limits
from tests.ledger_audit import differences


@pytest.mark.parametrize(
    ("falsified", "seen"),
    [
        ("UPDATE member_usage SET credits = credits + 1", "member_usage"),
        ("DELETE FROM member_usage", "member_usage"),
        ("UPDATE server_usage SET credits = credits - 1", "server_usage"),
        ("UPDATE budget_usage SET day = day + 1", "budget_usage"),
        ("UPDATE bonus_credits SET remaining = remaining + 1", "bonus_credits (bonus_id)"),
        ("INSERT INTO bonus_credits VALUES (99, 1, 1, 5)", "bonus_credits (scope, member)"),
        ("DELETE FROM ledger WHERE job = 1 AND kind = 'refund'", "a job without a video and without a refund"),
        ("DELETE FROM ledger WHERE job = 2", "jobs and what they took"),
        ("DELETE FROM jobs WHERE id = 2", "jobs and what they took"),
        ("UPDATE ledger SET credits = credits - 1 WHERE job = 2", "a line that does not add up"),
        ("UPDATE ledger SET day = day + 1 WHERE kind = 'refund'", "a refund that is not what was taken"),
        ("UPDATE ledger SET limit_credits = NULL WHERE job = 2", "a reservation that does not say what admitted it"),
        ("UPDATE ledger SET limit_credits = 3 WHERE job = 2", "exceeds the quota of 3"),
        (
            "UPDATE ledger SET server_limit_credits = 5, server_limit_per = 'day' WHERE job = 2",
            "exceeds the server limit of 5",
        ),
        ("UPDATE ledger SET budget_credits = 5, budget_per = 'month' WHERE job = 2", "passes the budget of 5"),
        ("UPDATE jobs SET state = 'waiting' WHERE id = 1", "a refund for a job under way"),
        ("UPDATE jobs SET state = 'delivered' WHERE id = 1", "a refund for a paid job that was never late"),
        ("UPDATE jobs SET ticket = 'v' WHERE id = 1", "a budget refund for a job the provider had taken"),
        ("UPDATE budget SET lines = 1", "a line beyond the counter"),
    ],
)
def test_a_false_entry_is_seen(tmp_path: Path, falsified: str, seen: str) -> None:
    """A grant of 2; one video taken back, one of 6 on a quota of 5 under way."""
    path = tmp_path / "animate.db"
    migrate(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        tx = Tx(connection)
        grant(MEMBER, 2)(tx)
        for number, cost in ((1, 4), (2, 6)):
            reserve(a_job(number, cost=cost), [], limits(5))(tx)
            if number == 1:
                move = jobs.move(
                    a_job().id, JobState.WAITING, JobState.CANCELLED, now=NOON, failure=FailureKind.QUEUE_TIMEOUT
                )
                move(tx)
        before = differences(connection)

        connection.execute(falsified)

        assert before == []
        assert any(seen in sentence for sentence in differences(connection))
