"""The soak's judgment: what grows is found, what varies is not taken for growth, and too little is said to be."""

from __future__ import annotations

import random

import pytest

from benchmarks.slopes import Reading, Verdict, slope_of

HOUR = 3600.0


def life(
    start: float, *, level: float, per_hour: float, noise: float, seed: int = 1, seconds: int = 900
) -> list[Reading]:
    rng = random.Random(seed)
    return [(start + n, level + per_hour * n / HOUR + rng.gauss(0, noise)) for n in range(seconds)]


def test_a_slope_is_found_and_lies_within_its_bounds() -> None:
    found = slope_of([life(0, level=80, per_hour=12, noise=1)])

    assert found.low < 12 / HOUR < found.high
    assert found.verdict(allowed=4 / HOUR) is Verdict.GROWS
    assert found.verdict(allowed=40 / HOUR) is Verdict.FLAT


def test_what_only_varies_is_flat_although_a_restart_changes_its_level() -> None:
    found = slope_of([life(0, level=80, per_hour=0, noise=1), life(1000, level=120, per_hour=0, noise=1, seed=2)])

    assert found.low < 0 < found.high
    assert found.mean == pytest.approx(100, abs=0.5)
    assert found.verdict(allowed=4 / HOUR) is Verdict.FLAT


def test_what_grows_in_each_life_grows_although_a_restart_brings_it_down() -> None:
    lives = [life(start, level=80, per_hour=12, noise=1, seed=int(start)) for start in (0, 1000, 2000)]

    assert slope_of(lives).verdict(allowed=4 / HOUR) is Verdict.GROWS


def test_what_is_too_noisy_for_its_time_is_undecided() -> None:
    assert (
        slope_of([life(0, level=80, per_hour=0, noise=30, seed=4, seconds=60)]).verdict(4 / HOUR) is Verdict.UNDECIDED
    )


def test_bounds_hold_about_as_often_as_they_say() -> None:
    found = [slope_of([life(0, level=80, per_hour=3, noise=2, seed=seed, seconds=120)]) for seed in range(200)]

    assert 175 < sum(each.low < 3 / HOUR < each.high for each in found) <= 200


def test_too_few_readings_are_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        slope_of([life(0, level=80, per_hour=0, noise=1, seconds=5)])
