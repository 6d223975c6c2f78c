"""Words, addresses and places leave the store, on a member's request and by age; the books stay right."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from bot.models import JobId, JobState, MessageId, UserId
from bot.store import balances, cards, erasure, jobs, pending_deletions, users, videos
from bot.store.database import Unit
from bot.store.row_mapping import to_ms
from tests.builders import GUILD, MEMBER, NOON, a_card, a_press
from tests.in_memory_store import OTHER, Ledgers
from tests.integration.conftest import MakeLedgers

S = JobState
LATER = NOON + timedelta(minutes=1)
PRESS = a_press(a_card(message=MessageId(1)))
TEXTS = (
    "SELECT id FROM jobs WHERE prompt <> '' OR picture_url <> '' OR picture_filename <> '' OR result_url IS NOT NULL"
)
PLACES = (
    "SELECT job FROM cards WHERE channel <> 0 OR guild IS NOT NULL OR message IS NOT NULL OR token IS NOT NULL"
    " OR shown_channel IS NOT NULL OR shown_message IS NOT NULL OR mention_message IS NOT NULL"
)
UNDER_WAY = (S.SUBMITTING, S.RENDERING, S.DELIVERING, S.TIMED_OUT)


@pytest.fixture(name="kept")
def _kept(make_ledgers: MakeLedgers) -> Iterator[Ledgers]:
    kept = make_ledgers()
    yield kept
    kept.close()


def request(kept: Ledgers, *, now: datetime = LATER, member: UserId = MEMBER) -> erasure.Erased:
    return kept.do(erasure.request(member, now=now))


def carry_out(kept: Ledgers, *, now: datetime) -> erasure.Erased:
    return kept.do(erasure.carry_out(MEMBER, now=now))


def pending(kept: Ledgers) -> list[tuple[Any, ...]]:
    return kept.rows("SELECT channel, message FROM pending_deletions ORDER BY message")


class TestErasure:
    def test_of_what_is_over_words_and_places_go_and_what_is_counted_stays(self, kept: Ledgers) -> None:
        for number, state in enumerate((S.DELIVERED, S.UNDELIVERED, S.FAILED, S.CANCELLED, S.UNKNOWN), start=1):
            kept.add_job(number, state)
        kept.add_job(9, member=OTHER)
        counts = [
            "SELECT id, state, scope, member, day, credits, from_quota, ticket IS NULL AS free FROM jobs ORDER BY id",
            "SELECT * FROM ledger ORDER BY id",
            "SELECT * FROM member_usage",
        ]
        before = [kept.rows(sql) for sql in counts]

        erased = request(kept)

        assert erased == erasure.Erased([JobId(number) for number in range(1, 6)], [], 0)
        assert kept.rows(TEXTS) == kept.rows(PLACES) == [(9,)]
        assert pending(kept) == [(2, number) for number in range(1, 6)]
        assert [kept.rows(sql) for sql in counts] == before
        assert kept.do(videos.of_member(MEMBER, 9)) == []
        assert kept.do(erasure.open_erasures()) == []
        assert kept.wrong() == []

    def test_what_waits_is_cancelled_and_its_credits_are_back(self, kept: Ledgers) -> None:
        job = kept.add_job(1, S.WAITING)

        erased = request(kept)

        assert erased == erasure.Erased([job.id], [job.id], 0)
        assert kept.rows("SELECT state, failure FROM jobs") == [("cancelled", "cancelled")]
        assert kept.rows(TEXTS) == []
        balance = kept.do(balances.balance(GUILD, MEMBER, [], kept.operator, LATER))
        assert (balance.used, balance.running) == (0, 0)
        assert kept.wrong() == []

    def test_a_card_is_let_go_only_after_its_last_edit(self, kept: Ledgers) -> None:
        """The task of a job that has just ended still needs to find it."""
        kept.add_job(1, S.FAILED, closed=False)

        assert request(kept).open_cards == [1]
        assert (kept.rows(TEXTS), kept.rows(PLACES), pending(kept)) == ([], [(1,)], [])
        assert kept.do(erasure.open_erasures()) == [MEMBER]

        kept.do(cards.finish(JobId(1), now=LATER))
        assert carry_out(kept, now=LATER) == erasure.Erased([], [], 0)
        assert (kept.rows(PLACES), pending(kept)) == ([], [(2, 1)])
        assert kept.do(erasure.open_erasures()) == []

    @pytest.mark.parametrize("state", UNDER_WAY)
    def test_what_is_under_way_goes_on_and_the_request_stays_open(self, kept: Ledgers, state: JobState) -> None:
        kept.add_job(1, state)
        before = kept.rows("SELECT * FROM jobs"), kept.rows("SELECT * FROM cards")

        assert request(kept) == erasure.Erased([], [], 1)

        assert (kept.rows("SELECT * FROM jobs"), kept.rows("SELECT * FROM cards")) == before
        assert kept.do(erasure.open_erasures()) == [MEMBER]

    def test_what_was_under_way_is_erased_at_its_end_and_its_video_stays_to_be_fetched(self, kept: Ledgers) -> None:
        job = kept.add_job(1, S.DELIVERING)
        request(kept)
        kept.move(job, S.DELIVERED, at=LATER + timedelta(seconds=1))

        assert carry_out(kept, now=LATER + timedelta(seconds=2)) == erasure.Erased([job.id], [], 0)

        assert kept.rows(TEXTS) == kept.rows(PLACES) == pending(kept) == []
        assert kept.do(erasure.open_erasures()) == []
        assert kept.wrong() == []

    def test_what_was_under_way_and_brought_no_video_leaves_no_message(self, kept: Ledgers) -> None:
        job = kept.add_job(1, S.RENDERING)
        request(kept)
        kept.move(job, S.FAILED, at=LATER + timedelta(seconds=1))
        kept.do(cards.finish(job.id, now=LATER))

        carry_out(kept, now=LATER + timedelta(seconds=2))

        assert pending(kept) == [(2, 1)]
        assert kept.wrong() == []

    def test_what_comes_back_to_the_line_is_cancelled_before_it_is_sent_again(self, kept: Ledgers) -> None:
        job = kept.add_job(1, S.SUBMITTING)
        request(kept)
        kept.move(job, S.WAITING, at=LATER + timedelta(seconds=1))

        assert carry_out(kept, now=LATER + timedelta(seconds=2)).open_cards == [1]

        assert kept.rows("SELECT state FROM jobs") == [("cancelled",)]
        assert kept.wrong() == []

    def test_what_is_asked_for_after_a_request_is_no_concern_of_it(self, kept: Ledgers) -> None:
        request(kept)
        kept.add_job(1, at=LATER + timedelta(seconds=1))
        kept.add_job(2, S.WAITING, at=LATER + timedelta(seconds=1))

        assert carry_out(kept, now=LATER + timedelta(minutes=1)) == erasure.Erased([], [], 0)

        assert kept.rows(TEXTS) == [(1,), (2,)]
        assert kept.do(erasure.open_erasures()) == []

    def test_a_picture_that_others_made_videos_of_goes_when_these_are_over(self, kept: Ledgers) -> None:
        kept.add_job(1, member=OTHER, picture_author=MEMBER)
        kept.add_job(2, S.RENDERING, member=OTHER, picture_author=MEMBER)

        assert request(kept).pictures == (JobId(1),)

        assert kept.rows("SELECT id FROM jobs WHERE picture_url <> ''") == [(2,)]
        assert kept.rows("SELECT id FROM jobs WHERE prompt <> '' ORDER BY id") == [(1,), (2,)]
        assert kept.do(erasure.open_erasures()) == [MEMBER]

    def test_a_video_deleted_before_loses_its_place_too(self, kept: Ledgers) -> None:
        job = kept.add_job(1)
        assert kept.do(videos.erase(job.id, now=NOON))
        assert kept.rows(PLACES) == [(1,)]

        request(kept)

        assert (kept.rows(PLACES), pending(kept)) == ([], [(2, 1)])

    def test_deleting_an_erased_video_from_a_list_that_still_shows_it_does_nothing_wrong(self, kept: Ledgers) -> None:
        job = kept.add_job(1)
        request(kept)

        assert kept.do(videos.erase(job.id, now=LATER))

        assert kept.rows("SELECT deleted_at FROM jobs") == [(to_ms(LATER),)]

    def test_who_was_told_is_told_again_and_who_wants_no_pings_gets_none(self, kept: Ledgers) -> None:
        kept.do(users.claim_privacy_note(MEMBER, now=NOON))
        kept.do(users.set_mentions_muted(MEMBER, NOON))

        request(kept)

        assert not kept.do(users.was_shown_privacy_note(MEMBER))
        assert kept.do(users.has_muted_mentions(MEMBER))

    def test_carrying_out_what_nobody_wished_does_nothing(self, kept: Ledgers) -> None:
        kept.add_job(1)

        assert carry_out(kept, now=LATER) == erasure.Erased([], [], 0)

        assert kept.rows(TEXTS) == [(1,)]


class TestPendingDeletions:
    @pytest.mark.parametrize(
        ("card", "changes", "found"),
        [
            ({}, "", [(2, 1)]),
            ({"bot_reaches": False}, "", []),
            ({}, "removed_at = 1", []),
            ({}, "ephemeral_at = 1", []),
            ({}, "shown_channel = 2, shown_message = 50", [(2, 1), (2, 50)]),
            ({"bot_reaches": False}, "shown_channel = 2, shown_message = 50", []),
            ({}, "removed_at = 1, shown_channel = 7, shown_message = 50", [(7, 50)]),
            ({"bot_reaches": False}, "shown_channel = 7, shown_message = 50", [(7, 50)]),
            ({}, "mention_message = 60", [(2, 1), (2, 60)]),
            ({"bot_reaches": False}, "mention_message = 60", []),
        ],
        ids=[
            "card", "out of reach", "removed", "private", "video beside it", "video beside it out of reach",
            "video in direct messages", "video of a private channel in direct messages", "mention",
            "mention out of reach",
        ],
    )  # fmt: skip
    def test_it_is_what_the_bot_itself_can_reach(
        self, kept: Ledgers, card: dict[str, Any], changes: str, found: list[tuple[int, int]]
    ) -> None:
        kept.add_job(1, card=card)
        if changes:
            kept.do(lambda tx: tx.changed(f"UPDATE cards SET {changes}"))

        request(kept)

        assert pending(kept) == found
        assert kept.rows(PLACES) == []

    @pytest.mark.parametrize(
        ("state", "decided"),
        [
            (S.RENDERING, cards.hide(JobId(1), PRESS, now=LATER, hidden=True)),
            (S.DELIVERED, cards.clear(JobId(1), PRESS, S.DELIVERED, now=LATER)),
            (S.DELIVERED, videos.erase(JobId(1), now=LATER)),
        ],
        ids=["hidden", "deleted by a moderator", "deleted by its member"],
    )
    def test_the_unit_that_takes_a_message_away_says_that_it_is_to_be_deleted(
        self, kept: Ledgers, state: S, decided: Unit[Any]
    ) -> None:
        kept.add_job(1, state)
        kept.do(decided)

        assert pending(kept) == [(2, 1)]

    @pytest.mark.parametrize("card", [{"bot_reaches": False}, {"ephemeral": True}], ids=["out of reach", "private"])
    @pytest.mark.parametrize(
        ("state", "decided"),
        [
            (S.RENDERING, [cards.hide(JobId(1), PRESS, now=LATER, hidden=True)]),
            (S.DELIVERED, [cards.clear(JobId(1), PRESS, S.DELIVERED, now=LATER)]),
            (S.DELIVERED, [cards.keep_token(JobId(1), PRESS), videos.erase(JobId(1), now=LATER)]),
        ],
        ids=["hidden", "deleted by a moderator", "deleted by its member"],
    )
    def test_a_card_that_the_bot_itself_does_not_reach_is_to_be_deleted_by_the_token_of_the_press(
        self, kept: Ledgers, state: S, decided: list[Unit[Any]], card: dict[str, Any]
    ) -> None:
        kept.add_job(1, state, card=card)
        for unit in decided:
            kept.do(unit)

        found = kept.do(pending_deletions.following(None))
        assert found is not None
        assert (found.message, found.token, found.token_ends_at) == (1, PRESS.token, PRESS.token_ends_at)
        assert kept.rows("SELECT token FROM cards") == [(None,)]

    def test_no_token_is_kept_for_a_message_that_was_not_pressed_or_that_the_bot_itself_reaches(
        self, kept: Ledgers
    ) -> None:
        kept.add_job(1, S.RENDERING)
        kept.add_job(2, S.RENDERING, card={"ephemeral": True, "token": None})
        for number in (1, 2):
            kept.do(cards.hide(JobId(number), PRESS, now=LATER, hidden=True))

        assert kept.rows("SELECT message, token FROM pending_deletions") == [(1, None)]

    def test_a_card_that_arrived_in_the_meantime_is_not_to_be_deleted(self, kept: Ledgers) -> None:
        kept.add_job(1, S.DELIVERED)

        assert kept.do(cards.hide(JobId(1), PRESS, now=LATER, hidden=True)) is None
        assert kept.do(cards.clear(JobId(1), PRESS, S.UNDELIVERED, now=LATER)) is None
        assert pending(kept) == []

    def test_a_card_that_goes_on_after_all_is_not_to_be_deleted(self, kept: Ledgers) -> None:
        job = kept.add_job(1, S.RENDERING)
        kept.do(cards.hide(job.id, PRESS, now=LATER, hidden=True))

        kept.do(cards.renew(job.id, PRESS))

        assert pending(kept) == []

    def test_it_comes_out_in_turn_until_it_is_done_with(self, kept: Ledgers) -> None:
        for number in (3, 1, 2):
            kept.add_job(number)
        request(kept)

        seen, last = list[MessageId](), None
        while (last := kept.do(pending_deletions.following(last))) is not None:
            if last.message != 2 or last.message in seen:  # the second is not deleted at the first try
                kept.do(pending_deletions.forget(last.message))
            seen.append(last.message)

        assert seen == [1, 2, 3, 2]

    def test_what_only_a_token_reaches_comes_first_and_makes_way_for_the_others(self, kept: Ledgers) -> None:
        for number in (1, 2, 3, 4):
            kept.add_job(number, S.RENDERING, card={"bot_reaches": number < 3})
            press = a_press(a_card(message=MessageId(number)))
            kept.do(cards.hide(JobId(number), press, now=LATER, hidden=True))

        seen, last = list[MessageId](), None
        for _ in range(5):
            last = kept.do(pending_deletions.following(last))
            assert last is not None
            seen.append(last.message)

        assert seen == [3, 4, 1, 2, 3]


class TestAge:
    def test_words_of_ended_jobs_go_by_the_day_they_were_asked_for_and_the_jobs_stay_listed(
        self, kept: Ledgers
    ) -> None:
        for number, days in enumerate((91, 90, 89), start=1):
            kept.add_job(number, at=NOON - timedelta(days=days))
        kept.add_job(4, S.TIMED_OUT, at=NOON - timedelta(days=95))
        kept.add_job(5, S.UNDELIVERED, at=NOON - timedelta(days=95))

        old = kept.do(erasure.old_prompts(asked_before=NOON - timedelta(days=90), at_most=9))
        kept.do(erasure.drop_prompts(old))

        assert set(old) == {1, 5}
        assert {number for (number,) in kept.rows(TEXTS)} == {2, 3, 4}
        assert [job.id for job in kept.do(videos.of_member(MEMBER, 9))] == [3, 2, 1, 5, 4]
        assert kept.do(erasure.old_prompts(asked_before=NOON - timedelta(days=90), at_most=9)) == []
        assert kept.wrong() == []

    def test_no_more_are_taken_at_once_than_asked(self, kept: Ledgers) -> None:
        for number in range(1, 4):
            kept.add_job(number, at=NOON - timedelta(days=100 - number))

        assert kept.do(erasure.old_prompts(asked_before=NOON, at_most=2)) == [1, 2]

    def test_a_token_past_its_end_is_found_and_a_living_one_is_not(self, kept: Ledgers) -> None:
        kept.add_job(1, S.RENDERING)
        kept.add_job(2, S.RENDERING, at=NOON + timedelta(minutes=10))
        kept.add_job(3)

        dead = kept.do(erasure.dead_tokens(now=NOON + timedelta(minutes=16)))

        assert dead == [1]

    def test_files_are_needed_under_way_and_for_a_week_of_not_being_delivered(self, kept: Ledgers) -> None:
        for number, state in enumerate((S.WAITING, *UNDER_WAY, S.DELIVERED, S.FAILED), start=1):
            kept.add_job(number, state)
        kept.add_job(8, S.UNDELIVERED, at=NOON - timedelta(days=8))
        kept.add_job(9, S.UNDELIVERED, at=NOON - timedelta(days=6))

        assert kept.do(erasure.needing_files(undelivered_since=NOON - timedelta(days=7))) == {1, 2, 3, 4, 5, 9}


class TestMentions:
    def test_who_wants_none_gets_none_and_nobody_else_is_concerned(self, kept: Ledgers) -> None:
        kept.add_job(1)
        kept.add_job(2, member=OTHER)
        kept.do(users.set_mentions_muted(MEMBER, NOON))

        claimed = [kept.do(cards.claim_mention(JobId(number), now=NOON)) for number in (1, 2, 2)]

        assert claimed == [False, True, False]

    def test_who_turned_them_on_again_gets_them(self, kept: Ledgers) -> None:
        kept.add_job(1)
        kept.do(users.set_mentions_muted(MEMBER, NOON))
        kept.do(users.set_mentions_muted(MEMBER, None))

        assert kept.do(cards.claim_mention(JobId(1), now=NOON))

    def test_a_newcomer_is_told_once(self, kept: Ledgers) -> None:
        kept.do(users.set_mentions_muted(MEMBER, NOON))

        assert [kept.do(users.claim_privacy_note(MEMBER, now=NOON)) for _ in range(2)] == [True, False]
        assert kept.do(users.was_shown_privacy_note(MEMBER))
        assert kept.do(users.has_muted_mentions(MEMBER))


def test_a_job_found_again_after_a_request_has_no_words(kept: Ledgers) -> None:
    """What the worker loads for the last edit of a cancelled job's card."""
    kept.add_job(1, S.WAITING)
    request(kept)

    (found,) = kept.do(jobs.to_resume())

    assert (found.spec.prompt, found.picture.url, found.state) == ("", "", S.CANCELLED)
    assert found.card.message == 1
