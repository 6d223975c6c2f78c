"""How the C library hands out memory. Python's own part of it, what its collector looks at, is `garbage_collection`."""

from __future__ import annotations

import contextlib
import ctypes
import os

_M_ARENA_MAX = -8
"""https://man7.org/linux/man-pages/man3/mallopt.3.html"""


def share_one_arena() -> None:
    """All threads take memory from one place, from here on; before the first of them begins.

    By itself glibc gives each thread an arena of its own, and what is freed in one stays there: the bot held 1 to 2 MiB
    for each thread that had once read a picture or a video, 24 threads on a machine with 20 cores. Threads of Python
    seldom take memory at the same moment. MALLOC_ARENA_MAX goes before; other C libraries know nothing of this.
    """
    if "MALLOC_ARENA_MAX" not in os.environ:
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
