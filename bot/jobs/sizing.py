"""A finished video made to fit where it is shown."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bot.jobs.desk import Desk
from bot.models import Job

MOST_SIZES = 8
"""Each smaller than the one before, where Discord takes less than it has announced."""


async def fitted(desk: Desk, job: Job, video: Path, limit_bytes: int) -> Path | None:
    """The video, or one of at most so many bytes; None where none can be made well."""
    small = desk.files.shrunk(job)
    if await asyncio.to_thread(size_of, video) <= limit_bytes:
        return video
    if 0 < await asyncio.to_thread(size_of, small) <= limit_bytes:
        return small
    return small if await desk.shrinker.shrink(video, small, limit_bytes) else None


def size_of(path: Path) -> int:
    """In bytes; 0 where there is none."""
    return path.stat().st_size if path.exists() else 0
