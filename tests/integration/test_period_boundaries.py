"""Days, weeks and months end while videos are under way: what was taken from a day returns to that day."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from bot.errors import ReservationRefused
from bot.models import Balance, FailureKind, Job, JobState, Limit, Limits, Period, RefusalReason, Source
from bot.store import balances, jobs, quotas
from bot.store.database import Store
from bot.store.reservations import check_eligibility, reserve
from tests.builders import GUILD, MEMBER, NOON, a_job, by, grant, limits, reset, set_own, set_server_limit
from tests.databases import Database

S = JobState
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)


@pytest.fixture(name="store")
async def _store(database: Database) -> AsyncIterator[Store]:
    """Its books are right at the end of every test."""
    store = await Store.open(database.where)
    yield store
    await store.close()
    assert database.differences() == []


class Member:
    """Somebody on one server, with the operator's limits."""

    def __init__(self, store: Store, operator: Limits) -> None:
        self.store = store
        self.operator = operator
        self.asked = 0

    async def ask(self, cost: int, at: datetime) -> Job:
        self.asked += 1
        return await self.store.write(reserve(a_job(self.asked, cost=cost, at=at), [], self.operator))

    async def refused(self, cost: int, at: datetime) -> RefusalReason:
        with pytest.raises(ReservationRefused) as caught:
            await self.ask(cost, at)
        return caught.value.reason

    async def quota(self, at: datetime) -> Balance:
        return await self.store.read(balances.balance(GUILD, MEMBER, [], self.operator, at))

    async def end(self, job: Job, at: datetime, *, taken: bool) -> None:
        """Without a video: taken back in the queue, or refused by the provider that had it."""
        if not taken:
            await self.store.write(jobs.move(job.id, S.WAITING, S.CANCELLED, now=at, failure=FailureKind.QUEUE_TIMEOUT))
            return
        await self.store.write(jobs.move(job.id, S.WAITING, S.SUBMITTING, now=at))
        await self.store.write(jobs.move(job.id, S.SUBMITTING, S.RENDERING, now=at, ticket="v"))
        await self.store.write(jobs.move(job.id, S.RENDERING, S.FAILED, now=at, failure=FailureKind.MODERATED))


