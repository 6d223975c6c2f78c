"""Reserving credits and creating the job: one unit, before Discord is answered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.errors import AlreadyKnown, ReservationRefused, UserError
from bot.models import DIRECT, UNFINISHED, Balance, Job, JobId, LedgerKind, Limit, Limits, RefusalReason, Scope, UserId
from bot.store import balances, ledger, role_gifts, sql
from bot.store.database import Row, Tx, Unit
from bot.store.ledger import Lock
from bot.store.row_mapping import AccountRows, day_of, first_day, insert, next_renewal

REFUNDS_A_DAY = 5
"""So many of a member's jobs of one day may be refunded after the provider took them; then moderation loops end."""
_FACTS = balances.balance_sql(
    known="SELECT COUNT(*) FROM jobs WHERE id = :job",
    refunds=balances.REFUNDS,
    budget_used=balances.BUDGET_USED,
    gifts=role_gifts.NOT_GIVEN,
)
_REFUNDS = sql.numbers(refunds=balances.REFUNDS)


def reserve(job: Job, roles: Sequence[int], limits: Limits, *, together: int = 1) -> Unit[Job]:
    """Takes the credits and stores `job` (waiting, `created_at` being now), exactly once per interaction.

    It is refused unless there is room for so many like it `together`.
    Raises AlreadyKnown, ReservationRefused, and UserError where the operator has shut direct messages.
    """

    def unit(tx: Tx) -> Job:
        lock = ledger.lock_rows(tx, job.scope, job.member)
        balance, facts = _facts(tx, job, lock.rows, roles, limits)
        if facts["known"]:
            raise AlreadyKnown(f"job={job.id}")
        if facts["gifts"] and role_gifts.give(job.scope, job.member, roles, job.created_at)(tx):
            lock = ledger.lock_rows(tx, job.scope, job.member)  # the next line comes after those of the gifts
            balance, facts = _facts(tx, job, lock.rows, roles, limits)
        rows = lock.rows
        _refuse_if_ineligible(tx, rows, job, balance, limits, together, refunds=facts["refunds"])
        server_limit = balances.server_limit_of(rows.server)
        _refuse_if_spent(tx, job, balance, server_limit, limits, together, budget_used=facts["budget_used"])
        from_quota = min(job.spec.credits, balance.left)
        insert(tx, job, day=day_of(job.created_at), reset_count=rows.reset_count, from_quota=from_quota)
        _book(tx, job, from_quota, lock, balance.limit, server_limit, limits.budget)
        return job

    return unit


def check_eligibility(scope: Scope, member: UserId, balance: Balance, now: datetime) -> Unit[ReservationRefused | None]:
    """Why the member may reserve nothing here now, whatever it costs; None where nothing is in the way."""

    def unit(tx: Tx) -> ReservationRefused | None:
        rows = balances.rows_of(tx, scope, member)
        (found,) = tx.all(_REFUNDS, scope=scope, member=member, today=day_of(now), reset_count=rows.reset_count)
        return _check_eligibility(rows, balance, found["refunds"])

    return unit


def check_shared_limits(
    scope: Scope, balance: Balance, limits: Limits, now: datetime
) -> Unit[list[ReservationRefused]]:
    """The refusals that would meet a video for all the member has: less is left of the server limit, or the budget."""

    def unit(tx: Tx) -> list[ReservationRefused]:
        shared = [(RefusalReason.BUDGET, limits.budget, balances.budget_used(tx, limits.budget.per, now))]
        server_limit = balances.server_limit_in(tx, scope)
        if server_limit is not None:
            used = balances.server_used(tx, scope, server_limit.per, now)
            shared.insert(0, (RefusalReason.SERVER_LIMIT, server_limit, used))
        found = [_exceeded(reason, balance, limit, used, now) for reason, limit, used in shared]
        return [refusal for refusal in found if refusal.left < balance.spendable]

    return unit


def _facts(tx: Tx, job: Job, rows: AccountRows, roles: Sequence[int], limits: Limits) -> tuple[Balance, Row]:
    """What is found out at once before a reservation: the balance, and `known`, `refunds`, `budget_used`, `gifts`."""
    now = job.created_at
    return balances.balance_and_facts(
        tx,
        rows,
        job.scope,
        job.member,
        roles,
        limits,
        now,
        _FACTS,
        job=job.id,
        today=day_of(now),
        budget_first=first_day(limits.budget.per, now),
        gifts_since=role_gifts.since(now),
    )


