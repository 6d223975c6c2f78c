"""Jobs between a provider, a chat, a store and a host that make trouble: nothing is stuck, lost or paid twice."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.catalog import Catalog, Model
from bot.errors import BotError, CircuitOpen, StoreUnavailable, VideoUnavailable
from bot.jobs.circuit_breaker import FAILURE_THRESHOLD, FIRST_PAUSE_S, LONGEST_PAUSE_S, State
from bot.jobs.context import FETCHES_AT_ONCE
from bot.jobs.steps.render import _ask
from bot.jobs.worker import Worker
from bot.models import FailureKind, JobId, JobState
from bot.providers.protocols import Phase
from tests.builders import GUILD, a_picture
from tests.fakes import GONE, PASSING
from tests.harness import MODELS, Harness
from tests.ledger_audit import differences

HOUR_S = 3_600.0
DAY_S = 24 * HOUR_S


@pytest.fixture
def bot(tmp_path: Path) -> Iterator[Harness]:
    with Harness(tmp_path) as harness:
        yield harness
        if harness.is_running:
            assert harness.context.queue.at_provider == len(at_provider(harness))
        assert harness.looked(differences) == []
        assert max(harness.provider.made.values(), default=0) <= 1


def at_provider(bot: Harness) -> list[tuple[int]]:
    return bot.rows("SELECT id FROM jobs WHERE state IN ('submitting', 'rendering')")


def refusal(error: BotError | None) -> CircuitOpen:
    assert isinstance(error, CircuitOpen)
    return error


def loses_everything(bot: Harness, model: str = MODELS[0]) -> None:
    """Until the circuit opens."""
    bot.provider.moods[model] = "lost"
    for member in range(FAILURE_THRESHOLD):
        bot.ask(200 + member, model)
    assert bot.context.circuit_breakers.of("default").state(model) is State.OPEN


def test_a_video_that_the_provider_calls_unsafe_is_a_spoiler_like_that_of_a_spoiler_picture(bot: Harness) -> None:
    jobs = [bot.ask(1), bot.ask(2)]
    assert [bot.job(job).picture.spoiler for job in jobs] == [False, False]
    bot.provider.flags = True
    bot.provider.finishes()
    bot.passes(120.0)

    assert [(bot.state(job), bot.job(job).picture.spoiler) for job in jobs] == [(JobState.DELIVERED, True)] * 2


def test_a_job_that_was_put_off_by_a_clock_far_ahead_is_sent_within_minutes(bot: Harness) -> None:
    bot.provider.moods[MODELS[0]] = "busy"
    job = bot.ask(1)
    bot.stop()
    bot.ahead -= timedelta(days=5)
    bot.provider.is_well()

    bot.begin()
    bot.passes(1_200.0)

    assert bot.state(job) is JobState.RENDERING


class TestTheCircuitBreaker:
    def test_out_of_balance_for_an_hour_with_nobody_waiting_it_takes_the_first_request_after(
        self, bot: Harness
    ) -> None:
        bot.provider.moods[MODELS[0]] = "unpaid"
        bot.ask(1)
        bot.ask(2)
        assert refusal(bot.refused(3)).kind is FailureKind.BALANCE
        bot.passes(HOUR_S)
        bot.provider.is_well()

        job = bot.ask(3)

        assert bot.state(job) is JobState.RENDERING
        assert bot.context.circuit_breakers.of("default").state(MODELS[0]) is State.CLOSED
        assert bot.context.circuit_breakers.faults() == []

    def test_lost_answers_for_an_hour_with_nobody_waiting_it_takes_the_first_request_after(self, bot: Harness) -> None:
        loses_everything(bot)
        bot.passes(HOUR_S)
        bot.provider.is_well()

        assert bot.state(bot.ask(1)) is JobState.RENDERING
        assert bot.refused(2) is None

    def test_a_key_that_works_again_needs_no_request_and_no_restart(self, bot: Harness) -> None:
        bot.provider.key_works = False
        bot.ask(1)
        assert refusal(bot.refused(2)).kind is FailureKind.KEY
        bot.provider.is_well()
        creates = bot.provider.creates

        bot.passes(FIRST_PAUSE_S)

        assert bot.provider.creates == creates
        assert bot.context.circuit_breakers.of("default").state(MODELS[0]) is State.CLOSED

    def test_while_the_probe_is_on_its_way_others_read_so_and_nothing_is_reserved(self, bot: Harness) -> None:
        loses_everything(bot)
        bot.passes(FIRST_PAUSE_S)
        bot.provider.is_well()
        bot.provider.gate.clear()
        bot.ask(1)
        reserved = len(bot.rows("SELECT id FROM jobs"))

        assert refusal(bot.refused(2)).is_being_tried
        assert len(bot.rows("SELECT id FROM jobs")) == reserved
        bot.provider.gate.set()
        bot.settle()
        assert bot.refused(2) is None

    @pytest.mark.parametrize("mood", ["moderated", "nobody there", "busy", "unpaid", "forbidden", "lost"])
    def test_whatever_becomes_of_the_probe_a_later_request_is_taken(self, bot: Harness, mood: str) -> None:
        loses_everything(bot)
        bot.passes(FIRST_PAUSE_S)
        bot.provider.moods[MODELS[0]] = mood
        bot.ask(1)
        bot.provider.is_well()
        bot.passes(LONGEST_PAUSE_S)

        assert bot.refused(2) is None

    def test_one_member_whose_words_are_forbidden_on_the_way_shuts_nobody_out(self, bot: Harness) -> None:
        """A firewall before the provider, say, that takes a prompt for an attack."""
        bot.provider.moods[MODELS[0]] = "forbidden"
        for _ in range(4):
            bot.ask(1)
        bot.provider.is_well()

        assert bot.context.circuit_breakers.of("default").state(MODELS[0]) is State.CLOSED
        assert bot.state(bot.ask(2)) is JobState.RENDERING

    @pytest.mark.parametrize("picture", [PASSING, GONE])
    def test_a_request_let_in_to_probe_whose_picture_cannot_be_had_bars_nobody(
        self, bot: Harness, picture: str
    ) -> None:
        loses_everything(bot)
        bot.passes(FIRST_PAUSE_S)
        bot.provider.is_well()
        bot.chat.pictures[bot.job(bot.ask(1, shown=None)).member] = picture
        bot.chat.cards.update(JobId(n) for n in range(bot.asked + 1))
        bot.passes(150.0)

        assert bot.refused(2) is None

    def test_a_request_that_a_limit_refuses_does_not_count_as_the_probe(self, bot: Harness) -> None:
        loses_everything(bot)
        bot.block(1)
        bot.passes(FIRST_PAUSE_S)
        bot.provider.is_well()

        assert not isinstance(bot.refused(1), CircuitOpen | None)
        assert bot.refused(2) is None

    def test_a_probe_cancelled_before_it_was_sent_makes_room_at_once(self, bot: Harness) -> None:
        loses_everything(bot)
        bot.passes(FIRST_PAUSE_S)
        bot.provider.is_well()
        bot.pause()
        bot.resume()
        bot.chat.unwell = True
        probe = bot.ask(1, shown=None)
        bot.cancel(probe)
        bot.block(1)
        bot.chat.unwell = False
        bot.passes(30.0)

        assert bot.state(probe) is JobState.CANCELLED
        assert bot.refused(2) is None

    def test_what_waits_probes_by_itself_and_all_of_it_goes(self, bot: Harness) -> None:
        bot.provider.gate.clear()
        bot.provider.moods[MODELS[0]] = "lost"
        waiting = [bot.ask(200 + member) for member in range(FAILURE_THRESHOLD + 4)]
        bot.provider.gate.set()
        bot.settle()
        assert bot.context.circuit_breakers.of("default").state(MODELS[0]) is State.OPEN
        held = [job for job in waiting if bot.state(job) is JobState.WAITING]
        assert len(held) == 3  # two were under way when the fifth was lost
        bot.provider.is_well()
        for _ in range(4):
            bot.passes(FIRST_PAUSE_S + 10.0)
            bot.provider.finishes()

        assert set(bot.states(held)) == {JobState.DELIVERED}
        assert bot.context.circuit_breakers.of("default").state(MODELS[0]) is State.CLOSED

    def test_one_member_whose_picture_breaks_the_provider_stops_nobody(self, bot: Harness) -> None:
        bot.provider.moods[MODELS[0]] = "lost"
        for _ in range(2 * FAILURE_THRESHOLD):
            bot.refused(1)
        bot.provider.is_well()

        assert bot.state(bot.ask(2)) is JobState.RENDERING

    def test_a_model_that_never_works_stops_itself_alone(self, bot: Harness) -> None:
        loses_everything(bot, "sora-2-pro")

        assert refusal(bot.refused(1, "sora-2-pro")).kind is FailureKind.LOST_ANSWER
        assert bot.state(bot.ask(1, "sora-2")) is JobState.RENDERING


class TestPictures:
    def test_pictures_that_cannot_be_fetched_delay_nobody_and_are_refused_within_minutes(self, bot: Harness) -> None:
        stuck = []
        for number in range(FETCHES_AT_ONCE + 4):
            member = 10 + number
            bot.chat.pictures[bot.job(bot.ask(member, shown=False)).member] = PASSING
            stuck.append(bot.ask(member))

        assert bot.state(bot.ask(1)) is JobState.RENDERING
        bot.passes(150.0, steps=30)
        assert {bot.job(job).failure for job in stuck} == {FailureKind.PICTURE}
        assert bot.provider.creates == 1

    def test_a_picture_that_is_fetched_at_the_second_try_is_animated(self, bot: Harness) -> None:
        member = bot.job(bot.ask(1, shown=False)).member
        bot.chat.pictures[member] = PASSING
        job = bot.ask(1)
        bot.chat.pictures.clear()
        bot.passes(10.0)

        assert bot.state(job) is JobState.RENDERING

    def test_again_of_a_picture_that_was_deleted_is_refused_at_once(self, bot: Harness) -> None:
        member = bot.job(bot.ask(1, shown=False)).member
        bot.chat.pictures[member] = GONE

        job = bot.ask(1, picture=a_picture(url=""), again_of=JobId(1))

        assert bot.job(job).failure is FailureKind.PICTURE

    def test_price_and_size_are_those_that_were_reserved_also_with_another_catalog(self, bot: Harness) -> None:
        bot.chat.unwell = True
        kept, dearer = bot.ask(1, "sora-2", shown=None), bot.ask(2, "sora-2-pro", shown=None)
        bot.kill()
        bot.catalog = Catalog(
            [
                Model("sora-2", "Sora 2", (4,), {"360x640": 3, "480x848": 1}, {}, provider="default"),
                Model("sora-2-pro", "Pro", (4,), {"720x1280": 5}, {}, provider="default"),
            ],
            "sora-2",
        )
        bot.chat.unwell = False
        bot.begin()

        assert (bot.state(kept), bot.job(kept).spec.size) == (JobState.RENDERING, "480x848")
        assert bot.job(dearer).failure is FailureKind.PICTURE
        assert bot.rows("SELECT SUM(credits) FROM budget_usage") == [(4,)]


class TestTheQueue:
    def test_jobs_older_than_two_hours_at_the_next_start_are_refunded_and_never_sent(self, bot: Harness) -> None:
        jobs = [bot.ask(member) for member in range(5)]  # two at the provider, three in the queue
        creates = bot.provider.creates
        bot.kill()
        bot.slots = 10
        bot.loop.now_s += 9 * HOUR_S
        bot.begin()
        bot.settle()

        assert bot.provider.creates == creates == 2
        assert [bot.job(job).failure for job in jobs[2:]] == [FailureKind.QUEUE_TIMEOUT] * 3

    def test_a_machine_that_slept_for_hours_sends_nothing_that_is_too_old(self, bot: Harness) -> None:
        bot.context.queue.pause(GUILD)
        job = bot.ask(1)
        bot.loop.now_s += 9 * HOUR_S  # nothing ran in between
        bot.lets_go()

        assert bot.job(job).failure is FailureKind.QUEUE_TIMEOUT
        assert bot.provider.creates == 0

    def test_cancelled_while_its_card_is_looked_for_it_goes_no_further(self, bot: Harness) -> None:
        bot.chat.unwell = True
        job = bot.ask(1, shown=None)
        bot.block(1)
        bot.chat.unwell = False
        bot.passes(60.0)

        assert bot.state(job) is JobState.CANCELLED
        assert (bot.chat.fetched, bot.provider.creates) == (0, 0)
        assert job in bot.chat.closed
        assert bot.worker.carried == set()


class TestAnotherService:
    def test_what_waited_when_it_was_set_is_sent_there_and_asked_for_there(self, bot: Harness) -> None:
        bot.provider.moods[MODELS[0]] = "nobody there"
        job = bot.ask(1)
        assert bot.state(job) is JobState.WAITING
        bot.stop()

        bot.provider.endpoint = "https://other.example/v1"
        bot.provider.is_well()
        bot.begin()
        bot.passes(300.0)
        bot.provider.finishes()
        bot.passes(300.0)

        assert bot.state(job) is JobState.DELIVERED
        assert bot.job(job).endpoint == "https://other.example/v1"


class TestSlots:
    def test_cancelled_while_the_end_of_a_render_is_being_written_the_slot_is_free(self, bot: Harness) -> None:
        job = bot.ask(1)
        bot.provider.finishes()
        bot.store.slow = 1
        bot.passes(70.0)  # the move to delivering is committed, and its task does not know yet
        assert bot.state(job) is JobState.DELIVERING

        bot.run(bot.worker.recheck(job))

        assert bot.state(job) is JobState.DELIVERED
        assert bot.context.queue.at_provider == 0

    def test_a_create_that_ends_while_its_new_task_gives_way_to_answers_keeps_its_slot(self, bot: Harness) -> None:
        bot.context.queue.slots = 1
        bot.provider.gate.clear()
        job, waiting = bot.ask(1), bot.ask(2)
        with bot.somebody_waits():
            bot.hide(job)
            bot.provider.gate.set()
            bot.settle()
            assert bot.state(job) is JobState.RENDERING
            assert bot.context.queue.at_provider == 1
        bot.passes(5.0)

        assert bot.states([job, waiting]) == [JobState.RENDERING, JobState.WAITING]

    def test_rechecked_while_its_intent_is_being_written_it_is_sent_once_and_holds_one_slot(self, bot: Harness) -> None:
        bot.context.queue.slots = 1
        bot.context.queue.pause(GUILD)
        job, waiting = bot.ask(1), bot.ask(2)
        bot.store.slow = 1
        bot.lets_go()
        rechecking = bot.start(bot.worker.recheck(job))
        bot.store.resume.set()
        bot.settle()

        assert rechecking.done()
        assert bot.provider.creates == 1
        assert bot.states([job, waiting]) == [JobState.RENDERING, JobState.WAITING]
        assert bot.context.queue.at_provider == 1

    @pytest.mark.parametrize("phase", [Phase.DONE, Phase.FAILED])
    def test_hidden_again_and_again_while_it_renders_it_gives_its_slot_back_once(
        self, bot: Harness, phase: Phase
    ) -> None:
        bot.context.queue.slots = 1
        first, second = bot.ask(1), bot.ask(2)
        for _ in range(3):
            bot.run(bot.worker.recheck(first))
        bot.provider.finishes(phase)
        bot.passes(70.0)

        assert bot.state(second) is JobState.RENDERING
        assert bot.context.queue.at_provider == 1


class TestAnOwner:
    def test_a_command_cancelled_while_its_reservation_is_written_is_taken_back(self, bot: Harness) -> None:
        bot.store.slow = 1
        asking = bot.start(bot.asking(1))
        asking.cancel()
        bot.settle()
        bot.store.resume.set()
        bot.settle()

        assert bot.rows("SELECT state FROM jobs") == [("cancelled",)]
        assert bot.rows("SELECT SUM(credits) FROM budget_usage") == [(0,)]

    def test_a_reservation_that_comes_too_late_is_taken_back(self, bot: Harness) -> None:
        bot.store.slow = 1
        asking = bot.start(bot.asking(1))
        bot.passes(3.0)
        assert isinstance(asking.exception(), StoreUnavailable)
        bot.store.resume.set()
        bot.settle()

        assert bot.rows("SELECT state FROM jobs") == [("cancelled",)]

    def test_closing_does_not_wait_for_a_store_that_never_answers(self, bot: Harness) -> None:
        bot.store.slow = 1
        asking = bot.start(bot.asking(1))
        bot.passes(3.0)
        assert isinstance(asking.exception(), StoreUnavailable)
        closing = bot.start(bot.service.close())
        bot.passes(12.0)

        assert closing.done()
        bot.kill()
        bot.begin()
        bot.passes(10.0)
        assert bot.rows("SELECT state FROM jobs") == [("cancelled",)]


class TestTheStop:
    def test_told_to_stop_while_the_intent_is_being_written_nothing_is_sent(self, bot: Harness) -> None:
        bot.context.queue.pause(GUILD)
        job = bot.ask(1)
        bot.store.slow = 1
        bot.lets_go()
        stopping = bot.start(bot.worker.stop())
        bot.store.resume.set()
        bot.passes(10.0)

        assert stopping.done()
        assert bot.provider.creates == 0
        assert bot.state(job) is JobState.WAITING
        bot.kill()
        bot.begin()
        assert bot.state(job) is JobState.RENDERING

    def test_a_create_under_way_is_waited_for(self, bot: Harness) -> None:
        bot.provider.gate.clear()
        job = bot.ask(1)
        stopping = bot.start(bot.worker.stop())
        bot.passes(20.0)
        assert not stopping.done()
        bot.provider.gate.set()
        bot.settle()

        assert stopping.done()
        assert bot.state(job) is JobState.RENDERING


class TestTheHostsClock:
    @pytest.mark.parametrize("by_s", [DAY_S, -DAY_S, 1_200.0, -1_200.0])
    def test_setting_it_refunds_nobody_and_opens_no_circuit(self, bot: Harness, by_s: float) -> None:
        bot.context.queue.slots = FAILURE_THRESHOLD + 1
        rendering = [bot.ask(member) for member in range(FAILURE_THRESHOLD + 1)]
        waiting = bot.ask(50)
        bot.passes(120.0)
        bot.sets_the_clock(by_s)
        bot.passes(300.0)
        bot.run(bot.worker.recheck(rendering[0]))
        bot.passes(300.0)

        assert set(bot.states(rendering)) == {JobState.RENDERING}
        assert bot.state(waiting) is JobState.WAITING
        assert bot.context.circuit_breakers.of("default").state(MODELS[0]) is State.CLOSED

    @pytest.mark.parametrize("by_s", [0.0, DAY_S, -DAY_S])
    def test_setting_it_does_not_put_the_deadline_off(self, bot: Harness, by_s: float) -> None:
        job = bot.ask(1)
        bot.passes(120.0)
        bot.sets_the_clock(by_s)
        bot.passes(1_800.0, steps=30)

        assert bot.state(job) is JobState.TIMED_OUT


class TestATicketThatCannotBeRead:
    def test_ends_as_a_render_without_an_answer_does_with_a_line_a_state_and_no_further_poll(
        self, bot: Harness, caplog: pytest.LogCaptureFixture
    ) -> None:
        job = bot.ask(1)
        bot.provider.unreadable = True
        bot.passes(1_900.0, steps=30)
        assert bot.state(job) is JobState.RENDERING
        bot.passes(600.0, steps=10)

        assert bot.state(job) is JobState.TIMED_OUT
        assert bot.context.queue.at_provider == 0
        bot.passes(DAY_S + HOUR_S, steps=200)
        assert bot.state(job) is JobState.FAILED
        assert bot.provider.asked == 2
        assert (
            len(
                [
                    record
                    for record in caplog.records
                    if f"job={job}" in record.getMessage() and record.levelname == "ERROR"
                ]
            )
            == 2
        )
        assert bot.context.circuit_breakers.of("default").state(MODELS[0]) is State.CLOSED

    def test_is_read_again_at_the_next_start(self, bot: Harness) -> None:
        job = bot.ask(1)
        bot.provider.unreadable = True
        bot.passes(600.0)
        bot.stop()
        bot.provider.unreadable = False
        bot.provider.finishes()
        bot.begin()
        bot.passes(300.0)

        assert bot.state(job) is JobState.DELIVERED


def test_of_a_poll_without_an_answer_no_frame_is_kept_until_the_next(bot: Harness) -> None:
    job = bot.ask(1)
    bot.provider.silent = True

    answer = bot.run(_ask(bot.context, bot.job(job)))

    assert isinstance(answer, VideoUnavailable)
    assert (answer.__traceback__, answer.__cause__, answer.__context__) == (None, None, None)


class TestLostByTheService:
    def test_a_job_that_was_told_of_and_then_denied_for_ten_minutes_is_refunded(self, bot: Harness) -> None:
        job = bot.ask(1)
        bot.passes(130.0)
        bot.provider.denies = True
        bot.passes(500.0, steps=10)
        assert bot.state(job) is JobState.RENDERING
        bot.passes(300.0, steps=10)

        assert bot.state(job) is JobState.TIMED_OUT
        assert bot.job(job).failure is FailureKind.GONE
        assert bot.context.queue.at_provider == 0
        assert bot.context.circuit_breakers.of("default").state(MODELS[0]) is State.CLOSED

    def test_its_video_is_delivered_if_it_still_comes(self, bot: Harness) -> None:
        job = bot.ask(1)
        bot.passes(130.0)
        bot.provider.denies = True
        bot.passes(900.0, steps=15)
        bot.provider.is_well()
        bot.provider.finishes()
        bot.passes(HOUR_S)

        assert bot.state(job) is JobState.DELIVERED

    def test_denied_from_the_beginning_it_may_still_be_unknown_there(self, bot: Harness) -> None:
        bot.provider.denies = True
        job = bot.ask(1)
        bot.passes(1_500.0, steps=25)

        assert bot.state(job) is JobState.RENDERING

    def test_denied_only_now_and_then_it_is_not_lost(self, bot: Harness) -> None:
        job = bot.ask(1)
        bot.passes(130.0)
        for _ in range(5):
            bot.provider.denies = True
            bot.passes(200.0, steps=4)
            bot.provider.denies = False
            bot.passes(130.0, steps=4)

        assert bot.state(job) is JobState.RENDERING


class TestMistakesOfAnAdapter:
    """What a provider answers may find one: the limits hold all the same."""

    def test_a_render_that_cannot_be_asked_for_times_out_and_gives_its_slot_back(
        self, bot: Harness, caplog: pytest.LogCaptureFixture
    ) -> None:
        job = bot.ask()
        bot.provider.breaks = True

        bot.passes(HOUR_S, steps=60)

        assert bot.state(job) is JobState.TIMED_OUT
        assert bot.holding() == set()
        told = [record.exc_info is not None for record in caplog.records if "poll failed" in record.message]
        assert len(told) > 20
        assert told == [True] + [False] * (len(told) - 1)  # one traceback, then a line each

    def test_a_late_video_that_cannot_be_asked_for_has_failed_after_a_day(self, bot: Harness) -> None:
        job = bot.ask()
        bot.provider.breaks = True
        bot.passes(HOUR_S, steps=30)

        bot.passes(DAY_S + HOUR_S, steps=50)

        assert bot.state(job) is JobState.FAILED

    def test_a_lost_answer_that_cannot_be_asked_for_is_unknown(self, bot: Harness) -> None:
        bot.provider.knows_keys = True
        bot.provider.moods[MODELS[0]] = "lost"
        bot.provider.breaks = True
        job = bot.ask()

        bot.passes(20 * 60.0, steps=40)

        assert bot.state(job) is JobState.UNKNOWN

    def test_a_video_that_cannot_be_downloaded_is_kept_for_its_member(self, bot: Harness) -> None:
        job = bot.ask()
        bot.provider.finishes()
        download = bot.provider.download

        async def breaks(*_there: object) -> None:
            raise ValueError("a mistake")

        bot.provider.download = breaks  # type: ignore[method-assign]
        bot.passes(40 * 60.0, steps=40)
        assert bot.state(job) is JobState.UNDELIVERED

        bot.provider.download = download  # type: ignore[method-assign]
        bot.passes(2 * HOUR_S, steps=20)
        assert bot.state(job) is JobState.DELIVERED


def test_a_bot_that_is_stopped_while_it_reads_the_jobs_of_before_begins_none_of_them(bot: Harness) -> None:
    job = bot.ask(1)

    async def stopped_at_once() -> tuple[int, frozenset[JobId]]:
        worker = Worker(bot.context)
        starting = asyncio.create_task(worker.start())
        await asyncio.sleep(0)
        await worker.stop()
        return await starting, worker.carried

    assert bot.loop.run_until_complete(stopped_at_once()) == (0, frozenset())
    assert bot.state(job) is JobState.RENDERING