def on(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


BORDERS = [
    (Period.DAY, "2026-03-05"),
    (Period.DAY, "2028-02-29"),
    (Period.DAY, "2027-01-01"),
    (Period.WEEK, "2026-03-09"),  # Mondays
    (Period.WEEK, "2028-03-06"),  # the week of a leap day
    (Period.WEEK, "2027-01-04"),
    (Period.MONTH, "2026-03-01"),
    (Period.MONTH, "2028-03-01"),  # after a leap day
    (Period.MONTH, "2026-05-01"),
    (Period.MONTH, "2027-01-01"),
]
INSIDE = [
    (Period.WEEK, "2026-03-08"),  # a Sunday
    (Period.WEEK, "2027-01-01"),  # a Friday
    (Period.MONTH, "2028-02-29"),
    (Period.MONTH, "2026-03-09"),
    (Period.TOTAL, "2027-01-01"),
]


@pytest.mark.parametrize(("per", "midnight"), BORDERS)
async def test_the_last_second_of_a_period_counts_to_it_and_midnight_to_the_next(
    store: Store, per: Period, midnight: str
) -> None:
    member = Member(store, limits(8, per))
    border = on(midnight)

    await member.ask(8, border - SECOND)
    before, after = await member.quota(border - SECOND), await member.quota(border)

    assert (before.left, before.used, before.renews_at) == (0, 8, border)
    assert (after.left, after.used) == (8, 0)
    assert await member.refused(1, border - SECOND) is RefusalReason.QUOTA
    assert (await member.ask(8, border)).created_at == border
    assert await member.refused(1, border) is RefusalReason.QUOTA


@pytest.mark.parametrize(("per", "midnight"), INSIDE)
async def test_other_midnights_renew_nothing(store: Store, per: Period, midnight: str) -> None:
    member = Member(store, limits(8, per))

    await member.ask(8, on(midnight) - SECOND)

    assert (await member.quota(on(midnight))).left == 0
    assert await member.refused(1, on(midnight)) is RefusalReason.QUOTA


@pytest.mark.parametrize(("per", "midnight"), BORDERS)
async def test_server_limit_and_budget_renew_at_the_same_second(store: Store, per: Period, midnight: str) -> None:
    border = on(midnight)
    by_budget = Member(store, limits(1_000, budget=8, budget_per=per))
    by_server_limit = Member(store, limits(1_000))
    by_server_limit.asked = 100

    await by_budget.ask(8, border - SECOND)
    assert await by_budget.refused(1, border - SECOND) is RefusalReason.BUDGET
    await by_budget.ask(4, border)
    await store.write(set_server_limit(8, per))
    assert await by_server_limit.refused(1, border - SECOND) is RefusalReason.SERVER_LIMIT
    await by_server_limit.ask(4, border)

    assert await by_server_limit.refused(1, border) is RefusalReason.SERVER_LIMIT


@pytest.mark.parametrize("taken", [False, True], ids=["in-line", "at-the-provider"])
async def test_a_refund_after_midnight_returns_to_the_day_it_was_taken_from(store: Store, *, taken: bool) -> None:
    """A Wednesday and its Thursday: today's quota is not enlarged, yesterday's and the week's are."""
    member, midnight = Member(store, limits(20)), on("2026-03-05")
    job = await member.ask(8, midnight - SECOND)
    await member.ask(4, midnight)

    await member.end(job, midnight + SECOND, taken=taken)

    assert (await member.quota(midnight + SECOND)).left == 16
    assert (await member.quota(midnight - SECOND)).used == 4  # of a later day: a clock does not go back
    rows = await store.read(lambda tx: tx.all("SELECT credits FROM member_usage ORDER BY day"))
    assert [row["credits"] for row in rows] == [0, 4]
    await store.write(set_own(MEMBER, 20, Period.WEEK))
    assert (await member.quota(midnight + SECOND)).used == 4


async def test_another_period_in_the_middle_of_one_converts_nothing(store: Store) -> None:
    """3 in February, 5 on the Sunday, 7 on the Monday and 2 on the Wednesday."""
    member = Member(store, limits(1_000))
    for cost, day in ((3, "2026-02-20"), (5, "2026-03-01"), (7, "2026-03-02"), (2, "2026-03-04")):
        await member.ask(cost, on(day))

    used = []
    for per in (Period.DAY, Period.WEEK, Period.MONTH, Period.TOTAL, Period.DAY):
        await store.write(quotas.set_member(by(), MEMBER, Limit(20, per, Source.OWN)))
        told = await member.quota(NOON)
        used.append((told.used, told.left))

    assert used == [(2, 18), (9, 11), (14, 6), (17, 3), (2, 18)]
    await store.write(set_own(MEMBER, 16, Period.TOTAL))
    assert await member.refused(1, NOON) is RefusalReason.QUOTA
    assert (await member.quota(NOON)).left == 0


async def test_a_reset_with_a_video_under_way_forgets_it_but_not_that_it_runs(store: Store) -> None:
    member = Member(store, limits(10, jobs_per_user=2))
    bonus_id = await store.write(grant(MEMBER, 5))
    running = await member.ask(12, NOON)
    await store.write(reset(MEMBER))

    fresh = await member.quota(NOON)
    await member.ask(4, NOON)
    assert await member.refused(1, NOON) is RefusalReason.TOO_MANY_JOBS
    await member.end(running, NOON + DAY, taken=True)

    assert (fresh.left, fresh.bonus, fresh.running) == (10, 3, 1)
    ended = await member.quota(NOON)
    assert (ended.left, ended.bonus, ended.running) == (6, 5, 1)
    bonus_ids = await store.read(lambda tx: tx.all("SELECT id, remaining FROM bonus_credits"))
    assert [(row["id"], row["remaining"]) for row in bonus_ids] == [(bonus_id, 5)]


async def test_a_grant_outlasts_midnight_and_is_spent_only_beyond_the_quota(store: Store) -> None:
    member, midnight = Member(store, limits(4)), on("2026-03-05")
    await store.write(grant(MEMBER, 6, now=midnight - SECOND))

    over = await member.ask(8, midnight - SECOND)  # 4 of the day, 4 granted
    eve, morning = await member.quota(midnight - SECOND), await member.quota(midnight)
    await member.ask(5, midnight)  # 4 of the new day, 1 granted
    await member.end(over, midnight + SECOND, taken=False)

    assert (eve.left, eve.bonus) == (0, 2)
    assert (morning.left, morning.bonus) == (4, 2)
    now = await member.quota(midnight + SECOND)
    assert (now.left, now.bonus) == (0, 5)


async def test_a_loop_of_moderated_videos_ends_after_five_until_midnight_or_a_reset(store: Store) -> None:
    member, midnight = Member(store, limits(4)), on("2026-03-05")

    for _ in range(5):
        await member.end(await member.ask(4, midnight - SECOND), midnight - SECOND, taken=True)
    told = await member.quota(midnight - SECOND)

    assert told.left == 4
    assert await member.refused(4, midnight - SECOND) is RefusalReason.TOO_MANY_REFUNDS
    for at, reason in ((midnight - SECOND, RefusalReason.TOO_MANY_REFUNDS), (midnight, None)):
        refusal = await store.read(check_eligibility(GUILD, MEMBER, told, at))
        assert (refusal and refusal.reason) == reason
    await store.write(reset(MEMBER, now=midnight - SECOND))
    await member.ask(4, midnight - SECOND)


@pytest.mark.parametrize("taken", [True, False])
async def test_budget_and_server_limit_keep_what_the_provider_had_taken(store: Store, *, taken: bool) -> None:
    """The member's credits return each time; three videos of 4 are all that 12 pay for, unless nothing was made."""
    member = Member(store, limits(20, budget=12))
    await store.write(set_server_limit(12))

    for _ in range(3 if taken else 20):
        await member.end(await member.ask(4, NOON), NOON, taken=taken)

    assert (await member.quota(NOON)).left == 20
    for table in ("budget_usage", "server_usage"):
        rows = await store.read(lambda tx, table=table: tx.all(f"SELECT credits FROM {table}"))  # type: ignore[misc]
        assert [row["credits"] for row in rows] == [12 if taken else 0]
    if taken:
        assert await member.refused(4, NOON) is RefusalReason.SERVER_LIMIT
    await member.ask(4, NOON + DAY)
