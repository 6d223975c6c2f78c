"""The provider is done: fetch the video at once, then bring it to Discord, and keep trying."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from pathlib import Path

from bot.errors import LocalTrouble, VideoNotReady, VideoUnavailable
from bot.jobs import pace
from bot.jobs.desk import Desk
from bot.jobs.port import Outcome
from bot.models import FailureKind, Job, JobState
from bot.store import cards

log = logging.getLogger(__name__)

KEPT_FOR = timedelta(days=7)
PING_AFTER = timedelta(seconds=30)
"""Whoever waited longer has looked away: an edit notifies nobody."""


async def deliver(desk: Desk, job: Job) -> Job | None:
    """Downloads, unless that is done, and posts; the file is deleted only once Discord holds the bytes."""
    desk.chat.show(job)
    if not desk.files.video(job).exists() and not await _download(desk, job):
        return await desk.end(job, JobState.FAILED, FailureKind.RESULT_GONE)
    posted = await _post(desk, job)
    if posted is None or posted.state is not JobState.UNDELIVERED or posted.card.finished:
        return posted
    await desk.clock.sleep(pace.redeliver_pause(0))
    return posted


async def retry(desk: Desk, job: Job) -> Job | None:
    """An undelivered video is tried again, at start and ever more seldom, while its file is kept."""
    tries = 1
    while desk.files.video(job).exists() and not job.card.finished:
        if desk.clock.now() > job.state_at + KEPT_FOR:
            log.warning("job=%s undelivered for %s; its file is deleted", job.id, KEPT_FOR)
            desk.files.forget(job)
            break
        posted = await _post(desk, job)
        if posted is None or posted.state is JobState.DELIVERED:
            return posted
        job = posted
        if not job.card.finished:
            await desk.clock.sleep(pace.redeliver_pause(tries))
            tries += 1
    await desk.persist(cards.finish(job.id, now=desk.clock.now()))
    return None


async def _post(desk: Desk, job: Job) -> Job | None:
    """One delivery, and what came of it in the store; the job as it then is."""
    if job.card.hidden:
        return await _shelve(desk, job)
    video = await _fitting(desk, job)
    delivery = await desk.chat.deliver(job, video, reencoded=video != desk.files.video(job))
    if delivery.channel is not None and delivery.message is not None:
        await desk.persist(cards.show_elsewhere(job.id, delivery.channel, delivery.message))
    if delivery.outcome is Outcome.HELD:
        moved = await desk.move(job, JobState.DELIVERED)
        desk.files.forget(job)
        await _ping(desk, job)
        return moved
    log.warning("job=%s undelivered (%s); kept for %s", job.id, delivery.outcome.name.lower(), KEPT_FOR)
    desk.files.forget(job, keep_video=True)
    moved = job if job.state is JobState.UNDELIVERED else await desk.move(job, JobState.UNDELIVERED)
    if delivery.outcome is Outcome.LINK_ONLY:  # the card has had its last edit
        return await desk.persist(cards.finish(job.id, now=desk.clock.now()))
    return moved


async def _shelve(desk: Desk, job: Job) -> Job | None:
    """Its member hid the card: the video waits in /videos, and nobody is told."""
    desk.files.forget(job, keep_video=True)
    await desk.persist(cards.finish(job.id, now=desk.clock.now()))
    return await desk.reload(job) if job.state is JobState.UNDELIVERED else await desk.move(job, JobState.UNDELIVERED)


async def _fitting(desk: Desk, job: Job) -> Path:
    """The video, or one that fits where it is to be shown; the video itself where none can be made well."""
    video, small, limit = desk.files.video(job), desk.files.shrunk(job), desk.chat.upload_limit(job)
    if await asyncio.to_thread(_size, video) <= limit:
        return video
    if 0 < await asyncio.to_thread(_size, small) <= limit or await desk.shrinker.shrink(video, small, limit):
        return small
    log.warning("job=%s over the limit of %s bytes and not to be re-encoded well", job.id, limit)
    return video


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


async def _ping(desk: Desk, job: Job) -> None:
    if desk.clock.now() - job.created_at < PING_AFTER:
        return
    if await desk.persist(cards.claim_ping(job.id, now=desk.clock.now())):
        message = await desk.chat.ping(job)
        if message is not None:
            await desk.persist(cards.remember_ping(job.id, message))


async def _download(desk: Desk, job: Job) -> bool:
    """Tries the download alone, again and again; False when it has expired and five tries brought nothing."""
    assert job.provider_id is not None
    expires_at = job.result_expires_at or job.state_at + desk.timing.result_lives
    tries = 0
    while True:
        try:
            await desk.videos.download(job.endpoint, job.provider_id, job.result_url, desk.files.video(job))
        except (LocalTrouble, VideoNotReady, VideoUnavailable) as error:
            log.warning("job=%s download try %s: %s", job.id, tries + 1, error)
        else:
            return True
        tries += 1
        if tries >= len(pace.DOWNLOAD_PAUSES_S) and desk.clock.now() > expires_at:
            return False
        await desk.clock.sleep(pace.download_pause(tries))
