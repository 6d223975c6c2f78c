"""A job that ended without a video: its card says so, once."""

from __future__ import annotations

from bot.errors import PictureRefused
from bot.jobs.desk import Desk
from bot.models import Job
from bot.store import cards


async def close(desk: Desk, job: Job, *, refused: PictureRefused | None = None) -> None:
    """Makes the card's last edit and remembers that it is made."""
    if not job.card.finished:
        await desk.chat.finish(job, refused)
        await desk.persist(cards.finish(job.id, now=desk.clock.now()))
    desk.files.forget(job, keep_video=True)
