"""Reserving on real SQLite files: whose quota counts, what is taken and returned; no race passes a limit."""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.errors import AlreadyKnown, ReservationRefused
from bot.models import (
    DIRECT,
    Balance,
    FailureKind,
    Job,
    JobId,
    JobState,
    Limit,
    Limits,
    Period,
    RefusalReason,
    Scope,
    Source,
    UserId,
)
from bot.store import balances, jobs, server_settings
from bot.store.database import Row, Store, Tx, Unit
from bot.store.migrations import scripts
from bot.store.reservations import REFUNDS_A_DAY, check_shared_limits, reserve
from bot.store.units import Connection, Cursor
from tests.builders import (
    GUILD,
    MEMBER,
    NOON,
    a_job,
    a_spec,
    by,
    grant,
    limits,
    reset,
    set_default,
    set_own,
    set_role,
    set_server_limit,
)
from tests.databases import Database

S = JobState
DAY = timedelta(days=1)
OTHER_GUILD = Scope(GUILD + 1)


@pytest.fixture(name="store")
async def _store(database: Database) -> AsyncIterator[Store]:
    """Its books are right at the end of every test."""
    store = await Store.open(database.where)
    yield store
    await store.close()
    assert database.differences() == []


class Counting:
    """A connection that counts its statements."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.statements = 0

    def execute(self, sql: str, params: Mapping[str, object], /) -> Cursor:
        self.statements += 1
        return self._connection.execute(sql, params)


async def ask(
    store: Store, number: int, operator: Limits, *, roles: Sequence[int] = (), **changes: Any
) -> Job | RefusalReason:
    """A reservation: the job, or why not."""
    try:
        return await store.write(reserve(a_job(number, **changes), roles, operator))
    except ReservationRefused as error:
        return error.reason


async def balance(
    store: Store, operator: Limits, *, roles: Sequence[int] = (), scope: Scope = GUILD, at: Any = NOON
) -> Balance:
    return await store.read(balances.balance(scope, MEMBER, roles, operator, at))


async def lines(store: Store, kind: str = "reserve") -> Sequence[Row]:
    return await store.read(lambda tx: tx.all("SELECT * FROM ledger WHERE kind = :kind ORDER BY id", kind=kind))


async def taken_by_provider(store: Store, job: Job) -> Job:
    """Brings a reserved job to rendering."""
    await store.write(jobs.move(job.id, S.WAITING, S.SUBMITTING, now=job.created_at))
    moved = await store.write(jobs.move(job.id, S.SUBMITTING, S.RENDERING, now=job.created_at, ticket="v"))
    assert moved is not None
    return moved


async def refunded_after_taken(store: Store, number: int, operator: Limits, **changes: Any) -> None:
    job = await ask(store, number, operator, **changes)
    assert isinstance(job, Job)
    await taken_by_provider(store, job)
    await store.write(jobs.move(job.id, S.RENDERING, S.FAILED, now=job.created_at, failure=FailureKind.MODERATED))


def accepted(outcomes: Sequence[object]) -> list[Job]:
    return [outcome for outcome in outcomes if isinstance(outcome, Job)]


class TestWhoseQuota:
    OPERATOR = replace(limits(20), direct=Limit(7, Period.DAY))

    async def limit(self, store: Store, *, roles: Sequence[int] = (), scope: Scope = GUILD) -> Limit:
        """The one /quota tells, which must be the one a reservation is admitted by."""
        told = (await balance(store, self.OPERATOR, roles=roles, scope=scope)).limit
        job = await ask(store, random.randrange(10**9), self.OPERATOR, roles=roles, scope=scope, cost=0)
        assert isinstance(job, Job)
        line = (await lines(store))[-1]
        names = ("limit_credits", "limit_per", "limit_source", "role")
        assert [line[name] for name in names] == [told.credits, told.per, told.source, told.role]
        assert (line["scope"], line["job"]) == (scope, job.id)
        return told

    async def test_the_setting_holds_where_no_admin_has_set_anything(self, store: Store) -> None:
        assert await self.limit(store) == Limit(20, Period.DAY, Source.SETTING)

    async def test_the_servers_default_comes_before_the_setting(self, store: Store) -> None:
        await store.write(set_default(9, Period.WEEK))

        assert await self.limit(store) == Limit(9, Period.WEEK, Source.SERVER)
        assert await self.limit(store, scope=OTHER_GUILD) == Limit(20, Period.DAY, Source.SETTING)

    @pytest.mark.parametrize("credits_of_role", [0, 50])
    async def test_a_role_comes_before_the_servers_default_also_with_nothing(
        self, store: Store, credits_of_role: int
    ) -> None:
        await store.write(set_default(9))
        await store.write(set_role(4, credits_of_role, Period.MONTH))

        assert await self.limit(store, roles=[3, 4]) == Limit(credits_of_role, Period.MONTH, Source.ROLE, 4)
        assert await self.limit(store, roles=[3]) == Limit(9, Period.DAY, Source.SERVER)

    async def test_of_several_roles_the_one_with_most_left_now_counts(self, store: Store) -> None:
        """Ten of yesterday are used of the week's 25, none of the day's 20."""
        await store.write(set_role(4, 20, Period.DAY))
        await store.write(set_role(5, 25, Period.WEEK))
        assert (await self.limit(store, roles=[4, 5])).role == 5

        await ask(store, 1, self.OPERATOR, roles=[5], cost=10, at=NOON - DAY)

        assert (await self.limit(store, roles=[4, 5])).role == 4

    async def test_the_members_own_comes_before_all(self, store: Store) -> None:
        await store.write(set_default(9))
        await store.write(set_role(4, 50))
        await store.write(set_own(MEMBER, 0, Period.TOTAL))

        assert await self.limit(store, roles=[4]) == Limit(0, Period.TOTAL, Source.OWN)
        assert (await self.limit(store, roles=[4], scope=OTHER_GUILD)).source is Source.SETTING

    async def test_outside_of_servers_it_is_the_direct_one(self, store: Store) -> None:
        await store.write(set_default(9))

        assert await self.limit(store, scope=DIRECT) == Limit(7, Period.DAY, Source.SETTING)

    async def test_use_counts_against_a_quota_that_is_set_later(self, store: Store) -> None:
        await ask(store, 1, self.OPERATOR, cost=8)
        await store.write(set_own(MEMBER, 6))

        now = await balance(store, self.OPERATOR)

        assert (now.used, now.left, now.spendable) == (8, 0, 0)


class TestLimits:
    async def test_a_quota_is_spent_to_the_last_credit_and_no_further(self, store: Store) -> None:
        outcomes = [await ask(store, n, limits(12), cost=cost) for n, cost in enumerate((5, 7, 1, 0))]

        assert len(accepted(outcomes)) == 3
        assert outcomes[2] is RefusalReason.QUOTA
        assert (await balance(store, limits(12))).left == 0

    async def test_a_refusal_leaves_no_trace(self, store: Store) -> None:
        before = await store.read(counts)

        assert await ask(store, 1, limits(3), cost=4) is RefusalReason.QUOTA

        assert await store.read(counts) == before

    async def test_a_server_limit_holds_over_its_members_and_nobody_else(self, store: Store) -> None:
        await store.write(set_server_limit(8, Period.WEEK))

        outcomes = [await ask(store, n, limits(20), member=UserId(n), at=NOON + n * DAY / 2) for n in range(4)]
        elsewhere = await ask(store, 9, limits(20), scope=OTHER_GUILD)

        assert outcomes[2:] == [RefusalReason.SERVER_LIMIT] * 2
        assert len(accepted([*outcomes, elsewhere])) == 3

    async def test_the_budget_holds_over_all_places(self, store: Store) -> None:
        operator = limits(20, budget=10, budget_per=Period.MONTH)
        places = [GUILD, OTHER_GUILD, DIRECT]

        outcomes = [await ask(store, n, operator, scope=scope, member=UserId(n)) for n, scope in enumerate(places)]

        assert len(accepted(outcomes)) == 2
        assert outcomes[2] is RefusalReason.BUDGET

    async def test_unfinished_jobs_are_counted_over_all_places_and_in_each_unfinished_state(self, store: Store) -> None:
        operator = limits(20, jobs_per_user=2)
        first = await ask(store, 1, operator)
        await ask(store, 2, operator, scope=DIRECT)
        assert isinstance(first, Job)

        seen = [await ask(store, 3, operator, scope=OTHER_GUILD)]
        for start, to in [(S.WAITING, S.SUBMITTING), (S.SUBMITTING, S.RENDERING), (S.RENDERING, S.DELIVERING)]:
            await store.write(
                jobs.move(first.id, start, to, now=NOON, **({"ticket": "v"} if to is S.RENDERING else {}))
            )
            seen.append(await ask(store, 3, operator, scope=OTHER_GUILD))
        await store.write(jobs.move(first.id, S.DELIVERING, S.UNDELIVERED, now=NOON))

        assert seen == [RefusalReason.TOO_MANY_JOBS] * 4
        assert isinstance(await ask(store, 3, operator, scope=OTHER_GUILD), Job)
        assert isinstance(await ask(store, 4, operator, member=UserId(5)), Job)

    async def test_a_paused_server_and_a_blocked_member_are_refused_with_the_admins_words(self, store: Store) -> None:
        bars: list[tuple[Unit[object], Unit[object], RefusalReason]] = [
            (server_settings.pause(by(), "feast day"), server_settings.resume(by()), RefusalReason.PAUSED),
            (
                server_settings.block(by(), MEMBER, "feast day"),
                server_settings.unblock(by(), MEMBER),
                RefusalReason.BLOCKED,
            ),
        ]
        for on, off, reason in bars:
            await store.write(on)
            with pytest.raises(ReservationRefused) as caught:
                await store.write(reserve(a_job(), [], limits()))
            assert (caught.value.reason, caught.value.detail) == (reason, "feast day")
            assert isinstance(await ask(store, 2 + len(reason), limits(), scope=OTHER_GUILD), Job)
            await store.write(off)

        assert isinstance(await ask(store, 1, limits()), Job)

    async def test_a_refusal_tells_the_balance(self, store: Store) -> None:
        await store.write(grant(MEMBER, 1))
        await ask(store, 1, limits(6))

        with pytest.raises(ReservationRefused) as caught:
            await store.write(reserve(a_job(2), [], limits(6)))

        assert caught.value.balance == Balance(
            limit=limits(6).default, used=4, bonus=1, renews_at=NOON.replace(hour=0) + DAY, running=1
        )

    async def test_a_refusal_tells_what_all_have_left_and_when_that_renews(self, store: Store) -> None:
        operator, midnight = limits(20, budget=9, budget_per=Period.MONTH), NOON.replace(hour=0)
        await ask(store, 1, operator)
        told = []
        for _ in range(2):
            with pytest.raises(ReservationRefused) as caught:
                await store.write(reserve(a_job(2, spec=a_spec(seconds=8, credits=8)), [], operator))
            await store.write(set_server_limit(6))
            refused = caught.value
            told.append((refused.reason, refused.left, refused.renews_at))

        assert told == [
            (RefusalReason.BUDGET, 5, midnight.replace(month=4, day=1)),
            (RefusalReason.SERVER_LIMIT, 2, midnight + DAY),
        ]

    async def test_of_limits_for_all_those_are_told_that_leave_less_than_the_member_has(self, store: Store) -> None:
        operator = limits(20, budget=40)
        await store.write(set_server_limit(24))
        await ask(store, 1, operator, member=UserId(1))

        async def told() -> list[tuple[RefusalReason, int]]:
            found = await store.read(check_shared_limits(GUILD, await balance(store, operator), operator, NOON))
            return [(refusal.reason, refusal.left) for refusal in found]

        assert await told() == []  # the member has 20, and so has the server
        await ask(store, 2, operator, member=UserId(2))
        assert await told() == [(RefusalReason.SERVER_LIMIT, 16)]
        await ask(store, 3, operator, member=UserId(3), scope=OTHER_GUILD, spec=a_spec(seconds=12, credits=12))
        await ask(store, 4, operator, member=UserId(4), scope=OTHER_GUILD, spec=a_spec(seconds=4, credits=4))
        assert await told() == [(RefusalReason.SERVER_LIMIT, 16), (RefusalReason.BUDGET, 16)]
        await store.write(set_server_limit(0))
        assert await told() == [(RefusalReason.SERVER_LIMIT, 0), (RefusalReason.BUDGET, 16)]

    async def test_a_replayed_interaction_is_known_and_takes_nothing(self, store: Store) -> None:
        job = await store.write(reserve(a_job(), [], limits()))
        before = await store.read(counts)

        for state in (S.WAITING, S.CANCELLED):
            with pytest.raises(AlreadyKnown, match="job=1"):
                await store.write(reserve(a_job(key="another"), [], limits()))
            if state is S.WAITING:
                assert await store.read(counts) == before
                await store.write(jobs.move(job.id, S.WAITING, S.CANCELLED, now=NOON, failure=FailureKind.NO_CARD))

    async def test_what_is_stored_is_what_was_asked_for(self, store: Store) -> None:
        job = await ask(store, 1, limits())

        assert await store.read(jobs.find(JobId(1))) == job == a_job()

    async def test_a_reservation_says_what_admitted_it(self, store: Store) -> None:
        await store.write(set_default(9, Period.WEEK))
        await store.write(set_server_limit(30, Period.MONTH))
        await store.write(set_role(4, 15))
        operator = limits(budget=500, budget_per=Period.TOTAL)

        await ask(store, 1, operator)
        await ask(store, 2, operator, roles=[4], scope=GUILD)
        await ask(store, 3, operator, scope=DIRECT)

        names = ("scope", "limit_credits", "limit_per", "limit_source", "role", "server_limit_credits",
                 "server_limit_per", "budget_credits", "budget_per", "actor")  # fmt: skip
        assert [tuple(line[name] for name in names) for line in await lines(store)] == [
            (GUILD, 9, "week", "server", None, 30, "month", 500, "total", MEMBER),
            (GUILD, 15, "day", "role", 4, 30, "month", 500, "total", MEMBER),
            (DIRECT, 20, "day", "setting", None, None, None, 500, "total", MEMBER),
        ]


def counts(tx: Tx) -> dict[str, int]:
    """Rows of every table, and the counter of lines."""
    names = {name for _, script in scripts() for name in re.findall(r"CREATE TABLE (\w+)", script)}
    rows = {name: tx.one(f"SELECT COUNT(*) AS n FROM {name}") for name in names}
    last = tx.one("SELECT lines AS n FROM budget")
    return {name: row["n"] for name, row in {**rows, "line": last}.items() if row is not None}


class TestBonusCredits:
    async def test_they_are_spent_after_the_quota_the_oldest_first(self, store: Store) -> None:
        first, second = await store.write(grant(MEMBER, 3)), await store.write(grant(MEMBER, 5))
        await store.write(grant(UserId(5), 100))

        await ask(store, 1, limits(4), cost=4)
        await ask(store, 2, limits(4), cost=2)
        await ask(store, 3, limits(4), cost=5)
        refused = await ask(store, 4, limits(4), cost=2)

        parts = await store.read(
            lambda tx: tx.all("SELECT job, bonus_id, credits FROM job_bonus_credits ORDER BY job, bonus_id")
        )
        assert [(part["job"], part["bonus_id"], part["credits"]) for part in parts] == [
            (2, first, 2),
            (3, first, 1),
            (3, second, 4),
        ]
        assert refused is RefusalReason.QUOTA
        now = await balance(store, limits(4))
        assert (now.left, now.bonus) == (0, 1)

    async def test_server_limit_and_budget_count_them_too(self, store: Store) -> None:
        await store.write(grant(MEMBER, 100))
        assert await ask(store, 1, limits(0, budget=3)) is RefusalReason.BUDGET

        await store.write(set_server_limit(3))

        assert await ask(store, 1, limits(0)) is RefusalReason.SERVER_LIMIT

    async def test_they_outlast_every_period_and_a_reset(self, store: Store) -> None:
        await store.write(grant(MEMBER, 5))
        await store.write(reset(MEMBER))

        assert (await balance(store, limits(4), at=NOON + 400 * DAY)).spendable == 9


class TestRefunds:
    async def test_credits_return_to_the_day_and_the_bonus_credits_they_came_from(self, store: Store) -> None:
        late = NOON.replace(hour=23, minute=59, second=59)
        bonus_id = await store.write(grant(MEMBER, 3))
        job = await ask(store, 1, limits(4), cost=6, at=late)
        assert isinstance(job, Job)
        await ask(store, 2, limits(4), cost=2, at=late + timedelta(seconds=1))

        await store.write(jobs.move(job.id, S.WAITING, S.CANCELLED, now=late + DAY, failure=FailureKind.NO_CARD))

        days = await store.read(lambda tx: tx.all("SELECT credits FROM member_usage ORDER BY day"))
        bonus_ids = await store.read(lambda tx: tx.all("SELECT id, remaining FROM bonus_credits"))
        assert [row["credits"] for row in days] == [0, 2]
        assert [(row["id"], row["remaining"]) for row in bonus_ids] == [(bonus_id, 3)]

    async def test_a_reset_is_not_undone_by_a_refund_of_before(self, store: Store) -> None:
        job = await ask(store, 1, limits(10), cost=6)
        assert isinstance(job, Job)
        await store.write(reset(MEMBER))
        await ask(store, 2, limits(10), cost=5)

        await store.write(jobs.move(job.id, S.WAITING, S.CANCELLED, now=NOON, failure=FailureKind.NO_CARD))

        assert (await balance(store, limits(10))).left == 5

    async def test_they_happen_once_however_many_moves_race(self, store: Store) -> None:
        job = await ask(store, 1, limits(10))
        assert isinstance(job, Job)
        ends = [(S.WAITING, S.CANCELLED), (S.WAITING, S.FAILED)] * 25

        moved = await asyncio.gather(
            *(store.write(jobs.move(job.id, *end, now=NOON, failure=FailureKind.QUEUE_TIMEOUT)) for end in ends)
        )

        assert len([one for one in moved if one is not None]) == 1
        assert len(await lines(store, "refund")) == 1
        assert (await balance(store, limits(10))).left == 10

    async def test_five_after_the_provider_had_taken_the_jobs_bar_the_member_until_the_next_day(
        self, store: Store
    ) -> None:
        for n in range(REFUNDS_A_DAY):
            assert isinstance(await ask(store, 100 + n, limits(200)), Job)
            await refunded_after_taken(store, n, limits(200))

        assert REFUNDS_A_DAY == 5
        assert await ask(store, 10, limits(200)) is RefusalReason.TOO_MANY_REFUNDS
        assert await ask(store, 10, limits(200), at=NOON.replace(hour=23, minute=59)) is RefusalReason.TOO_MANY_REFUNDS
        assert isinstance(await ask(store, 11, limits(200), member=UserId(5)), Job)
        assert isinstance(await ask(store, 12, limits(200), at=NOON.replace(hour=0) + DAY), Job)

    async def test_a_reset_lifts_the_bar(self, store: Store) -> None:
        for n in range(REFUNDS_A_DAY):
            await refunded_after_taken(store, n, limits(200))
        await store.write(reset(MEMBER))

        assert isinstance(await ask(store, 10, limits(200)), Job)

    async def test_refunds_of_jobs_the_provider_had_not_taken_bar_nobody(self, store: Store) -> None:
        for n in range(3 * REFUNDS_A_DAY):
            job = await ask(store, n, limits(200))
            assert isinstance(job, Job)
            await store.write(jobs.move(job.id, S.WAITING, S.SUBMITTING, now=NOON))
            to = S.FAILED if n % 2 else S.UNKNOWN
            await store.write(jobs.move(job.id, S.SUBMITTING, to, now=NOON, failure=FailureKind.MODERATED))

        assert isinstance(await ask(store, 100, limits(200)), Job)

    async def test_the_refunds_of_the_day_a_job_was_asked_for_count_whenever_they_come(self, store: Store) -> None:
        job = await ask(store, 1, limits(200), at=NOON - DAY)
        assert isinstance(job, Job)
        await taken_by_provider(store, job)
        for n in range(REFUNDS_A_DAY - 1):
            await refunded_after_taken(store, 10 + n, limits(200))

        await store.write(jobs.move(job.id, S.RENDERING, S.TIMED_OUT, now=NOON, failure=FailureKind.TIMED_OUT))

        assert isinstance(await ask(store, 20, limits(200)), Job)


class TestRaces:
    async def test_twenty_at_once_on_a_quota_of_twelve_get_three_videos(self, store: Store) -> None:
        outcomes = await asyncio.gather(*(ask(store, n, limits(12, jobs_per_user=50)) for n in range(20)))

        assert len(accepted(outcomes)) == 3
        assert outcomes.count(RefusalReason.QUOTA) == 17

    async def test_twenty_at_once_of_a_member_who_may_have_two_get_two(self, store: Store) -> None:
        outcomes = await asyncio.gather(
            *(ask(store, n, limits(1000, jobs_per_user=2), scope=Scope(n % 3)) for n in range(20))
        )

        assert len(accepted(outcomes)) == 2
        assert outcomes.count(RefusalReason.TOO_MANY_JOBS) == 18

    async def test_a_budget_of_eight_makes_two_videos_over_five_members(self, store: Store) -> None:
        outcomes = await asyncio.gather(*(ask(store, n, limits(20, budget=8), member=UserId(n % 5)) for n in range(20)))

        assert len(accepted(outcomes)) == 2
        assert outcomes.count(RefusalReason.BUDGET) == 18

    async def test_one_interaction_twenty_times_at_once_is_one_job(self, store: Store) -> None:
        outcomes = await asyncio.gather(
            *(store.write(reserve(a_job(1, key=f"key{n}"), [], limits())) for n in range(20)), return_exceptions=True
        )

        assert len(accepted(outcomes)) == 1
        assert len([outcome for outcome in outcomes if isinstance(outcome, AlreadyKnown)]) == 19

    async def test_the_same_under_the_load_of_two_hundred_other_members(self, store: Store) -> None:
        """They reserve in their own places while the twenty do, one after the other, and half take it back."""

        async def other(member: int) -> None:
            for turn in range(3):
                job = await ask(
                    store, 1000 + 10 * member + turn, limits(12), member=UserId(member), scope=Scope(member)
                )
                if isinstance(job, Job) and turn % 2:
                    await store.write(jobs.move(job.id, S.WAITING, S.CANCELLED, now=NOON, failure=FailureKind.NO_CARD))

        async with asyncio.TaskGroup() as load:
            for member in range(10, 210):
                load.create_task(other(member))
            outcomes = await asyncio.gather(*(ask(store, n, limits(12, jobs_per_user=50)) for n in range(20)))

        assert len(accepted(outcomes)) == 3
        assert outcomes.count(RefusalReason.QUOTA) == 17
        scopes = Counter(line["scope"] for line in await lines(store))
        assert scopes == {GUILD: 3, **{Scope(member): 3 for member in range(10, 210)}}

    async def test_all_limits_at_once_while_an_admin_changes_them(self, store: Store) -> None:
        """The books go through the ledger in its order and find each line within the limits it names."""
        rng = random.Random(20261122)
        operator = limits(10, budget=400)

        async def admin() -> None:
            for _ in range(60):
                changes = [
                    set_default(rng.randrange(20)),
                    set_server_limit(rng.randrange(60, 300)),
                    set_role(1, rng.randrange(40)),
                    grant(UserId(rng.randrange(10)), rng.randrange(1, 9)),
                    set_own(UserId(rng.randrange(3)), rng.randrange(60)),
                ]
                await store.write(rng.choice(changes))

        async def member(number: int) -> list[Job | RefusalReason]:
            found = []
            for turn in range(20):
                job = await ask(
                    store,
                    number * 100 + turn,
                    operator,
                    member=UserId(number),
                    cost=rng.choice([4, 8, 12]),
                    scope=rng.choice([GUILD, OTHER_GUILD, DIRECT]),
                    roles=[1] if number > 5 else [],
                )
                found.append(job)
                if isinstance(job, Job) and rng.random() < 0.5:
                    await store.write(jobs.move(job.id, S.WAITING, S.CANCELLED, now=NOON, failure=FailureKind.NO_CARD))
            return found

        administering = asyncio.create_task(admin())
        outcomes = await asyncio.gather(*(member(number) for number in range(10)))
        await administering

        found = Counter(type(outcome) for member_ in outcomes for outcome in member_)
        assert found[Job] >= 20
        assert found[RefusalReason] >= 20
        assert {line["limit_source"] for line in await lines(store)} == {"own", "role", "server", "setting"}


async def test_a_reservation_is_so_many_statements_in_the_connections_thread_and_no_more(store: Store) -> None:
    def unit(tx: Tx) -> int:
        counting = Counting(tx._connection)
        reserve(a_job(1), (1, 2, 3), limits())(Tx(counting))
        return counting.statements

    assert await store.write(unit) == 11
