"""How much time has passed, although the clock of the host was set."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.jobs.context import MOST_STRETCHES, Clock
from tests.builders import NOON

HOUR = timedelta(hours=1)


class Host:
    """A machine whose clock can be set."""

    def __init__(self) -> None:
        self.steady_s = 1_000.0
        self.ahead = timedelta()
        self.clock = self.restarted()

    def restarted(self) -> Clock:
        self.clock = Clock(lambda: NOON + timedelta(seconds=self.steady_s) + self.ahead, lambda: self.steady_s)
        self.clock.now()
        return self.clock

    def passes(self, by: timedelta) -> None:
        self.steady_s += by.total_seconds()
        self.clock.now()

    def is_set(self, by: timedelta) -> None:
        self.ahead += by
        self.clock.now()


@pytest.fixture
def host() -> Host:
    return Host()


def test_without_a_step_it_is_the_difference(host: Host) -> None:
    then = host.clock.now()
    host.passes(HOUR)

    assert host.clock.since(then) == HOUR
    assert host.clock.since(then - HOUR) == 2 * HOUR


@pytest.mark.parametrize("by", [timedelta(minutes=40), timedelta(days=300), -timedelta(days=300)])
def test_a_clock_that_is_set_lets_no_time_pass(host: Host, by: timedelta) -> None:
    then = host.clock.now()
    host.passes(HOUR)
    host.is_set(by)
    after = host.clock.now()
    host.passes(HOUR)

    assert host.clock.since(then) == 2 * HOUR
    assert host.clock.since(after) == HOUR


def test_a_clock_that_is_set_back_by_less_than_has_passed_ends_nothing_early(host: Host) -> None:
    then = host.clock.now()
    host.passes(HOUR)
    host.is_set(-timedelta(minutes=20))

    assert host.clock.since(then) == HOUR
    host.passes(HOUR)
    assert host.clock.since(then) == 2 * HOUR


def test_in_doubt_whether_it_was_noted_before_or_after_the_step_it_is_younger(host: Host) -> None:
    host.passes(HOUR)
    then = host.clock.now() - timedelta(minutes=10)
    host.is_set(-timedelta(minutes=20))
    host.passes(timedelta(minutes=15))

    assert host.clock.since(then) == timedelta(minutes=5)


def test_several_steps_add_up(host: Host) -> None:
    then = host.clock.now()
    for by in (3 * HOUR, -2 * HOUR, 5 * HOUR):
        host.passes(HOUR)
        host.is_set(by)

    assert host.clock.since(then) == 3 * HOUR


def test_whatever_it_is_set_to_nothing_is_older_than_it_is(host: Host) -> None:
    noted = [(host.clock.now(), host.steady_s)]
    for minutes in (20, -180, 60, -20, 5, 300, -400, 10):
        host.is_set(timedelta(minutes=minutes))
        host.passes(timedelta(minutes=1))
        noted.append((host.clock.now(), host.steady_s))
        for moment, steady_s in noted:
            assert host.clock.since(moment) <= timedelta(seconds=host.steady_s - steady_s)
        assert host.clock.since(moment) == timedelta()


def test_a_clock_that_drifts_makes_no_steps(host: Host) -> None:
    then = host.clock.now()
    for _ in range(60):
        host.passes(timedelta(minutes=1))
        host.is_set(timedelta(milliseconds=30))

    assert host.clock.since(then) == HOUR + 60 * timedelta(milliseconds=30)


def test_what_an_earlier_process_noted_in_the_future_is_as_old_as_this_one(host: Host) -> None:
    then = host.clock.now()
    host.ahead -= timedelta(days=300)
    host.restarted()
    host.passes(HOUR)

    assert host.clock.since(then) == HOUR


def test_a_clock_that_is_set_again_and_again_costs_no_more_each_time(host: Host) -> None:
    for number in range(2 * MOST_STRETCHES):
        host.passes(timedelta(seconds=10))
        host.is_set(HOUR if number % 2 else -HOUR)
    then = host.clock.now()
    host.passes(HOUR)

    assert host.clock.since(then) == HOUR
    assert len(host.clock._stretches or ()) == MOST_STRETCHES
