"""From the reservation to the provider: the card, the picture, the queue, and the one paid request."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

from bot.errors import ChatUnavailable, PictureRefused, VideoOutcomeUnknown, VideoRejected, VideoUnavailable
from bot.jobs import backoff
from bot.jobs.circuit_breaker import Outcome
from bot.jobs.context import JobContext
from bot.jobs.protocols import HoldReason, QueuePosition
from bot.jobs.steps.card import introduce, place
from bot.jobs.steps.finish import close
from bot.jobs.steps.prepare import prepare
from bot.models import FailureKind, Job, JobState, Ticket
from bot.providers.protocols import ClipRequest

log = logging.getLogger(__name__)

ANSWER_SETTLES = timedelta(seconds=5)
"""Discord takes no first answer later than 3 s after the interaction; then a missing card stays missing."""
ROOM_PAUSE_S = 30.0
FORBIDDEN = 403
PAYMENT_STATUSES = (400, 402, 403, 422)
"""Where a refused payment may be about one job alone; any other answer says it of the account in so many words."""


async def wait(context: JobContext, job: Job) -> Job | None:
    """Carries a waiting job to the provider; its next state, or None where it is over."""
    left = context.timing.queue_timeout - context.clock.since(job.created_at)
    if left <= timedelta():  # else nothing below may suspend, and so notice
        return await context.end(job, JobState.FAILED, FailureKind.QUEUE_TIMEOUT)
    try:
        async with asyncio.timeout(left.total_seconds()):
            placed = await _place(context, job)
            if placed is None:
                return await context.end(job, JobState.CANCELLED, FailureKind.NO_CARD)
            if placed.state is not JobState.WAITING:  # cancelled while its card was looked for
                return placed
            await _room(context)  # the fitted picture needs a place, too
            job = await prepare(context, placed)
            if job.not_before is not None:
                hold = HoldReason.KEY if context.videos.faults() else HoldReason.RETRY
                context.chat.show(job, QueuePosition(starts_at=job.not_before, hold=hold))
                left = min(job.not_before - context.clock.now(), context.timing.resubmit_for)  # a clock was set, say
                await context.clock.sleep(left.total_seconds())
            await _room(context)
            await context.queue.acquire(job)
    except TimeoutError:
        return await context.end(job, JobState.FAILED, FailureKind.QUEUE_TIMEOUT)
    except PictureRefused as error:
        log.info("job=%s picture refused: %s", job.id, error)
        failed = await context.end(job, JobState.FAILED, FailureKind.PICTURE)
        if failed is not None:
            await close(context, failed, refused=error)
        return None
    return await _send(context, job)


async def _place(context: JobContext, job: Job) -> Job | None:
    """The job with its card's message in the store; None when the answer at Discord is not ours."""
    if job.card.message is not None:
        return job
    tries = 0
    while True:
        try:
            found = await context.chat.find_card(job)
        except ChatUnavailable as error:
            log.warning("job=%s could not find out whether its card exists: %s", job.id, error)
            await context.clock.sleep(backoff.retry_pause(tries, context.rng))
            tries += 1
            continue
        if found is not None:
            return await place(context, job, found.message, ephemeral=found.ephemeral) if found.is_ours else None
        settles_in = (ANSWER_SETTLES - context.clock.since(job.created_at)).total_seconds()
        if settles_in <= 0:
            return None
        await context.clock.sleep(settles_in)  # then it is asked once more: each such question is a refused request


async def _room(context: JobContext) -> None:
    while not context.files.has_room():
        log.error("too little space in DATA_DIR: nothing is sent to the provider until there is more")
        await context.clock.sleep(ROOM_PAUSE_S)


async def _send(context: JobContext, job: Job) -> Job | None:
    """Builds the whole request, and hands the slot that is held over to the create."""
    create: asyncio.Task[Job | None] | None = None
    try:
        picture = await context.files.read_picture(job)
        if picture is None or job.spec.size is None or context.queue.is_closed:
            return job  # the picture went missing and is fetched again, or the bot is stopping
        spec = job.spec
        request = ClipRequest(spec.model, spec.prompt, spec.seconds, job.spec.size, picture)
        create = context.protect(job.id, _submit(context, job, request))
    finally:
        if create is None:
            context.queue.release(job)
    sent = await asyncio.shield(create)
    if sent is not None and sent.last_sent_at is not None and sent.state is not JobState.WAITING:
        await introduce(context, sent)
    return sent


async def _submit(context: JobContext, job: Job, request: ClipRequest) -> Job | None:
    """One create, from the intent to what came of it in the store; owns the slot until the state says who does."""
    moved: Job | None = None
    try:
        moved = await _intend(context, job)
        if moved is not None and moved.state is JobState.SUBMITTING:
            moved = await _create(context, moved, request)
    finally:
        if moved is None or not moved.state.holds_slot:
            context.queue.release(job)
    return moved


