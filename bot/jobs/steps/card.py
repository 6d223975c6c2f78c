"""A job's card is known: stored, listed where the server's admins want it, and a newcomer is told where things go."""

from __future__ import annotations

import logging

from bot.errors import StoreUnavailable
from bot.jobs.context import JobContext
from bot.models import Job, MessageId
from bot.store import cards, server_settings, users

log = logging.getLogger(__name__)


async def place(context: JobContext, job: Job, message: MessageId, *, ephemeral: bool) -> Job | None:
    """The job with its message, as stored."""
    seen_at = context.clock.now() if ephemeral else None
    placed = await context.persist(cards.place(job.id, message, ephemeral_at=seen_at))
    if placed is not None:
        if placed.card.request is not None:
            context.take_events.wake(placed.card.request)
        await _list(context, placed)
    return placed


async def _list(context: JobContext, job: Job) -> None:
    try:
        server = await context.store.read(server_settings.server(job.scope))
    except StoreUnavailable as error:
        log.warning("job=%s not listed in the log channel: %s", job.id, error)
        return
    if server.log_channel is not None:
        context.chat.log_job(job, server.log_channel)


async def introduce(context: JobContext, job: Job) -> None:
    """Once a member, ever, where something of theirs has been sent to the video service.

    Only the command's token can tell them alone: where it has expired, the next job does.
    """
    now = context.clock.now()
    if job.card.token is None or now >= job.card.token_ends_at:
        return
    try:
        if await context.store.read(users.was_shown_privacy_note(job.member)):
            return
        if await context.store.write(users.claim_privacy_note(job.member, now=now)):
            context.chat.introduce(job)
    except StoreUnavailable as error:
        log.warning("job=%s the member was not told where the picture is sent: %s", job.id, error)
