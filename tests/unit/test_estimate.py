"""When to look at a render: what earlier ones foretell, and that no history, however wrong, starves or storms."""

from __future__ import annotations

import math
import random
import statistics
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.jobs import backoff
from bot.jobs.estimate import LEAST_KNOWN, Estimate, estimate, observed_s
from bot.jobs.render_times import KEPT, RECENT, RenderTimes
from bot.store.jobs import Render
from tests.builders import NOON, a_spec

SECONDS = st.floats(0.001, 100_000)
HISTORIES = st.lists(SECONDS, min_size=LEAST_KNOWN, max_size=40)


def known(took_s: list[float]) -> Estimate:
    found = estimate(took_s)
    assert found is not None
    return found


def polls(takes_s: float, plan: Estimate | None, *, least_s: float = 5.0, seed: int = 1) -> tuple[list[float], float]:
    """Every pause until a render of this length is found done, and how late that is."""
    at_s, pauses, rng = 0.0, [], random.Random(seed)
    while at_s < takes_s:
        planned_s = 0.0 if plan is None else plan.next_look_s(at_s, least_s)
        pauses.append(backoff.poll_pause(least_s, planned_s, None, 0, rng))
        at_s += pauses[-1]
    return pauses, at_s - takes_s


def a_render(took_s: float, *, ended_s: float = 0.0, **changes: object) -> Render:
    spec = a_spec(size="720x1280", **changes)
    took, ended_at = timedelta(seconds=took_s), NOON + timedelta(seconds=ended_s)
    return Render(spec.model, spec.seconds, spec.size, ended_at, took)


class TestEstimate:
    def test_too_few_durations_foretell_nothing(self) -> None:
        assert estimate([60.0] * (LEAST_KNOWN - 1)) is None

    @settings(deadline=None)
    @given(took_s=HISTORIES, order=st.randoms(use_true_random=False))
    def test_it_is_their_median_in_whatever_order_they_came(self, took_s: list[float], order: random.Random) -> None:
        shuffled = list(took_s)
        order.shuffle(shuffled)

        assert known(took_s).median_s == known(shuffled).median_s == statistics.median(took_s)

    @settings(deadline=None)
    @given(took_s=HISTORIES)
    def test_half_have_ended_at_the_median_and_nine_in_ten_when_one_is_late(self, took_s: list[float]) -> None:
        found = known(took_s)

        assert found.left_s(0.0) == pytest.approx(found.median_s)
        assert found.left_s(found.late_s) > 0
        assert found.late_s > found.median_s

    def test_wider_durations_make_a_later_hour_still_likely(self) -> None:
        narrow, wide = known([95.0, 100.0, 105.0] * 5), known([50.0, 100.0, 200.0] * 5)

        assert wide.late_s > narrow.late_s
        assert wide.next_look_s(0.0, 5.0) < narrow.next_look_s(0.0, 5.0)

    @settings(deadline=None)
    @given(took_s=HISTORIES, elapsed=st.floats(0.0, 99.0), later=st.floats(1.1, 2.0))
    def test_what_is_overdue_is_believed_to_take_longer_and_longer(
        self, took_s: list[float], elapsed: float, later: float
    ) -> None:
        found = known(took_s)
        overdue_s = found.late_s + elapsed * found.median_s

        assert found.left_s(overdue_s * later) >= found.left_s(overdue_s)


