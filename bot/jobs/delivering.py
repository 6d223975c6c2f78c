"""The provider is done: fetch the video at once, then bring it to Discord."""

from __future__ import annotations

import logging

from bot.errors import VideoNotReady
from bot.jobs import pace
from bot.jobs.desk import Desk
from bot.jobs.port import Delivery
from bot.models import FailureKind, Job, JobState

log = logging.getLogger(__name__)


async def deliver(desk: Desk, job: Job) -> Job | None:
    """Downloads, unless that is done, and posts; the file is deleted only once Discord holds the bytes."""
    desk.chat.show(job)
    video = desk.files.video(job)
    if not video.exists() and not await _download(desk, job):
        return await desk.end(job, JobState.FAILED, FailureKind.RESULT_GONE)
    outcome = await desk.chat.deliver(job, video)
    if outcome is Delivery.HELD:
        moved = await desk.move(job, JobState.DELIVERED)
        desk.files.forget(job)
        return moved
    log.warning("job=%s undelivered (%s); kept at %s", job.id, outcome.name.lower(), video)
    desk.files.forget(job, keep_video=True)
    return await desk.move(job, JobState.UNDELIVERED)


async def _download(desk: Desk, job: Job) -> bool:
    """Tries the download alone, again and again; False when it has expired and five tries brought nothing."""
    assert job.provider_id is not None
    expires_at = job.result_expires_at or job.state_at + desk.timing.result_lives
    tries = 0
    while True:
        try:
            await desk.videos.download(job.endpoint, job.provider_id, job.result_url, desk.files.video(job))
        except (VideoNotReady, OSError) as error:
            log.warning("job=%s download try %s: %s", job.id, tries + 1, error)
        else:
            return True
        tries += 1
        if tries >= len(pace.DOWNLOAD_PAUSES_S) and desk.clock.now() > expires_at:
            return False
        await desk.clock.sleep(pace.download_pause(tries))
