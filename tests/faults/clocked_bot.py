"""The real bot on a host whose clock is off by as many seconds as a file says, which may change at any time.

HOST_CLOCK=file python tests/faults/clocked_bot.py
"""

from __future__ import annotations

import datetime as dt
import mmap
import os
import runpy
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SECONDS = struct.Struct("d")


def set_apart(ahead_s: Callable[[], float]) -> None:
    """Every clock of the wall that Python code asks is ahead by so much; clocks that only run forward are right."""
    true_s, true_ns = time.time, time.time_ns
    time.time = lambda: true_s() + ahead_s()
    time.time_ns = lambda: true_ns() + int(ahead_s() * 1e9)

    class Kind(type):
        def __instancecheck__(cls, thing: object) -> bool:
            return isinstance(thing, true_datetime)

    class Datetime(dt.datetime, metaclass=Kind):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Any:
            return cls.fromtimestamp(time.time(), tz)

    true_datetime = dt.datetime
    dt.datetime = Datetime  # type: ignore[misc]  # before anything of the bot is imported


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    with Path(os.environ["HOST_CLOCK"]).open("rb") as file:
        shared = mmap.mmap(file.fileno(), SECONDS.size, access=mmap.ACCESS_READ)
    set_apart(lambda: float(SECONDS.unpack_from(shared)[0]))
    runpy.run_module("bot", run_name="__main__", alter_sys=True)
