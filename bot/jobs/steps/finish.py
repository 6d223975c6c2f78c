"""A card is to tell how its job ended, or where its video is: once."""

from __future__ import annotations

from bot.errors import PictureRefused
from bot.jobs.context import JobContext
from bot.models import Job, JobId, JobState
from bot.store import cards


async def close(context: JobContext, job: Job, *, refused: PictureRefused | None = None) -> None:
    """Makes the card's last edit and remembers that it is made. Where a video may still come, it is not the last.

    The fitted pictures go first: a stop in the moment in which it is remembered leaves none.
    """
    context.files.forget(job, keep_video=True)
    if job.card.request is not None:
        await _close_take(context, job, job.card.request, refused)
    elif not job.card.finished:
        await context.chat.finish(job, refused)
        if job.state is not JobState.TIMED_OUT:
            await context.persist(cards.finish(job.id, now=context.clock.now()))


async def _close_take(context: JobContext, job: Job, request: JobId, refused: PictureRefused | None) -> None:
    """Whoever carries the first take makes the edits, and remembers when the last is made."""
    if refused is not None:
        context.refused[request] = refused
    context.take_events.wake(request)
    if not job.card.finished:
        await context.chat.finish(job, refused)
    if job.id != request and not job.card.finished and job.state is not JobState.TIMED_OUT:
        await context.persist(cards.finish(job.id, now=context.clock.now()))
