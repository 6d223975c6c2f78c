"""A card is to tell how its job ended, or where its video is: once."""

from __future__ import annotations

from bot.errors import PictureRefused
from bot.jobs.context import JobContext
from bot.models import Job, JobState
from bot.store import cards


async def close(context: JobContext, job: Job, *, refused: PictureRefused | None = None) -> None:
    """Makes the card's last edit and remembers that it is made. Where a video may still come, it is not the last.

    The fitted pictures go first: a stop in the moment in which it is remembered leaves none.
    """
    context.files.forget(job, keep_video=True)
    if not job.card.finished:
        await context.chat.finish(job, refused)
        if job.state is not JobState.TIMED_OUT:
            await context.persist(cards.finish(job.id, now=context.clock.now()))
