"""The download of a finished video, tried on until it is here, or certainly gone.

Whose fault it was decides. Our own disk, or no answer at all, says nothing about the video: no such try counts. Only
where the provider answered and had no video does it count, and only an end that the provider itself has told, or its
API's own refusal, ends a job.
"""

from __future__ import annotations

import asyncio
import enum
import logging
import time
from dataclasses import dataclass
from datetime import datetime

from bot.errors import LocalTrouble, VideoNotReady, VideoUnavailable
from bot.jobs.context import JobContext
from bot.models import Job

log = logging.getLogger(__name__)

GONE_AFTER = 5
"""Answers without a video, over ten minutes."""


class Fetched(enum.Enum):
    """What a try of the download came to."""

    HERE = enum.auto()
    NOT_YET = enum.auto()
    GONE = enum.auto()


@dataclass(slots=True)
class Tries:
    """The tries of one step."""

    made: int = 0
    answered: int = 0  # by the provider, without a video
    refused: int = 0  # of these: by the API itself


async def fetch(context: JobContext, job: Job, tries: Tries) -> Fetched:
    """One try; at once where the video is here."""
    assert job.ticket is not None
    video = context.files.video(job)
    try:
        if video.exists():
            return Fetched.HERE
        tries.made += 1
        if not context.files.has_disk_space():
            raise LocalTrouble("too little space in DATA_DIR")  # noqa: TRY301 - told as a full disk is
        began_s = time.monotonic()
        await context.providers.of(job).download(job.ticket, job.result_url, video)
        size_bytes = (await asyncio.to_thread(video.stat)).st_size
        log.info("job=%s downloaded bytes=%s seconds=%.1f", job.id, size_bytes, time.monotonic() - began_s)
        context.files.keep_on(job)
    except (LocalTrouble, OSError) as error:
        log.error("job=%s its video cannot be stored on this machine, trying again: %s", job.id, error)  # noqa: TRY400 - no traceback
    except VideoUnavailable as error:
        log.warning("job=%s download attempt %s, no answer: %s", job.id, tries.made, error)
    except VideoNotReady as error:
        log.warning("job=%s download attempt %s: %s", job.id, tries.made, error)
        tries.answered += 1
        tries.refused += error.refused
    except Exception as error:  # noqa: BLE001 - a mistake of the adapter's own: logged there, told as no answer
        context.adapter_errors.log(job, "download", error)
    else:
        return Fetched.HERE
    return Fetched.GONE if _is_gone(job, tries, context.clock.now()) else Fetched.NOT_YET


def _is_gone(job: Job, tries: Tries, now: datetime) -> bool:
    if job.result_expires_at is None:
        return tries.refused >= GONE_AFTER
    return tries.answered >= GONE_AFTER and now > job.result_expires_at
