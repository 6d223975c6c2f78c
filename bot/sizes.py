"""Sizes of videos and files, read and written. Standard library only."""

from __future__ import annotations

import functools
import math
import re


@functools.lru_cache(maxsize=256)
def parse_size(size: str) -> tuple[int, int]:
    """Width and height in pixels of a "720x1280". Raises ValueError on anything else."""
    found = re.fullmatch(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})", size, re.ASCII)
    if found is None:
        raise ValueError(f'"{size}" is not a size, such as 720x1280')
    return int(found[1]), int(found[2])


def shown_size(size: str) -> str:
    """A "720x1280" as people read it: "720×1280"."""
    return size.replace("x", "×")


def megabytes(size_bytes: int) -> float:
    """As Discord counts them, rounded up: what is over a limit never reads as the limit. One decimal below 10."""
    size = size_bytes / 1024**2
    return math.ceil(size * 10) / 10 if size < 10 else math.ceil(size)
