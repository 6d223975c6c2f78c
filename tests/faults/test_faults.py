"""The short run of the fault harness: a few storms of a fixed seed; the long one is `benchmarks/faults.py`."""

from __future__ import annotations

import pytest

from tests.faults.kinds import KINDS
from tests.faults.runs import draw, play
from tests.faults.table import Tally, story
from tests.thorough import mostly_thorough

SEED = 1
STORMS = {
    "process": (19, ("kill -9", "locked database", "host's clock set"), ("openai",)),
    "provider": (2, ("provider outage", "provider cuts", "key changed"), ("openai", "fal", "comfy-router", "comfyui")),
    "discord": (2, ("Discord 5xx", "Discord took it, said 5xx", "edge pages", "INVALID_SESSION"), ("openrouter",)),
    "routes": (19, ("dead tokens", "removed cards", "archived threads", "raced deliveries"), ("gptproto", "comfy-api")),
}
"""Faults that strike together, of every group some, the number of the run they strike in, and the providers in use."""


@pytest.mark.parametrize("storm", mostly_thorough(STORMS, by_default=["process"]))
async def test_no_promise_breaks_in_a_storm(storm: str) -> None:
    run, kinds, providers = STORMS[storm]

    outcome = await play(draw(SEED, run, kinds=kinds, providers=providers))

    assert outcome.verdict.broken == [], f"{story(outcome)}\n{outcome.log}"
    assert outcome.verdict.outcomes.total() > 0
    assert set(outcome.struck) <= set(kinds)


def test_a_run_is_drawn_alike_every_time_and_unlike_the_others() -> None:
    assert draw(1, 5) == draw(1, 5)
    assert len({repr(draw(seed, run)) for seed in (1, 2) for run in range(20)}) == 40


def test_every_fault_is_drawn_sooner_or_later() -> None:
    plans = [draw(1, run) for run in range(120)]

    assert {name for plan in plans for name in (*(n for _, n in plan.strikes), *plan.skipped)} == set(KINDS)


def test_the_table_names_every_fault() -> None:
    table = Tally().table()

    assert all(name in table for name in KINDS)
