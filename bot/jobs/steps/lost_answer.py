"""A job that is being submitted, with no create of this process under way: what became of it is asked, or is unknown.

Only a wire that knows our key can be asked; the question, or the same request sent again under the same key, pays for
nothing twice. Every other wire is never sent the request again.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from bot.errors import VideoError, VideoOutcomeUnknown, VideoRejected, VideoUnavailable
from bot.jobs import backoff, request_keys
from bot.jobs.context import JobContext
from bot.jobs.steps.create_outcome import accepted, lost, refused, send_later
from bot.jobs.steps.request import model_of, request_of
from bot.models import Job, Ticket
from bot.providers.protocols import CreateRequest, Provider

log = logging.getLogger(__name__)

LOOKED_AT_S = 1.0
ASKED_FOR = timedelta(minutes=10)
"""By each process that finds the job: after that, an answer that is still missing makes the job unknown."""


async def resolve_lost_answer(context: JobContext, job: Job) -> Job | None:
    """The job as it is once that is known, or given up."""
    if (moved := await _stored_by_another(context, job)) is not job:
        return moved
    provider = context.providers.of(job)
    request = await _request(context, job, provider)
    if request is None:
        return await lost(context, job, VideoOutcomeUnknown("the bot ended while it was being submitted"))
    log.warning("job=%s the answer of its create is missing: the provider is asked by its key", job.id)
    context.chat.show(job)
    began, tries = context.clock.now(), 0
    while True:
        try:
            ticket = await _ask(context, job, provider, request)
        except VideoUnavailable as error:
            if context.clock.since(began) > ASKED_FOR:
                return await lost(context, job, VideoOutcomeUnknown(error.provider_text))
            log.info("job=%s not settled yet: %s", job.id, error.provider_text)
            await context.clock.sleep(max(error.retry_after_s or 0.0, backoff.retry_pause(tries, context.rng)))
            tries += 1
        except VideoRejected as error:
            if error.http_status is None:  # said here, not by the provider: it tells nothing about the first request
                return await lost(context, job, VideoOutcomeUnknown(error.provider_text))
            return await refused(context, job, provider, error)
        except VideoOutcomeUnknown as error:
            return await lost(context, job, error)
        else:
            if ticket is None:
                return await send_later(context, job, VideoUnavailable("the provider has not received it"))
            return await accepted(context, job, ticket)


async def _stored_by_another(context: JobContext, job: Job) -> Job | None:
    """The job itself, once no other process can be sending it any more; as that one left it, where one did.

    A process that was lost counts as gone after twice `intent_for`; one that is still there has stored its answer by
    then, or finds the job given up.
    """
    if context.timing.intent_for is None:
        return job
    found: Job | None = job
    while (left := 2 * context.timing.intent_for - context.clock.since(job.state_at)) > timedelta():
        await context.clock.sleep(min(left.total_seconds(), LOOKED_AT_S))
        found = await context.reload(job)
        if found is None or (found.state, found.state_at) != (job.state, job.state_at):
            return found
    return job


async def _ask(context: JobContext, job: Job, provider: Provider, request: CreateRequest) -> Ticket | None:
    """Raises as `Provider.settle` does."""
    try:
        return await provider.settle(request)
    except VideoError:
        raise
    except Exception as error:  # a mistake of the adapter's own: it is not asked for ever either
        context.adapter_errors.log(job, "question by its key", error)
        raise VideoUnavailable(type(error).__name__) from error


async def _request(context: JobContext, job: Job, provider: Provider) -> CreateRequest | None:
    """The same request once more; None where the provider knows no keys, or the request would be another one now."""
    found = model_of(context, job)
    if not provider.knows_keys or job.request_key is None or job.spec.size is None or found is None:
        return None
    model, current = found
    picture, last = [await context.files.read_picture(job, last=last) or b"" for last in (False, True)]
    request = request_of(context, job, model, picture, last)
    is_same = current is provider and request_keys.is_for(context.providers.config(provider.name), request)
    return request if is_same else None