class TestPlan:
    def test_it_looks_seldom_before_the_end_is_plausible_and_often_when_it_is_due(self) -> None:
        first, *rest = polls(170.0, known([70.0, 80.0, 90.0, 100.0, 110.0, 125.0, 140.0] * 2))[0]
        closer, often = rest[:3], rest[3:]

        assert 80.0 < first < 100.0
        assert closer == sorted(closer, reverse=True)
        assert len(often) >= 9
        assert all(5.0 <= pause < 6.5 for pause in often)

    @settings(deadline=None)
    @given(took_s=HISTORIES)
    def test_the_first_look_is_not_later_than_when_three_in_five_have_ended(self, took_s: list[float]) -> None:
        found = known(took_s)

        assert found.next_look_s(0.0, 5.0) <= max(1.25 * found.median_s * 1.5 ** (found.spread / 1.7), 5.0) + 5.0

    def test_a_video_of_minutes_is_not_looked_at_every_minute(self) -> None:
        pauses, _ = polls(200.0, known([180.0, 200.0, 220.0] * 4))

        assert 115.0 < pauses[0] < 125.0

    def test_without_a_history_it_asks_as_often_as_it_may(self) -> None:
        pauses, late_s = polls(100.0, None)

        assert all(5.0 <= pause <= 5.5 for pause in pauses)
        assert late_s <= 5.5

    def test_on_a_slow_day_the_looks_grow_seldom(self) -> None:
        pauses, late_s = polls(400.0, known([95.0, 100.0, 105.0] * 5))

        assert len(pauses) < 400 / 5 * 0.6
        assert late_s < 0.1 * 400

    @settings(deadline=None)
    @given(took_s=HISTORIES, takes_s=st.floats(0.001, 2_000), least_s=st.floats(1.0, 600), seed=st.integers())
    def test_whatever_the_history_says_no_pause_is_too_short_or_too_long(
        self, took_s: list[float], takes_s: float, least_s: float, seed: int
    ) -> None:
        pauses, late_s = polls(takes_s, known(took_s), least_s=least_s, seed=seed)
        longest_s = max(backoff.LONGEST_PLANNED_S, least_s) + 0.1 * least_s

        assert all(least_s <= pause <= longest_s for pause in pauses)
        assert late_s <= longest_s

    @settings(deadline=None)
    @given(took_s=HISTORIES, elapsed_s=st.floats(-1_000, 1e9), least_s=st.floats(0.001, 3_600))
    def test_a_look_always_lies_ahead(self, took_s: list[float], elapsed_s: float, least_s: float) -> None:
        assert known(took_s).next_look_s(elapsed_s, least_s) > 0

    def test_the_same_randomness_makes_the_same_plan(self) -> None:
        plan = known([60.0, 70.0, 90.0])

        assert polls(80.0, plan, seed=7) == polls(80.0, plan, seed=7)

    @settings(deadline=None)
    @given(asked_s=st.floats(0.0, 600), planned_s=st.floats(0.0, 600), errors=st.integers(0, 40), seed=st.integers())
    def test_what_the_provider_asks_for_is_kept_up_to_a_minute_and_the_plan_up_to_two(
        self, asked_s: float, planned_s: float, errors: int, seed: int
    ) -> None:
        pause = backoff.poll_pause(5.0, planned_s, asked_s, errors, random.Random(seed))

        assert max(5.0, min(asked_s, 60.0), min(planned_s, 120.0)) <= pause <= max(66.0, min(planned_s, 120.0) * 1.1)

    def test_many_jobs_share_what_one_process_may_ask(self) -> None:
        assert backoff.least_pause(5.0, 20) == 5.0
        assert backoff.least_pause(5.0, 10_000) == 10_000 / backoff.POLLS_A_SECOND > 5.0

    def test_errors_make_the_pauses_longer_and_longer_up_to_a_minute(self) -> None:
        rng = random.Random(1)
        pauses = [backoff.poll_pause(5.0, 0.0, None, errors, rng) for errors in range(8)]

        assert [round(pause / 5) for pause in pauses] == [1, 1, 2, 4, 8, 12, 12, 12]


