"""From the reservation to the provider: the card, the picture, the line, and the one paid request."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

from bot.errors import ChatUnavailable, PictureRefused, VideoOutcomeUnknown, VideoRejected, VideoUnavailable
from bot.jobs import pace
from bot.jobs.closing import close
from bot.jobs.desk import Desk
from bot.jobs.placing import place
from bot.jobs.port import Hold, Standing
from bot.models import FailureKind, Job, JobState
from bot.store import jobs
from bot.video.port import ClipRequest

log = logging.getLogger(__name__)

ANSWER_SETTLES = timedelta(seconds=5)
"""Discord takes no first answer later than 3 s after the interaction; then a missing card stays missing."""
ROOM_PAUSE_S = 30.0


async def wait(desk: Desk, job: Job) -> Job | None:
    """Carries a waiting job to the provider; its next state, or None where it is over."""
    left = job.created_at + desk.timing.in_line_for - desk.clock.now()
    try:
        async with asyncio.timeout(left.total_seconds()):
            placed = await _place(desk, job)
            if placed is None:
                return await desk.end(job, JobState.CANCELLED, FailureKind.NO_CARD)
            await _room(desk)  # the fitted picture needs a place, too
            job = await _prepare(desk, placed)
            if job.not_before is not None:
                desk.chat.show(job, Standing(starts_at=job.not_before, hold=Hold.RETRY))
                await desk.clock.sleep((job.not_before - desk.clock.now()).total_seconds())
            await _room(desk)
            await desk.line.turn(job)
    except TimeoutError:
        return await desk.end(job, JobState.FAILED, FailureKind.LINE)
    except PictureRefused as error:
        log.info("job=%s picture refused: %s", job.id, error.sentence)
        failed = await desk.end(job, JobState.FAILED, FailureKind.PICTURE)
        if failed is not None:
            await close(desk, failed, sentence=error.sentence)
        return None
    try:
        return await _send(desk, job)
    except BaseException:
        if job.id not in desk.creates:  # cancelled while it is under way: the slot is still taken
            desk.line.leave(job)
        raise


async def _place(desk: Desk, job: Job) -> Job | None:
    """The job with its card's message in the store; None when the answer at Discord is not ours."""
    if job.card.message is not None:
        return job
    tries = 0
    while True:
        try:
            found = await desk.chat.find_card(job)
        except ChatUnavailable as error:
            log.warning("job=%s card not found out yet: %s", job.id, error)
            await desk.clock.sleep(pace.retry_pause(tries, desk.rng))
            tries += 1
            continue
        if found is not None:
            return await place(desk, job, found.message, ephemeral=found.ephemeral) if found.is_ours else None
        settles_in = (job.created_at + ANSWER_SETTLES - desk.clock.now()).total_seconds()
        if settles_in <= 0:
            return None
        await desk.clock.sleep(settles_in)  # then it is asked once more: each such question is a refused request


async def _prepare(desk: Desk, job: Job) -> Job:
    """The picture fitted and on disk. Raises PictureRefused."""
    if job.clip.size is not None and desk.files.picture(job).exists():
        return job
    async with desk.preparing:  # bounds what is held in memory, too
        copied = None if job.again_of is None else await desk.files.read_copy(job.again_of)
        raw = copied or await _fetch(desk, job)
        size = job.clip.size
        if size is None:
            size = _size_of(desk, job, await desk.fitter.upright_size(raw))
        await desk.files.keep_picture(job, await desk.fitter.fit(raw, size))
        await desk.files.keep_copy(job, copied or await desk.fitter.copy(raw))
    if job.clip.size is None:
        fixed = await desk.persist(jobs.fix_size(job.id, size))
        return fixed or job
    return job


def _size_of(desk: Desk, job: Job, upright: tuple[int, int]) -> str:
    model = desk.catalog.model(job.clip.model)
    if model is None:
        raise PictureRefused(f"The model {job.clip.model} is no longer on offer. Please choose another.")
    return model.size_for(*upright)


async def _fetch(desk: Desk, job: Job) -> bytes:
    tries = 0
    while True:
        try:
            return await desk.chat.fetch_picture(job)
        except ChatUnavailable as error:
            log.warning("job=%s picture not fetched yet: %s", job.id, error)
        await desk.clock.sleep(pace.retry_pause(tries, desk.rng))
        tries += 1


