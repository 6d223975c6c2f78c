"""From the reservation to the provider: the card, the picture, the queue, and the one paid request."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import timedelta

from bot.catalog import Model
from bot.errors import ChatUnavailable, PictureRefused, VideoOutcomeUnknown, VideoRejected, VideoUnavailable
from bot.jobs import backoff
from bot.jobs.chat_protocol import HoldReason, QueuePosition
from bot.jobs.context import JobContext
from bot.jobs.steps.card import introduce, place
from bot.jobs.steps.create_outcome import accepted, failed, lost, refused, send_later
from bot.jobs.steps.fallback import fall_back, may_fall_back
from bot.jobs.steps.finish import close
from bot.jobs.steps.prepare import prepare
from bot.jobs.steps.request import model_of, request_of, with_key
from bot.jobs.steps.shared_card import wait_for_answer
from bot.models import FailureKind, Job, JobState
from bot.providers.protocols import CreateRequest, Provider
from bot.store import jobs
from bot.store.circuits import CircuitHeldError
from bot.store.queue_entries import NotCarriedError
from bot.store.shared_state import NoSlotError

log = logging.getLogger(__name__)

ANSWER_SETTLES = timedelta(seconds=5)
"""Discord takes no first answer later than 3 s after the interaction; then a missing card stays missing."""
DISK_SPACE_PAUSE_S = 30.0
HELD_PAUSE_S = 0.3
"""Until this process knows of the circuit that another one has opened, or tries."""
LOOKED_AT_AGAIN_S = 30.0
"""So often a job that could fall back is looked at, while it waits for its turn."""


async def submit(context: JobContext, job: Job) -> Job | None:
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
            await _wait_for_disk_space(context)  # the fitted picture needs a place, too
            job = await prepare(context, placed)
            if (found := model_of(context, job)) is None:
                return await failed(context, job, FailureKind.MODEL)
            model, provider = found
            # It may have been reserved under another setting, and is asked for where it is.
            asked = {"provider": provider.name, "wire": context.providers.wire(provider.name)}
            job = with_key(context, job.evolve(**asked, endpoint=provider.endpoint), model)
            if job.not_before is not None:
                reason = HoldReason.KEY if provider.faults() else HoldReason.RETRY
                context.chat.show(job, QueuePosition(starts_at=job.not_before, hold_reason=reason))
                left = min(job.not_before - context.clock.now(), context.timing.resubmit_for)  # a clock was set, say
                await context.clock.sleep(left.total_seconds())
            await _wait_for_disk_space(context)
            if (fallen := await _acquire(context, job)) is not None:
                return fallen
    except TimeoutError:
        return await context.end(job, JobState.FAILED, FailureKind.QUEUE_TIMEOUT)
    except PictureRefused as error:
        log.info("job=%s picture refused: %s", job.id, error)
        ended = await context.end(job, JobState.FAILED, FailureKind.PICTURE)
        if ended is not None:
            await close(context, ended, refused=error)
        return None
    return await _send(context, job, model, provider)


async def _acquire(context: JobContext, job: Job) -> Job | None:
    """Waits for the job's turn. The job as another model is to make it, where its own provider is not used for now."""
    while may_fall_back(context, job):
        if context.queue.hold_reason(job) is HoldReason.CIRCUIT_OPEN and (fallen := await fall_back(context, job)):
            return fallen
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOKED_AT_AGAIN_S):
                await context.queue.acquire(job)
                return None
    await context.queue.acquire(job)
    return None


async def _place(context: JobContext, job: Job) -> Job | None:
    """The job with its card's message in the store; None when the answer at Discord is not ours."""
    if job.card.message is not None:
        return job
    if job.card.request not in (None, job.id):
        return await wait_for_answer(context, job)
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


async def _wait_for_disk_space(context: JobContext) -> None:
    while not context.files.has_disk_space():
        log.error("too little space in DATA_DIR: nothing is sent to the provider until there is more")
        await context.clock.sleep(DISK_SPACE_PAUSE_S)


