"""Memory that one thread has freed is there for the others."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

THREADS = 4
CODE = f"""
import ctypes, sys, threading
from bot import allocator

if sys.argv[1:]:
    allocator.share_one_arena()
taken = threading.Barrier({THREADS})
def take():
    ctypes.CDLL(None).malloc(1_000)
    taken.wait(10)
threads = [threading.Thread(target=take) for _ in range({THREADS})]
for each in threads:
    each.start()
for each in threads:
    each.join()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
libc.malloc_info(0, ctypes.c_void_p(libc.fdopen(1, b"w")))
libc.fflush(None)
"""


def arenas(*arguments: str) -> int:
    """In a process of its own, after threads have taken memory."""
    told = subprocess.run([sys.executable, "-c", CODE, *arguments], check=True, stdout=subprocess.PIPE, timeout=30)
    return told.stdout.count(b"<heap ")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has arenas")
def test_threads_take_memory_from_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)

    assert arenas() > 1
    assert arenas("shared") == 1
