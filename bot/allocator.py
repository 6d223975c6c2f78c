"""How the C library hands out memory. Python's own part of it, what its collector looks at, is `garbage_collection`."""

from __future__ import annotations

import contextlib
import ctypes
import os

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
"""https://man7.org/linux/man-pages/man3/mallopt.3.html"""
LARGE_BYTES = 128 * 1024


def keep_little() -> None:
    """What is freed can be used by all threads, or goes back to the system; to be called before threads begin.

    By itself glibc gives each thread an arena of its own, and what is freed in one stays there: the bot held 1 to 2 MiB
    for each thread that had once read a picture or a video. And after the first large block it takes such blocks from
    the heap, where each small one behind them keeps the room from being given back; asyncio asks for 256 KiB for
    whatever it reads. Variables of glibc's own go before; other C libraries know nothing of this.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        if "MALLOC_ARENA_MAX" not in os.environ:
            mallopt(_M_ARENA_MAX, 1)
        if "MALLOC_MMAP_THRESHOLD_" not in os.environ:
            mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)
