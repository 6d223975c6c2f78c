"""A job's life in the store: which moves there are, that each happens once, and what it gives back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from bot.errors import StoreUnavailable
from bot.models import FailureKind, Job, JobId, JobState, LedgerKind, MessageId, Scope, Ticket, UserId
from bot.store import balances, cards, jobs, ledger
from bot.store.database import Store, Tx
from bot.store.jobs import MOVES
from bot.store.refunds import Refund
from bot.store.reservations import reserve
from tests.builders import ADMIN, GUILD, MEMBER, NOON, a_card, a_job, a_spec, grant, limits
from tests.databases import Database

S = JobState
LATER = NOON + timedelta(minutes=7)

TABLE = {
    ("waiting", "submitting"): "nothing",
    ("waiting", "cancelled"): "all",
    ("waiting", "failed"): "all",
    ("submitting", "waiting"): "nothing",
    ("submitting", "failed"): "all",
    ("submitting", "rendering"): "nothing",
    ("submitting", "unknown"): "member",
    ("unknown", "timed_out"): "nothing",
    ("rendering", "delivering"): "nothing",
    ("rendering", "cancelled"): "all",  # by the provider, which charges nothing
    ("rendering", "failed"): "member",
    ("rendering", "timed_out"): "member",
    ("timed_out", "delivering"): "nothing",
    ("timed_out", "failed"): "nothing",
    ("delivering", "delivered"): "nothing",
    ("delivering", "undelivered"): "nothing",
    ("delivering", "failed"): "member",
    ("undelivered", "delivered"): "nothing",
    ("undelivered", "failed"): "member",
}
"""The table of states, and who gets credits back: server limit and budget only where certainly no video was made."""

WAY: dict[JobState, Sequence[JobState]] = {
    S.WAITING: (),
    S.SUBMITTING: (S.SUBMITTING,),
    S.RENDERING: (S.SUBMITTING, S.RENDERING),
    S.DELIVERING: (S.SUBMITTING, S.RENDERING, S.DELIVERING),
    S.UNKNOWN: (S.SUBMITTING, S.UNKNOWN),
    S.TIMED_OUT: (S.SUBMITTING, S.RENDERING, S.TIMED_OUT),
    S.UNDELIVERED: (S.SUBMITTING, S.RENDERING, S.DELIVERING, S.UNDELIVERED),
}
"""How a job comes to each state that it can leave."""

CHANGES: dict[JobState, dict[str, object]] = {
    S.SUBMITTING: {"last_sent_at": NOON},
    S.RENDERING: {"ticket": "video_1"},
    S.TIMED_OUT: {"failure": FailureKind.TIMED_OUT},
}


@pytest.fixture(name="store")
async def _store(database: Database) -> AsyncIterator[Store]:
    """With 2 bonus credits for the member, so that a video of 5 on a quota of 4 takes from both."""
    store = await Store.open(database.where)
    await store.write(grant(MEMBER, 2))
    yield store
    await store.close()


async def reserved(store: Store, number: int = 1, *, cost: int = 5, **changes: Any) -> Job:
    return await store.write(reserve(a_job(number, cost=cost, **changes), [], limits(4)))


async def brought_to(store: Store, state: JobState, number: int = 1, **changes: Any) -> Job:
    job = await reserved(store, number, **changes)
    for step in WAY[state]:
        moved = await store.write(jobs.move(job.id, job.state, step, now=NOON, **CHANGES.get(step, {})))
        assert moved is not None
        job = moved
    return job


def fault(to: JobState) -> dict[str, object]:
    return {"failure": FailureKind.PROVIDER} if to in (S.FAILED, S.UNKNOWN, S.CANCELLED) else CHANGES.get(to, {})


async def spent(store: Store) -> tuple[int, int, int, int]:
    """What member_usage, the bonus_id, server_usage and budget_usage say is gone."""

    def unit(tx: Tx) -> tuple[int, int, int, int]:
        balance = balances.balance_in(tx, balances.rows_of(tx, GUILD, MEMBER), GUILD, MEMBER, [], limits(4), NOON)
        per = limits().budget.per
        return (
            balance.used,
            2 - balance.bonus,
            balances.server_used(tx, GUILD, per, NOON),
            balances.budget_used(tx, per, NOON),
        )

    return await store.read(unit)


async def kinds(store: Store, job: JobId) -> list[str]:
    rows = await store.read(lambda tx: tx.all("SELECT kind FROM ledger WHERE job = :job ORDER BY id", job=job))
    return [row["kind"] for row in rows]


def test_the_moves_are_those_of_the_design() -> None:
    words = {"nothing": Refund.NONE, "member": Refund.MEMBER, "all": Refund.ALL}

    assert {(JobState(start), JobState(to)): words[refund] for (start, to), refund in TABLE.items()} == MOVES


@pytest.mark.parametrize("start", JobState)
def test_any_other_move_is_no_move(start: JobState) -> None:
    others = [to for to in JobState if (start, to) not in MOVES]

    for to in others:
        with pytest.raises(KeyError):
            jobs.move(JobId(1), start, to, now=NOON)
    assert len(others) >= 6


@pytest.mark.parametrize(("start", "to"), [(JobState(start), JobState(to)) for start, to in TABLE])
async def test_a_move_works_once_and_gives_back_what_is_due(
    store: Store, database: Database, start: JobState, to: JobState
) -> None:
    job = await brought_to(store, start)
    before = await spent(store)
    unit = jobs.move(job.id, start, to, now=LATER, **fault(to))

    moved = await store.write(unit)
    again = await store.write(unit)

    assert again is None
    assert moved == await store.read(jobs.find(job.id))
    assert moved is not None
    assert (moved.state, moved.state_at, moved.failure) == (to, LATER, fault(to).get("failure", job.failure))
    refund = TABLE[start, to]
    was_refunded = start in (S.TIMED_OUT, S.UNKNOWN)
    assert before == ((0, 0, 5, 5) if was_refunded else (4, 1, 5, 5))
    assert await spent(store) == {"nothing": before, "member": (0, 0, 5, 5), "all": (0, 0, 0, 0)}[refund]
    refunded = was_refunded or refund != "nothing"
    assert await kinds(store, job.id) == (["reserve", "refund"] if refunded else ["reserve"])
    assert database.differences() == []


@pytest.mark.parametrize("start", [state for state in JobState if state in WAY])
async def test_a_move_from_where_the_job_is_not_changes_nothing(
    store: Store, database: Database, start: JobState
) -> None:
    job = await brought_to(store, start)
    before = await spent(store)

    for wrong, to in MOVES:
        if wrong is not start:
            assert await store.write(jobs.move(job.id, wrong, to, now=LATER, failure=FailureKind.PROVIDER)) is None

    assert await store.read(jobs.find(job.id)) == job
    assert await spent(store) == before


async def test_a_job_that_is_not_there_does_not_move(store: Store) -> None:
    assert await store.write(jobs.move(JobId(404), S.WAITING, S.SUBMITTING, now=NOON)) is None
    assert await store.read(jobs.find(JobId(404))) is None


async def test_the_line_of_a_refund_tells_whose_when_why_and_whether_the_provider_had_taken_it(store: Store) -> None:
    taken = await brought_to(store, S.RENDERING, 1)
    untaken = await brought_to(store, S.SUBMITTING, 2, cost=1, member=UserId(5))
    await store.write(jobs.move(taken.id, S.RENDERING, S.FAILED, now=LATER, failure=FailureKind.MODERATED))
    await store.write(jobs.move(untaken.id, S.SUBMITTING, S.FAILED, now=LATER, failure=FailureKind.KEY))

    rows = await store.read(lambda tx: tx.all("SELECT * FROM ledger WHERE kind = 'refund' ORDER BY id"))

    told = [
        [row[name] for name in ("job", "scope", "member", "credits", "from_budget", "taken_at", "reason")]
        for row in rows
    ]
    later_ms = round(LATER.timestamp() * 1000)
    assert told == [
        [1, GUILD, MEMBER, 5, 0, later_ms, "moderated"],
        [2, GUILD, 5, 1, 1, None, "key"],
    ]


async def test_a_late_failure_does_not_change_why_the_credits_came_back(store: Store) -> None:
    job = await brought_to(store, S.TIMED_OUT)
    await store.write(jobs.move(job.id, S.TIMED_OUT, S.FAILED, now=LATER, failure=FailureKind.MODERATED))

    refund, *_ = await store.read(ledger.newest(GUILD, MEMBER, 10))

    assert (refund.kind, refund.failure) == (LedgerKind.REFUND, FailureKind.TIMED_OUT)


async def test_a_late_result_whose_file_is_gone_is_refunded_no_second_time(store: Store, database: Database) -> None:
    job = await brought_to(store, S.TIMED_OUT)
    await store.write(jobs.move(job.id, S.TIMED_OUT, S.DELIVERING, now=LATER))

    failed = await store.write(jobs.move(job.id, S.DELIVERING, S.FAILED, now=LATER, failure=FailureKind.RESULT_GONE))

    assert failed is not None
    assert await kinds(store, job.id) == ["reserve", "refund"]
    assert database.differences() == []


async def test_a_move_keeps_what_it_is_given(store: Store) -> None:
    job = await reserved(store)
    await store.write(jobs.move(job.id, S.WAITING, S.SUBMITTING, now=NOON, first_sent_at=NOON, last_sent_at=NOON))
    back = await store.write(jobs.move(job.id, S.SUBMITTING, S.WAITING, now=NOON, not_before=LATER))
    await store.write(jobs.move(job.id, S.WAITING, S.SUBMITTING, now=LATER, last_sent_at=LATER, not_before=None))
    await store.write(jobs.move(job.id, S.SUBMITTING, S.RENDERING, now=LATER, ticket="video_1"))
    done = await store.write(
        jobs.move(job.id, S.RENDERING, S.DELIVERING, now=LATER, result_url="https://v/1", result_expires_at=LATER)
    )

    assert back is not None
    assert (back.not_before, back.first_sent_at, back.last_sent_at) == (LATER, NOON, NOON)
    assert done == job.evolve(
        state=S.DELIVERING,
        state_at=LATER,
        first_sent_at=NOON,
        last_sent_at=LATER,
        ticket="video_1",
        result_url="https://v/1",
        result_expires_at=LATER,
    )


class TestCards:
    async def test_the_delivering_edit_is_the_last_and_the_token_goes(self, store: Store) -> None:
        job = await brought_to(store, S.DELIVERING)
        assert (job.card.finished, job.card.token) == (False, "interaction-token")

        moved = await store.write(jobs.move(job.id, S.DELIVERING, S.DELIVERED, now=LATER))

        assert moved is not None
        assert (moved.card.finished, moved.card.token) == (True, None)

    @pytest.mark.parametrize(("start", "to"), [(start, to) for start, to in MOVES if to is not S.DELIVERED])
    async def test_any_other_move_leaves_the_card_to_be_finished(
        self, store: Store, start: JobState, to: JobState
    ) -> None:
        job = await brought_to(store, start)

        moved = await store.write(jobs.move(job.id, start, to, now=LATER, **fault(to)))

        assert moved is not None
        assert moved.card == job.card

    async def test_a_card_is_known_once_its_message_is_stored(self, store: Store) -> None:
        job = await reserved(store, card=a_card(message=None))
        assert job.card.message is None

        placed = await store.write(cards.place(job.id, MessageId(77), ephemeral_at=LATER))

        assert placed == job.evolve(card=a_card(message=MessageId(77), ephemeral=True))
        assert await store.read(jobs.find(job.id)) == placed
        assert await store.write(cards.place(JobId(404), MessageId(1), ephemeral_at=None)) is None

    async def test_a_dead_token_leaves_the_store_and_nothing_else_does(self, store: Store) -> None:
        job = await reserved(store)

        await store.write(cards.drop_token(job.id))

        assert await store.read(jobs.find(job.id)) == job.evolve(card=a_card(token=None))

    async def test_a_finished_card_needs_no_token(self, store: Store) -> None:
        job = await reserved(store)

        await store.write(cards.finish(job.id, now=LATER))

        assert await store.read(jobs.find(job.id)) == job.evolve(card=a_card(token=None, finished=True))

    async def test_the_picture_settles_the_size_once(self, store: Store) -> None:
        job = await reserved(store)

        fixed = await store.write(jobs.fix_size(job.id, "1280x720"))
        again = await store.write(jobs.fix_size(job.id, "720x1280"))

        assert fixed == again == job.evolve(spec=a_spec(credits=5, size="1280x720"))


class TestResuming:
    async def test_all_that_needs_work_is_found_oldest_first(self, store: Store) -> None:
        brought = [await brought_to(store, state, 9 - n, cost=0) for n, state in enumerate(WAY)]

        found = await store.read(jobs.to_resume())

        assert found == list(reversed(brought))
        assert len(found) == len(WAY)

    async def test_one_that_was_given_up_and_is_answered_after_all_is_found_again_and_refunded_once(
        self, store: Store, database: Database
    ) -> None:
        job = await brought_to(store, S.UNKNOWN)
        await store.write(cards.finish(job.id, now=NOON))
        assert await store.read(jobs.to_resume()) == []

        late = await store.write(jobs.answered_late(job, Ticket("video_1"), now=LATER))

        assert late is not None
        assert (late.state, late.ticket, late.card.finished) == (S.TIMED_OUT, "video_1", False)
        assert await store.read(jobs.to_resume()) == [late]
        assert await kinds(store, job.id) == ["reserve", "refund"]
        assert await store.write(jobs.answered_late(job, Ticket("video_2"), now=LATER)) is None
        assert database.differences() == []

    @pytest.mark.parametrize("to", [S.FAILED, S.UNKNOWN])
    async def test_an_ended_job_is_found_until_its_card_says_so(self, store: Store, to: JobState) -> None:
        job = await brought_to(store, S.SUBMITTING)
        ended = await store.write(jobs.move(job.id, S.SUBMITTING, to, now=LATER, failure=FailureKind.KEY))

        before = await store.read(jobs.to_resume())
        await store.write(cards.finish(job.id, now=LATER))

        assert before == [ended]
        assert await store.read(jobs.to_resume()) == []

    async def test_it_reads_no_more_than_it_finds(self, store: Store) -> None:
        """A bot of a year has many jobs that are over: its start may not go through them all."""
        if store.is_shared:
            pytest.skip("PostgreSQL plans by how many rows there are")
        plan = await store.read(lambda tx: [row["detail"] for row in tx.all(f"EXPLAIN QUERY PLAN {jobs.RESUME_SQL}")])

        assert [step for step in plan if step.startswith("SCAN") and "CONSTANT" not in step] == []
        assert any("jobs_of_state" in step for step in plan)


class TestLedgerLines:
    async def test_they_are_told_newest_first_with_video_and_limit(self, store: Store) -> None:
        job = await brought_to(store, S.RENDERING)
        await store.write(grant(MEMBER, 3, now=LATER))
        await store.write(jobs.move(job.id, S.RENDERING, S.FAILED, now=LATER, failure=FailureKind.PROVIDER))

        lines = await store.read(ledger.newest(GUILD, MEMBER, 3))

        assert [(line.kind, line.credits, line.job_key, line.failure, line.at) for line in lines] == [
            (LedgerKind.REFUND, 5, "key1", FailureKind.PROVIDER, LATER),
            (LedgerKind.GRANT, 3, None, None, LATER),
            (LedgerKind.RESERVE, -5, "key1", None, NOON),
        ]
        assert [line.limit for line in lines] == [None, None, limits(4).default]
        assert [line.actor for line in lines] == [None, ADMIN, MEMBER]

    async def test_they_are_of_that_member_in_that_place(self, store: Store) -> None:
        await reserved(store, 1)
        await reserved(store, 2, member=UserId(5), cost=1)
        await reserved(store, 3, scope=Scope(6), cost=1)

        assert [line.job_key for line in await store.read(ledger.newest(GUILD, MEMBER, 10))] == ["key1", None]

    async def test_no_line_is_written_twice_for_a_job(self, store: Store) -> None:
        job = await reserved(store)

        def again(tx: Tx) -> bool:
            line = ledger.next_line_id(tx, GUILD, MEMBER)
            return ledger.append(tx, line, LedgerKind.RESERVE, now=NOON, scope=GUILD, job=job.id)

        assert await store.write(again) is False
        assert await kinds(store, job.id) == ["reserve"]


async def test_a_key_that_is_taken_already_is_refused_and_takes_nothing(store: Store, database: Database) -> None:
    await reserved(store, 1, cost=1)

    with pytest.raises(StoreUnavailable):
        await reserved(store, 2, cost=1, key="key1")

    assert await spent(store) == (1, 0, 1, 1)
    assert database.differences() == []
