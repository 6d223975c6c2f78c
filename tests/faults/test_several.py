"""The short run of the fault harness with several processes; the long one is `benchmarks/faults.py --processes 3`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import several

pytestmark = [pytest.mark.postgres, pytest.mark.thorough, pytest.mark.timeout(240)]


async def test_no_promise_breaks_while_processes_are_killed_frozen_and_rolled(tmp_path: Path) -> None:
    outcome = await several.play(1, 1, provider="openai", lasts_s=8.0, keep=tmp_path)

    assert outcome.verdict.broken == []
    assert outcome.verdict.jobs > 0
    assert len(outcome.hand_overs) >= 1
