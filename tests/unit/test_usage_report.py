"""What the operator reads of all servers: sums over places, models and providers, and what is left of the budget."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot import usage_report
from bot.errors import StoreUnavailable
from bot.models import DIRECT, JobState, Limit, Period
from bot.settings import Settings
from bot.store import usage
from tests.builders import GUILD, NOON, a_spec, seed_catalog
from tests.in_memory_store import Ledgers

SORA: dict[str, Any] = {"provider": "gptproto", "spec": a_spec(size="720x1280")}


@pytest.fixture(name="books")
def _books() -> Iterator[Ledgers]:
    with closing(Ledgers()) as books:
        yield books


def found(books: Ledgers, days: int) -> usage_report.Report:
    rows = books.do(usage.everywhere(days, NOON))
    return usage_report.of_rows(rows, seed_catalog(), days, NOON, Limit(1_000, Period.DAY), 9)


def test_what_was_refunded_counts_for_the_budget_where_a_video_may_have_been_made(books: Ledgers) -> None:
    books.add_job(1, **SORA)
    books.add_job(2, JobState.FAILED, **SORA)  # at the provider: paid
    books.add_job(3, JobState.CANCELLED, **SORA, scope=DIRECT)  # before it was sent
    told = books.add_job(4, JobState.DELIVERING, **SORA | {"provider": "other"}, closed=False)
    books.rows("UPDATE jobs SET cost_usd_micros = 1500000 WHERE id = :job", job=told.id)
    books.add_job(5, **SORA, at=NOON - timedelta(days=2))

    report = found(books, 1)

    assert replace(report.total, catalog_usd=None) == usage_report.Sums(4, 3, 8, 8, 12, None, 1, 1.5)
    assert report.total.catalog_usd == pytest.approx(1.2)
    assert list(report.servers) == [str(GUILD), "direct messages"]
    assert report.servers["direct messages"] == usage_report.Sums(1, 0, 0, 4, 0, None, 0, 0.0)
    assert {name: sums.asked for name, sums in report.providers.items()} == {"gptproto": 3, "other": 1}
    assert found(books, 3).total.asked == 5
    assert found(books, 3).since.astimezone(UTC).isoformat() == "2026-03-02T00:00:00+00:00"


def test_the_table_can_be_read(books: Ledgers) -> None:
    books.add_job(1, **SORA)

    lines = usage_report.as_lines(found(books, 1))

    assert lines[:3] == [
        "Videos of today, since 2026-03-04 (UTC)",
        "Budget: 9 of 1,000 credits used today",
        "Budget left: 991 credits",
    ]
    assert lines[4].split() == [
        "asked",
        "made",
        "credits",
        "refunded",
        "budget",
        "USD",
        "(catalog)",
        "USD",
        "(provider)",
    ]
    assert lines[5].split() == ["Total", "1", "1", "4", "0", "4", "0.40", "-"]
    assert {len(line) for line in lines[4:12] if line.endswith(("-", ")"))} == {len(lines[4])}


def test_a_database_that_is_not_there_is_told_and_not_made(tmp_path: Path) -> None:
    database = tmp_path / "animate.db"
    settings = Settings.load(discord_token="a", video_api_key="b", database_url=f"sqlite:///{database}", _env_file=None)

    with pytest.raises(StoreUnavailable, match="has not run"):
        usage_report.report(settings, 1, NOON)
    assert not database.exists()
