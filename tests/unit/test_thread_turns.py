"""How much a busy thread does before another, which waits for its turn, gets it."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator

import pytest

from bot import thread_turns

TURNS = 30


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = sys.getswitchinterval()
    yield
    sys.setswitchinterval(before)


def done_between_turns() -> int:
    """What a thread that is always at work counts up to while this one gives its turn away and waits for the next."""
    done, ends = [0], threading.Event()

    def work() -> None:
        while not ends.is_set():
            done[0] += 1

    busy = threading.Thread(target=work)
    busy.start()
    for _ in range(TURNS):
        time.sleep(0)  # gives the turn away, as each statement of the database does
    ends.set()
    busy.join()
    return done[0]


def test_a_busy_thread_does_far_less_before_it_lets_another_have_its_turn() -> None:
    sys.setswitchinterval(0.005)  # Python's own
    before = done_between_turns()

    thread_turns.shorten()

    assert done_between_turns() * 3 < before
