"""What a wire has to know of a provider and of a model: plain values, from the catalog. Nothing here acts."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class PictureForm(enum.StrEnum):
    """How a wire is given the picture."""

    FILE = "file"  # a part of a multipart form, or an upload
    DATA_URI = "data-uri"  # a string in JSON
    OBJECT = "object"  # {"image_url": a data URI}
    URL = "url"  # an address where the bot itself serves it, under PUBLIC_URL


@dataclass(frozen=True, slots=True)
class ModelWire:
    """What a wire has to know of one model, from the catalog. Prices, labels and limits for members are not here."""

    name: str  # the provider's own name of the model, or its path
    picture: PictureForm = PictureForm.FILE
    body: Mapping[str, Any] | None = None  # JSON with placeholders: the whole body, or what the wire's own lacks
    result: str | None = None  # path of the video's address in the result, such as "video.url"
    unsafe: str | None = None  # path of the provider's own flag in the result; with "!" in front, false is the flag
    refuses_unsafe: bool = False  # such a video is not shown, else it is a spoiler
    workflow: Mapping[str, Any] | None = None  # ComfyUI's API format, with placeholders
    fps: float | None = None  # frames per second of a workflow that counts frames
    charges_refusals: bool | None = None  # whether a refusal by its rules is charged for; None: not known
    max_picture_side: int | None = None  # pixels
    max_picture_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """What an adapter is built from. The key goes to the origin of `url` alone; `key` is None where none is needed."""

    name: str
    wire: str
    url: str
    key: str | None = field(default=None, repr=False)
    auth: str = "auto"  # auto, raw, bearer, key ("Authorization: Key …"), x-api-key, none
    dialect: str | None = None  # of a wire that is spoken in two: fal, comfy-router; comfyui, api-v2
    download_hosts: frozenset[str] = frozenset()  # private hosts from which a video may be fetched


@dataclass(frozen=True, slots=True)
class ChatModelConfig:
    """The operator's chat model: the root of its API, its name there, its key, and how often a member may ask a day."""

    url: str
    model: str
    key: str | None
    per_day: int
