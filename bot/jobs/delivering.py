"""The provider is done: fetch the video at once, then bring it to Discord; what cannot be brought now is kept.

Each step looks at the store before it acts, since a card may be hidden, deleted or shown by another hand meanwhile. The
file goes only after the store says that Discord shows the video.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from pathlib import Path

from bot.jobs import pace
from bot.jobs.desk import Desk
from bot.jobs.fetching import Fetched, Tries, fetch
from bot.jobs.port import Delivery, Outcome
from bot.jobs.sizing import MOST_SIZES, fitted
from bot.models import KEPT_FOR, FailureKind, Job, JobState
from bot.store import cards, jobs
from bot.store.database import Tx, Unit

log = logging.getLogger(__name__)

PING_AFTER = timedelta(seconds=30)
"""Whoever waited longer has looked away: an edit notifies nobody."""
MOST_ROUNDS = 3
"""A card that was taken down while its video was sent is looked for no more; the video goes another way."""


async def deliver(desk: Desk, job: Job) -> Job | None:
    """Downloads, unless that is done, and posts."""
    desk.chat.show(job)
    tries = Tries()
    while (fetched := await fetch(desk, job, tries)) is not Fetched.HERE:
        if fetched is Fetched.GONE:
            return await desk.end(job, JobState.FAILED, FailureKind.RESULT_GONE)
        if desk.clock.since(job.state_at) >= desk.timing.fetch_for:
            log.warning("job=%s not fetched within %s: undelivered, tried on", job.id, desk.timing.fetch_for)
            return await desk.move(job, JobState.UNDELIVERED)
        await desk.clock.sleep(pace.download_pause(tries.made))
    posted = await _post(desk, job)
    if posted is not None and posted.state is JobState.UNDELIVERED and not posted.card.finished:
        await desk.clock.sleep(pace.redeliver_pause(0))
    return posted


async def retry(desk: Desk, job: Job) -> Job | None:
    """An undelivered video is fetched and offered again, at start and ever more seldom, for as long as it is kept."""
    fetches, told, offers = Tries(), False, 1
    while True:
        found = await desk.reload(job)
        if found is None or found.state is not job.state or found.card.finished:
            return None
        if found.deleted:
            await desk.persist(cards.finish(job.id, now=desk.clock.now()))
            return None
        job, kept_for = found, desk.clock.since(found.state_at)
        if kept_for > KEPT_FOR:
            return await _give_up(desk, job)
        fetched = await fetch(desk, job, fetches)
        if fetched is Fetched.GONE:
            return await desk.end(job, JobState.FAILED, FailureKind.RESULT_GONE)
        if fetched is Fetched.NOT_YET:
            told = told or await _tell_address(desk, job)
            await desk.clock.sleep(pace.late_download_pause(kept_for.total_seconds()))
            continue
        if not job.fetched:
            await desk.persist(jobs.remember_fetched(job.id, now=desk.clock.now()))
        posted = await _post(desk, job)
        if posted is None:
            continue  # somebody else moved or deleted it
        if posted.state is not JobState.UNDELIVERED or posted.card.finished:
            return posted
        await desk.clock.sleep(pace.redeliver_pause(offers))
        offers += 1


async def _give_up(desk: Desk, job: Job) -> Job | None:
    """It was kept for as long as was said. What was never here was never there for its member, either."""
    if not job.fetched:
        log.warning("job=%s could not be fetched for %s", job.id, KEPT_FOR)
        return await desk.end(job, JobState.FAILED, FailureKind.RESULT_GONE)
    log.warning("job=%s undelivered for %s: no longer tried", job.id, KEPT_FOR)
    await desk.persist(cards.finish(job.id, now=desk.clock.now()))
    return None  # `bot.jobs.retention` deletes the file


async def _still(desk: Desk, job: Job) -> Job | None:
    """The job as the store has it, unless somebody else has moved or deleted it."""
    found = await desk.reload(job)
    return found if found is not None and found.state is job.state and not found.deleted else None


async def _tell_address(desk: Desk, job: Job) -> bool:
    """Until it can be fetched the card shows where it is; that may expire, so the member is pinged."""
    told = await desk.chat.show_address(job)
    if told and job.result_url is not None:
        await _ping(desk, job)
    return told


async def _post(desk: Desk, job: Job) -> Job | None:
    """One delivery, and what came of it in the store; the job as it then is."""
    for _ in range(MOST_ROUNDS):
        delivery = Delivery(Outcome.TOO_LARGE)
        for _ in range(MOST_SIZES):
            video = await _fitting(desk, job)
            found = await _still(desk, job)
            if found is None:
                return None
            job = found
            if job.card.hidden:
                return await _shelve(desk, job)
            delivery = await _offer(desk, job, video)
            if delivery.outcome is not Outcome.TOO_LARGE:
                break
        if delivery.outcome is not Outcome.HELD:
            return await _keep(desk, job, delivery)
        moved = await _held(desk, job, delivery)
        if moved is not None:
            return moved
    return await _shelve(desk, job)


async def _offer(desk: Desk, job: Job, video: Path) -> Delivery:
    """A file that our own disk does not give is offered later; the card shows the link meanwhile."""
    try:
        return await desk.chat.deliver(job, video, reencoded=video != desk.files.video(job))
    except OSError as error:
        log.error("job=%s its video cannot be read here, trying on: %s", job.id, error)  # noqa: TRY400 - no traceback
        return Delivery(Outcome.LATER, card_tells=await desk.chat.show_address(job))


async def _held(desk: Desk, job: Job, delivery: Delivery) -> Job | None:
    """Discord has the bytes. None where the card was taken down meanwhile: the file is the last copy."""
    now = desk.clock.now()
    moved = await desk.move_by(_delivered(job, delivery, now=now), job, JobState.DELIVERED, now)
    if moved is None:
        return None
    is_private = job.card.ephemeral and delivery.channel in (None, job.card.channel)  # gone with its client's memory
    desk.files.forget(job, keep_video=is_private)
    await _ping(desk, job)
    return moved


def _delivered(job: Job, delivery: Delivery, *, now: datetime) -> Unit[Job | None]:
    """On the card, that was its last edit, and the card must still stand; else it has yet to say where the video is."""

    def unit(tx: Tx) -> Job | None:
        if delivery.channel is not None and delivery.message is not None:
            cards.show_elsewhere(job.id, delivery.channel, delivery.message)(tx)
        return jobs.move(job.id, job.state, JobState.DELIVERED, now=now)(tx)

    return unit


async def _keep(desk: Desk, job: Job, delivery: Delivery) -> Job | None:
    log.warning("job=%s undelivered (%s); kept for %s", job.id, delivery.outcome.name.lower(), KEPT_FOR)
    kept = await _undelivered(desk, job)
    if kept is not None and delivery.card_tells:
        await _ping(desk, job)
        if delivery.outcome is Outcome.LINK_ONLY:  # the card has had its last edit
            return await desk.persist(cards.finish(job.id, now=desk.clock.now()))
    return kept


async def _shelve(desk: Desk, job: Job) -> Job | None:
    """Its member hid the card: the video waits in /videos, and nobody is told."""
    kept = await _undelivered(desk, job)
    return None if kept is None else await desk.persist(cards.finish(job.id, now=desk.clock.now()))


async def _undelivered(desk: Desk, job: Job) -> Job | None:
    """The file stays; None where somebody else has moved the job."""
    desk.files.forget(job, keep_video=True)
    if job.state is JobState.UNDELIVERED:
        return await _still(desk, job)
    return await desk.move(job, JobState.UNDELIVERED, fetched_at=desk.clock.now())


async def _fitting(desk: Desk, job: Job) -> Path:
    """The video, or one that fits where it is to be shown; the video itself where none can be made well."""
    video, limit = desk.files.video(job), desk.chat.upload_limit(job)
    try:
        found = await fitted(desk, job, video, limit)
    except OSError as error:
        log.error("job=%s its video cannot be re-encoded here: %s", job.id, error)  # noqa: TRY400 - no traceback
        return video
    if found is None:
        log.warning("job=%s over the limit of %s bytes and not to be re-encoded well", job.id, limit)
    return found or video


async def _ping(desk: Desk, job: Job) -> None:
    if desk.clock.now() - job.created_at < PING_AFTER:
        return
    if await desk.persist(cards.claim_ping(job.id, now=desk.clock.now())):
        message = await desk.chat.ping(job)
        if message is not None:
            await desk.persist(cards.remember_ping(job.id, message))
