"""When nothing is sent to the provider any more, and how it is found out that it works again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bot.jobs.breaker import FIRST_PAUSE_S, LONGEST_PAUSE_S, SILENT_JOBS, Breaker
from bot.models import FailureKind, Job
from tests.builders import a_clip, a_job

BALANCE, KEY, LOST = FailureKind.BALANCE, FailureKind.KEY, FailureKind.LOST_ANSWER


class World:
    """A breaker, its clock and what it wants to be called for."""

    def __init__(self) -> None:
        self.now = 0.0
        self.due: list[float] = []
        self.woken = 0
        self.breaker = Breaker(lambda: self.now, self._later)
        self.breaker.wake = self._wake

    def _later(self, seconds: float, _call: Callable[[], None]) -> None:
        self.due.append(seconds)

    def _wake(self) -> None:
        self.woken += 1

    def probe(self, job: Job) -> None:
        """Time goes on until one job may go, and it goes."""
        self.now += self.due[-1]
        assert self.breaker.may_go(job)
        self.breaker.sent(job)
        assert not self.breaker.may_go(a_job(999))


@pytest.fixture
def world() -> World:
    return World()


def pro(number: int) -> Job:
    return a_job(number, clip=a_clip(model="sora-2-pro"))


def test_one_refusal_for_balance_shuts_nothing(world: World) -> None:
    world.breaker.turned_away(a_job(1), BALANCE)
    world.breaker.turned_away(a_job(1), BALANCE)

    assert world.breaker.refusal("sora-2") is None


def test_two_jobs_in_a_row_refused_for_balance_shut_their_model_alone(world: World) -> None:
    world.breaker.turned_away(a_job(1), BALANCE)
    world.breaker.turned_away(a_job(2), BALANCE)

    assert world.breaker.refusal("sora-2") is BALANCE
    assert world.breaker.refusal("sora-2-pro") is None
    assert not world.breaker.may_go(a_job(3))
    assert world.breaker.may_go(pro(4))
    assert world.breaker.faults() == ["the video service is not used (balance) for sora-2"]


def test_a_job_taken_in_between_starts_the_count_again(world: World) -> None:
    world.breaker.turned_away(a_job(1), BALANCE)
    world.breaker.answered(a_job(2))
    world.breaker.turned_away(a_job(3), BALANCE)

    assert world.breaker.refusal("sora-2") is None


def test_a_confirmed_refusal_of_the_key_shuts_every_model_at_once(world: World) -> None:
    world.breaker.turned_away(a_job(1), KEY)

    assert world.breaker.refusal("sora-2") is KEY
    assert world.breaker.refusal("sora-2-pro") is KEY


def test_five_silent_jobs_in_a_row_shut_every_model(world: World) -> None:
    for number in range(SILENT_JOBS - 1):
        world.breaker.lost(a_job(number))
    assert world.breaker.refusal("sora-2") is None

    world.breaker.lost(a_job(9))

    assert world.breaker.refusal("sora-2") is LOST


def test_an_end_of_any_job_breaks_the_row_of_silence(world: World) -> None:
    for number in range(SILENT_JOBS - 1):
        world.breaker.lost(a_job(number))
    world.breaker.ended(a_job(8))
    world.breaker.lost(a_job(9))

    assert world.breaker.refusal("sora-2") is None


def test_a_probe_that_is_taken_opens_the_door(world: World) -> None:
    world.breaker.turned_away(a_job(1), KEY)

    world.probe(a_job(2))
    world.breaker.answered(a_job(2))

    assert world.breaker.refusal("sora-2") is None
    assert world.breaker.may_go(a_job(3))
    assert world.woken


def test_after_silence_only_an_end_opens_the_door(world: World) -> None:
    for number in range(SILENT_JOBS):
        world.breaker.lost(a_job(number))

    world.probe(a_job(8))
    world.breaker.answered(a_job(8))
    assert world.breaker.refusal("sora-2") is LOST
    world.breaker.ended(a_job(8))

    assert world.breaker.refusal("sora-2") is None


def test_the_pauses_between_probes_double_up_to_a_quarter_of_an_hour(world: World) -> None:
    world.breaker.turned_away(a_job(1), KEY)
    for number in range(2, 9):
        world.probe(a_job(number))
        world.breaker.turned_away(a_job(number), KEY)

    assert world.due == [60.0, 120.0, 240.0, 480.0, *([LONGEST_PAUSE_S] * 4)]


def test_a_probe_that_was_never_sent_makes_room_for_another(world: World) -> None:
    world.breaker.turned_away(a_job(1), KEY)
    world.probe(a_job(2))

    world.breaker.undecided(a_job(2))

    assert not world.breaker.may_go(a_job(3))
    world.now += FIRST_PAUSE_S
    assert world.breaker.may_go(a_job(3))


def test_jobs_sent_before_the_door_was_shut_do_not_put_the_probe_off(world: World) -> None:
    world.breaker.turned_away(a_job(1), KEY)

    world.breaker.turned_away(a_job(2), KEY)

    assert world.due == [FIRST_PAUSE_S]
