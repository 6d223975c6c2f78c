"""The bar of a render: never backwards, never full, also over a restart; and what a card says of the end."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.jobs.chat_protocol import Due
from bot.jobs.estimate import Estimate
from bot.jobs.progress import ProgressBar

HUNDRED = Estimate(median_s=100.0, spread=0.2)

SAID = st.lists(st.tuples(st.floats(0.1, 30.0), st.none() | st.integers(0, 100)), max_size=30)
"""Pauses, and what the provider says after each."""
ESTIMATES = st.none() | st.builds(Estimate, median_s=st.floats(1.0, 500.0), spread=st.floats(0.08, 0.8))


class TestBar:
    def test_without_a_history_it_is_what_the_provider_says(self) -> None:
        bar = ProgressBar(None)
        shown = []
        for at_s, said in ((5.0, None), (10.0, 30), (15.0, 20), (20.0, 100)):
            bar = bar.told(said, at_s)
            shown.append(bar.percent(at_s))

        assert shown == [0, 30, 30, 99]

    def test_where_the_provider_says_nothing_time_moves_it(self) -> None:
        bar = ProgressBar(HUNDRED)

        assert [bar.percent(at_s) for at_s in (0.0, 26.0, 51.0, 99.0, 100.0, 1e6)] == [0, 25, 50, 95, 99, 99]

    def test_where_the_provider_jumps_and_stands_still_time_moves_it_slowly_on(self) -> None:
        bar = ProgressBar(HUNDRED).told(90, 5.0)

        assert [bar.percent(at_s) for at_s in (5.0, 50.0, 65.0, 100.0)] == [90, 90, 95, 99]

    def test_a_provider_that_is_slower_than_usual_is_believed(self) -> None:
        bar = ProgressBar(HUNDRED)
        for said in range(1, 41):
            bar = bar.told(said, said * 2.5)

        assert bar.percent(100.0) == 40

    def test_while_the_provider_moves_the_bar_says_what_it_says(self) -> None:
        bar, shown = ProgressBar(HUNDRED), []
        for said, at_s in ((10, 20.0), (20, 40.0), (30, 60.0), (40, 80.0)):
            bar = bar.told(said, at_s)
            shown.append((bar.percent(at_s), bar.percent(at_s + 19.0)))

        assert shown[1:] == [(20, 20), (30, 30), (40, 40)]

    def test_once_the_provider_stands_still_time_moves_the_bar_on(self) -> None:
        bar = ProgressBar(HUNDRED).told(10, 10.0).told(20, 20.0)

        assert [bar.percent(at_s) for at_s in (39.0, 41.0, 51.0, 100.0)] == [20, 20, 30, 80]

    @settings(deadline=None)
    @given(estimate=ESTIMATES, said=SAID, later_s=st.floats(0.0, 500.0))
    def test_it_is_never_half_full_and_due_at_any_moment(
        self, estimate: Estimate | None, said: list[tuple[float, int | None]], later_s: float
    ) -> None:
        bar, at_s = ProgressBar(estimate), 0.0
        for pause_s, percent in said:
            at_s += pause_s
            bar = bar.told(percent, at_s)
        at_s += later_s

        assert bar.due(at_s) is not Due.NOW or bar.percent(at_s) >= 90

    def test_a_provider_half_way_at_the_usual_end_is_expected_by_its_own_pace(self) -> None:
        bar = ProgressBar(HUNDRED).told(10, 18.0).told(55, 100.0)

        assert (bar.percent(101.0), bar.due(101.0), round(bar.expected_s(101.0) or 0)) == (55, Due.AHEAD, 182)

    @settings(deadline=None)
    @given(estimate=ESTIMATES, said=SAID)
    def test_it_never_goes_back_and_is_never_full(
        self, estimate: Estimate | None, said: list[tuple[float, int | None]]
    ) -> None:
        bar, at_s, shown = ProgressBar(estimate), 0.0, []
        for pause_s, percent in said:
            shown += [bar.percent(at_s + pause_s * part / 4) for part in range(5)]
            at_s += pause_s
            bar = bar.told(percent, at_s)
            shown.append(bar.percent(at_s))

        assert shown == sorted(shown)
        assert all(0 <= percent <= 99 for percent in shown)

    @settings(deadline=None)
    @given(estimate=ESTIMATES, said=SAID, down_s=st.floats(0.0, 100.0))
    def test_a_restart_does_not_take_it_back(
        self, estimate: Estimate | None, said: list[tuple[float, int | None]], down_s: float
    ) -> None:
        """The new process knows when the job was sent, and what the provider says now: as much as before, or more."""
        bar, at_s, highest = ProgressBar(estimate), 0.0, 0
        for pause_s, percent in said:
            at_s += pause_s
            highest = max(highest, percent or 0)
            bar = bar.told(percent, at_s)
        before = bar.percent(at_s)

        assert ProgressBar(estimate).told(highest, 0.0).percent(at_s + down_s) >= before

    def test_a_restart_does_not_take_back_a_bar_that_is_overdue(self) -> None:
        before = ProgressBar(HUNDRED).told(96, 103.0)

        assert before.percent(103.0) == 99
        assert ProgressBar(HUNDRED).told(96, 0.0).percent(103.0) == 99

    @settings(deadline=None)
    @given(estimate=ESTIMATES, said=SAID)
    def test_nothing_changes_before_it_says_so(
        self, estimate: Estimate | None, said: list[tuple[float, int | None]]
    ) -> None:
        bar, at_s = ProgressBar(estimate), 0.0
        for pause_s, percent in said:
            at_s += pause_s
            bar = bar.told(percent, at_s)
        seen = (bar.percent(at_s), bar.due(at_s))
        wait_s = min(bar.next_change_s(at_s), 1e6)

        assert wait_s > 0
        assert (bar.percent(at_s + 0.99 * wait_s), bar.due(at_s + 0.99 * wait_s)) == seen

    def test_all_its_changes_are_few(self) -> None:
        at_s, changes = 0.0, 0
        while (wait_s := ProgressBar(HUNDRED).next_change_s(at_s)) < 1e6:
            at_s += wait_s + 1e-6
            changes += 1

        assert 20 <= changes <= 23


class TestDue:
    def test_the_end_is_ahead_then_due_then_late(self) -> None:
        bar = ProgressBar(HUNDRED)

        assert [bar.due(at_s) for at_s in (0.0, 99.0, 101.0, 1e4)] == [Due.AHEAD, Due.AHEAD, Due.NOW, Due.LATE]

    def test_without_a_history_nothing_is_said_of_it(self) -> None:
        assert ProgressBar(None).due(50.0) is None
        assert ProgressBar(None).next_change_s(50.0) == float("inf")

    @pytest.mark.parametrize("spread", [0.08, 0.3, 0.8])
    def test_late_is_what_nine_in_ten_are_not(self, spread: float) -> None:
        estimate = replace(HUNDRED, spread=spread)

        assert ProgressBar(estimate).due(estimate.late_s - 0.1) is Due.NOW
        assert ProgressBar(estimate).due(estimate.late_s + 0.1) is Due.LATE