class TestObserved:
    def test_a_render_ended_between_two_looks_and_the_middle_is_taken(self) -> None:
        assert observed_s(60.0, 70.0, 10.0) == 65.0

    def test_what_the_first_look_finds_done_took_most_of_the_time(self) -> None:
        assert observed_s(0.0, 60.0, 60.0) == 45.0

    @pytest.mark.parametrize("done_s", [100.1, 3_000.0])
    def test_a_machine_that_slept_tells_only_a_bound(self, done_s: float) -> None:
        assert observed_s(85.0, done_s, 10.0) is None

    def test_a_clock_set_back_tells_nothing(self) -> None:
        assert observed_s(85.0, 84.0, 10.0) is None

    def test_a_service_that_became_faster_is_found_out(self) -> None:
        took_s = [200.0] * RECENT
        for _ in range(5 * RECENT):
            pauses, _ = polls(40.0, known(took_s[-RECENT:]))
            found = observed_s(sum(pauses[:-1]), sum(pauses), pauses[-1])
            assert found is not None
            took_s.append(found)

        assert known(took_s[-RECENT:]).median_s == pytest.approx(40.0, abs=5.0)


class TestDurations:
    def test_each_kind_of_video_has_its_own_and_both_orientations_share_one(self) -> None:
        render_times = RenderTimes()
        render_times.learn(a_render(took_s) for took_s in (60.0, 61.0, 62.0))
        render_times.learn(a_render(took_s, seconds=8) for took_s in (90.0, 91.0, 92.0))

        four, eight = (render_times.estimate(a_spec(seconds=n, size="1280x720"), NOON) for n in (4, 8))
        assert four is not None
        assert eight is not None
        assert (four.median_s, eight.median_s) == (61.0, 91.0)
        assert render_times.estimate(a_spec(size="1024x1792"), NOON) is None
        assert render_times.estimate(a_spec(size="720x1280", model="sora-2-pro"), NOON) is None

    def test_what_all_processes_have_observed_takes_the_place_of_what_one_has(self) -> None:
        render_times = RenderTimes()
        render_times.learn(a_render(300.0) for _ in range(3))

        render_times.become(a_render(60.0) for _ in range(3))

        found = render_times.estimate(a_spec(size="720x1280"), NOON)
        assert found is not None
        assert found.median_s == 60.0

    def test_the_most_recent_decide(self) -> None:
        render_times = RenderTimes()
        render_times.learn(a_render(60.0, ended_s=n) for n in range(100))
        render_times.learn(a_render(200.0, ended_s=100 + n) for n in range(RECENT // 2 + 1))

        found = render_times.estimate(a_spec(size="720x1280"), NOON + timedelta(seconds=200))
        assert found is not None
        assert found.median_s == 200.0

    def test_a_job_goes_by_what_was_known_when_it_was_sent(self) -> None:
        render_times = RenderTimes()
        render_times.learn(a_render(60.0, ended_s=n) for n in range(5))
        spec, sent_at = a_spec(size="720x1280"), NOON + timedelta(seconds=10)
        before = render_times.estimate(spec, sent_at)

        render_times.learn(a_render(200.0, ended_s=20 + n) for n in range(50))

        assert render_times.estimate(spec, sent_at) == before
        assert before is not None

    def test_memory_is_bounded(self) -> None:
        render_times = RenderTimes()
        render_times.learn(a_render(60.0, ended_s=n) for n in range(3 * KEPT))

        assert render_times.estimate(a_spec(size="720x1280"), NOON + timedelta(seconds=KEPT)) is None
        assert math.isclose(known([60.0] * RECENT).median_s, 60.0)


@given(st.floats(1.0, 300.0), st.floats(0.0, 1e6))
def test_long_pauses_end_together_and_none_ends_early_or_noticeably_late(pause_s: float, now_s: float) -> None:
    ends_s = now_s + backoff.together(pause_s, now_s)

    assert -1e-6 <= ends_s - (now_s + pause_s) <= pause_s / 100 + 1e-6
    if pause_s >= 100 * backoff.TOGETHER_S:
        assert abs(ends_s / backoff.TOGETHER_S - round(ends_s / backoff.TOGETHER_S)) < 1e-4
