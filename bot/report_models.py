"""What admins read of a server: lines of the ledger, quotas, use. Values alone; nothing here acts."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.models import FailureKind, JobState, LedgerKind, Limit, UserId


@dataclass(frozen=True, slots=True)
class UsageRow:
    """Jobs alike. `refunded` credits came back; the provider took `made`, and told the cost of all but `untold`.

    `day` is a UTC day counted from 1970-01-01.
    """

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
    day: int = 0


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One line of a member's ledger, newest first in lists. `is_undo`: Undo gave, took or set back something."""

    at: datetime
    kind: LedgerKind
    credits: int
    job_key: str | None
    failure: FailureKind | None
    limit: Limit | None
    actor: UserId | None
    reason: str | None
    is_undo: bool = False


@dataclass(frozen=True, slots=True)
class Quotas:
    """Every rule of a server: its default and limit where set, the own ones of roles and members, and blocks.

    And who has how many bonus credits. `bots_default` counts where there is no default.
    """

    default: Limit | None
    server_limit: Limit | None
    roles: list[tuple[int, Limit]]
    members: list[tuple[UserId, Limit]]
    blocked: list[tuple[UserId, str | None]]
    bonus: list[tuple[UserId, int]]
    bots_default: Limit | None = None


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """Jobs of the whole bot, whichever process is asked: waiting on a server and in all, and at the providers."""

    waiting_here: int
    waiting: int
    at_provider: int


class ActKind(enum.StrEnum):
    """What an admin can change. Each has the JSON of its value behind it."""

    MEMBER_QUOTA = "member_quota"  # [credits, per] or None, as of the next three
    ROLE_QUOTA = "role_quota"
    DEFAULT_QUOTA = "default_quota"
    SERVER_LIMIT = "server_limit"
    BONUS = "bonus"  # credits that are left
    RESET = "reset"  # the reset count
    PAUSE = "pause"  # [reason or None] or None
    BLOCK = "block"
    LOG_CHANNEL = "log_channel"  # id or None
    OTHERS = "others"  # whether it is allowed
    ROLE_MODELS = "role_models"  # ids or None
    CHANNEL_MODELS = "channel_models"
    ROLE_GIFT = "role_gift"  # [credits or None for a reset] or None
    RULES = "rules"  # [age-restricted channels only, barred words]


@dataclass(frozen=True, slots=True)
class AdminAct:
    """One change by an admin. `member` is whom it is about; `target` a role or a channel."""

    id: int
    at: datetime
    actor: UserId | None
    what: ActKind
    member: UserId | None
    target: int | None
    old: Any
    new: Any
    is_undone: bool
    undoes: int | None


@dataclass(frozen=True, slots=True)
class AdminActs:
    """Some of a server's changes, the newest first, and how many there are in all."""

    acts: list[AdminAct]
    count: int
