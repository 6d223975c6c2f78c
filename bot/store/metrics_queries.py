"""What is read for `/metrics`: few rows, found by index, however many jobs there have been."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.models import JobState, Limit
from bot.store import balances
from bot.store.database import Tx, Unit

OPEN_STATES = (*(state for state in JobState if state.needs_work), JobState.UNDELIVERED)
"""Those that a job leaves again."""


@dataclass(frozen=True, slots=True)
class JobCount:
    """How many jobs are in this state now."""

    state: JobState
    provider: str
    model: str
    count: int


@dataclass(frozen=True, slots=True)
class Figures:
    """The jobs that have not ended, and the credits of the budget's period that are spent.

    `size_bytes` is of the whole database, where no file shows it.
    """

    jobs: list[JobCount]
    budget_used: int
    size_bytes: int | None = None


def figures(budget: Limit, now: datetime) -> Unit[Figures]:
    """As they are now."""
    states = ", ".join(f"'{state}'" for state in OPEN_STATES)

    def unit(tx: Tx) -> Figures:
        rows = tx.all(
            f"SELECT state, provider, model, COUNT(*) AS n FROM jobs WHERE state IN ({states})"
            " GROUP BY state, provider, model"
        )
        counts = [JobCount(JobState(row["state"]), row["provider"], row["model"], row["n"]) for row in rows]
        return Figures(counts, balances.budget_used(tx, budget.per, now), tx.size_bytes)

    return unit


def is_there() -> Unit[bool]:
    """Whether the database answers at all."""
    return lambda tx: tx.one("SELECT lines FROM budget") is not None
