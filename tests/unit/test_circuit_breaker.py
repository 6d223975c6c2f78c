"""When nothing is sent to the provider any more, and how it is found out that it works again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bot.errors import CircuitOpen
from bot.jobs.circuit_breaker import (
    FAILURE_THRESHOLD,
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    REQUEST_FOR_S,
    TRANSITIONS,
    CircuitBreaker,
    State,
)
from bot.jobs.outcomes import Outcome
from bot.models import FailureKind, Job, JobId, UserId
from bot.store.circuits import EVERY, QUESTION
from tests.builders import a_job, a_spec

KEY, BALANCE = FailureKind.KEY, FailureKind.BALANCE
LOST, TIMED_OUT = FailureKind.LOST_ANSWER, FailureKind.TIMED_OUT
PROBE = 900


def job(number: int, model: str = "sora-2", member: int | None = None) -> Job:
    """Each of a member of its own, unless said otherwise."""
    return a_job(number, spec=a_spec(model=model), member=UserId(number if member is None else member))


class World:
    """A breaker, its clock, and what it wants to be called for."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []
        self.woken = 0
        self.asked = 0
        self._calls: list[tuple[float, Callable[[], None]]] = []
        self.circuit_breaker = CircuitBreaker(lambda: self.now, self._later, "mine")
        self.circuit_breaker.wake = self._wake

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        self.pauses.append(seconds)
        self._calls.append((self.now + seconds, call))

    def _wake(self) -> None:
        self.woken += 1

    def answers_questions(self) -> None:
        def ask() -> None:
            self.asked += 1

        self.circuit_breaker.ask_key = ask

    def passes(self, seconds: float | None = None) -> None:
        """Time goes on, by the newest pause unless said otherwise."""
        self.now += self.pauses[-1] if seconds is None else seconds
        due = [call for at, call in self._calls if at <= self.now]
        self._calls = [(at, call) for at, call in self._calls if at > self.now]
        for call in due:
            call()

    def opens(self, kind: FailureKind, model: str = "sora-2") -> None:
        """Whatever it takes."""
        match kind:
            case FailureKind.KEY:
                self.circuit_breaker.report(job(1, model), Outcome.KEY_REFUSED)
            case FailureKind.BALANCE:
                self.circuit_breaker.report(job(1, model), Outcome.BALANCE_EMPTY)
            case FailureKind.TIMED_OUT:
                for number in range(FAILURE_THRESHOLD):
                    self.circuit_breaker.report(job(number, model), Outcome.TIMED_OUT)
            case _:
                for number in range(FAILURE_THRESHOLD):
                    self.circuit_breaker.report(job(number, model), Outcome.LOST)

    def probes(self, probe: Job) -> None:
        assert self.circuit_breaker.may_go(probe)
        assert self.circuit_breaker.granted(probe)
        assert not self.circuit_breaker.may_go(job(999))

    def takes_requests(self, model: str = "sora-2") -> bool:
        """Asks, and goes away again."""
        try:
            self.circuit_breaker.admit(JobId(77), model)
        except CircuitOpen:
            return False
        self.circuit_breaker.withdraw(JobId(77))
        return True


@pytest.fixture
def world() -> World:
    return World()


