"""Several providers in one bot: each with its own queue and circuit breaker, and one that stands in for another."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from bot.catalog import Catalog, Model
from bot.catalog.offer import Retired
from bot.errors import CircuitOpen
from bot.jobs.outcomes import Outcome
from bot.models import FailureKind, JobState
from bot.wire_config import ModelWire
from tests.fakes import Provider, providers_of
from tests.harness import Harness
from tests.ledger_audit import differences

S = JobState
MINUTE_S, HOUR_S = 60.0, 3_600.0
SIZES = {"720x1280": 1, "1280x720": 1}


def a_model(name: str, provider: str, sizes: dict[str, int] | None = None, *fallback: str) -> Model:
    return Model(name, name.upper(), (4,), sizes or SIZES, {}, provider=provider, fallback=fallback)


@pytest.fixture(name="bot")
def _bot(tmp_path: Path) -> Iterator[Harness]:
    harness = Harness(tmp_path, slots=4)
    harness.others = [Provider("other"), Provider("third")]
    offers(harness, a_model("a", "default"), a_model("b", "other"))
    with harness:
        yield harness
        assert harness.looked(differences) == []
        for provider in (harness.provider, *harness.others):
            assert max(provider.made.values(), default=0) <= 1


def offers(bot: Harness, *models: Model, limits: dict[str, int] | None = None) -> None:
    bot.catalog = Catalog(models, models[0].id)
    bot.limits = limits or {}


def anew(bot: Harness, *models: Model, limits: dict[str, int] | None = None) -> None:
    """The next process has another catalog."""
    bot.stop()
    offers(bot, *models, limits=limits)
    bot.begin()


def made_by(provider: Provider) -> int:
    return sum(provider.made.values())


class TestApart:
    def test_each_model_is_made_by_its_own_provider_and_followed_there_to_the_end(self, bot: Harness) -> None:
        mine, others = bot.ask(1, "a"), bot.ask(2, "b")

        assert (made_by(bot.provider), made_by(bot.others[0])) == (1, 1)
        assert (bot.job(mine).provider, bot.job(others).provider) == ("default", "other")
        bot.others[0].finishes()
        bot.passes(10 * MINUTE_S)
        assert (bot.state(mine), bot.state(others)) == (S.RENDERING, S.DELIVERED)

    def test_a_key_that_one_refuses_keeps_nobody_from_the_other(self, bot: Harness) -> None:
        bot.provider.key_works = False
        bot.ask(1, "a")

        refused = bot.refused(2, "a")
        assert isinstance(refused, CircuitOpen)
        assert refused.kind is FailureKind.KEY
        assert bot.state(bot.ask(2, "b")) is S.RENDERING

    def test_a_pause_that_one_asks_for_holds_only_its_own(self, bot: Harness) -> None:
        bot.provider.moods["a"] = "busy"
        held = bot.ask(1, "a")

        assert bot.state(bot.ask(2, "b")) is S.RENDERING
        assert bot.state(held) is S.WAITING

    def test_one_that_is_full_lets_the_others_pass_and_goes_on_when_it_has_room(self, bot: Harness) -> None:
        anew(bot, a_model("a", "default"), a_model("b", "other"), limits={"default": 1})
        first, second, third = bot.ask(1, "a"), bot.ask(2, "a"), bot.ask(3, "b")

        assert bot.states([first, second, third]) == [S.RENDERING, S.WAITING, S.RENDERING]
        bot.provider.finishes()
        bot.passes(10 * MINUTE_S)
        assert bot.states([first, second]) == [S.DELIVERED, S.RENDERING]

    def test_all_together_are_never_more_than_the_slots(self, bot: Harness) -> None:
        jobs = [bot.ask(member, "ab"[member % 2]) for member in range(1, 8)]

        assert sum(state is S.RENDERING for state in bot.states(jobs)) == 4
        bot.provider.finishes()
        bot.others[0].finishes()
        bot.passes(30 * MINUTE_S)
        assert len(bot.holding()) == 3

    def test_a_job_is_followed_to_its_end_after_its_provider_has_left_the_catalog(self, bot: Harness) -> None:
        job = bot.ask(1, "b")

        anew(bot, a_model("a", "default"))
        bot.others[0].finishes()
        bot.passes(10 * MINUTE_S)

        assert bot.state(job) is S.DELIVERED

    def test_what_waits_for_a_model_that_has_left_the_catalog_is_refunded(self, bot: Harness) -> None:
        bot.others[0].moods["b"] = "busy"
        job = bot.ask(1, "b")

        anew(bot, a_model("a", "default"))
        bot.passes(10 * MINUTE_S)

        assert (bot.state(job), bot.job(job).failure) == (S.FAILED, FailureKind.MODEL)
        assert made_by(bot.others[0]) == 0

    def test_what_it_really_cost_is_kept(self, bot: Harness) -> None:
        bot.provider.cost_usd = 0.42
        job = bot.ask(1, "a")
        bot.provider.finishes()
        bot.passes(10 * MINUTE_S)

        assert bot.job(job).cost_usd == 0.42


class TestReadAnew:
    """While the bot runs."""

    @pytest.fixture(autouse=True)
    def _without_errors(self, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
        yield
        assert [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR] == []

    def read(self, bot: Harness, *models: Model) -> None:
        named = {model.provider for model in models}
        kept = providers_of(*(each for each in (bot.provider, *bot.others) if each.name in named))
        bot.context.providers.use([kept.config(name) for name in named])
        bot.catalog.become(Catalog(models, models[0].id))

    def test_what_waits_for_its_turn_at_a_provider_that_leaves_is_refunded(self, bot: Harness) -> None:
        anew(bot, a_model("a", "default"), a_model("b", "other"), limits={"other": 1})
        rendering, waiting = bot.ask(1, "b"), bot.ask(2, "b")
        self.read(bot, a_model("a", "default"))

        bot.others[0].finishes()
        bot.passes(10 * MINUTE_S)

        assert bot.states([rendering, waiting]) == [S.DELIVERED, S.FAILED]
        assert bot.job(waiting).failure is FailureKind.MODEL
        assert made_by(bot.others[0]) == 1

    def test_what_waits_for_its_turn_is_made_as_the_catalog_has_it_by_then(self, bot: Harness) -> None:
        anew(bot, a_model("a", "default"), a_model("b", "other"), limits={"other": 1})
        rendering, waiting = bot.ask(1, "b"), bot.ask(2, "b")
        self.read(bot, a_model("a", "default"), a_model("b", "third"))

        bot.others[0].finishes()
        bot.passes(10 * MINUTE_S)
        bot.others[1].finishes()
        bot.passes(10 * MINUTE_S)

        assert bot.states([rendering, waiting]) == [S.DELIVERED, S.DELIVERED]
        assert (made_by(bot.others[0]), made_by(bot.others[1])) == (1, 1)

    def test_a_model_that_ends_today_is_refused_and_what_it_is_making_goes_on(self, bot: Harness) -> None:
        day = date(2026, 9, 23)
        ends = replace(a_model("b", "other"), retired=Retired(date(2026, 9, 24), None, ("a",)))
        bot.stop()
        bot.catalog = Catalog((a_model("a", "default"), ends), "a", today=lambda: day)
        bot.begin()
        job = bot.ask(1, "b")

        day = date(2026, 9, 24)

        refused = bot.refused(2, "b")
        assert refused is not None
        assert str(refused).startswith("B is no longer available. Nothing was charged. Choose one of these instead: A")
        bot.others[0].finishes()
        bot.passes(10 * MINUTE_S)
        assert bot.state(job) is S.DELIVERED


class TestFallback:
    @pytest.fixture(autouse=True)
    def _b_stands_in_for_a(self, bot: Harness) -> None:
        anew(bot, a_model("a", "default", None, "b"), a_model("b", "other"), a_model("c", "third"))

    @pytest.mark.parametrize("mood", ["unpaid", "forbidden", "gone"])
    def test_after_a_sure_refusal_another_model_makes_it_once(self, bot: Harness, mood: str) -> None:
        bot.provider.moods["a"] = mood

        job = bot.ask(1, "a")

        found = bot.job(job)
        assert (found.state, found.spec.model, found.provider) == (S.RENDERING, "b", "other")
        assert (found.fallback_from, found.spec.credits) == ("a", 4)
        assert (made_by(bot.provider), made_by(bot.others[0])) == (0, 1)

    def test_a_refused_key_falls_back_too(self, bot: Harness) -> None:
        bot.provider.key_works = False

        assert bot.job(bot.ask(1, "a")).spec.model == "b"

    def test_one_that_is_too_busy_falls_back_when_its_time_is_over(self, bot: Harness) -> None:
        bot.provider.moods["a"] = "busy"
        job = bot.ask(1, "a")
        bot.passes(5 * MINUTE_S, steps=20)
        assert bot.job(job).spec.model == "a"

        bot.passes(15 * MINUTE_S, steps=60)

        assert (bot.state(job), bot.job(job).spec.model) == (S.RENDERING, "b")

    @pytest.mark.parametrize("mood", ["lost", "lost but named"])
    def test_never_after_an_answer_that_was_lost(self, bot: Harness, mood: str) -> None:
        bot.provider.moods["a"] = mood

        job = bot.ask(1, "a")

        assert bot.job(job).spec.model == "a"
        assert bot.state(job) in (S.UNKNOWN, S.TIMED_OUT)
        assert made_by(bot.others[0]) == 0

    def test_what_is_refused_for_its_words_is_not_tried_elsewhere(self, bot: Harness) -> None:
        bot.provider.moods["a"] = "moderated"

        job = bot.ask(1, "a")

        assert (bot.state(job), bot.job(job).failure) == (S.FAILED, FailureKind.MODERATED)
        assert made_by(bot.others[0]) == 0

    def test_while_the_circuit_is_open_requests_are_taken_for_the_other_model(self, bot: Harness) -> None:
        bot.provider.key_works = False
        bot.ask(1, "a")

        job = bot.ask(2, "a")

        assert (bot.job(job).spec.model, bot.job(job).fallback_from) == ("b", "a")
        assert bot.state(job) is S.RENDERING

    def test_what_waits_when_the_circuit_opens_goes_to_the_other_model(self, bot: Harness) -> None:
        anew(bot, a_model("a", "default", None, "b"), a_model("b", "other"), limits={"default": 1})
        rendering, waiting = bot.ask(1, "a"), bot.ask(2, "a")
        assert bot.states([rendering, waiting]) == [S.RENDERING, S.WAITING]
        bot.context.circuit_breakers.of("default").report(bot.job(rendering), Outcome.BALANCE_EMPTY)

        bot.passes(MINUTE_S)

        assert (bot.state(waiting), bot.job(waiting).spec.model) == (S.RENDERING, "b")

    def test_one_that_costs_more_than_was_reserved_does_not_stand_in(self, bot: Harness) -> None:
        dear = {"720x1280": 2, "1280x720": 2}
        anew(bot, a_model("a", "default", None, "b"), a_model("b", "other", dear))
        bot.provider.moods["a"] = "gone"

        job = bot.ask(1, "a")

        assert (bot.state(job), bot.job(job).failure) == (S.FAILED, FailureKind.MODEL)
        assert made_by(bot.others[0]) == 0

    def test_one_of_another_size_gets_the_picture_fitted_to_it(self, bot: Harness) -> None:
        anew(bot, a_model("a", "default", None, "b"), a_model("b", "other", {"480x854": 1, "854x480": 1}))
        bot.provider.moods["a"] = "gone"

        job = bot.ask(1, "a")
        bot.passes(MINUTE_S)

        assert (bot.state(job), bot.job(job).spec.size) == (S.RENDERING, "480x854")
        assert bot.fitter.sizes[-1] == "480x854"

    def test_one_that_takes_smaller_pictures_alone_gets_one(self, bot: Harness) -> None:
        smaller = replace(a_model("b", "other"), wire=ModelWire("b", max_picture_side=640))
        anew(bot, a_model("a", "default", None, "b"), smaller)
        bot.provider.moods["a"] = "gone"

        job = bot.ask(1, "a")
        bot.passes(MINUTE_S)

        assert (bot.state(job), bot.job(job).spec.size) == (S.RENDERING, "720x1280")
        assert bot.fitter.sizes == ["720x1280", "360x640"]

    def test_each_stands_in_once_and_then_it_has_failed(self, bot: Harness) -> None:
        anew(bot, a_model("a", "default", None, "b"), a_model("b", "other", None, "a", "c"), a_model("c", "third"))
        bot.provider.moods["a"] = bot.others[0].moods["b"] = bot.others[1].moods["c"] = "gone"

        job = bot.ask(1, "a")

        assert (bot.state(job), bot.job(job).fallback_from) == (S.FAILED, "a,b")
        assert [provider.creates for provider in (bot.provider, *bot.others)] == [1, 1, 1]

    def test_killed_after_a_refusal_it_is_made_once(self, bot: Harness) -> None:
        bot.provider.moods["a"] = "gone"
        bot.others[0].gate.clear()
        job = bot.ask(1, "a")
        assert bot.state(job) is S.SUBMITTING
        bot.kill()
        bot.begin()

        assert bot.state(job) is S.UNKNOWN
        assert bot.others[0].creates == 1


class TestPicturesThatAModelTakes:
    def test_one_with_a_largest_side_is_sent_a_smaller_picture_and_makes_the_same_video(self, bot: Harness) -> None:
        anew(bot, replace(a_model("a", "default"), wire=ModelWire("a", max_picture_side=640)))

        job = bot.ask(1, "a")

        assert (bot.state(job), bot.job(job).spec.size) == (S.RENDERING, "720x1280")
        assert bot.fitter.sizes == ["360x640"]

    def test_one_with_a_largest_number_of_bytes_is_sent_ever_smaller_ones_and_then_none(self, bot: Harness) -> None:
        anew(bot, replace(a_model("a", "default"), wire=ModelWire("a", max_picture_bytes=5)))

        job = bot.ask(1, "a")

        assert (bot.state(job), bot.job(job).failure) == (S.FAILED, FailureKind.PICTURE)
        assert bot.fitter.sizes == ["720x1280", "540x960", "360x640", "216x384"]
