"""Two hundred commands over ten members against every limit at once, while an admin changes the rules under them.

Each verdict, yes or no, is told with the ledger line it came after, so that the model can say what was right there.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from bot.errors import ReservationRefused
from bot.jobs.admin import Admin
from bot.jobs.context import Clock
from bot.models import FailureKind, Job, JobId, JobState, Limit, Period, Scope, Source, UserId
from bot.store import jobs, quotas
from bot.store.database import Store, Tx, Unit
from bot.store.reservations import reserve
from bot.store.row_mapping import day_of
from tests.builders import GUILD, NOON, a_job, by, limits
from tests.databases import Database
from tests.money_model import MoneyModel, follow

COMMANDS = 200
MEMBERS = [UserId(number) for number in range(10)]
ARTISTS, PAINTERS = 61, 62
ROLES: dict[UserId, Sequence[int]] = {
    UserId(3): [ARTISTS], UserId(4): [ARTISTS], UserId(5): [ARTISTS, PAINTERS], UserId(6): [PAINTERS],
}  # fmt: skip
OPERATOR = limits(16, budget=260, budget_per=Period.MONTH)
RULES: list[Unit[object]] = [
    quotas.set_member(by(), UserId(0), Limit(40, Period.WEEK, Source.OWN)),
    quotas.set_member(by(), UserId(1), Limit(0, Period.DAY, Source.OWN)),
    quotas.set_role(by(), ARTISTS, Limit(24, Period.DAY, Source.ROLE, ARTISTS)),
    quotas.set_role(by(), PAINTERS, Limit(30, Period.MONTH, Source.ROLE, PAINTERS)),
    quotas.set_default(by(), Limit(20, Period.DAY, Source.SERVER)),
    quotas.grant(by(), UserId(2), 10, None),
]
OTHER_GUILD = Scope(GUILD + 1)


@dataclass(frozen=True)
class Verdict:
    """What became of one command; `after` is the newest ledger line it saw."""

    job: Job
    after: int
    refusal: str | None


def attempt(job: Job) -> Unit[Verdict]:
    """A reservation that answers in place of raising, so that it can tell where it stood."""

    def unit(tx: Tx) -> Verdict:
        row = tx.one("SELECT COALESCE(MAX(id), 0) AS newest FROM ledger")
        assert row is not None
        refusal = None
        try:
            reserve(job, ROLES.get(job.member, ()), OPERATOR)(tx)
        except ReservationRefused as error:
            refusal = str(error.reason)
        return Verdict(job, row["newest"], refusal)

    return unit


@pytest.fixture(name="store")
async def _store(database: Database) -> AsyncIterator[Store]:
    """With every kind of rule; its books are right at the end."""
    store = await Store.open(database.where)
    for rule in RULES:
        await store.write(rule)
    yield store
    await store.close()
    assert database.differences() == []


def commands(rng: random.Random) -> list[Job]:
    """Twenty of each member, mixed, most of them on one server."""
    members = MEMBERS * (COMMANDS // len(MEMBERS))
    rng.shuffle(members)
    return [
        a_job(number, member=member, cost=rng.choice([4, 4, 8]), scope=rng.choice([GUILD, GUILD, GUILD, OTHER_GUILD]))
        for number, member in enumerate(members, start=1)
    ]


async def judged(store: Store, verdicts: Sequence[Verdict]) -> MoneyModel:
    """Goes through the ledger in its order and finds every verdict right at its place; the house at the end."""
    model, today, newest = MoneyModel(OPERATOR), day_of(NOON), 0
    by_place: dict[int, list[Verdict]] = {}
    for verdict in verdicts:
        by_place.setdefault(verdict.after, []).append(verdict)

    def judge() -> None:
        for verdict in by_place.pop(newest, ()):
            job = verdict.job
            right = model.refusal(job.scope, job.member, ROLES.get(job.member, ()), job.spec.credits, today)
            assert verdict.refusal == right, f"job {job.id} after line {newest}"

    for line in await store.read(lambda tx: tx.all("SELECT * FROM ledger ORDER BY id")):
        judge()
        follow(model, line, ROLES)
        newest = line["id"]
    judge()
    assert by_place == {}
    return model


def reasons(verdicts: Sequence[Verdict]) -> Mapping[str, int]:
    return Counter(verdict.refusal or "taken" for verdict in verdicts)


@pytest.mark.parametrize("seed", range(3))
async def test_two_hundred_commands_at_once_are_judged_each_by_what_stood_then(store: Store, seed: int) -> None:
    await store.write(quotas.set_server_limit(by(), Limit(190, Period.WEEK, Source.SERVER)))
    asked = commands(random.Random(seed))

    verdicts = await asyncio.gather(*(store.write(attempt(job)) for job in asked))
    model = await judged(store, verdicts)

    found = reasons(verdicts)
    assert sum(found.values()) == COMMANDS
    assert set(found) == {"taken", "quota", "server_limit", "budget"}
    lines = await store.read(lambda tx: tx.all("SELECT DISTINCT limit_source FROM ledger WHERE kind = 'reserve'"))
    assert {line["limit_source"] for line in lines} == {"own", "role", "server", "setting"}
    for verdict in verdicts:  # nobody gave anything back, so what was refused does not fit now either
        job = verdict.job
        if verdict.refusal is not None:
            assert model.refusal(job.scope, job.member, ROLES.get(job.member, ()), job.spec.credits, day_of(NOON))


@pytest.mark.parametrize("seed", range(4))
async def test_they_are_also_while_an_admin_changes_every_rule_and_videos_are_taken_back(
    store: Store, seed: int
) -> None:
    rng = random.Random(seed)

    def a_change() -> Unit[object]:
        value, per, member, role = (
            rng.randrange(50), rng.choice(list(Period)), rng.choice(MEMBERS), rng.choice([ARTISTS, PAINTERS])
        )  # fmt: skip
        changes: list[Callable[[], Unit[object]]] = [
            lambda: quotas.set_member(by(), member, Limit(value, per, Source.OWN)),
            lambda: quotas.clear_member(by(), member),
            lambda: quotas.set_role(by(), role, Limit(value, per, Source.ROLE, role)),
            lambda: quotas.clear_role(by(), role),
            lambda: quotas.set_default(by(), Limit(value, per, Source.SERVER)),
            lambda: quotas.set_default(by(), None),
            lambda: quotas.set_server_limit(by(), Limit(100 + 4 * value, per, Source.SERVER)),
            lambda: quotas.set_server_limit(by(), None),
            lambda: quotas.revoke(by(), member, 1 + value // 4, None),
            lambda: quotas.grant(by(), member, 1 + value // 4, "a feast"),
            lambda: quotas.reset(by(), member),
        ]
        return rng.choice(changes)()

    async def admin() -> None:
        for _ in range(10):
            await store.write(a_change())

    async def member(asked: list[Job]) -> list[Verdict]:
        found = []
        for job in asked:
            verdict = await store.write(attempt(job))
            found.append(verdict)
            if verdict.refusal is None and rng.random() < 0.4:
                cancelled = jobs.move(
                    JobId(job.id), JobState.WAITING, JobState.CANCELLED, now=NOON, failure=FailureKind.QUEUE_TIMEOUT
                )
                assert await store.write(cancelled) is not None
        return found

    asked = commands(rng)
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(member(asked[start::20])) for start in range(20)]
        for _ in range(10):
            group.create_task(admin())
    verdicts = [verdict for task in asking for verdict in task.result()]
    await judged(store, verdicts)

    counted = reasons(verdicts)
    assert sum(counted.values()) == COMMANDS
    assert counted["taken"] >= 20
    assert counted["quota"] >= 10
    changed = await store.read(
        lambda tx: tx.all("SELECT id, kind FROM ledger WHERE kind IN ('quota', 'grant', 'reset', 'reserve')")
    )
    places = [line["id"] for line in changed if line["kind"] == "reserve"]
    between = [line for line in changed if line["kind"] != "reserve" and places[0] < line["id"] < places[-1]]
    assert len(between) >= 20  # the admin was at it while they asked


async def test_a_role_that_gets_a_quota_while_deleted_roles_are_looked_for_keeps_it(store: Store) -> None:
    alive = {ARTISTS}  # PAINTERS was deleted
    worker: Any = None  # not asked
    admin = Admin(store=store, worker=worker, limits=OPERATOR, clock=Clock(), refused=dict, rules=worker)

    async def a_new_role() -> None:
        alive.add(99)
        await store.write(quotas.set_role(by(), 99, Limit(7, Period.DAY, Source.ROLE, 99)))

    gone, _ = await asyncio.gather(admin.forget_roles(by(), alive.__contains__), a_new_role())

    assert gone == [PAINTERS]
    assert [role for role, _ in (await admin.every(GUILD)).roles] == [ARTISTS, 99]