CLOSED, HALF_OPEN, DOUBLED, SAME, STILL_PROBING = "closed", "half-open", "doubled", "same", "still probing"
TABLE: dict[FailureKind, dict[Outcome, str]] = {
    KEY: {
        Outcome.NEVER_SENT: HALF_OPEN,
        Outcome.NOT_ACCEPTED: SAME,
        Outcome.ACCEPTED: CLOSED,
        Outcome.REFUSED: CLOSED,
        Outcome.KEY_REFUSED: DOUBLED,
        Outcome.PAYMENT_REFUSED: CLOSED,
        Outcome.FORBIDDEN: CLOSED,
        Outcome.BALANCE_EMPTY: CLOSED,
        Outcome.LOST: SAME,
        Outcome.TIMED_OUT: HALF_OPEN,
        Outcome.ENDED: HALF_OPEN,
    },
    BALANCE: {
        Outcome.NEVER_SENT: HALF_OPEN,
        Outcome.NOT_ACCEPTED: SAME,
        Outcome.ACCEPTED: CLOSED,
        Outcome.REFUSED: HALF_OPEN,
        Outcome.KEY_REFUSED: HALF_OPEN,
        Outcome.PAYMENT_REFUSED: DOUBLED,
        Outcome.FORBIDDEN: DOUBLED,
        Outcome.BALANCE_EMPTY: DOUBLED,
        Outcome.LOST: SAME,
        Outcome.TIMED_OUT: HALF_OPEN,
        Outcome.ENDED: HALF_OPEN,
    },
    LOST: {
        Outcome.NEVER_SENT: HALF_OPEN,
        Outcome.NOT_ACCEPTED: SAME,
        Outcome.ACCEPTED: CLOSED,
        Outcome.REFUSED: HALF_OPEN,
        Outcome.KEY_REFUSED: HALF_OPEN,
        Outcome.PAYMENT_REFUSED: HALF_OPEN,
        Outcome.FORBIDDEN: HALF_OPEN,
        Outcome.BALANCE_EMPTY: HALF_OPEN,
        Outcome.LOST: DOUBLED,
        Outcome.TIMED_OUT: HALF_OPEN,
        Outcome.ENDED: HALF_OPEN,
    },
    TIMED_OUT: {
        Outcome.NEVER_SENT: HALF_OPEN,
        Outcome.NOT_ACCEPTED: SAME,
        Outcome.ACCEPTED: STILL_PROBING,
        Outcome.REFUSED: HALF_OPEN,
        Outcome.KEY_REFUSED: HALF_OPEN,
        Outcome.PAYMENT_REFUSED: HALF_OPEN,
        Outcome.FORBIDDEN: HALF_OPEN,
        Outcome.BALANCE_EMPTY: HALF_OPEN,
        Outcome.LOST: DOUBLED,
        Outcome.TIMED_OUT: DOUBLED,
        Outcome.ENDED: CLOSED,
    },
}


@pytest.mark.parametrize(("kind", "outcome"), [(kind, outcome) for kind in TABLE for outcome in TABLE[kind]])
def test_every_outcome_of_a_probe_settles_it_whatever_opened_the_circuit(
    world: World, kind: FailureKind, outcome: Outcome
) -> None:
    world.opens(kind)
    world.passes()
    world.probes(job(PROBE))
    pauses = len(world.pauses)

    world.circuit_breaker.report(job(PROBE), outcome)

    own = next((line for line in world.circuit_breaker.faults() if f"({kind})" in line), None)
    waits = [pause for pause in world.pauses[pauses:] if own and "tries again" not in own]
    match TABLE[kind][outcome]:
        case "closed":
            assert own is None
        case "half-open":
            assert own is not None
            assert waits == []
        case "doubled":
            assert waits[0] == 2 * FIRST_PAUSE_S
        case "same":
            assert waits == [FIRST_PAUSE_S]
        case _:
            assert not world.takes_requests()
            world.circuit_breaker.report(job(PROBE), Outcome.NEVER_SENT)  # its slot is given back some day
    world.passes(LONGEST_PAUSE_S)
    assert world.takes_requests()  # nothing is left behind: the next one is let in


def test_the_table_is_complete() -> None:
    assert set(TRANSITIONS) == set(TABLE)
    assert all(set(TRANSITIONS[kind]) == set(Outcome) == set(TABLE[kind]) for kind in TABLE)


