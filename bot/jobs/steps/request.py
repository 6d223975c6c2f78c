"""The whole request for a job, as its provider's wire is given it; the same each time it is built."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from bot.catalog import Model, styles
from bot.jobs import request_keys
from bot.jobs.context import JobContext
from bot.models import Job, VideoSpec
from bot.providers.protocols import CreateRequest, Provider
from bot.store.row_mapping import SPEC_COLUMNS
from bot.wire_config import PictureForm

_REQUESTED = {field.name for field in fields(CreateRequest)} - {*SPEC_COLUMNS, "last_image"}
"""An option that a member chose goes to the wire as it is, where the request knows it by the same name."""


def model_of(context: JobContext, job: Job) -> tuple[Model, Provider] | None:
    """The job's model, and who makes it now; None where the catalog, or the settings, have it no more."""
    model = context.catalog.model(job.spec.model)
    provider = None if model is None else context.providers.named(model.provider)
    return None if model is None or provider is None else (model, provider)


def with_key(context: JobContext, job: Job, model: Model) -> Job:
    """The job with the key that its request is to be sent under, where that is not stored yet."""
    request = request_of(context, job, model, b"")
    return job.evolve(request_key=request_keys.key_for(context.providers.config(model.provider), request))


def model_spec(spec: VideoSpec, model: Model) -> VideoSpec:
    """What this model is told of it: one that stands in may know less than the one asked for."""
    return replace(spec, sound=model.sound_of(spec), seed=spec.seed if model.seed else None)


def request_of(context: JobContext, job: Job, model: Model, picture: bytes, last: bytes | None = b"") -> CreateRequest:
    """`picture` and `last` are the fitted JPEGs; empty where they are lost, which none of them may be to be sent."""
    spec = model_spec(job.spec, model)
    ends_with = (picture if spec.loop else last) if spec.loop or spec.last_image else None
    if ends_with == b"":
        picture = b""
    assert spec.size is not None
    shape, is_hosted = model.shapes.get(spec.size), model.wire.picture is PictureForm.URL
    options: dict[str, Any] = {
        field.name: getattr(spec, field.name) for field in fields(spec) if field.name in _REQUESTED
    }
    return CreateRequest(
        key=job.request_key or "",
        model=model.wire_of_it,
        prompt=styles.prompt_of(context.catalog, spec),
        seconds=spec.seconds,
        size=spec.size,
        picture=picture,
        picture_url=context.picture_url(job) if is_hosted else None,
        last_image=ends_with,
        last_image_url=context.picture_url(job, last=not spec.loop) if is_hosted and ends_with is not None else None,
        aspect_ratio=None if shape is None else shape.aspect_ratio,
        resolution=None if shape is None else shape.resolution,
        max_usd=context.catalog.money(model.id, spec.seconds, spec.size, sound=spec.sound),
        sent_at=job.last_sent_at,
        **options,
    )