def _check_eligibility(rows: AccountRows, balance: Balance, refunds: int) -> ReservationRefused | None:
    server, person = rows.server, rows.member
    if server is not None and server["paused_at"] is not None:
        return ReservationRefused(RefusalReason.PAUSED, balance, detail=server["pause_reason"])
    if person is not None and person["blocked_at"] is not None:
        return ReservationRefused(RefusalReason.BLOCKED, balance, detail=person["block_reason"])
    if refunds >= REFUNDS_A_DAY:
        return ReservationRefused(RefusalReason.TOO_MANY_REFUNDS, balance)
    return None


def _refuse_if_ineligible(
    tx: Tx, rows: AccountRows, job: Job, balance: Balance, limits: Limits, together: int, *, refunds: int
) -> None:
    if job.scope == DIRECT and not limits.direct.credits:
        raise UserError(
            "This bot does not make videos in direct messages or in servers that have not added it. Nothing "
            "was charged. Use the bot in a server that has added it."
        )
    refusal = _check_eligibility(rows, balance, refunds)
    if refusal is not None:
        raise refusal
    is_further_take = job.card.request not in (None, job.id)
    if job.again_of is not None and not is_further_take and _is_under_way_again(tx, job.again_of):
        raise ReservationRefused(RefusalReason.AGAIN_UNDER_WAY, balance)
    if balance.running + together > limits.jobs_per_user:
        raise ReservationRefused(RefusalReason.TOO_MANY_JOBS, balance, room=limits.jobs_per_user - balance.running)


def _is_under_way_again(tx: Tx, card: JobId) -> bool:
    states = ", ".join(f"'{state}'" for state in UNFINISHED)
    return tx.one(f"SELECT id FROM jobs WHERE again_of = :card AND state IN ({states})", card=card) is not None


def _refuse_if_spent(
    tx: Tx,
    job: Job,
    balance: Balance,
    server_limit: Limit | None,
    limits: Limits,
    together: int,
    *,
    budget_used: int,
) -> None:
    now, cost = job.created_at, job.spec.credits * together
    if cost > balance.spendable:
        raise ReservationRefused(RefusalReason.QUOTA, balance)
    if server_limit is not None:
        used = balances.server_used(tx, job.scope, server_limit.per, now)
        if used + cost > server_limit.credits:
            raise _exceeded(RefusalReason.SERVER_LIMIT, balance, server_limit, used, now)
    if budget_used + cost > limits.budget.credits:
        raise _exceeded(RefusalReason.BUDGET, balance, limits.budget, budget_used, now)


def _exceeded(reason: RefusalReason, balance: Balance, limit: Limit, used: int, now: datetime) -> ReservationRefused:
    left, renews_at = max(0, limit.credits - used), next_renewal(limit.per, now)
    return ReservationRefused(reason, balance, limit=limit, left=left, renews_at=renews_at)


def _book(
    tx: Tx, job: Job, from_quota: int, lock: Lock, limit: Limit, server_limit: Limit | None, budget: Limit
) -> None:
    reset_count, day, cost = lock.rows.reset_count, day_of(job.created_at), job.spec.credits
    balances.book(
        tx,
        scope=job.scope,
        member=job.member,
        reset_count=reset_count,
        day=day,
        from_quota=from_quota,
        from_budget=cost,
    )
    if cost > from_quota:
        balances.deduct_bonus(tx, job.scope, job.member, cost - from_quota, "job_bonus_credits", job=job.id)
    ledger.append(
        tx,
        lock.line,
        LedgerKind.RESERVE,
        now=job.created_at,
        scope=job.scope,
        job=job.id,
        member=job.member,
        role=limit.role,
        credits=-cost,
        from_quota=-from_quota,
        from_bonus=from_quota - cost,
        from_budget=-cost,
        day=day,
        reset_count=reset_count,
        limit_credits=limit.credits,
        limit_per=limit.per,
        limit_source=limit.source,
        server_limit_credits=server_limit and server_limit.credits,
        server_limit_per=server_limit and server_limit.per,
        budget_credits=budget.credits,
        budget_per=budget.per,
        actor=job.member,
    )