async def _send(context: JobContext, job: Job, model: Model, provider: Provider) -> Job | None:
    """Builds the whole request, and hands the slot that is held over to the create."""
    create: asyncio.Task[Job | None] | None = None
    try:
        picture = await context.files.read_picture(job)
        last = await context.files.read_picture(job, last=True)
        is_whole = picture is not None and (last is not None or job.spec.last_image is None)
        if picture is None or not is_whole or job.spec.size is None or context.queue.is_closed:
            return job  # a picture went missing and is fetched again, or the bot is stopping
        if model_of(context, job) != (model, provider):
            return job  # the catalog was read anew while the job waited for its turn
        request = request_of(context, job, model, picture, last)
        create = context.protect(job.id, _submit_once(context, job, request, provider))
    finally:
        if create is None:
            context.queue.release(job)
    sent = await asyncio.shield(create)
    if sent is not None and sent.last_sent_at is not None and sent.state is not JobState.WAITING:
        await introduce(context, sent)
    return sent


async def _submit_once(context: JobContext, job: Job, request: CreateRequest, provider: Provider) -> Job | None:
    """One create, from the intent to what came of it in the store; owns the slot until the state says who does."""
    moved: Job | None = None
    try:
        moved = await _mark_submitting(context, job)
        if moved is not None and moved.state is JobState.SUBMITTING:  # by this very call
            context.queue.follow(moved)
            may_send = not (context.queue.is_closed or _is_stale(context, moved))
            moved = await (
                _create(context, moved, request, provider) if may_send else _revert_unsent(context, moved, job)
            )
    finally:
        if moved is None or not moved.state.holds_slot:
            context.queue.release(job)
    return moved


async def _mark_submitting(context: JobContext, job: Job) -> Job | None:
    """The intent in the store: submitting, unless the job may not go any more.

    The intent of another process is never returned: with several, only what the unit itself returns is ours.
    """
    if context.clock.since(job.created_at) >= context.timing.queue_timeout:  # the machine slept, say
        return await context.end(job, JobState.FAILED, FailureKind.QUEUE_TIMEOUT)
    now = context.clock.now()
    unit = jobs.move(
        job.id,
        JobState.WAITING,
        JobState.SUBMITTING,
        now=now,
        first_sent_at=job.first_sent_at or now,
        last_sent_at=now,
        not_before=None,
        provider=job.provider,
        wire=job.wire,
        endpoint=job.endpoint,
        request_key=job.request_key,
    )
    try:
        unit = jobs.if_unmoved(job, unit)
        sending = unit if context.dispatch is None else context.dispatch.sending(unit, job)
        is_alone = context.timing.intent_for is None
        sent = await (context.move_by(sending, job, JobState.SUBMITTING, now) if is_alone else context.persist(sending))
    except NoSlotError as full:  # another process has taken it
        context.queue.use_shared(full.at_provider, context.clock.now())
        return job
    except NotCarriedError:  # another process carries the job: this one was out of its sight
        return None
    except CircuitHeldError:
        assert context.dispatch is not None
        context.dispatch.look()
        await context.clock.sleep(HELD_PAUSE_S)
        return job
    if sent is None:  # cancelled in the meantime, or sent by another process
        found = await context.reload(job)
        return None if found is not None and found.state is JobState.SUBMITTING else found
    return sent


def _is_stale(context: JobContext, job: Job) -> bool:
    """Whether another process may have taken the job over since its intent.

    This one was frozen, or the store was out of reach until now. The other one has settled what was not even sent yet.
    """
    return context.timing.intent_for is not None and context.clock.since(job.state_at) > context.timing.intent_for


async def _revert_unsent(context: JobContext, job: Job, before: Job) -> Job | None:
    """Certainly nothing was made, and nobody was asked: waiting again, as before."""
    log.warning("job=%s not sent: the bot stops, or it took too long to store that it would be", job.id)
    return await context.move(job, JobState.WAITING, first_sent_at=before.first_sent_at, not_before=before.not_before)


async def _create(context: JobContext, job: Job, request: CreateRequest, provider: Provider) -> Job | None:
    """The only paid request of this program, then its outcome in the store. Nothing is awaited before it.

    A lost answer leaves the job submitting where the wire knows its key: `resolve_lost_answer` goes on from there.
    """
    context.chat.show(job)
    try:
        ticket = await provider.create(request)
    except VideoUnavailable as error:
        return await send_later(context, job, error)
    except VideoRejected as error:
        return await refused(context, job, provider, error)
    except VideoOutcomeUnknown as error:
        log.warning("job=%s the answer of its create was lost: %s", job.id, error.provider_text)
        return job if provider.knows_keys else await lost(context, job, error)
    except Exception:
        log.exception("job=%s create failed", job.id)
        return job if provider.knows_keys else await lost(context, job)
    return await accepted(context, job, ticket)
