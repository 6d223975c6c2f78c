"""How much a busy thread does before another, which waits for its turn, gets it."""

from __future__ import annotations

import statistics
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from bot import switch_interval

TURNS = 30
TRIES = 6
"""On a machine with much else to do one may tell nothing."""


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = sys.getswitchinterval()
    yield
    sys.setswitchinterval(before)


def done_between_turns() -> float:
    """What a busy thread counts while this one gives its turn away and waits for the next: the median.

    The machine may give either of them no time for a while, which makes single counts large or small.
    """
    done, ends = [0], threading.Event()

    def work() -> None:
        while not ends.is_set():
            done[0] += 1

    busy = threading.Thread(target=work)
    busy.start()
    while not done[0]:
        time.sleep(0)
    counts = []
    for _ in range(TURNS):
        before = done[0]
        time.sleep(0)  # gives the turn away, as each statement of the database does
        counts.append(done[0] - before)
    ends.set()
    busy.join()
    return statistics.median(counts)


def does_less_once_shortened() -> bool:
    sys.setswitchinterval(0.005)  # Python's own
    before = done_between_turns()
    switch_interval.set_switch_interval()
    return done_between_turns() * 2 < before


def test_a_busy_thread_does_far_less_before_it_lets_another_have_its_turn() -> None:
    assert any(does_less_once_shortened() for _ in range(TRIES))
