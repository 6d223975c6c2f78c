"""Another model makes the video where the one asked for surely was refused before anything was made.

Never after an answer that was lost, and never for more credits than were reserved.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace

from bot.catalog import Catalog, Model
from bot.jobs.circuit_breaker import State
from bot.jobs.context import JobContext
from bot.models import FailureKind, Job, JobState, VideoSpec
from bot.sizes import parse_size
from bot.store import jobs

log = logging.getLogger(__name__)

REASONS = frozenset({FailureKind.BALANCE, FailureKind.KEY, FailureKind.MODEL, FailureKind.BUSY})
"""Of a refusal that says nothing against the picture or the prompt."""


@dataclass(frozen=True, slots=True)
class _Instead:
    model: Model
    size: str


def specs_instead(catalog: Catalog, spec: VideoSpec) -> Iterator[tuple[Model, VideoSpec]]:
    """What could be made in place of a video, for as many credits at most; nothing is known of its picture yet."""
    asked = catalog.model(spec.model)
    for model in _named(catalog, () if asked is None else asked.fallback, {spec.model}, spec):
        if model.misfit(spec) is None and (made := model.made(spec)).credits <= spec.credits:
            yield model, made


def may_fall_back(context: JobContext, job: Job) -> bool:
    """Whether there is anybody else at all."""
    return next(_candidates(context, job), None) is not None


async def fall_back(context: JobContext, job: Job) -> Job | None:
    """Waiting again, for another model; None where no other can make it now, or somebody else has moved the job."""
    found = next((each for each in _candidates(context, job) if _is_well(context, each.model)), None)
    provider = None if found is None else context.providers.named(found.model.provider)
    if found is None or provider is None:
        return None
    changes: dict[str, object] = {
        "model": found.model.id,
        "size": found.size,
        "provider": found.model.provider,
        "wire": context.providers.wire(found.model.provider),
        "endpoint": provider.endpoint,
        "request_key": None,
        "first_sent_at": None,
        "not_before": None,
        "fallback_from": ",".join([*_tried(job), job.spec.model]),
    }
    if found.size != job.spec.size or _bounds(context.catalog.model(job.spec.model)) != _bounds(found.model):
        context.files.forget_picture(job)  # before the move: killed in between, it is only fitted once more
    if job.state is JobState.WAITING:
        moved = await context.persist(jobs.change_waiting(job.id, job.spec.model, **changes))
    else:
        moved = await context.move(job, JobState.WAITING, **changes)
    if moved is not None:
        log.warning("job=%s falls back from model %s to %s", job.id, job.spec.model, found.model.id)
    return moved


def _candidates(context: JobContext, job: Job) -> Iterator[_Instead]:
    """In the order in which the catalog names them: for the model asked for first, then for the one that stood in."""
    tried = {*_tried(job), job.spec.model}
    for asked in (*_tried(job), job.spec.model):
        model = context.catalog.model(asked)
        for other in _named(context.catalog, () if model is None else model.fallback, tried, job.spec):
            size = _size_in(other, job)
            if size is not None and other.misfit(replace(job.spec, size=None)) is None:
                yield _Instead(other, size)


def _named(catalog: Catalog, ids: tuple[str, ...], tried: set[str], spec: VideoSpec) -> Iterator[Model]:
    """Those on offer, as far as the server's rules let them make this video."""
    allowed = None if spec.allowed is None else spec.allowed.split(",")
    offered = {model.id: model for model in catalog.models if allowed is None or model.id in allowed}
    return (offered[each] for each in ids if each in offered and each not in tried)


def _size_in(model: Model, job: Job) -> str | None:
    """The job's own size, else the dearest of its orientation for what was reserved; None if all cost more."""
    most = job.spec.credits / job.spec.seconds
    size, sound = job.spec.size, model.sound_of(job.spec)
    assert size is not None
    rates = model.rates(sound)
    if rates.get(size, most + 1) <= most:
        return size
    affordable = [price for price in rates.values() if price <= most]
    return model.size_at(max(affordable), *parse_size(size), sound=sound) if affordable else None


def _bounds(model: Model | None) -> tuple[int | None, int | None] | None:
    """How large a picture it takes."""
    return None if model is None else (model.wire.max_picture_side, model.wire.max_picture_bytes)


def _is_well(context: JobContext, model: Model) -> bool:
    return context.circuit_breakers.of(model.provider).state(model.id) is State.CLOSED


def _tried(job: Job) -> list[str]:
    return job.fallback_from.split(",") if job.fallback_from else []
