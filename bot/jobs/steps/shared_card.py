"""The card that several takes share: whoever carries the first take makes every edit of it.

Each take renders and downloads by itself, and then waits here for the others. Once none is pending, the store decides
which of them the card shows; one edit brings their videos, and one unit makes all of them delivered. Until then every
file stays on our disk, so a stop at any moment is followed by the same look at the store and the same edit. What comes
later, and what the card does not take, goes as a message of its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from bot.jobs import backoff
from bot.jobs.chat_protocol import DeliveryOutcome
from bot.jobs.context import JobContext
from bot.jobs.fit_video import fitted, size_of
from bot.jobs.take_events import changed_within
from bot.models import KEPT_FOR, Job, JobId, JobState
from bot.store import cards, takes

log = logging.getLogger(__name__)

SHARED_LOOK_S = 3.0
"""So often the store is looked at where other processes may carry the other takes."""
LOOK_S = 60.0
REQUEST_BYTES = 25 * 1024 * 1024
"""Discord's documents allow so much in one request; where one file may have more, so may they together."""

_MADE = (JobState.DELIVERED, JobState.UNDELIVERED)

Mention = Callable[[JobContext, Job, int], Awaitable[None]]


async def wait_for_card(context: JobContext, job: Job) -> Job | None:
    """Waits until this take, whose video is here, is shown or kept; the job where it has to go by itself.

    None where it was moved, or deleted. Whoever carries the first take moves it, and bounds this.
    """
    request = job.card.request
    assert request is not None
    context.take_events.wake(request)
    with context.take_events.of(request) as changed:
        while True:
            changed.clear()
            found = {take.id: take for take in await context.persist(takes.of_request(request))}
            now, first = found.get(job.id), found.get(request)
            if now is None or first is None or now.state is not job.state or now.deleted:
                return None
            if now.card.finished and job.id != request:
                return None
            if takes.is_apart(now, first):
                return now
            if context.clock.since(now.state_at) > KEPT_FOR:
                return None
            await changed_within(changed, _look_s(context))


async def wait_for_answer(context: JobContext, job: Job) -> Job | None:
    """A further take waits until the first has found out whether the answer stands; None where it does not."""
    request = job.card.request
    assert request is not None
    with context.take_events.of(request) as changed:
        while True:
            changed.clear()
            found = {take.id: take for take in await context.persist(takes.of_request(request))}
            now, first = found.get(job.id), found.get(request)
            if now is None or first is None or now.card.message is not None or now.state is not JobState.WAITING:
                return now
            if first.state is not JobState.WAITING:
                return None
            await changed_within(changed, _look_s(context))


async def run_shared_card(context: JobContext, request: JobId, mention: Mention) -> None:
    """Shows the takes until the card has had its last edit. Cancelling it is safe; the next start goes on."""
    offers = 0
    told: tuple[object, ...] = ()
    with context.take_events.of(request) as changed:
        while True:
            changed.clear()
            found = await context.persist(takes.of_request(request))
            first = next((take for take in found if take.id == request), None)
            if first is None or first.card.finished:
                return
            if any(map(takes.is_on_card, found)):  # by an earlier version of this very edit
                await context.persist(cards.finish(request, now=context.clock.now()))
                return
            if any(map(takes.is_pending, found)):
                context.chat.show_takes(found)
                await changed_within(changed, _look_s(context))
                continue
            chosen = await _chosen(context, request, found)
            if chosen:
                outcome = await _show(context, found, chosen)
                if outcome is DeliveryOutcome.UPLOADED:
                    await mention(context, first, len(chosen))
                elif outcome is not None:
                    await context.clock.sleep(backoff.redeliver_pause(offers))  # a press begins this anew
                    offers += 1
                continue
            told = await _tell(context, found, told, mention)
            if not any(map(_may_change, found)):
                await context.persist(cards.finish(request, now=context.clock.now()))
                return
            await changed_within(changed, _look_s(context))


async def _chosen(context: JobContext, request: JobId, found: Sequence[Job]) -> list[Job]:
    """Those that the card shows; none where it is gone, so that each has to go by itself."""
    ready = [take for take in found if takes.is_ready(take)]
    there = [take.id for take in ready if await asyncio.to_thread(context.files.video(take).exists)]
    if there and found[0].card.removed:
        await _scatter(context, request)
        return []
    return await context.persist(takes.gather(request, there, now=context.clock.now())) if there else []


async def _show(context: JobContext, found: Sequence[Job], chosen: Sequence[Job]) -> DeliveryOutcome | None:
    """One edit with all of these, and what came of it in the store; None where the store is to be looked at again."""
    first, now = found[0], context.clock.now
    assert first.card.request is not None
    videos = await _fitting(context, first, chosen)
    if videos is None:
        await _scatter(context, first.card.request)
        return None
    outcome = await context.chat.deliver_takes(found, videos)
    if outcome is DeliveryOutcome.UPLOADED:
        shown = await context.persist(takes.deliver_together(chosen, now=now()))
        for take in shown:
            context.files.forget(take, keep_video=take.card.ephemeral)
        return outcome if shown else None
    if outcome in (DeliveryOutcome.LATER, DeliveryOutcome.NOWHERE):
        log.warning("job=%s takes undelivered (%s); kept for %s", first.id, outcome.name.lower(), KEPT_FOR)
        await context.persist(takes.keep_together(chosen, now=now()))
        return outcome
    await _scatter(context, first.card.request)
    return None


async def _fitting(context: JobContext, first: Job, chosen: Sequence[Job]) -> dict[JobId, Path] | None:
    """A file for each, as they are or smaller, so that one request takes all; None where that cannot be had."""
    limit = context.chat.upload_limit(first)
    together = max(limit, REQUEST_BYTES)
    for each in (limit, min(limit, together // len(chosen))):
        videos: dict[JobId, Path] = {}
        for take in chosen:
            try:
                video = await fitted(context, take, context.files.video(take), each)
            except OSError as error:
                log.error("job=%s its video cannot be re-encoded on this machine: %s", take.id, error)  # noqa: TRY400 - no traceback
                return None
            if video is None:
                return None
            videos[take.id] = video
        if sum([await asyncio.to_thread(size_of, video) for video in videos.values()]) <= together:
            return videos
    return None


async def _scatter(context: JobContext, request: JobId) -> None:
    await context.persist(takes.scatter(request, now=context.clock.now()))
    context.take_events.wake(request)


async def _tell(
    context: JobContext, found: Sequence[Job], told: tuple[object, ...], mention: Mention
) -> tuple[object, ...]:
    """The card says how each take stands, where that is news: none of their videos is on it.

    Their member is mentioned where there are some elsewhere.
    """
    news = tuple((take.state, take.failure, take.fetched, take.deleted, take.card.shown_message) for take in found)
    if news != told and not any(take.state is JobState.DELIVERING for take in found):
        says_so = await context.chat.finish_takes(found, context.refused.get(found[0].id))
        count = sum(take.state in _MADE and not take.deleted for take in found)
        if says_so and count:
            await mention(context, found[0], count)
        return news
    return told


def _may_change(take: Job) -> bool:
    """Whether its video may still come, or be brought somewhere."""
    is_offered = take.state is JobState.UNDELIVERED and not take.card.finished and not take.deleted
    return take.state.needs_work or is_offered


def _look_s(context: JobContext) -> float:
    return LOOK_S if context.dispatch is None else SHARED_LOOK_S
