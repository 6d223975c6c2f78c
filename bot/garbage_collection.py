"""When Python's garbage collector looks, and at what. Nothing else goes on meanwhile, the longer the more there is."""

from __future__ import annotations

import gc

YOUNG_OBJECTS = 10_000
"""So many more objects than before are looked at together. Python's own 700 come with every few commands."""
YOUNG_ROUNDS, MIDDLE_ROUNDS = 2, 50
"""After so many looks at the young, and at the middle-aged, come the next older. Python's own 10 and 10 let 100,000
objects gather in the middle, with thousands of jobs, and a look at those took 90 ms."""


def begin() -> None:
    """While the bot is loading nothing is looked for: what comes then is there to stay."""
    gc.disable()


def freeze() -> None:
    """What there is now is never looked at again: modules, servers, the jobs that were resumed."""
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, YOUNG_ROUNDS, MIDDLE_ROUNDS)
    gc.enable()
