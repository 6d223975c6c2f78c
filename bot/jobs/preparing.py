"""The picture of a waiting job: fetched, fitted to the size that was reserved, and kept on disk."""

from __future__ import annotations

import logging
from datetime import timedelta

from bot.errors import ChatUnavailable, PictureRefused
from bot.jobs import pace
from bot.jobs.desk import Desk
from bot.models import Job
from bot.store import jobs
from bot.wording import mark

log = logging.getLogger(__name__)

FETCHED_WITHIN = timedelta(seconds=60)
"""No further try begins later than this after the first."""
GIVES_WAY_S = 0.5
"""So long each picture waits for first answers, while it keeps its place: its process takes more of the machine."""
NOT_FETCHED = mark("The picture could not be fetched from Discord. Please attach it again.")
PRICE_CHANGED = mark("The price of {model} has changed since you asked. Please ask again.")


async def prepare(desk: Desk, job: Job) -> Job:
    """The picture fitted and on disk. Raises PictureRefused."""
    if job.clip.size is not None and desk.files.picture(job).exists():
        return job
    size = await _from_copy(desk, job) or await _from_chat(desk, job)
    if job.clip.size is None:
        fixed = await desk.persist(jobs.fix_size(job.id, size))
        return fixed or job
    return job


async def _from_copy(desk: Desk, job: Job) -> str | None:
    """The size it was fitted to; None where no copy of an earlier job's picture is to be used, or kept any more."""
    if job.again_of is None:
        return None
    async with desk.preparing:  # bounds what is held in memory, too
        copied = await desk.files.read_copy(job.again_of)
        return None if copied is None else await _fit(desk, job, copied, is_copy=True)


async def _from_chat(desk: Desk, job: Job) -> str:
    """The size it was fitted to. No permit is held in the pauses between two tries."""
    began, tries = desk.clock.now(), 0
    while True:
        try:
            async with desk.fetching:
                raw = await desk.chat.fetch_picture(job)
                async with desk.preparing:
                    return await _fit(desk, job, raw, is_copy=False)
        except ChatUnavailable as error:
            log.warning("job=%s picture not fetched yet: %s", job.id, error)
            if desk.clock.since(began) > FETCHED_WITHIN:
                raise PictureRefused(NOT_FETCHED) from error
        tries += 1
        await desk.clock.sleep(pace.fetch_pause(tries, desk.rng))


async def _fit(desk: Desk, job: Job, raw: bytes, *, is_copy: bool) -> str:
    """Bounded by the fitter, which refuses what takes it too long."""
    await desk.answering.quiet(GIVES_WAY_S)
    fitted = await desk.fitter.fit(
        raw,
        lambda upright: job.clip.size or _size_of(desk, job, upright),
        max_enlargement=desk.catalog.max_enlargement,
    )
    await desk.files.keep_picture(job, fitted.jpeg)
    await desk.files.keep_copy(job, raw if is_copy else fitted.copy)
    return fitted.size


def _size_of(desk: Desk, job: Job, upright: tuple[int, int]) -> str:
    """Of the price that was reserved: the catalog may be another one by now."""
    model = desk.catalog.model(job.clip.model)
    if model is None:
        raise PictureRefused("The model {model} is no longer on offer. Please choose another.", model=job.clip.model)
    size = model.size_at(job.clip.credits / job.clip.seconds, *upright)
    if size is None:
        raise PictureRefused(PRICE_CHANGED, model=model.label)
    return size
