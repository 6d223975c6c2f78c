"""The bar of a render: never backwards, never full, also over a restart; and what a card says of the end."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.jobs.forecast import Forecast
from bot.jobs.port import Due
from bot.jobs.progress import Bar

HUNDRED = Forecast(median_s=100.0, spread=0.2)

SAID = st.lists(st.tuples(st.floats(0.1, 30.0), st.none() | st.integers(0, 100)), max_size=30)
"""Pauses, and what the provider says after each."""
FORECASTS = st.none() | st.builds(Forecast, median_s=st.floats(1.0, 500.0), spread=st.floats(0.08, 0.8))


class TestBar:
    def test_without_a_history_it_is_what_the_provider_says(self) -> None:
        bar = Bar(None)
        shown = []
        for at_s, said in ((5.0, None), (10.0, 30), (15.0, 20), (20.0, 100)):
            bar = bar.told(said, at_s)
            shown.append(bar.percent(at_s))

        assert shown == [0, 30, 30, 99]

    def test_where_the_provider_says_nothing_time_moves_it(self) -> None:
        bar = Bar(HUNDRED)

        assert [bar.percent(at_s) for at_s in (0.0, 26.0, 51.0, 100.0, 102.0, 1e6)] == [0, 25, 50, 95, 99, 99]

    def test_where_the_provider_jumps_and_stands_still_time_moves_it_slowly_on(self) -> None:
        bar = Bar(HUNDRED).told(90, 5.0)

        assert [bar.percent(at_s) for at_s in (5.0, 50.0, 60.0, 101.0)] == [90, 90, 95, 95]

    def test_a_provider_that_is_slower_than_usual_is_believed(self) -> None:
        bar = Bar(HUNDRED)
        for said in range(1, 41):
            bar = bar.told(said, said * 2.5)

        assert bar.percent(100.0) == 40

    @given(forecast=FORECASTS, said=SAID)
    def test_it_never_goes_back_and_is_never_full(
        self, forecast: Forecast | None, said: list[tuple[float, int | None]]
    ) -> None:
        bar, at_s, shown = Bar(forecast), 0.0, []
        for pause_s, percent in said:
            shown += [bar.percent(at_s + pause_s * part / 4) for part in range(5)]
            at_s += pause_s
            bar = bar.told(percent, at_s)
            shown.append(bar.percent(at_s))

        assert shown == sorted(shown)
        assert all(0 <= percent <= 99 for percent in shown)

    @given(forecast=FORECASTS, said=SAID, down_s=st.floats(0.0, 100.0))
    def test_a_restart_does_not_take_it_back(
        self, forecast: Forecast | None, said: list[tuple[float, int | None]], down_s: float
    ) -> None:
        """The new process knows when the job was sent, and what the provider says now: as much as before, or more."""
        bar, at_s, highest = Bar(forecast), 0.0, 0
        for pause_s, percent in said:
            at_s += pause_s
            highest = max(highest, percent or 0)
            bar = bar.told(percent, at_s)
        before = bar.percent(at_s)

        assert Bar(forecast).told(highest, 0.0).percent(at_s + down_s) >= before

    @given(forecast=FORECASTS, said=SAID)
    def test_nothing_changes_before_it_says_so(
        self, forecast: Forecast | None, said: list[tuple[float, int | None]]
    ) -> None:
        bar, at_s = Bar(forecast), 0.0
        for pause_s, percent in said:
            at_s += pause_s
            bar = bar.told(percent, at_s)
        seen = (bar.percent(at_s), bar.due(at_s))
        wait_s = min(bar.next_change_s(at_s), 1e6)

        assert wait_s > 0
        assert (bar.percent(at_s + 0.99 * wait_s), bar.due(at_s + 0.99 * wait_s)) == seen

    def test_all_its_changes_are_few(self) -> None:
        at_s, changes = 0.0, 0
        while (wait_s := Bar(HUNDRED).next_change_s(at_s)) < 1e6:
            at_s += wait_s + 1e-6
            changes += 1

        assert 20 <= changes <= 23


class TestDue:
    def test_the_end_is_ahead_then_due_then_late(self) -> None:
        bar = Bar(HUNDRED)

        assert [bar.due(at_s) for at_s in (0.0, 99.0, 101.0, 1e4)] == [Due.AHEAD, Due.AHEAD, Due.NOW, Due.LATE]

    def test_without_a_history_nothing_is_said_of_it(self) -> None:
        assert Bar(None).due(50.0) is None
        assert Bar(None).next_change_s(50.0) == float("inf")

    @pytest.mark.parametrize("spread", [0.08, 0.3, 0.8])
    def test_late_is_what_nine_in_ten_are_not(self, spread: float) -> None:
        forecast = replace(HUNDRED, spread=spread)

        assert Bar(forecast).due(forecast.late_s - 0.1) is Due.NOW
        assert Bar(forecast).due(forecast.late_s + 0.1) is Due.LATE
