"""Discord's time, whatever the machine's clock says: measured by answers, carried on by the monotonic clock."""

from __future__ import annotations

import email.utils
from datetime import UTC, datetime, timedelta

import discord
import pytest

from bot.chat.clock import DiscordClock, DiscordTime
from tests.builders import NOON

MINUTES_20 = 1_200.0


class Machine:
    """A machine whose clock is `ahead_s` of Discord's, which shows NOON when the test begins."""

    def __init__(self, ahead_s: float) -> None:
        self.steady = 5_000.0
        self.ahead_s = ahead_s
        self.clock = DiscordClock(wall=self._wall, monotonic=lambda: self.steady)

    def at_discord(self) -> datetime:
        return NOON + timedelta(seconds=self.steady - 5_000)

    def date(self, off_s: float = 0.0) -> str:
        return email.utils.format_datetime(self.at_discord() + timedelta(seconds=off_s), usegmt=True)

    def interaction(self, ago_s: float = 0.5) -> int:
        return discord.utils.time_snowflake(self.at_discord() - timedelta(seconds=ago_s))

    def error_s(self) -> float:
        return abs((self.clock.now() - self.at_discord()).total_seconds())

    def _wall(self) -> float:
        return self.at_discord().timestamp() + self.ahead_s


@pytest.fixture(params=[-MINUTES_20, 0.0, MINUTES_20], ids=["behind", "right", "ahead"])
def machine(request: pytest.FixtureRequest) -> Machine:
    return Machine(request.param)


def test_one_answer_tells_what_time_it_is_at_discord(machine: Machine) -> None:
    machine.clock.dated(machine.date())

    assert machine.error_s() <= 2
    assert machine.clock.now().tzinfo is UTC
    assert abs(machine.clock.ahead_s - machine.ahead_s) <= 2


def test_an_interaction_that_was_answered_tells_it_too(machine: Machine) -> None:
    machine.clock.answered(machine.interaction())

    assert machine.error_s() <= 4


def test_a_clock_that_is_set_while_the_bot_runs_changes_nothing(machine: Machine) -> None:
    machine.clock.dated(machine.date())
    before = machine.clock.now()

    machine.ahead_s += 3 * MINUTES_20
    machine.steady += 60

    assert machine.clock.now() - before == timedelta(seconds=60)


def test_a_date_that_a_proxy_wrote_by_the_same_wrong_clock_is_not_believed_for_long() -> None:
    machine = Machine(MINUTES_20)
    machine.clock.dated(machine.date(off_s=MINUTES_20))
    assert machine.error_s() > 1_000

    machine.clock.answered(machine.interaction())
    machine.clock.dated(machine.date(off_s=MINUTES_20))

    assert machine.error_s() <= 4


def test_a_clock_that_is_right_is_not_moved_by_what_answers_take() -> None:
    machine = Machine(0.0)
    for late_s in (0.1, 0.9, 1.9, 0.0):
        machine.steady += 10
        machine.clock.dated(machine.date(off_s=-late_s))
        machine.clock.answered(machine.interaction(ago_s=late_s))

    assert machine.error_s() == 0


@pytest.mark.parametrize("header", [None, "", "yesterday", "Thu, 99 Foo 2026 00:00:00 GMT"])
def test_a_header_that_is_no_date_changes_nothing(header: str | None) -> None:
    machine = Machine(0.0)
    machine.clock.dated(header)

    assert machine.error_s() == 0


def test_a_difference_is_told_once_and_again_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine(MINUTES_20)
    for _ in range(3):
        machine.clock.dated(machine.date())
        machine.steady += 10
    machine.ahead_s = 0.0
    machine.clock.dated(machine.date())

    first, second = (record.getMessage() for record in caplog.records)
    assert first.startswith("the clock of this machine is 0:20:00 ahead of Discord's: set it")
    assert second == "the clock of this machine agrees with Discord's again"


@pytest.mark.parametrize("ahead_s", [-29.0, 0.0, 25.0])
def test_a_small_difference_is_not_told(ahead_s: float, caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine(ahead_s)
    machine.clock.dated(machine.date())

    assert caplog.records == []


def test_what_an_earlier_process_noted_in_discords_time_is_as_old_as_it_was(machine: Machine) -> None:
    clock = DiscordTime(machine.clock)
    clock.now()
    noted = machine.at_discord() - timedelta(minutes=10)

    machine.clock.dated(machine.date())

    assert abs(clock.since(noted) - timedelta(minutes=10)) <= timedelta(seconds=2)
