"""Shards of several processes that do not fit together are told to the person who runs the bot."""

from __future__ import annotations

import pytest

from bot.cluster.shard_check import OwnShards
from bot.shard_settings import MOST_SHARDS

LIMIT_BYTES = 8_000 - 50
"""Of what NOTIFY carries, without whose word it is."""


@pytest.mark.parametrize("count", [2, MOST_SHARDS])
def test_shards_that_are_each_in_one_process_are_fine(count: int) -> None:
    odd, even = (OwnShards(range(first, count, 2), count, "b") for first in (1, 0))

    assert odd.fault(even.told) is None
    assert even.fault(odd.told) is None
    assert len(odd.told) < LIMIT_BYTES


@pytest.mark.parametrize(("here", "there", "counts"), [(3, 2, "3 here and 2 in b"), (None, 2, "empty here and 2 in b")])
def test_two_numbers_of_shards_are_told(here: int | None, there: int | None, counts: str) -> None:
    assert OwnShards([0], here).fault(OwnShards([1], there, "b").told) == (
        f"SHARD_COUNT is {counts}: some servers are heard twice and others not at all."
        " Set the same number in all processes."
    )


@pytest.mark.parametrize(
    ("here", "there", "named"),
    [
        ([0, 1], [1, 2], "shard 1"),
        ([0, 1, 2], [1, 2], "shards 1, 2"),
        ([], [1, 2], "shards 1, 2"),
        ([], [], "every shard"),
        (range(30), range(40), f"shards {', '.join(map(str, range(20)))} and more"),
    ],
)
def test_a_shard_in_two_processes_is_told(here: list[int], there: list[int], named: str) -> None:
    assert OwnShards(here, 64).fault(OwnShards(there, 64, "b").told) == (
        f"SHARD_IDS of b has {named} of this process, too: their servers are heard twice."
        " Each shard should be in one process."
    )


def test_what_another_version_tells_is_no_fault() -> None:
    assert OwnShards([0], 2).fault("something else") is None
