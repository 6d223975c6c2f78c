"""`python -m bot usage`: what all servers and direct messages used, what it cost, and what is left of the budget.

It reads the database without locking or changing it, so the bot may be running.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.catalog import Catalog
from bot.models import DIRECT, Limit, Period
from bot.settings import Settings
from bot.store import balances, inspection, usage
from bot.store.database import Tx
from bot.store.usage import TotalRow

_WHEN = {Period.DAY: "today", Period.WEEK: "this week", Period.MONTH: "this month", Period.TOTAL: "so far"}


@dataclass(frozen=True, slots=True)
class Sums:
    """Of jobs. `credits` are what members paid in the end; `budget` what counts against the budget.

    `told_usd` is what providers said the `told` videos cost; `catalog_usd` what the catalog has for those that a
    provider took, None where it has no price for any of them.
    """

    asked: int
    made: int
    credits: int
    refunded: int
    budget: int
    catalog_usd: float | None
    told: int
    told_usd: float


@dataclass(frozen=True, slots=True)
class Report:
    """Over `days` UTC days, today among them, that began at `since`."""

    days: int
    since: datetime
    budget: Limit
    budget_used: int
    total: Sums
    servers: dict[str, Sums]
    models: dict[str, Sums]
    providers: dict[str, Sums]

    @property
    def budget_left(self) -> int:
        """Credits; never below 0, also after the budget was lowered."""
        return max(0, self.budget.credits - self.budget_used)


def report(settings: Settings, days: int, now: datetime) -> Report:
    """Raises StoreError."""
    budget = settings.limits.budget

    def unit(tx: Tx) -> tuple[list[TotalRow], int]:
        return usage.everywhere(days, now)(tx), balances.budget_used(tx, budget.per, now)

    rows, used = inspection.read(settings.database, unit)
    return of_rows(rows, settings.catalog, days, now, budget, used)


def of_rows(
    rows: Sequence[TotalRow], catalog: Catalog, days: int, now: datetime, budget: Limit, budget_used: int
) -> Report:
    """The rows, summed."""
    return Report(
        days,
        (now - timedelta(days=days - 1)).replace(hour=0, minute=0, second=0, microsecond=0),
        budget,
        budget_used,
        _sums(rows, catalog),
        _grouped(rows, catalog, lambda row: "direct messages" if row.scope == DIRECT else str(row.scope)),
        _grouped(rows, catalog, lambda row: row.model),
        _grouped(rows, catalog, lambda row: row.provider),
    )


def _grouped(rows: Sequence[TotalRow], catalog: Catalog, by: Callable[[TotalRow], str]) -> dict[str, Sums]:
    """Most credits first."""
    groups: dict[str, list[TotalRow]] = {}
    for row in rows:
        groups.setdefault(by(row), []).append(row)
    sums = {name: _sums(group, catalog) for name, group in groups.items()}
    return dict(sorted(sums.items(), key=lambda item: (-item[1].credits, -item[1].asked, item[0])))


def _sums(rows: Sequence[TotalRow], catalog: Catalog) -> Sums:
    priced = [(catalog.money(row.model, row.seconds, row.size), row.made) for row in rows if row.made]
    known = [price * made for price, made in priced if price is not None]
    return Sums(
        asked=sum(row.asked for row in rows),
        made=sum(row.made for row in rows),
        credits=sum(row.credits - row.refunded for row in rows),
        refunded=sum(row.refunded for row in rows),
        budget=sum(row.credits - row.unspent for row in rows),
        catalog_usd=sum(known) if known else None,
        told=sum(row.made - row.untold for row in rows),
        told_usd=sum(row.told_usd for row in rows),
    )


def as_json(found: Report) -> str:
    """For programs. Ids of servers are strings, as Discord writes them."""
    return json.dumps(
        {
            "days": found.days,
            "since": found.since.isoformat(),
            "budget": {
                "credits": found.budget.credits,
                "per": found.budget.per,
                "used": found.budget_used,
                "left": found.budget_left,
            },
            "total": _as_object(found.total),
            "servers": _as_objects(found.servers),
            "models": _as_objects(found.models),
            "providers": _as_objects(found.providers),
        },
        indent=2,
    )


def _as_objects(groups: dict[str, Sums]) -> dict[str, object]:
    return {name: _as_object(sums) for name, sums in groups.items()}


def _as_object(sums: Sums) -> dict[str, object]:
    return {
        "videos_asked": sums.asked,
        "videos_made": sums.made,
        "credits": sums.credits,
        "credits_refunded": sums.refunded,
        "credits_of_budget": sums.budget,
        "usd_by_catalog": None if sums.catalog_usd is None else round(sums.catalog_usd, 6),
        "usd_by_provider": round(sums.told_usd, 6) if sums.told else None,
        "videos_with_usd_by_provider": sums.told,
    }


_HEAD = ("asked", "made", "credits", "refunded", "budget", "USD (catalog)", "USD (provider)")


def as_lines(found: Report) -> list[str]:
    """A table."""
    groups = [("Server", found.servers), ("Model", found.models), ("Provider", found.providers)]
    rows: list[tuple[str, ...]] = [("", *_HEAD), ("Total", *_cells(found.total))]
    for title, group in groups:
        rows += [(title,), *((f"  {name}", *_cells(sums)) for name, sums in group.items())]
    last = "today" if found.days == 1 else f"the last {found.days} days"
    return [
        f"Videos of {last}, since {found.since:%Y-%m-%d} (UTC)",
        f"Budget: {found.budget_used:,} of {found.budget.credits:,} credits used {_WHEN[found.budget.per]}",
        f"Budget left: {found.budget_left:,} credits",
        "",
        *_table(rows),
        "",
        "asked: videos that members asked for; made: those that a provider took.",
        "credits: what members paid, without what was refunded; budget: what counts against BUDGET_CREDITS.",
        "USD (catalog): the made ones at the catalog's prices; USD (provider): as reported, and for how many videos.",
    ]


def _cells(sums: Sums) -> tuple[str, ...]:
    return (
        *(f"{number:,}" for number in (sums.asked, sums.made, sums.credits, sums.refunded, sums.budget)),
        "-" if sums.catalog_usd is None else f"{sums.catalog_usd:,.2f}",
        f"{sums.told_usd:,.2f} ({sums.told:,})" if sums.told else "-",
    )


def _table(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """The first column to the left, numbers to the right."""
    cells = [list(row) for row in rows]
    widths = [max(len(row[n]) for row in cells if n < len(row)) for n in range(len(cells[0]))]
    return [
        "  ".join(cell.ljust(widths[n]) if n == 0 else cell.rjust(widths[n]) for n, cell in enumerate(row)).rstrip()
        for row in cells
    ]
