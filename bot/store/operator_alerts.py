"""What the operator was told, and what they may have to be told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.models import FailureKind, GuildId, JobId, JobState, Limit
from bot.store import balances, leases, sql
from bot.store.database import Tx, Unit
from bot.store.row_mapping import to_ms

LEASE = "operator-alerts"
MOST = 50
"""Jobs of one look; the next ones come with the next look."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A job whose video could not be delivered (`UNDELIVERED`), or whose create was not answered (`UNKNOWN`)."""

    job: JobId
    key: str
    state: JobState
    provider: str
    guild: GuildId | None


@dataclass(frozen=True, slots=True)
class Look:
    """`told` are the names of what was told beside jobs, and not forgotten yet; `new` are jobs that were not told.

    `circuits` are the provider, model and reason of those that are not closed, where several processes share the store.
    """

    told: frozenset[str]
    new: list[Trouble]
    budget_used: int
    circuits: Sequence[tuple[str, str, FailureKind]] = ()


def look(budget: Limit, *, now: datetime, since: datetime) -> Unit[Look]:
    """As it is now; jobs that came into trouble before `since` are left out."""

    def unit(tx: Tx) -> Look:
        told = frozenset(row["name"] for row in tx.all("SELECT name FROM operator_alerts WHERE job IS NULL"))
        rows = tx.all(
            "SELECT jobs.id, jobs.key, jobs.state, jobs.provider, cards.guild FROM jobs"
            " LEFT JOIN cards ON cards.job = jobs.id"
            " WHERE jobs.state IN (:undelivered, :unknown) AND jobs.state_at >= :since"
            " AND NOT EXISTS (SELECT 1 FROM operator_alerts WHERE name = jobs.state || ':' || CAST(jobs.id AS TEXT))"
            " ORDER BY jobs.state_at, jobs.id LIMIT :most",
            undelivered=JobState.UNDELIVERED,
            unknown=JobState.UNKNOWN,
            since=to_ms(since),
            most=MOST,
        )
        new = [Trouble(row["id"], row["key"], JobState(row["state"]), row["provider"], row["guild"]) for row in rows]
        rows = tx.all("SELECT provider, model, kind FROM circuits")
        circuits = [(row["provider"], row["model"], FailureKind(row["kind"])) for row in rows]
        return Look(told, new, balances.budget_used(tx, budget.per, now), circuits)

    return unit


def claim(look: Unit[Look], process: str, *, now: datetime, ends_at: datetime) -> Unit[Look | None]:
    """The look, to be told by this process alone until then; None while another one tells."""
    return lambda tx: look(tx) if leases.acquire(LEASE, process, now=now, ends_at=ends_at)(tx) else None


def name_of(trouble: Trouble) -> str:
    """Under which it is told."""
    return f"{trouble.state}:{trouble.job}"


def remember(names: Iterable[str], troubles: Iterable[Trouble], *, now: datetime, since: datetime) -> Unit[None]:
    """The operator was told these; of jobs told before `since`, which `look` must leave out, no mark stays."""

    def unit(tx: Tx) -> None:
        for name in names:
            sql.put(tx, "operator_alerts", {"name": name}, told_at=to_ms(now))
        for trouble in troubles:
            sql.put(tx, "operator_alerts", {"name": name_of(trouble)}, job=trouble.job, told_at=to_ms(now))
        tx.changed("DELETE FROM operator_alerts WHERE job IS NOT NULL AND told_at < :since", since=to_ms(since))

    return unit


def forget(names: Iterable[str]) -> Unit[None]:
    """These are well again."""

    def unit(tx: Tx) -> None:
        for name in names:
            tx.changed("DELETE FROM operator_alerts WHERE name = :name", name=name)

    return unit
