"""What a member chose last, as the defaults of their next video; what no longer fits is left to the model."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

from bot.catalog import styles
from bot.catalog.offer import Catalog
from bot.models import VideoSpec

_KEPT = {"model", "seconds", "rate", "sound", "style"}
_FIELDS = [field.name for field in fields(VideoSpec) if field.name in _KEPT]
"""In the order in which they are taken. In place of a size its price is kept: the picture decides the size."""


def as_json(typed: VideoSpec, complete: VideoSpec) -> str:
    """What was chosen of a video, which the catalog completed; no prompt and no picture."""
    has_rate = typed.size is not None or typed.rate is not None
    chosen = replace(
        typed,
        model=complete.model if has_rate else typed.model,
        rate=complete.credits // complete.seconds if has_rate else None,
        style=complete.style,
    )
    values = {name: getattr(chosen, name) for name in _FIELDS}
    return json.dumps({name: value for name, value in values.items() if not _is_open(value)})


def from_json(kept: str) -> VideoSpec:
    """As `as_json` wrote it; what another version of the bot wrote beside it is left out."""
    values: dict[str, Any] = json.loads(kept)
    return VideoSpec(**{name: value for name, value in values.items() if name in _FIELDS})


def with_last(catalog: Catalog, typed: VideoSpec, last: VideoSpec | None) -> VideoSpec:
    """What was typed, and whatever of the last choices still fits to it."""
    if last is None:
        return typed
    spec = typed
    for name in _FIELDS:
        value = getattr(last, name)
        if _is_open(getattr(typed, name)) and not _is_open(value) and _applies(catalog, spec, last, name):
            more = replace(spec, **{name: value})
            spec = more if catalog.possible(more) is not None else spec
    return spec


def _applies(catalog: Catalog, spec: VideoSpec, last: VideoSpec, name: str) -> bool:
    match name:
        case "model":
            return catalog.offered(last.model) is not None
        case "rate":  # the same number is another kind of size with another model
            return spec.size is None and spec.model == last.model
        case "style":
            return styles.find(catalog, last.style) is not None
        case _:
            return catalog.offered(spec.model) is not None or not spec.model


def _is_open(value: object) -> bool:
    return value is None or value == "" or (value == 0 and value is not False)
