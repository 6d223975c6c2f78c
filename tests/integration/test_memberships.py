"""Servers that the bot has left: remembered, forgotten on coming back, purged after a while; the budget stays."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from bot.models import DIRECT, ChannelId, GuildId, JobId, JobState, MessageId, Period, Scope
from bot.store import balances, cards, memberships, pseudonyms, server_settings
from tests.builders import ADMIN, GUILD, MEMBER, NOON, by, grant, set_default, set_own, set_role, set_server_limit
from tests.in_memory_store import OTHER, Ledgers
from tests.integration.conftest import MakeLedgers

S = JobState
HERE, ELSEWHERE = GuildId(GUILD), GuildId(72)
LEFT = NOON + timedelta(hours=1)
MONTH = timedelta(days=30)


@pytest.fixture(name="kept")
def _kept(make_ledgers: MakeLedgers) -> Iterator[Ledgers]:
    kept = make_ledgers()
    yield kept
    assert kept.wrong() == []
    kept.close()


def due(kept: Ledgers, *, days: float = 31) -> list[GuildId]:
    return kept.do(memberships.to_purge(left_before=LEFT + timedelta(days=days) - MONTH))


def purge(kept: Ledgers, guild: GuildId = HERE) -> list[JobId]:
    for member in kept.do(memberships.people_of(guild)):
        kept.do(pseudonyms.pseudonymize_member(Scope(guild), member))
    return kept.do(memberships.purge(guild))


class TestMembership:
    def test_a_card_that_the_bot_reaches_shows_that_it_is_a_member(self, kept: Ledgers) -> None:
        kept.add_job(1, S.WAITING)
        kept.do(cards.place(JobId(1), MessageId(3), ephemeral_at=None))

        assert kept.rows("SELECT guild, left_at FROM guilds") == [(HERE, None)]

    @pytest.mark.parametrize("card", [{"bot_reaches": False}, {"guild": None}])
    def test_a_card_in_private_or_out_of_reach_shows_nothing(self, kept: Ledgers, card: dict[str, object]) -> None:
        kept.add_job(1, S.WAITING, card=card)
        kept.do(cards.place(JobId(1), MessageId(3), ephemeral_at=None))

        assert kept.rows("SELECT * FROM guilds") == []

    def test_at_a_start_those_it_keeps_something_of_are_written_down_and_missing_ones_have_been_left(
        self, kept: Ledgers
    ) -> None:
        kept.do(set_default(5, scope=Scope(HERE)))
        kept.do(memberships.joined(ELSEWHERE))

        assert kept.do(memberships.seen([HERE, GuildId(99)], now=LEFT)) == [ELSEWHERE]

        found = kept.rows("SELECT guild, left_at IS NULL FROM guilds ORDER BY guild")
        assert found == [(ELSEWHERE, 0), (HERE, 1)]
        assert not kept.do(memberships.is_news([HERE, GuildId(99)]))
        assert kept.do(memberships.seen([HERE], now=LEFT + MONTH)) == []

    def test_a_process_that_hears_of_some_servers_alone_takes_none_of_the_others_for_left(self, kept: Ledgers) -> None:
        kept.do(memberships.joined(HERE))
        kept.do(memberships.joined(ELSEWHERE))

        assert kept.do(memberships.seen([], lambda guild: guild == HERE, now=LEFT)) == [HERE]
        assert not kept.do(memberships.is_news([], lambda guild: guild == HERE))

    def test_coming_back_is_seen_at_a_start_too(self, kept: Ledgers) -> None:
        kept.do(memberships.left(HERE, now=LEFT))
        assert due(kept) == [HERE]

        assert kept.do(memberships.is_news([HERE]))
        kept.do(memberships.seen([HERE], now=LEFT))

        assert due(kept) == []

    def test_a_second_word_of_leaving_does_not_put_it_off(self, kept: Ledgers) -> None:
        kept.do(memberships.left(HERE, now=LEFT))
        kept.do(memberships.left(HERE, now=LEFT + timedelta(days=20)))

        assert due(kept) == [HERE]

    def test_where_only_the_commands_are_installed_nothing_is_written_down(self, kept: Ledgers) -> None:
        kept.add_job(1, card={"bot_reaches": False})

        assert kept.do(memberships.seen([ELSEWHERE], now=LEFT)) == []

        assert kept.rows("SELECT * FROM guilds") == []


class TestWhenItIsDue:
    def test_after_thirty_days_and_not_before(self, kept: Ledgers) -> None:
        kept.add_job(1)
        kept.do(memberships.left(HERE, now=LEFT))

        assert (due(kept, days=29.9), due(kept, days=30.1)) == ([], [HERE])

    def test_not_while_the_bot_is_a_member(self, kept: Ledgers) -> None:
        kept.do(memberships.left(HERE, now=LEFT))
        kept.do(memberships.joined(HERE))

        assert due(kept, days=400) == []

    def test_not_while_a_job_is_under_way(self, kept: Ledgers) -> None:
        kept.add_job(1, S.TIMED_OUT)
        kept.do(memberships.left(HERE, now=LEFT))

        assert due(kept) == []

    def test_not_where_the_commands_were_used_since(self, kept: Ledgers) -> None:
        """The server has them again, without the bot."""
        kept.do(memberships.left(HERE, now=LEFT))
        kept.add_job(1, at=LEFT + timedelta(days=2))

        assert due(kept, days=400) == []

    def test_a_refund_after_leaving_is_no_use_of_the_commands(self, kept: Ledgers) -> None:
        job = kept.add_job(1, S.RENDERING)
        kept.do(memberships.left(HERE, now=LEFT))
        kept.move(job, S.FAILED, at=LEFT + timedelta(minutes=5))

        assert due(kept) == [HERE]


def _a_server(kept: Ledgers) -> None:
    """With everything in it that admins can set, and two members; one of them elsewhere, too."""
    kept.do(set_default(30))
    kept.do(set_server_limit(500, Period.MONTH))
    kept.do(set_role(5, 40))
    kept.do(set_own(MEMBER, 50))
    kept.do(grant(MEMBER, 9))
    kept.do(server_settings.block(by(), OTHER, "rude"))
    kept.do(server_settings.unblock(by(), OTHER))
    kept.do(server_settings.pause(by(), "a break"))
    kept.do(server_settings.resume(by()))
    kept.do(server_settings.set_log_channel(by(), ChannelId(8)))
    kept.add_job(1)
    kept.add_job(2, S.FAILED, member=OTHER)
    kept.add_job(3, S.UNDELIVERED, card={"bot_reaches": False})
    kept.add_job(4, scope=DIRECT)
    kept.add_job(5, scope=Scope(ELSEWHERE), card={"guild": ELSEWHERE})
    kept.do(server_settings.block(by(), OTHER, "rude again"))
    kept.do(memberships.left(HERE, now=LEFT))


class TestPurge:
    def test_words_places_rules_and_names_go(self, kept: Ledgers) -> None:
        _a_server(kept)

        assert purge(kept) == [1, 2, 3]

        assert kept.rows("SELECT id FROM jobs WHERE prompt <> '' ORDER BY id") == [(4,), (5,)]
        assert kept.rows("SELECT job FROM cards WHERE channel <> 0 OR message IS NOT NULL ORDER BY job") == [(4,), (5,)]
        for table in ("servers", "members", "roles"):
            assert kept.rows(f"SELECT 1 FROM {table} WHERE scope = :scope", scope=GUILD) == []
        for table in ("ledger", "jobs", "member_usage", "bonus_credits"):
            named = kept.rows(f"SELECT member FROM {table} WHERE scope = :scope AND member > 0", scope=GUILD)
            assert named == [], table
        assert kept.rows("SELECT 1 FROM ledger WHERE actor IN (:a, :m)", a=ADMIN, m=OTHER) == []
        words = kept.rows("SELECT DISTINCT reason FROM ledger WHERE scope = :scope AND kind <> 'refund'", scope=GUILD)
        assert words == [(None,)]
        assert kept.rows("SELECT * FROM guilds") == []

    def test_other_places_and_the_budget_stay_as_they_were(self, kept: Ledgers) -> None:
        _a_server(kept)

        def sums() -> list[object]:
            return [
                [kept.do(lambda tx, per=per: balances.budget_used(tx, per, NOON)) for per in Period],  # type: ignore[misc]  # mypy cannot infer it
                [kept.do(balances.balance(Scope(s), MEMBER, [], kept.operator, NOON)) for s in (DIRECT, ELSEWHERE)],
                kept.rows("SELECT * FROM ledger WHERE scope <> :scope ORDER BY id", scope=GUILD),
                kept.rows("SELECT * FROM budget_usage"),
            ]

        before = sums()
        purge(kept)

        assert sums() == before

    def test_a_server_that_comes_back_later_begins_afresh(self, kept: Ledgers) -> None:
        _a_server(kept)
        purge(kept)

        kept.do(memberships.joined(HERE))
        kept.add_job(6, member=OTHER)

        balance = kept.do(balances.balance(GUILD, MEMBER, [], kept.operator, NOON))
        assert (balance.used, balance.bonus, balance.limit.credits) == (0, 0, 1_000)
        assert kept.do(server_settings.server(GUILD)).log_channel is None

    def test_a_purge_that_was_broken_off_is_taken_up_again(self, kept: Ledgers) -> None:
        _a_server(kept)
        kept.do(pseudonyms.pseudonymize_member(GUILD, MEMBER))
        assert due(kept) == [HERE]

        purge(kept)

        assert kept.rows("SELECT 1 FROM ledger WHERE scope = :scope AND member > 0", scope=GUILD) == []
