"""A finished video made to fit and to play where it is shown."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bot.jobs.context import JobContext
from bot.models import Job

MOST_SIZES = 8
"""Each smaller than the one before, where Discord takes less than it has announced."""


async def fitted(context: JobContext, job: Job, video: Path, limit_bytes: int) -> Path | None:
    """The video, or one encoded again: of at most so many bytes, and playing everywhere where that can be had.

    None where it cannot be made to fit well.
    """
    found = await context.transcoder.prepare(video, context.files.transcoded(job), limit_bytes)
    return found if await asyncio.to_thread(size_of, found) <= limit_bytes else None


def size_of(path: Path) -> int:
    """In bytes; 0 where there is none."""
    return path.stat().st_size if path.exists() else 0
