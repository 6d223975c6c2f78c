"""What becomes of a create whose answer is missing: on wires that know our key, and on all others. Time stands still.

The bot is killed before, inside and after each create. Whatever happens, nothing is paid for twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.catalog import Catalog, Model
from bot.errors import UserError
from bot.models import FailureKind, JobState
from bot.providers.protocols import Phase
from bot.wire_config import ModelWire
from tests.fakes import Provider
from tests.harness import MODELS, Harness
from tests.ledger_audit import differences

S = JobState
MINUTE_S = 60.0
SIZES = {"720x1280": 1, "1280x720": 1}


@pytest.fixture(name="bot")
def _bot(tmp_path: Path) -> Iterator[Harness]:
    harness = Harness(tmp_path)
    harness.provider.knows_keys = True
    harness.provider.can_cancel = True
    harness.others = [Provider("other")]
    with harness:
        yield harness
        assert harness.looked(differences) == []
        for provider in (harness.provider, *harness.others):
            assert max(provider.made.values(), default=0) <= 1


def offers(bot: Harness, *models: Model) -> None:
    """From the next process on."""
    bot.catalog = Catalog(models, models[0].id)


def restart(bot: Harness) -> None:
    bot.kill()
    bot.begin()


def a_model(name: str, provider: str = "default", **changes: object) -> Model:
    given = {"provider": provider, **changes}
    return Model(name, name, (4,), given.pop("sizes", SIZES), {}, **given)  # type: ignore[arg-type]


class TestOnAWireThatKnowsOurKey:
    def test_a_lost_answer_is_settled_by_a_question_and_the_video_comes(self, bot: Harness) -> None:
        bot.provider.moods[MODELS[0]] = "lost"

        job = bot.ask()

        assert bot.state(job) is S.RENDERING
        bot.provider.finishes()
        bot.passes(10 * MINUTE_S)
        assert bot.state(job) is S.DELIVERED
        assert bot.provider.creates == 1

    def test_what_was_never_received_is_sent_again_under_its_key(self, bot: Harness) -> None:
        bot.provider.moods[MODELS[0]] = "lost on its way"
        job = bot.ask()
        assert bot.state(job) is S.WAITING
        key = bot.job(job).request_key
        bot.provider.is_well()

        bot.passes(5 * MINUTE_S)

        assert bot.state(job) is S.RENDERING
        assert key is not None
        assert (bot.provider.creates, list(bot.provider.keys)) == (2, [key])

    def test_what_is_never_received_is_refunded_in_full_after_a_while(self, bot: Harness) -> None:
        bot.provider.moods[MODELS[0]] = "lost on its way"
        job = bot.ask()

        bot.passes(40 * MINUTE_S, steps=40)

        assert (bot.state(job), bot.job(job).failure) == (S.FAILED, FailureKind.BUSY)
        assert bot.rows("SELECT COALESCE(SUM(credits), 0) FROM budget_usage") == [(0,)]

    def test_a_provider_that_is_silent_for_ten_minutes_leaves_it_unknown(self, bot: Harness) -> None:
        bot.provider.moods[MODELS[0]] = "lost"
        bot.provider.settling = "silent"
        job = bot.ask()
        bot.passes(9 * MINUTE_S)
        assert bot.state(job) is S.SUBMITTING

        bot.passes(15 * MINUTE_S)

        assert (bot.state(job), bot.job(job).failure) == (S.UNKNOWN, FailureKind.LOST_ANSWER)
        assert bot.holding() == set()

    def test_a_provider_that_answers_again_within_ten_minutes_settles_it(self, bot: Harness) -> None:
        bot.provider.moods[MODELS[0]] = "lost"
        bot.provider.settling = "silent"
        job = bot.ask()
        bot.passes(5 * MINUTE_S)
        bot.provider.settling = "answers"

        bot.passes(5 * MINUTE_S)

        assert bot.state(job) is S.RENDERING

    def test_a_provider_that_can_never_tell_leaves_it_unknown_at_once(self, bot: Harness) -> None:
        bot.provider.moods[MODELS[0]] = "lost"
        bot.provider.settling = "forgets"

        assert bot.state(bot.ask()) is S.UNKNOWN

    @pytest.mark.parametrize("is_received", [True, False])
    def test_killed_with_the_request_on_its_way_it_is_asked_for_at_the_next_start(
        self, bot: Harness, *, is_received: bool
    ) -> None:
        bot.provider.gate.clear()
        job = bot.ask()
        assert bot.state(job) is S.SUBMITTING
        bot.kill()
        if is_received:
            bot.provider.receives(bot.request_key(job), f"number {job}")

        bot.begin()
        bot.passes(5 * MINUTE_S)

        assert bot.state(job) is S.RENDERING
        assert bot.provider.made == {f"number {job}": 1}

    def test_killed_again_and_again_while_it_is_asked_it_is_paid_once(self, bot: Harness) -> None:
        bot.provider.moods[MODELS[0]] = "lost"
        bot.provider.settling = "silent"
        job = bot.ask()
        for _ in range(3):
            bot.passes(3 * MINUTE_S)
            restart(bot)
        bot.provider.settling = "answers"

        bot.passes(3 * MINUTE_S)

        assert bot.state(job) is S.RENDERING
        assert bot.provider.creates == 1

    @pytest.mark.parametrize("what", ["another body", "another address", "another account", "gone"])
    def test_where_the_request_would_be_another_one_now_it_is_never_sent_again(self, bot: Harness, what: str) -> None:
        bot.provider.moods[MODELS[0]] = "lost on its way"
        bot.provider.settling = "silent"
        job = bot.ask()
        bot.kill()
        bot.provider.settling, questions = "answers", bot.provider.questions
        match what:
            case "another body":
                offers(bot, a_model(MODELS[0], wire=ModelWire(MODELS[0], body={"quality": "high"})))
            case "another address":
                bot.provider.endpoint = "https://elsewhere.example/v1"
            case "another account":
                bot.provider.key = "of another account"
            case "gone":
                offers(bot, a_model("something else"))

        bot.begin()

        assert bot.state(job) is S.UNKNOWN
        assert bot.provider.questions == questions


class TestOnEveryOtherWire:
    @pytest.fixture(autouse=True)
    def _knows_no_keys(self, bot: Harness) -> None:
        bot.provider.knows_keys = False

    def test_a_lost_answer_is_unknown_and_never_sent_again(self, bot: Harness) -> None:
        bot.provider.moods[MODELS[0]] = "lost"

        assert bot.state(bot.ask()) is S.UNKNOWN
        assert (bot.provider.creates, bot.provider.questions) == (1, 0)

    def test_killed_before_the_request_it_is_sent_at_the_next_start(self, bot: Harness) -> None:
        bot.provider.moods[MODELS[0]] = "nobody there"
        job = bot.ask()
        bot.kill()
        bot.provider.is_well()

        bot.begin()
        bot.passes(5 * MINUTE_S)

        assert bot.state(job) is S.RENDERING

    def test_killed_with_the_request_on_its_way_it_is_unknown(self, bot: Harness) -> None:
        bot.provider.gate.clear()
        job = bot.ask()

        restart(bot)

        assert bot.state(job) is S.UNKNOWN
        assert bot.provider.creates == 1

    def test_killed_after_its_answer_it_is_followed_to_its_end(self, bot: Harness) -> None:
        job = bot.ask()
        restart(bot)
        bot.provider.finishes()

        bot.passes(10 * MINUTE_S)

        assert bot.state(job) is S.DELIVERED


class TestCancel:
    def test_where_the_provider_charges_nothing_every_credit_comes_back(self, bot: Harness) -> None:
        job = bot.ask()

        bot.cancel(job)

        assert (bot.state(job), bot.job(job).failure) == (S.CANCELLED, FailureKind.CANCELLED)
        assert bot.rows("SELECT COALESCE(SUM(credits), 0) FROM budget_usage") == [(0,)]
        assert bot.holding() == set()
        assert job in bot.chat.closed

    def test_five_that_were_cancelled_keep_nobody_from_a_sixth(self, bot: Harness) -> None:
        for _ in range(5):
            bot.cancel(bot.ask())

        assert bot.refused() is None

    @pytest.mark.parametrize("cancels", ["too late", "unsure"])
    def test_where_that_is_not_sure_the_job_goes_on(self, bot: Harness, cancels: str) -> None:
        job = bot.ask()
        bot.provider.cancels = cancels

        with pytest.raises(UserError):
            bot.cancel(job)

        assert bot.state(job) is S.RENDERING
        bot.provider.finishes()
        bot.passes(10 * MINUTE_S)
        assert bot.state(job) is S.DELIVERED

    def test_pressed_again_while_the_provider_cancels_it_still_gives_everything_back(self, bot: Harness) -> None:
        job = bot.ask()
        bot.provider.cancels = "slow"
        bot.provider.gate.clear()
        first = bot.start(bot.service.library.cancel(bot.job(job).member, job))

        with pytest.raises(UserError):
            bot.cancel(job)
        bot.passes(5 * MINUTE_S)
        bot.provider.gate.set()
        bot.settle()

        assert first.done()
        assert (bot.state(job), bot.job(job).failure) == (S.CANCELLED, FailureKind.CANCELLED)
        assert bot.rows("SELECT COALESCE(SUM(credits), 0) FROM budget_usage") == [(0,)]

    def test_a_provider_that_cannot_is_not_asked(self, bot: Harness) -> None:
        bot.provider.can_cancel = False
        job = bot.ask()

        with pytest.raises(UserError, match="too late"):
            bot.cancel(job)

        assert bot.provider.cancelled == set()

    def test_killed_after_the_provider_had_cancelled_the_members_credits_come_back(self, bot: Harness) -> None:
        job = bot.ask()
        ticket = bot.job(job).ticket
        assert ticket is not None
        bot.kill()
        bot.provider.phases[ticket] = Phase.FAILED

        bot.begin()
        bot.passes(10 * MINUTE_S)

        assert bot.state(job) is S.FAILED
        assert bot.rows("SELECT COALESCE(SUM(credits), 0) FROM member_usage") == [(0,)]
