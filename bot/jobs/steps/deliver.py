"""The provider is done: fetch the video at once, then bring it to Discord; what cannot be brought now is kept.

Each step looks at the store before it acts, since a card may be hidden, deleted or shown by another hand meanwhile. The
file goes only after the store says that Discord shows the video.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from pathlib import Path

from bot.jobs import backoff
from bot.jobs.chat_protocol import Delivery, DeliveryOutcome
from bot.jobs.context import JobContext
from bot.jobs.fit_video import MOST_SIZES, fitted
from bot.jobs.steps.download import Fetched, Tries, fetch
from bot.jobs.steps.shared_card import wait_for_card
from bot.models import KEPT_FOR, FailureKind, Job, JobState
from bot.store import cards, jobs
from bot.store.database import Tx, Unit

log = logging.getLogger(__name__)

MENTION_AFTER = timedelta(seconds=30)
"""Whoever waited longer has looked away: an edit notifies nobody."""
MOST_ROUNDS = 3
"""A card that was taken down while its video was sent is looked for no more; the video is shown elsewhere."""


async def deliver(context: JobContext, job: Job) -> Job | None:
    """Downloads, unless that is done, and posts."""
    context.chat.show(job)
    tries = Tries()
    while (fetched := await fetch(context, job, tries)) is not Fetched.HERE:
        if fetched is Fetched.GONE:
            return await context.end(job, JobState.FAILED, FailureKind.RESULT_GONE)
        if context.clock.since(job.state_at) >= context.timing.fetch_for:
            log.warning(
                "job=%s not downloaded within %s: undelivered, trying again later", job.id, context.timing.fetch_for
            )
            return await context.move(job, JobState.UNDELIVERED)
        await context.clock.sleep(backoff.download_pause(tries.made))
    if job.card.request is not None:
        await context.persist(jobs.remember_fetched(job.id, now=context.clock.now()))
        alone = await wait_for_card(context, job)
        if alone is None:
            return None
        job = alone
    posted = await _post(context, job)
    if posted is not None and posted.state is JobState.UNDELIVERED and not posted.card.finished:
        await context.clock.sleep(backoff.redeliver_pause(0))
    return posted


async def retry(context: JobContext, job: Job) -> Job | None:
    """An undelivered video is fetched and offered again, at start and ever more seldom, for as long as it is kept."""
    fetches, told, offers = Tries(), False, 1
    while True:
        found = await context.reload(job)
        if found is None or found.state is not job.state or found.card.finished:
            return None
        if found.deleted:
            if found.card.request != found.id:  # else a press may have opened the card again, for the other takes
                await context.persist(cards.finish(job.id, now=context.clock.now()))
            return None
        job, kept_for = found, context.clock.since(found.state_at)
        if kept_for > KEPT_FOR:
            return await _give_up(context, job)
        fetched = await fetch(context, job, fetches)
        if fetched is Fetched.GONE:
            return await context.end(job, JobState.FAILED, FailureKind.RESULT_GONE)
        if fetched is Fetched.NOT_YET:
            told = told or job.card.request is not None or await _tell_address(context, job)
            await context.clock.sleep(backoff.late_download_pause(kept_for.total_seconds()))
            continue
        if not job.fetched:
            await context.persist(jobs.remember_fetched(job.id, now=context.clock.now()))
        if job.card.request is not None:
            alone = await wait_for_card(context, job)
            if alone is None:
                continue  # moved, deleted, or kept for as long as was said
            job = alone
        posted = await _post(context, job)
        if posted is None:
            continue  # somebody else moved or deleted it
        if posted.state is not JobState.UNDELIVERED or posted.card.finished:
            return posted
        await context.clock.sleep(backoff.redeliver_pause(offers))
        offers += 1


async def _give_up(context: JobContext, job: Job) -> Job | None:
    """It was kept for as long as was said. What was never here was never there for its member, either."""
    if not job.fetched:
        log.warning("job=%s could not be downloaded for %s", job.id, KEPT_FOR)
        return await context.end(job, JobState.FAILED, FailureKind.RESULT_GONE)
    log.warning("job=%s undelivered for %s: given up", job.id, KEPT_FOR)
    await context.persist(cards.finish(job.id, now=context.clock.now()))
    return None  # `bot.jobs.retention` deletes the file


async def _still(context: JobContext, job: Job) -> Job | None:
    """The job as the store has it, unless somebody else has moved or deleted it."""
    found = await context.reload(job)
    return found if found is not None and found.state is job.state and not found.deleted else None


async def _tell_address(context: JobContext, job: Job) -> bool:
    """Until it can be fetched the card shows where it is; that may expire, so the member is mentioned."""
    told = await context.chat.show_address(job)
    if told and job.result_url is not None:
        await mention(context, job)
    return told


async def _post(context: JobContext, job: Job) -> Job | None:
    """One delivery, and what came of it in the store; the job as it then is."""
    for _ in range(MOST_ROUNDS):
        delivery = Delivery(DeliveryOutcome.TOO_LARGE)
        for _ in range(MOST_SIZES):
            video = await _fitting(context, job)
            found = await _still(context, job)
            if found is None:
                return None
            job = found
            if job.card.hidden:
                return await _keep_undelivered(context, job)
            delivery = await _offer(context, job, video)
            if delivery.outcome is not DeliveryOutcome.TOO_LARGE:
                break
        if delivery.outcome is not DeliveryOutcome.UPLOADED:
            return await _keep(context, job, delivery)
        moved = await _uploaded(context, job, delivery)
        if moved is not None:
            return moved
    return await _keep_undelivered(context, job)


async def _offer(context: JobContext, job: Job, video: Path) -> Delivery:
    """A file that our own disk does not give is offered later; the card shows the link meanwhile."""
    try:
        return await context.chat.deliver(job, video, reencoded=video != context.files.video(job))
    except OSError as error:
        log.error("job=%s its video cannot be read on this machine, trying again: %s", job.id, error)  # noqa: TRY400 - no traceback
        return Delivery(DeliveryOutcome.LATER, card_tells=await context.chat.show_address(job))


async def _uploaded(context: JobContext, job: Job, delivery: Delivery) -> Job | None:
    """Discord has the bytes. None where the card was taken down meanwhile: the file is the last copy."""
    now = context.clock.now()
    moved = await context.move_by(_delivered(job, delivery, now=now), job, JobState.DELIVERED, now)
    if moved is None:
        return None
    is_private = job.card.ephemeral and delivery.channel in (None, job.card.channel)  # gone with its client's memory
    context.files.forget(job, keep_video=is_private)
    await mention(context, job)
    return moved


def _delivered(job: Job, delivery: Delivery, *, now: datetime) -> Unit[Job | None]:
    """On the card, that was its last edit, and the card must still stand; else it has yet to say where the video is."""

    def unit(tx: Tx) -> Job | None:
        if delivery.channel is not None and delivery.message is not None:
            cards.show_elsewhere(job.id, delivery.channel, delivery.message)(tx)
        return jobs.move(job.id, job.state, JobState.DELIVERED, now=now)(tx)

    return unit


async def _keep(context: JobContext, job: Job, delivery: Delivery) -> Job | None:
    log.warning("job=%s undelivered (%s); kept for %s", job.id, delivery.outcome.name.lower(), KEPT_FOR)
    kept = await _undelivered(context, job)
    if kept is not None and delivery.card_tells:
        await mention(context, job)
        if delivery.outcome is DeliveryOutcome.LINK_ONLY:  # the card has had its last edit
            return await context.persist(cards.finish(job.id, now=context.clock.now()))
    return kept


async def _keep_undelivered(context: JobContext, job: Job) -> Job | None:
    """Its member hid the card: the video waits in /videos, and nobody is told."""
    kept = await _undelivered(context, job)
    return None if kept is None else await context.persist(cards.finish(job.id, now=context.clock.now()))


async def _undelivered(context: JobContext, job: Job) -> Job | None:
    """The file stays; None where somebody else has moved the job."""
    context.files.forget(job, keep_video=True)
    if job.state is JobState.UNDELIVERED:
        return await _still(context, job)
    return await context.move(job, JobState.UNDELIVERED, fetched_at=context.clock.now())


async def _fitting(context: JobContext, job: Job) -> Path:
    """The video, or one that fits where it is to be shown; the video itself where none can be made well."""
    video, limit = context.files.video(job), context.chat.upload_limit(job)
    try:
        found = await fitted(context, job, video, limit)
    except OSError as error:
        log.error("job=%s its video cannot be re-encoded on this machine: %s", job.id, error)  # noqa: TRY400 - no traceback
        return video
    if found is None:
        log.warning("job=%s over the limit of %s bytes and cannot be re-encoded well", job.id, limit)
    return found or video


async def mention(context: JobContext, job: Job, count: int = 1) -> None:
    """Once for all takes of a request; whoever did not wait long is not told."""
    if context.clock.now() - job.created_at < MENTION_AFTER:
        return
    if await context.persist(cards.claim_mention(job.card.request or job.id, now=context.clock.now())):
        message = await context.chat.mention(job, count)
        if message is not None:
            await context.persist(cards.remember_mention(job.id, message))
