"""Memory that one thread has freed is there for the others."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

THREADS = 4
GROWN = """
import ctypes, sys
from bot import allocator

if sys.argv[1:]:
    allocator.keep_little()
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.sbrk.restype = ctypes.c_void_p
libc.free(ctypes.c_void_p(libc.malloc(1 << 20)))
before = libc.sbrk(0)
libc.malloc(1 << 20)
print(libc.sbrk(0) - before)
"""
CODE = f"""
import ctypes, sys, threading
from bot import allocator

if sys.argv[1:]:
    allocator.keep_little()
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


def grown_bytes(*arguments: str) -> int:
    """Of the heap, in a process of its own, by a large block after another one was freed."""
    told = subprocess.run([sys.executable, "-c", GROWN, *arguments], check=True, stdout=subprocess.PIPE, timeout=30)
    return int(told.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="what others do is their own")
def test_large_blocks_are_not_taken_from_the_heap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MALLOC_MMAP_THRESHOLD_", raising=False)

    assert grown_bytes() > 0
    assert grown_bytes("little") == 0
