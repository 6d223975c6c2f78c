"""Names come off the numbers once nothing counts them, and every sum stays what it was."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from bot.errors import ReservationRefused
from bot.models import DIRECT, JobState, Limits, Period, Scope, UserId
from bot.report_models import ActKind
from bot.store import balances, erasure, pseudonyms, server_settings, users
from bot.store.admin_acts import Subject, page, recorded
from tests.builders import ADMIN, GUILD, MEMBER, NOON, by, grant, limits, reset, set_default, set_own, set_role
from tests.in_memory_store import OTHER, WAYS, Ledgers
from tests.integration.conftest import MakeLedgers

S = JobState
WISHED = NOON + timedelta(minutes=1)
NEXT_MONTH = datetime(2026, 4, 6, 12, tzinfo=UTC)
"""A Monday: the week that began in March is over, too."""
SCOPES = (GUILD, Scope(72), DIRECT)
MEMBERS = (MEMBER, OTHER, UserId(910_000_000_000_000_003))
NAMED = ("ledger", "jobs", "member_usage", "bonus_credits", "members")


@pytest.fixture(name="kept")
def _kept(make_ledgers: MakeLedgers) -> Iterator[Ledgers]:
    kept = make_ledgers(limits(1_000, Period.MONTH))
    yield kept
    assert kept.wrong() == []
    kept.close()


def known_in(kept: Ledgers, member: UserId = MEMBER) -> set[str]:
    """The tables that know the member by name."""
    found = {table for table in NAMED if kept.rows(f"SELECT 1 FROM {table} WHERE member = :member", member=member)}
    return found | ({"users"} if kept.rows("SELECT 1 FROM users WHERE member = :member", member=member) else set())


def forget(kept: Ledgers, *, now: datetime = NEXT_MONTH) -> bool:
    return kept.do(pseudonyms.forget_name(MEMBER, kept.operator, now=now))


def request(kept: Ledgers, *, now: datetime = WISHED) -> None:
    kept.do(erasure.request(MEMBER, now=now))


class TestWhenNothingCountsThem:
    def test_names_go_everywhere_and_another_members_stay(self, kept: Ledgers) -> None:
        kept.do(grant(MEMBER, 4))
        for number, member in enumerate((MEMBER, OTHER, MEMBER), start=1):
            kept.add_job(number, member=member, cost=4)
        kept.add_job(4, S.FAILED)
        kept.do(lambda tx: tx.changed("UPDATE bonus_credits SET remaining = 0"))
        kept.do(lambda tx: tx.changed("UPDATE ledger SET credits = 0, from_bonus = 0 WHERE kind = 'grant'"))
        request(kept)

        assert forget(kept)

        assert known_in(kept) == set()
        assert known_in(kept, OTHER) == {"ledger", "jobs", "member_usage", "members"}
        (names,) = kept.rows("SELECT DISTINCT member FROM jobs WHERE id <> 2")
        assert names[0] < 0
        assert kept.do(pseudonyms.erased_people()) == []

    def test_whoever_comes_back_begins_afresh(self, kept: Ledgers) -> None:
        kept.do(reset(MEMBER))
        kept.add_job(1)
        request(kept)
        forget(kept)

        kept.add_job(2, at=NEXT_MONTH)

        assert kept.rows("SELECT reset_count FROM members WHERE member = :member", member=MEMBER) == [(0,)]
        assert kept.do(balances.balance(GUILD, MEMBER, [], kept.operator, NEXT_MONTH)).used == 4

    def test_each_server_gets_a_name_of_its_own(self, kept: Ledgers) -> None:
        for number, scope in enumerate(SCOPES, start=1):
            kept.add_job(number, scope=scope)
        request(kept)

        assert forget(kept)

        assert len(kept.rows("SELECT DISTINCT member FROM ledger")) == 3

    def test_admins_words_about_the_member_go_with_the_name(self, kept: Ledgers) -> None:
        kept.do(server_settings.block(by(), MEMBER, "rude"))
        kept.do(server_settings.unblock(by(), MEMBER))
        kept.add_job(1)
        request(kept)

        assert forget(kept)

        assert kept.rows("SELECT reason FROM ledger WHERE kind = 'block'") == [(None,), (None,)]

    def test_the_audit_still_says_that_there_was_a_block_and_no_longer_why(self, kept: Ledgers) -> None:
        subject = Subject(ActKind.BLOCK, MEMBER)
        kept.do(recorded(by(), subject, server_settings.block(by(), MEMBER, "rude")))
        kept.do(recorded(by(), subject, server_settings.unblock(by(), MEMBER)))
        kept.add_job(1)
        request(kept)

        assert forget(kept)

        acts = kept.do(page(GUILD, 0, 9)).acts
        assert [(act.old, act.new) for act in acts] == [([None], None), (None, [None])]

    def test_what_the_member_did_as_an_admin_is_nobodys(self, kept: Ledgers) -> None:
        kept.add_job(1, member=OTHER)
        kept.do(grant(OTHER, 3))
        kept.do(erasure.request(ADMIN, now=WISHED))

        assert kept.do(pseudonyms.forget_name(ADMIN, kept.operator, now=NEXT_MONTH))

        assert kept.rows("SELECT actor FROM ledger WHERE kind = 'grant'") == [(None,)]
        assert kept.rows("SELECT member FROM ledger WHERE kind = 'grant'") == [(OTHER,)]

    def test_a_request_for_no_pings_is_kept(self, kept: Ledgers) -> None:
        kept.add_job(1)
        kept.do(users.set_mentions_muted(MEMBER, NOON))
        request(kept)

        assert forget(kept)

        assert known_in(kept) == {"users"}
        assert kept.do(users.has_muted_mentions(MEMBER))
        assert kept.do(pseudonyms.erased_people()) == []

    def test_who_wants_no_choices_remembered_is_asked_no_second_time(self, kept: Ledgers) -> None:
        kept.add_job(1)
        kept.do(users.set_choices_off(MEMBER, NOON))
        request(kept)

        assert forget(kept)

        assert kept.do(users.are_choices_off(MEMBER))
        kept.do(users.remember_choices(MEMBER, '{"seconds": 8}'))
        assert kept.do(users.last_choices(MEMBER)) is None

    def test_a_block_and_an_own_quota_stay_the_members(self, kept: Ledgers) -> None:
        """Else asking to be forgotten would lift them."""
        kept.do(server_settings.block(by(), MEMBER, "rude"))
        kept.do(set_own(MEMBER, 1, Period.MONTH, scope=Scope(72)))
        kept.add_job(1, scope=DIRECT)
        request(kept)

        assert forget(kept)

        assert known_in(kept) == {"members"}
        with pytest.raises(ReservationRefused):
            kept.add_job(2, at=NEXT_MONTH)
        balance = kept.do(balances.balance(Scope(72), MEMBER, [], kept.operator, NEXT_MONTH))
        assert balance.limit.credits == 1


@pytest.mark.parametrize(
    ("asked_on", "now", "gone"),
    [
        (datetime(2026, 3, 31, 23, tzinfo=UTC), datetime(2026, 3, 31, 23, 59, tzinfo=UTC), False),
        (datetime(2026, 3, 31, 23, tzinfo=UTC), datetime(2026, 4, 1, 1, tzinfo=UTC), False),  # the same week
        (datetime(2026, 3, 31, 23, tzinfo=UTC), datetime(2026, 4, 5, 23, tzinfo=UTC), False),
        (datetime(2026, 3, 31, 23, tzinfo=UTC), datetime(2026, 4, 6, 0, tzinfo=UTC), True),
        (datetime(2026, 3, 29, 23, tzinfo=UTC), datetime(2026, 4, 1, 0, tzinfo=UTC), True),
        (datetime(2026, 3, 2, 1, tzinfo=UTC), datetime(2026, 3, 30, 0, tzinfo=UTC), False),
    ],
)
def test_a_name_stays_while_a_day_of_theirs_counts(
    kept: Ledgers, asked_on: datetime, now: datetime, *, gone: bool
) -> None:
    kept.add_job(1, at=asked_on)
    request(kept, now=asked_on + timedelta(minutes=1))

    assert forget(kept, now=now) is gone

    assert ("jobs" in known_in(kept)) is not gone


def _ever_role(kept: Ledgers) -> None:
    kept.do(set_role(5, 3, Period.TOTAL))


def _ever_default(kept: Ledgers) -> None:
    kept.do(set_default(3, Period.TOTAL))


def _ever_own(kept: Ledgers) -> None:
    kept.do(set_own(MEMBER, 30, Period.TOTAL))


def _ever_setting(kept: Ledgers) -> None:
    kept.operator = limits(1_000, Period.TOTAL)


def _credits_left(kept: Ledgers) -> None:
    kept.do(grant(MEMBER, 1))


def _used_again(kept: Ledgers) -> None:
    kept.add_job(7, at=WISHED + timedelta(minutes=1))


def _under_way(kept: Ledgers) -> None:
    kept.add_job(7, S.RENDERING, at=WISHED - timedelta(seconds=5))


@pytest.mark.parametrize(
    "need", [_ever_role, _ever_default, _ever_own, _ever_setting, _credits_left, _used_again, _under_way]
)
def test_a_name_stays_while_something_needs_it(kept: Ledgers, need: Callable[[Ledgers], None]) -> None:
    kept.add_job(1)
    request(kept)
    need(kept)
    before = known_in(kept)

    assert not forget(kept)

    assert known_in(kept) == before >= {"ledger", "jobs", "users"}
    assert kept.do(pseudonyms.erased_people()) == [MEMBER]


def test_who_never_asked_to_be_forgotten_keeps_the_name(kept: Ledgers) -> None:
    kept.add_job(1)

    forget(kept)

    assert "jobs" in known_in(kept)


@pytest.mark.parametrize("seed", range(12))
def test_no_balance_server_limit_or_budget_of_anybody_else_moves(kept: Ledgers, seed: int) -> None:
    """Whose videos of a server have all ended; before that no name comes off."""
    rng = random.Random(seed)
    _a_history(kept, rng)
    before = _all_sums(kept, kept.operator, but=(GUILD, MEMBER))
    assert kept.wrong() == []

    kept.do(pseudonyms.pseudonymize_member(GUILD, MEMBER))

    assert _all_sums(kept, kept.operator, but=(GUILD, MEMBER)) == before
    assert kept.rows("SELECT 1 FROM ledger WHERE scope = :scope AND member = :member", scope=GUILD, member=MEMBER) == []
    assert kept.wrong() == []
    kept.do(set_own(MEMBER, 1_000))
    for number in range(900, 905):
        kept.add_job(number, rng.choice(list(WAYS)), at=NEXT_MONTH)


def _a_history(kept: Ledgers, rng: random.Random) -> None:
    at = NOON
    for number in range(1, 40):
        at += timedelta(hours=rng.randrange(30))
        scope, member = rng.choice(SCOPES), rng.choice(MEMBERS)
        match rng.randrange(8):
            case 0:
                kept.do(grant(member, rng.randrange(1, 30), scope=scope, now=at))
            case 1:
                kept.do(reset(member, scope=scope, now=at))
            case 2:
                kept.do(set_own(member, rng.randrange(0, 8), Period.DAY, scope=scope))
            case _:
                try:
                    cost = rng.randrange(1, 9)
                    states = [state for state in WAYS if (scope, member) != (GUILD, MEMBER) or not state.needs_work]
                    kept.add_job(number, rng.choice(states), at=at, member=member, scope=scope, cost=cost)
                except ReservationRefused:
                    continue


def _all_sums(kept: Ledgers, operator: Limits, *, but: tuple[Scope, UserId]) -> list[object]:
    moments = [NOON + timedelta(days=days) for days in (0, 3, 9, 27)]
    found: list[object] = [
        kept.do(balances.balance(scope, member, [], operator, moment))
        for moment in moments
        for scope in SCOPES
        for member in MEMBERS
        if (scope, member) != but
    ]
    for moment in moments:
        for per in Period:
            found.append(kept.do(lambda tx, per=per, moment=moment: balances.budget_used(tx, per, moment)))  # type: ignore[misc]
            found += [
                kept.do(lambda tx, scope=scope, per=per, moment=moment: balances.server_used(tx, scope, per, moment))  # type: ignore[misc]
                for scope in SCOPES
            ]
    return found