class TestHalfOpen:
    @pytest.mark.parametrize("kind", list(TABLE))
    def test_with_an_empty_queue_the_next_request_is_let_in_once_the_pause_is_over(
        self, world: World, kind: FailureKind
    ) -> None:
        world.opens(kind)

        assert world.circuit_breaker.state("sora-2") is State.OPEN
        assert not world.takes_requests()
        world.passes(3_600.0)
        assert world.circuit_breaker.state("sora-2") is State.HALF_OPEN
        assert world.takes_requests()

    def test_while_a_request_is_on_its_way_to_probe_others_read_that_it_is_being_tried(self, world: World) -> None:
        world.opens(BALANCE)
        world.passes()
        world.circuit_breaker.admit(JobId(7), "sora-2")

        with pytest.raises(CircuitOpen) as refused:
            world.circuit_breaker.admit(JobId(8), "sora-2")

        assert refused.value.is_being_tried
        assert world.circuit_breaker.may_go(job(9))  # whoever of the queue comes first is the probe all the same

    def test_a_request_that_was_withdrawn_makes_room_for_the_next(self, world: World) -> None:
        world.opens(BALANCE)
        world.passes()
        world.circuit_breaker.admit(JobId(7), "sora-2")

        world.circuit_breaker.withdraw(JobId(7))

        assert world.takes_requests()

    def test_a_request_that_never_comes_to_be_sent_bars_the_others_for_two_minutes_at_most(self, world: World) -> None:
        world.opens(BALANCE)
        world.passes()
        world.circuit_breaker.admit(JobId(7), "sora-2")

        world.passes(REQUEST_FOR_S)

        assert world.takes_requests()

    def test_a_probe_that_is_taken_closes_the_circuit_and_wakes_the_queue(self, world: World) -> None:
        world.opens(KEY)
        world.passes()
        world.probes(job(PROBE))
        woken = world.woken

        world.circuit_breaker.report(job(PROBE), Outcome.ACCEPTED)

        assert world.circuit_breaker.state("sora-2") is State.CLOSED
        assert world.woken > woken
        assert world.circuit_breaker.faults() == []

    def test_the_pauses_between_probes_double_up_to_a_quarter_of_an_hour(self, world: World) -> None:
        world.opens(KEY)
        for number in range(2, 9):
            world.passes()
            world.probes(job(number))
            world.circuit_breaker.report(job(number), Outcome.KEY_REFUSED)

        assert world.pauses == [60.0, 120.0, 240.0, 480.0, *([LONGEST_PAUSE_S] * 4)]

    def test_jobs_sent_before_the_circuit_opened_do_not_put_the_probe_off(self, world: World) -> None:
        world.opens(KEY)

        world.circuit_breaker.report(job(2), Outcome.KEY_REFUSED)

        assert world.pauses == [FIRST_PAUSE_S]

    def test_a_key_is_asked_about_for_nothing_before_a_job_has_to_try_it(self, world: World) -> None:
        world.answers_questions()
        world.opens(KEY)
        world.passes()

        assert world.asked == 1
        assert not world.takes_requests()
        world.circuit_breaker.answer(Outcome.REFUSED)

        assert world.circuit_breaker.state("sora-2") is State.CLOSED

    def test_a_question_that_settles_nothing_leaves_it_to_the_next_request(self, world: World) -> None:
        world.answers_questions()
        world.opens(KEY)
        world.passes()

        world.circuit_breaker.answer(Outcome.NEVER_SENT)

        assert world.takes_requests()

    def test_a_question_that_confirms_the_refusal_waits_twice_as_long(self, world: World) -> None:
        world.answers_questions()
        world.opens(KEY)
        world.passes()

        world.circuit_breaker.answer(Outcome.KEY_REFUSED)

        assert world.pauses == [FIRST_PAUSE_S, 2 * FIRST_PAUSE_S]
        assert not world.takes_requests()

    def test_no_job_has_the_id_of_the_question(self, world: World) -> None:
        assert QUESTION == 0  # ids of interactions are snowflakes


