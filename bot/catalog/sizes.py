"""Aspect ratios and resolutions as sizes in pixels: what members choose, and what the picture is fitted to."""

from __future__ import annotations

import re

SHORT_SIDE = 720
"""Of a model that is told no resolution."""
_NAMED = {"1k": 1024, "2k": 1440, "4k": 2160}


def size_of(aspect_ratio: str, resolution: str | None) -> str:
    """ "720x1280" for "9:16" at "720p". Both sides are even, as encoders want them. Raises ValueError."""
    found = re.fullmatch(r"([1-9][0-9]{0,2}):([1-9][0-9]{0,2})", aspect_ratio, re.ASCII)
    if found is None:
        raise ValueError(f'"{aspect_ratio}" is not an aspect ratio, such as 9:16')
    width, height = int(found[1]), int(found[2])
    short = SHORT_SIDE if resolution is None else _short_side(resolution)
    scale = short / min(width, height)
    return f"{_even(width * scale)}x{_even(height * scale)}"


def _short_side(resolution: str) -> int:
    """In pixels: "720p", "768P" and "512" say it themselves."""
    if resolution.lower() in _NAMED:
        return _NAMED[resolution.lower()]
    found = re.fullmatch(r"([1-9][0-9]{2,3})p?", resolution, re.ASCII | re.IGNORECASE)
    if found is None:
        raise ValueError(f'"{resolution}" is not a resolution, such as 720p, 1080p or 4K')
    return int(found[1])


def _even(side: float) -> int:
    return 2 * round(side / 2)
