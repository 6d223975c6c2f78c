"""What admins read of a server: lines of the ledger, quotas, use. Values alone; nothing here acts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.models import FailureKind, JobState, LedgerKind, Limit, UserId


@dataclass(frozen=True, slots=True)
class UsageRow:
    """Jobs alike. `refunded` credits came back; the provider took `made`, and told the cost of all but `untold`."""

    member: UserId
    model: str
    seconds: int
    size: str | None
    state: JobState
    failure: FailureKind | None
    videos: int
    credits: int
    refunded: int
    made: int
    untold: int
    told_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One line of a member's ledger, newest first in lists."""

    at: datetime
    kind: LedgerKind
    credits: int
    job_key: str | None
    failure: FailureKind | None
    limit: Limit | None
    actor: UserId | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Quotas:
    """Every rule of a server: its default and limit where set, and the own ones of roles and members."""

    default: Limit | None
    server_limit: Limit | None
    roles: list[tuple[int, Limit]]
    members: list[tuple[UserId, Limit]]