async def _room(desk: Desk) -> None:
    while not desk.files.has_room():
        log.error("too little room in DATA_DIR: nothing is submitted until there is more")
        await desk.clock.sleep(ROOM_PAUSE_S)


async def _send(desk: Desk, job: Job) -> Job | None:
    """Builds the whole request; a slot is held."""
    picture = await desk.files.read_picture(job)
    if picture is None or job.clip.size is None or desk.line.is_closed:
        desk.breaker.undecided(job)
        desk.line.leave(job)
        return job  # the picture went missing and is fetched again, or the bot is stopping
    clip = job.clip
    request = ClipRequest(clip.model, clip.prompt, clip.seconds, job.clip.size, picture)
    return await desk.protected(job.id, _submit(desk, job, request))


async def _submit(desk: Desk, job: Job, request: ClipRequest) -> Job | None:
    """The intent in the store, then the only paid line of this program, then what came of it in the store."""
    now = desk.clock.now()
    sent = await desk.move(job, JobState.SUBMITTING, tried_at=job.tried_at or now, submitted_at=now, not_before=None)
    if sent is None:  # cancelled in the meantime
        desk.breaker.undecided(job)
        desk.line.leave(job)
        return await desk.reload(job)
    job = sent
    desk.chat.show(job)
    try:
        provider_id = await desk.videos.create(request)
    except VideoUnavailable as error:
        desk.breaker.undecided(job)
        moved = await _send_later(desk, job, error)
    except VideoRejected as error:
        log.warning("job=%s refused by the provider kind=%s: %s", job.id, error.kind, error.provider_text)
        await _weigh(desk, job, error.kind)
        moved = await desk.end(job, JobState.FAILED, error.kind)
    except VideoOutcomeUnknown as error:
        log.error("job=%s fate unknown, never sent again: %s", job.id, error.provider_text)  # noqa: TRY400 - expected
        desk.breaker.lost(job)
        moved = await desk.end(job, JobState.UNKNOWN, FailureKind.LOST_ANSWER)
    except Exception:
        log.exception("job=%s fate unknown, never sent again", job.id)
        desk.breaker.lost(job)
        moved = await desk.end(job, JobState.UNKNOWN, FailureKind.LOST_ANSWER)
    else:
        log.info("job=%s provider_id=%s", job.id, provider_id)
        desk.breaker.answered(job)
        moved = await desk.move(job, JobState.RENDERING, provider_id=provider_id)
    if moved is None or moved.state is not JobState.RENDERING:
        desk.line.leave(job)
    return moved


async def _weigh(desk: Desk, job: Job, kind: FailureKind) -> None:
    """A refused key is confirmed by a question that costs nothing; anything else but balance is about the job."""
    if kind is FailureKind.KEY:
        try:
            await desk.videos.settle_auth()
        except VideoRejected:
            desk.breaker.turned_away(job, kind)
        except VideoUnavailable:
            desk.breaker.undecided(job)
        else:
            desk.breaker.answered(job)
    elif kind is FailureKind.BALANCE:
        desk.breaker.turned_away(job, kind)
    else:
        desk.breaker.answered(job)


async def _send_later(desk: Desk, job: Job, error: VideoUnavailable) -> Job | None:
    """Certainly nothing was made: back in line, for ten minutes in all."""
    now = desk.clock.now()
    first = job.tried_at or now
    log.warning("job=%s not taken: %s", job.id, error.provider_text)
    if now - first > desk.timing.resubmit_for:
        return await desk.end(job, JobState.FAILED, FailureKind.BUSY)
    if error.rate_limited:
        desk.line.hold(error.retry_after_s or desk.timing.poll_s)
    tried_for_s = (now - first).total_seconds()
    pause = pace.resubmit_pause(desk.timing.poll_s, error.retry_after_s, tried_for_s, desk.rng)
    return await desk.move(job, JobState.WAITING, not_before=now + timedelta(seconds=pause))


async def lose(desk: Desk, job: Job) -> Job | None:
    """Found in submitting: whatever was sent, its answer is lost; unless this very process still waits for it."""
    create = desk.creates.get(job.id)
    if create is not None:
        await asyncio.wait({create})
        return await desk.reload(job)
    log.error("job=%s was being submitted when the bot ended; never sent again", job.id)
    moved = await desk.end(job, JobState.UNKNOWN, FailureKind.LOST_ANSWER)
    desk.line.leave(job)
    return moved