class TestBalance:
    def test_one_job_refused_twice_opens_nothing(self, world: World) -> None:
        world.circuit_breaker.report(job(1), Outcome.PAYMENT_REFUSED)
        world.circuit_breaker.report(job(1), Outcome.PAYMENT_REFUSED)

        assert world.circuit_breaker.state("sora-2") is State.CLOSED

    def test_two_jobs_in_a_row_open_their_model_alone(self, world: World) -> None:
        world.circuit_breaker.report(job(1), Outcome.PAYMENT_REFUSED)
        world.circuit_breaker.report(job(2), Outcome.PAYMENT_REFUSED)

        assert world.circuit_breaker.refusal("sora-2") is BALANCE
        assert world.circuit_breaker.state("sora-2-pro") is State.CLOSED
        assert not world.circuit_breaker.may_go(job(3))
        assert world.circuit_breaker.may_go(job(4, "sora-2-pro"))
        assert world.circuit_breaker.faults() == ["nothing is sent to the provider mine (balance) for sora-2"]

    def test_a_job_taken_in_between_starts_the_count_again(self, world: World) -> None:
        world.circuit_breaker.report(job(1), Outcome.PAYMENT_REFUSED)
        world.circuit_breaker.report(job(2), Outcome.ACCEPTED)
        world.circuit_breaker.report(job(3), Outcome.PAYMENT_REFUSED)

        assert world.circuit_breaker.state("sora-2") is State.CLOSED

    def test_what_is_forbidden_without_a_reason_opens_nothing_while_it_is_one_members(self, world: World) -> None:
        for number in range(4):
            world.circuit_breaker.report(job(number, member=1), Outcome.FORBIDDEN)
        assert world.circuit_breaker.state("sora-2") is State.CLOSED

        world.circuit_breaker.report(job(9, member=2), Outcome.FORBIDDEN)

        assert world.circuit_breaker.refusal("sora-2") is BALANCE

    def test_who_alone_is_forbidden_as_the_probe_keeps_nobody_else_out(self, world: World) -> None:
        world.opens(BALANCE)
        for number in range(10, 13):
            world.passes(0.0 if world.circuit_breaker.state("sora-2") is State.HALF_OPEN else None)
            world.probes(job(number, member=1))
            world.circuit_breaker.report(job(number, member=1), Outcome.FORBIDDEN)

        assert world.pauses == [FIRST_PAUSE_S, 2 * FIRST_PAUSE_S]
        assert world.takes_requests()

    def test_a_provider_that_says_the_balance_is_empty_is_believed_at_once(self, world: World) -> None:
        world.circuit_breaker.report(job(1), Outcome.BALANCE_EMPTY)

        assert world.circuit_breaker.refusal("sora-2") is BALANCE


def test_a_confirmed_refusal_of_the_key_concerns_every_model_at_once(world: World) -> None:
    world.opens(KEY)

    assert world.circuit_breaker.refusal("sora-2") is KEY
    assert world.circuit_breaker.refusal("sora-2-pro") is KEY


class TestAnotherKey:
    """While the bot runs the operator sets another key, perhaps of another account."""

    @pytest.mark.parametrize("kind", [KEY, BALANCE], ids=str)
    def test_what_the_key_before_was_refused_for_is_tried_at_once(self, world: World, kind: FailureKind) -> None:
        world.opens(kind)
        for _ in range(5):
            world.passes()
            world.circuit_breaker.granted(job(PROBE))
            world.circuit_breaker.report(job(PROBE), Outcome.KEY_REFUSED if kind is KEY else Outcome.BALANCE_EMPTY)
        assert not world.takes_requests()

        world.circuit_breaker.key_changed()

        assert world.takes_requests()
        world.probes(job(PROBE))
        world.circuit_breaker.report(job(PROBE), Outcome.NOT_ACCEPTED)
        assert world.pauses[-1] == FIRST_PAUSE_S

    def test_the_question_that_costs_nothing_is_asked_at_once_and_no_earlier_pause_asks_it_again(
        self, world: World
    ) -> None:
        world.answers_questions()
        world.opens(KEY)

        world.circuit_breaker.key_changed()
        world.circuit_breaker.answer(Outcome.KEY_REFUSED)
        world.passes(FIRST_PAUSE_S)

        assert world.asked == 1
        assert world.circuit_breaker.state("sora-2") is State.OPEN

    def test_what_the_key_before_owed_is_not_the_new_ones(self, world: World) -> None:
        world.circuit_breaker.report(job(1), Outcome.PAYMENT_REFUSED)

        world.circuit_breaker.key_changed()
        world.circuit_breaker.report(job(2), Outcome.PAYMENT_REFUSED)

        assert world.circuit_breaker.state("sora-2") is State.CLOSED

    def test_answers_that_are_lost_are_not_the_keys_fault(self, world: World) -> None:
        world.opens(LOST)

        world.circuit_breaker.key_changed()

        assert world.circuit_breaker.state("sora-2") is State.OPEN


