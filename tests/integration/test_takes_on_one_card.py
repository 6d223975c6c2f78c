"""Several takes on one card: each renders for itself, one edit shows them, and whatever happens no video is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.jobs.chat_protocol import DeliveryOutcome
from bot.models import JobId, JobState
from bot.providers.protocols import Phase
from bot.store import cards
from bot.store.takes import take_id
from tests.builders import a_press
from tests.harness import Harness

S = JobState
FIRST = 1 << 60
HOUR_S = 3_600.0


@pytest.fixture(name="bot")
def _bot(tmp_path: Path) -> Iterator[Harness]:
    with Harness(tmp_path, slots=4) as bot:
        bot.asked = FIRST
        yield bot


def three(bot: Harness, *, shown: bool | None = True) -> list[JobId]:
    first = bot.ask(takes=3, shown=shown)
    return [take_id(first, number) for number in (1, 2, 3)]


def ends(bot: Harness, number: int, phase: Phase = Phase.DONE) -> None:
    """One take, by the number of its create."""
    ticket = list(bot.provider.phases)[number - 1]
    bot.provider.phases[ticket] = phase
    bot.passes(130.0)


def credits_back(bot: Harness) -> int:
    ((found,),) = bot.rows("SELECT COALESCE(SUM(credits), 0) FROM ledger WHERE kind = 'refund'")
    return int(found)


def open_cards(bot: Harness) -> list[int]:
    return [job for (job,) in bot.rows("SELECT job FROM cards WHERE finished_at IS NULL")]


def video(bot: Harness, job: JobId) -> Path:
    return bot.context.files.video(bot.job(job))


def test_those_that_are_ready_wait_for_the_others_and_one_edit_shows_all(bot: Harness) -> None:
    takes = three(bot)
    ends(bot, 2)
    ends(bot, 3, Phase.FAILED)
    assert sorted(bot.states(takes)) == sorted([S.RENDERING, S.DELIVERING, S.FAILED])
    assert bot.chat.together == []

    ends(bot, 1)

    (shown,) = bot.chat.together
    assert sorted(bot.states(takes)) == sorted([S.DELIVERED, S.DELIVERED, S.FAILED])
    assert set(shown) == {take for take in takes if bot.state(take) is S.DELIVERED}
    assert shown == sorted(shown, reverse=True)
    assert credits_back(bot) == 4
    assert open_cards(bot) == []
    assert not any(video(bot, take).exists() for take in takes)


@pytest.mark.parametrize("killed", [True, False])
def test_after_a_stop_it_waits_on_and_shows_what_was_fetched_before(bot: Harness, killed: bool) -> None:  # noqa: FBT001 - a parameter of the test
    takes = three(bot)
    ends(bot, 1)
    assert [video(bot, take).exists() for take in takes if bot.state(take) is S.DELIVERING] == [True]
    if killed:
        bot.kill()
    else:
        bot.stop()
    bot.begin()
    ends(bot, 2)
    assert bot.chat.together == []
    ends(bot, 3)

    assert [set(shown) for shown in bot.chat.together] == [set(takes)]
    assert bot.states(takes) == [S.DELIVERED] * 3


def test_the_first_may_end_before_all_others(bot: Harness) -> None:
    takes = three(bot)
    ends(bot, 1, Phase.FAILED)
    bot.kill()
    bot.begin()
    ends(bot, 2)
    ends(bot, 3)

    assert len(bot.chat.together) == 1
    assert sorted(bot.states(takes)) == sorted([S.FAILED, S.DELIVERED, S.DELIVERED])
    assert open_cards(bot) == []


def test_where_none_came_the_card_says_so_once(bot: Harness) -> None:
    takes = three(bot)
    for number in (1, 2, 3):
        ends(bot, number, Phase.FAILED)

    assert bot.chat.together == []
    assert [set(said.values()) for said in bot.chat.told] == [{S.FAILED}]
    assert credits_back(bot) == 12
    assert open_cards(bot) == []
    assert bot.states(takes) == [S.FAILED] * 3


def test_a_slow_one_is_waited_for_until_its_own_time_is_over_and_comes_alone(bot: Harness) -> None:
    takes = three(bot)
    ends(bot, 1)
    ends(bot, 2)
    bot.passes(HOUR_S, steps=60)
    assert sorted(bot.states(takes)) == sorted([S.DELIVERED, S.DELIVERED, S.TIMED_OUT])
    (slow,) = [take for take in takes if bot.state(take) is S.TIMED_OUT]
    assert bot.chat.delivered == {}

    ends(bot, 3)
    bot.passes(HOUR_S, steps=60)

    assert bot.state(slow) is S.DELIVERED
    assert bot.chat.delivered == {slow: 1}
    assert len(bot.chat.together) == 1
    assert open_cards(bot) == []


def test_where_all_were_late_the_first_to_come_stands_on_the_card(bot: Harness) -> None:
    takes = three(bot)
    bot.passes(HOUR_S, steps=60)
    assert bot.states(takes) == [S.TIMED_OUT] * 3
    assert set(bot.chat.told[-1].values()) == {S.TIMED_OUT}
    bot.kill()
    bot.begin()

    ends(bot, 2)
    bot.passes(HOUR_S, steps=60)

    assert len(bot.chat.together) == 1
    assert sorted(bot.states(takes)) == sorted([S.DELIVERED, S.TIMED_OUT, S.TIMED_OUT])


def test_what_the_card_does_not_take_goes_one_by_one(bot: Harness) -> None:
    bot.chat.takes_it = DeliveryOutcome.APART
    takes = three(bot)
    for number in (1, 2, 3):
        ends(bot, number)

    assert len(bot.chat.together) == 1
    assert bot.chat.delivered == dict.fromkeys(takes, 1)
    assert bot.states(takes) == [S.DELIVERED] * 3
    assert set(bot.chat.told[-1].values()) == {S.DELIVERED}


def test_what_discord_does_not_take_now_is_kept_and_offered_together_again(bot: Harness) -> None:
    bot.chat.takes_it = DeliveryOutcome.LATER
    takes = three(bot)
    for number in (1, 2, 3):
        ends(bot, number)
    assert bot.states(takes) == [S.UNDELIVERED] * 3
    assert all(video(bot, take).exists() for take in takes)
    tries = len(bot.chat.together)
    bot.kill()
    bot.begin()
    bot.chat.takes_it = DeliveryOutcome.UPLOADED

    bot.passes(2 * HOUR_S, steps=60)

    assert len(bot.chat.together) <= tries + 2
    assert bot.states(takes) == [S.DELIVERED] * 3
    assert open_cards(bot) == []


def test_a_press_on_the_card_shows_each_video_once_though_the_first_was_deleted(bot: Harness) -> None:
    bot.chat.takes_it = DeliveryOutcome.LATER
    takes = three(bot)
    for number in (1, 2, 3):
        ends(bot, number)
    bot.run(bot.service.library.delete(bot.job(takes[0])))
    bot.chat.takes_it = DeliveryOutcome.UPLOADED
    bot.chat.uploads.clear()
    card = bot.job(takes[1])
    assert bot.run(bot.service.library.renew(card, a_press(card.card)))
    bot.chat.uploads.set()
    bot.passes(HOUR_S, steps=60)

    assert bot.chat.together[-1] == takes[1:]
    assert bot.chat.delivered == {}
    assert bot.states(takes) == [S.UNDELIVERED, S.DELIVERED, S.DELIVERED]
    assert open_cards(bot) == []


def test_a_card_that_somebody_takes_down_sends_each_to_its_member(bot: Harness) -> None:
    takes = three(bot)
    ends(bot, 1)
    bot.run(bot.store.write(cards.mark_removed(takes[0], now=bot.context.clock.now())))
    ends(bot, 2)
    ends(bot, 3)
    bot.passes(HOUR_S, steps=60)

    assert bot.chat.together == []
    assert bot.chat.delivered == dict.fromkeys(takes, 1)
    assert bot.states(takes) == [S.DELIVERED] * 3


def test_hidden_by_their_member_they_wait_in_the_list(bot: Harness) -> None:
    takes = three(bot)
    ends(bot, 1)
    bot.hide(takes[0])
    ends(bot, 2)
    ends(bot, 3)
    bot.passes(HOUR_S, steps=60)

    assert bot.states(takes) == [S.UNDELIVERED] * 3
    assert all(video(bot, take).exists() for take in takes)
    assert bot.chat.together == []
    assert bot.chat.delivered == {}


@pytest.mark.parametrize("stands", [True, False])
def test_whether_the_answer_stands_decides_for_all(bot: Harness, stands: bool) -> None:  # noqa: FBT001 - a parameter of the test
    takes = three(bot, shown=None if stands else False)
    bot.kill()
    bot.begin()
    bot.passes(130.0)

    assert bot.states(takes) == [S.RENDERING if stands else S.CANCELLED] * 3
    assert bot.provider.creates == (3 if stands else 0)
    assert credits_back(bot) == (0 if stands else 12)


def test_of_those_in_the_queue_all_are_canceled_by_one_press(bot: Harness) -> None:
    for member in range(2, 6):
        bot.ask(member)
    takes = three(bot)
    assert bot.states(takes) == [S.WAITING] * 3
    for take in takes:
        bot.cancel(take)

    assert bot.states(takes) == [S.CANCELLED] * 3
    assert set(bot.chat.told[-1].values()) == {S.CANCELLED}
    assert set(takes).isdisjoint(open_cards(bot))
