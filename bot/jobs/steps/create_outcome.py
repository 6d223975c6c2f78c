"""What a create, or the question about one, came to: in the store, in the circuit breaker and in the log."""

from __future__ import annotations

import logging
from datetime import timedelta

from bot.errors import VideoOutcomeUnknown, VideoRejected, VideoUnavailable
from bot.jobs import backoff
from bot.jobs.context import JobContext
from bot.jobs.outcomes import Outcome
from bot.jobs.steps.fallback import REASONS, fall_back
from bot.models import FailureKind, Job, JobState, Ticket
from bot.providers.protocols import Provider
from bot.store import jobs

log = logging.getLogger(__name__)

FORBIDDEN = 403
PAYMENT_STATUSES = (400, 402, 403, 422)
"""Where a refused payment may be about one job alone; any other answer says it of the account in so many words."""


async def accepted(context: JobContext, job: Job, ticket: Ticket) -> Job | None:
    """The provider has it. Logged before it is stored: whatever becomes of us, the operator can find what was paid."""
    log.info("job=%s ticket=%s", job.id, ticket)
    context.circuit_breakers.report(job, Outcome.ACCEPTED)
    moved = await context.move(job, JobState.RENDERING, ticket=ticket)
    return moved or await _accepted_late(context, job, ticket)


async def _accepted_late(context: JobContext, job: Job, ticket: Ticket) -> Job | None:
    """The answer to a create that another process has given up: this one stood still, or could not reach the store."""
    found = await context.reload(job)
    if found is None or found.state is not JobState.UNKNOWN or found.request_key != job.request_key:
        return None
    log.warning("job=%s the answer that was given up came after all", job.id)
    now = context.clock.now()
    return await context.move_by(jobs.answered_late(found, ticket, now=now), found, JobState.TIMED_OUT, now)


async def refused(context: JobContext, job: Job, provider: Provider, error: VideoRejected) -> Job | None:
    """Surely nothing was made: another model makes it where one may, else it has failed."""
    log.warning("job=%s refused by the provider kind=%s: %s", job.id, error.kind, error.provider_text)
    context.circuit_breakers.report(job, await _outcome_of(context, job, provider, error))
    return await failed(context, job, error.kind)


async def failed(context: JobContext, job: Job, kind: FailureKind) -> Job | None:
    """The same for whatever else ended it before anything was made."""
    fallen = await fall_back(context, job) if kind in REASONS else None
    return fallen or await context.end(job, JobState.FAILED, kind)


async def lost(context: JobContext, job: Job, error: VideoOutcomeUnknown | None = None) -> Job | None:
    """Whether it was made is not known, and never will be: it is never sent again."""
    told = error.provider_text if error else ""
    log.error("job=%s outcome unknown, never sent again: %s", job.id, told)
    context.circuit_breakers.report(job, Outcome.LOST)
    if error is None or error.ticket is None:
        return await context.end(job, JobState.UNKNOWN, FailureKind.LOST_ANSWER)
    # Something may come of it: refunded as lost, and asked for like a late one.
    named = await context.move(job, JobState.RENDERING, ticket=error.ticket)
    return named and await context.end(named, JobState.TIMED_OUT, FailureKind.LOST_ANSWER)


async def send_later(context: JobContext, job: Job, error: VideoUnavailable) -> Job | None:
    """Certainly nothing was made: back in the queue, for ten minutes in all."""
    context.circuit_breakers.report(job, Outcome.NOT_ACCEPTED)
    now = context.clock.now()
    tried_for = context.clock.since(job.first_sent_at or now)
    log.warning("job=%s not accepted by the provider: %s", job.id, error.provider_text)
    if tried_for > context.timing.resubmit_for:
        return await failed(context, job, error.kind)
    if error.rate_limited:
        context.queue.pause_for(job.provider, error.retry_after_s or context.timing.poll_s)
    pause = backoff.resubmit_pause(context.timing.poll_s, error.retry_after_s, tried_for.total_seconds(), context.rng)
    return await context.move(job, JobState.WAITING, not_before=now + timedelta(seconds=pause))


async def ask_key(context: JobContext, name: str) -> Outcome:
    """What a provider says of its key, whatever it said of a job; NEVER_SENT where none has this name any more."""
    outcome, asked = Outcome.NEVER_SENT, None
    while (provider := context.providers.named(name)) is not asked:  # once more where the key was changed meanwhile
        asked = provider
        outcome = Outcome.NEVER_SENT if provider is None else await _ask_key(provider)
    return outcome


async def _ask_key(provider: Provider) -> Outcome:
    try:
        await provider.settle_auth()
    except VideoRejected:
        return Outcome.KEY_REFUSED
    except VideoUnavailable:
        return Outcome.NOT_ACCEPTED
    return Outcome.REFUSED


async def _outcome_of(context: JobContext, job: Job, provider: Provider, error: VideoRejected) -> Outcome:
    """A refused key is confirmed by a question that costs nothing; anything else but payment is about the job.

    A refused payment tells nothing of the key that has taken this one's place meanwhile.
    """
    match error.kind:
        case FailureKind.KEY:
            return await ask_key(context, job.provider)
        case FailureKind.BALANCE if context.providers.named(job.provider) is not provider:
            return Outcome.NEVER_SENT
        case FailureKind.BALANCE if error.http_status == FORBIDDEN and not error.is_said:
            return Outcome.FORBIDDEN
        case FailureKind.BALANCE if error.http_status in PAYMENT_STATUSES:
            return Outcome.PAYMENT_REFUSED
        case FailureKind.BALANCE:
            return Outcome.BALANCE_EMPTY
        case _:
            return Outcome.REFUSED
