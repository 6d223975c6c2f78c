"""When Python's garbage collector looks, and at what. Nothing else goes on meanwhile, the longer the more there is."""

from __future__ import annotations

import gc

YOUNG_OBJECTS = 10_000
"""So many more objects than before are looked at together. Python's own 700 come with every few commands."""


def begin() -> None:
    """While the bot is loading nothing is looked for: what comes then is there to stay."""
    gc.disable()


def settle() -> None:
    """What there is now is never looked at again: modules, servers, the jobs that were resumed."""
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])
    gc.enable()