async def _intend(context: JobContext, job: Job) -> Job | None:
    """The intent in the store: submitting, unless the job may not go any more."""
    if context.clock.since(job.created_at) >= context.timing.queue_timeout:  # the machine slept, say
        return await context.end(job, JobState.FAILED, FailureKind.QUEUE_TIMEOUT)
    now = context.clock.now()
    sent = await context.move(
        job,
        JobState.SUBMITTING,
        first_sent_at=job.first_sent_at or now,
        last_sent_at=now,
        not_before=None,
        # It may have been reserved under another setting, and is asked for where it is.
        endpoint=context.videos.endpoint,
    )
    if sent is None:  # cancelled in the meantime
        return await context.reload(job)
    if context.queue.is_closed:  # the bot was told to stop while this was written: certainly nothing made
        return await context.move(sent, JobState.WAITING, first_sent_at=job.first_sent_at, not_before=job.not_before)
    return sent


async def _create(context: JobContext, job: Job, request: ClipRequest) -> Job | None:
    """The only paid request of this program, then its outcome in the store. Nothing is awaited before it."""
    context.chat.show(job)
    try:
        ticket = Ticket(await context.videos.create(request))
    except VideoUnavailable as error:
        context.circuit_breaker.report(job, Outcome.NOT_TAKEN)
        return await _send_later(context, job, error)
    except VideoRejected as error:
        log.warning("job=%s refused by the provider kind=%s: %s", job.id, error.kind, error.provider_text)
        context.circuit_breaker.report(job, await _outcome_of(context, error))
        return await context.end(job, JobState.FAILED, error.kind)
    except VideoOutcomeUnknown as error:
        log.error("job=%s outcome unknown, never sent again: %s", job.id, error.provider_text)  # noqa: TRY400 - expected
        if error.provider_id is not None:  # something may come of it: refunded as lost, and asked for like a late one
            context.circuit_breaker.report(job, Outcome.LOST)
            named = await context.move(job, JobState.RENDERING, ticket=error.provider_id)
            return named and await context.end(named, JobState.TIMED_OUT, FailureKind.LOST_ANSWER)
    except Exception:
        log.exception("job=%s outcome unknown, never sent again", job.id)
    else:
        log.info("job=%s provider_id=%s", job.id, ticket)
        context.circuit_breaker.report(job, Outcome.TAKEN)
        return await context.move(job, JobState.RENDERING, ticket=ticket)
    context.circuit_breaker.report(job, Outcome.LOST)
    return await context.end(job, JobState.UNKNOWN, FailureKind.LOST_ANSWER)


async def _outcome_of(context: JobContext, error: VideoRejected) -> Outcome:
    """A refused key is confirmed by a question that costs nothing; anything else but payment is about the job."""
    match error.kind:
        case FailureKind.KEY:
            return await ask_key(context)
        case FailureKind.BALANCE if error.http_status == FORBIDDEN and not error.is_said:
            return Outcome.FORBIDDEN
        case FailureKind.BALANCE if error.http_status in PAYMENT_STATUSES:
            return Outcome.PAYMENT_REFUSED
        case FailureKind.BALANCE:
            return Outcome.BALANCE_EMPTY
        case _:
            return Outcome.REFUSED


async def ask_key(context: JobContext) -> Outcome:
    """What the provider says of the key, whatever it said of a job."""
    try:
        await context.videos.settle_auth()
    except VideoRejected:
        return Outcome.KEY_REFUSED
    except VideoUnavailable:
        return Outcome.NOT_TAKEN
    return Outcome.REFUSED


async def _send_later(context: JobContext, job: Job, error: VideoUnavailable) -> Job | None:
    """Certainly nothing was made: back in the queue, for ten minutes in all."""
    now = context.clock.now()
    tried_for = context.clock.since(job.first_sent_at or now)
    log.warning("job=%s not accepted by the provider: %s", job.id, error.provider_text)
    if tried_for > context.timing.resubmit_for:
        return await context.end(job, JobState.FAILED, error.kind)
    if error.rate_limited:
        context.queue.pause_for(error.retry_after_s or context.timing.poll_s)
    pause = backoff.resubmit_pause(context.timing.poll_s, error.retry_after_s, tried_for.total_seconds(), context.rng)
    return await context.move(job, JobState.WAITING, not_before=now + timedelta(seconds=pause))


async def lose(context: JobContext, job: Job) -> Job | None:
    """Found in submitting, with no create of this process under way: whatever was sent, its answer is lost."""
    log.error("job=%s was being submitted when the bot ended; never sent again", job.id)
    return await context.end(job, JobState.UNKNOWN, FailureKind.LOST_ANSWER)