class TestSilence:
    def test_five_lost_answers_in_a_row_open_their_model_alone(self, world: World) -> None:
        for number in range(FAILURE_THRESHOLD - 1):
            world.circuit_breaker.report(job(number), Outcome.LOST)
        assert world.circuit_breaker.state("sora-2") is State.CLOSED

        world.circuit_breaker.report(job(9), Outcome.LOST)

        assert world.circuit_breaker.refusal("sora-2") is LOST
        assert world.circuit_breaker.state("sora-2-pro") is State.CLOSED

    def test_one_member_alone_opens_nothing_for_the_others(self, world: World) -> None:
        for number in range(4 * FAILURE_THRESHOLD):
            world.circuit_breaker.report(job(number, member=1), Outcome.LOST)

        assert world.circuit_breaker.state("sora-2") is State.CLOSED

    def test_a_model_that_never_works_is_not_counted_against_the_others(self, world: World) -> None:
        for number in range(3 * FAILURE_THRESHOLD):
            world.circuit_breaker.report(job(number, "never"), Outcome.LOST)
        world.circuit_breaker.report(job(90, "sora-2"), Outcome.LOST)

        assert world.circuit_breaker.refusal("never") is LOST
        assert world.circuit_breaker.state("sora-2") is State.CLOSED

    def test_two_models_lost_in_turns_open_every_model(self, world: World) -> None:
        for number in range(FAILURE_THRESHOLD):
            world.circuit_breaker.report(job(number, ("sora-2", "sora-2-pro")[number % 2]), Outcome.LOST)

        assert world.circuit_breaker.refusal("another") is LOST
        assert world.circuit_breaker.faults() == ["nothing is sent to the provider mine (lost_answer) for any model"]

    def test_a_job_of_any_model_that_is_taken_closes_it_for_all(self, world: World) -> None:
        for number in range(FAILURE_THRESHOLD):
            world.circuit_breaker.report(job(number, ("sora-2", "never")[number % 2]), Outcome.LOST)

        world.circuit_breaker.report(job(90, "sora-2-pro"), Outcome.ACCEPTED)

        assert world.circuit_breaker.state("sora-2") is State.CLOSED

    def test_a_model_known_to_fail_by_itself_does_not_keep_the_others_waiting_as_their_probe(
        self, world: World
    ) -> None:
        world.opens(LOST, "never")
        for number in range(FAILURE_THRESHOLD):
            world.circuit_breaker.report(job(number, ("a", "b")[number % 2]), Outcome.LOST)
        world.passes()
        assert world.circuit_breaker.granted(job(PROBE, "never"))

        world.circuit_breaker.report(job(PROBE, "never"), Outcome.LOST)

        assert world.circuit_breaker.state("never") is State.OPEN
        assert world.circuit_breaker.may_go(job(3, "a"))

    def test_an_end_of_any_job_breaks_the_row(self, world: World) -> None:
        for number in range(FAILURE_THRESHOLD - 1):
            world.circuit_breaker.report(job(number), Outcome.LOST)
        world.circuit_breaker.report(job(8), Outcome.ENDED)
        world.circuit_breaker.report(job(9), Outcome.LOST)

        assert world.circuit_breaker.state("sora-2") is State.CLOSED

    def test_renders_that_never_end_are_not_disproved_by_jobs_that_are_taken(self, world: World) -> None:
        for number in range(FAILURE_THRESHOLD):
            world.circuit_breaker.report(job(100 + number), Outcome.ACCEPTED)
            world.circuit_breaker.report(job(number), Outcome.TIMED_OUT)

        assert world.circuit_breaker.refusal("sora-2") is TIMED_OUT

    def test_all_models_together_are_named_by_nothing_that_a_catalog_may_hold(self) -> None:
        assert not EVERY
