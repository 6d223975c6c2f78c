"""The pictures of a waiting job: fetched, fitted to the size that was reserved, and kept on disk."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import timedelta

from bot.errors import ChatUnavailable, PictureRefused
from bot.i18n.marking import N_
from bot.jobs import backoff
from bot.jobs.context import JobContext
from bot.jobs.files import lasts
from bot.jobs.finished_videos import NOT_THERE, FinishedVideos
from bot.models import Job
from bot.sizes import parse_size
from bot.store import jobs
from bot.wire_config import ModelWire

log = logging.getLogger(__name__)

FETCHED_WITHIN = timedelta(seconds=60)
"""No further try begins later than this after the first."""
GIVES_WAY_S = 0.5
"""So long each picture waits for first answers, while it keeps its place: its process takes more of the machine."""
NOT_FETCHED = N_("The picture could not be downloaded from Discord. Attach it again.")
TOO_MANY_BYTES = N_("This picture is too detailed for the video service. Try another one, or another model.")
SMALLER = (1.0, 0.75, 0.5, 0.3)
"""What is tried in turn where the model takes a picture of so many bytes only."""
PRICE_CHANGED = N_("The price of {model} has changed. Use `/animate` again to see the new price.")


async def prepare(context: JobContext, job: Job) -> Job:
    """The pictures fitted and on disk, the last to the size of the first. Raises PictureRefused."""
    if job.spec.size is not None and context.files.has_pictures(job):
        return job
    for last in lasts(job):
        size = await _from_copy(context, job, last=last) or await _from_chat(context, job, last=last)
        if job.spec.size is None:
            fixed = await context.persist(jobs.fix_size(job.id, size))
            job = fixed or job
    return job


async def _from_copy(context: JobContext, job: Job, *, last: bool) -> str | None:
    """The size it was fitted to; None where no copy of its or an earlier job's picture is to be used, or kept."""
    async with context.preparing:  # bounds what is held in memory, too
        copied = await context.files.read_copy(job.id, last=last) if job.fallback_from else None
        if copied is None and job.again_of is not None and await _is_of_before(context, job, last=last):
            copied = await context.files.read_copy(job.again_of, last=last)
        return None if copied is None else await _fit(context, job, copied, is_copy=True, last=last)


async def _is_of_before(context: JobContext, job: Job, *, last: bool) -> bool:
    """Whether the picture is that of the job which it is made again from: a form may have brought another last one."""
    if not last or job.again_of is None:
        return True
    before = await context.persist(jobs.find(job.again_of))
    return before is not None and before.spec.last_image == job.spec.last_image


async def _from_chat(context: JobContext, job: Job, *, last: bool) -> str:
    """The size it was fitted to. No permit is held in the pauses between two tries."""
    began, tries = context.clock.now(), 0
    is_attached = job.continues is None or last
    permit = context.fetching if is_attached else context.borrowing
    while True:
        try:
            async with permit:
                raw = await _picture(context, job, last=last)
                async with context.preparing:
                    return await _fit(context, job, raw, is_copy=False, last=last)
        except ChatUnavailable as error:
            log.warning("job=%s picture not downloaded yet: %s", job.id, error)
            if context.clock.since(began) > FETCHED_WITHIN:
                raise PictureRefused(NOT_FETCHED if is_attached else NOT_THERE) from error
        tries += 1
        await context.clock.sleep(backoff.fetch_pause(tries, context.rng))


async def _picture(context: JobContext, job: Job, *, last: bool) -> bytes:
    """What its member attached, or the last frame of the video that this one continues."""
    if job.continues is None or last:
        return await context.chat.fetch_picture(job, last=last)
    try:
        return await FinishedVideos(context).last_frame(job)
    except OSError as error:
        raise ChatUnavailable(f"no room or no process for a frame: {error}") from error


async def _fit(context: JobContext, job: Job, raw: bytes, *, is_copy: bool, last: bool) -> str:
    """Bounded by the fitter, which refuses what takes it too long. Smaller than the video only where that is needed."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GIVES_WAY_S):
            await context.interaction_priority.wait_until_idle()
    model = context.catalog.model(job.spec.model)
    bounds = ModelWire("") if model is None else model.wire
    size = job.spec.size
    for smaller in SMALLER:

        def fitted_to(upright: tuple[int, int], smaller: float = smaller) -> str:
            nonlocal size
            size = size or _size_of(context, job, upright)
            return _within(size, bounds.max_picture_side, smaller)

        fitted = await context.fitter.fit(raw, fitted_to, max_enlargement=context.catalog.max_enlargement)
        if bounds.max_picture_bytes is None or len(fitted.jpeg) <= bounds.max_picture_bytes:
            break
    else:
        raise PictureRefused(TOO_MANY_BYTES)
    await context.files.keep_picture(job, fitted.jpeg, last=last)
    await context.files.keep_copy(job, raw if is_copy else fitted.copy, last=last)
    return size or fitted.size


def _within(size: str, side: int | None, smaller: float) -> str:
    """The size of the picture that is sent, in even numbers of pixels: the video's own, unless its model takes less."""
    width, height = parse_size(size)
    scale = min(smaller, 1.0 if side is None else side / max(width, height))
    return size if scale == 1.0 else f"{2 * int(width * scale / 2)}x{2 * int(height * scale / 2)}"


def _size_of(context: JobContext, job: Job, upright: tuple[int, int]) -> str:
    """Of the price that was reserved: the catalog may be another one by now."""
    model = context.catalog.model(job.spec.model)
    if model is None:
        raise PictureRefused("The model {model} is no longer available. Choose another one.", model=job.spec.model)
    sound = model.sound_of(job.spec)
    size = model.size_at(job.spec.credits / job.spec.seconds, *upright, sound=sound)
    if size is None:
        raise PictureRefused(PRICE_CHANGED, model=model.label)
    return size
