"""What a catalog file may say, key by key, and what each key should be, as the sentence about a wrong one has it."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Text = Annotated[str, Field(min_length=1, max_length=200)]
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\s,]+$")]
Credits = Annotated[int, Field(gt=0, le=1_000_000)]
Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False)]

SHOULD_BE = {
    "default": "the id of a model",
    "max_enlargement": "a number, 1 or more",
    "providers": "a table for each provider, such as [providers.openrouter]",
    "models": "one [[models]] table for each model, at least one",
    "styles": "one [[styles]] table for each style",
    "wire": "openai, openrouter, queue or comfyui",
    "url": "an http(s) address",
    "key": "the name of the variable that holds the key, such as OPENROUTER_API_KEY",
    "auth": "auto, raw, bearer, key, x-api-key or none",
    "dialect": "fal or comfy-router with the wire queue, comfyui or api-v2 with the wire comfyui",
    "concurrent": "a whole number above 0",
    "id": "a name without blanks",
    "label": "what members read, in 1 to 100 characters",
    "provider": "the name of a [providers] table",
    "name": "what the provider calls the model",
    "seconds": "whole numbers above 0, such as [4, 8]",
    "sizes": 'sizes in pixels, such as ["720x1280", "1280x720"]',
    "aspect_ratios": 'aspect ratios, such as ["9:16", "16:9"]',
    "resolutions": 'resolutions, such as ["720p", "1080p"]',
    "credits": "whole credits above 0 per second, or a table with them for each size or resolution",
    "usd": "US dollars per second, or a table with them for each size or resolution",
    "picture": "file, data-uri, object or url",
    "max_picture_side": "pixels, a whole number above 0",
    "max_picture_bytes": "a whole number above 0",
    "sound": 'true where it can be chosen, "always" where the model always makes sound, or false',
    "sound_credits": "as credits, for a video with sound, where that costs more",
    "sound_usd": "as usd, for a video with sound",
    "last_image": "true or false",
    "seed": "true or false",
    "negative_prompt": "true or false",
    "unproven": "true or false",
    "charges_refusals": "true or false, or left out where it is not known",
    "body": 'a table with placeholders, such as { prompt = "{prompt}" }',
    "result": "where the result has the video's address, such as video.url",
    "unsafe": "where the result has the provider's own flag, such as has_nsfw_concepts or !video.respect_moderation",
    "unsafe_then": "spoiler or refuse",
    "workflow": "a workflow file in ComfyUI's API format",
    "fps": "frames per second, a number above 0",
    "retired": 'a table such as { on = 2026-09-24, instead = ["another-model"] }',
    "on": "a date, such as 2026-09-24",
    "at": "a host name, such as gptproto.com",
    "instead": "ids of models",
    "fallback": "ids of models",
    "words": "what is added to the prompt",
}  # fmt: skip


class Entry(BaseModel):
    """A table of the file. A name that nothing reads is one spelled wrong."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Provider(Entry):
    """`[providers.NAME]`."""

    wire: Literal["openai", "openrouter", "queue", "comfyui"]
    url: Annotated[str, Field(pattern=r"^https?://[^\s/]+\S*$")]
    key: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")] | None = None
    auth: Literal["auto", "raw", "bearer", "key", "x-api-key", "none"] = "auto"
    dialect: Literal["fal", "comfy-router", "comfyui", "api-v2"] | None = None
    concurrent: Annotated[int, Field(gt=0)] | None = None


class End(Entry):
    """`retired`."""

    on: date
    at: Text | None = None
    instead: list[Name] = []


class Model(Entry):
    """`[[models]]`."""

    id: Name
    label: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    provider: Name | None = None
    name: Name | None = None
    seconds: Annotated[list[Annotated[int, Field(gt=0, le=86_400)]], Field(min_length=1)]
    sizes: Annotated[list[str], Field(min_length=1)] | None = None
    aspect_ratios: Annotated[list[str], Field(min_length=1)] | None = None
    resolutions: Annotated[list[str], Field(min_length=1)] | None = None
    credits: Credits | dict[str, Credits]
    usd: Dollars | dict[str, Dollars] = {}
    picture: Literal["file", "data-uri", "object", "url"] | None = None
    max_picture_side: Annotated[int, Field(gt=0)] | None = None
    max_picture_bytes: Annotated[int, Field(gt=0)] | None = None
    sound: bool | Literal["always"] = False
    sound_credits: Credits | dict[str, Credits] | None = None
    sound_usd: Dollars | dict[str, Dollars] = {}
    last_image: bool = False
    seed: bool = False
    negative_prompt: bool = False
    unproven: bool = False
    charges_refusals: bool | None = None
    body: dict[str, Any] | None = None
    result: Text | None = None
    unsafe: Text | None = None
    unsafe_then: Literal["spoiler", "refuse"] = "spoiler"
    workflow: Text | None = None
    fps: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    retired: End | None = None
    fallback: list[Name] = []


class Style(Entry):
    """`[[styles]]`."""

    label: Annotated[str, Field(min_length=1, max_length=100)]
    words: Text


class File(Entry):
    """The whole file."""

    default: Name | None = None
    max_enlargement: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 4.0
    providers: Annotated[dict[Name, Provider], Field(min_length=1)]
    models: Annotated[list[Model], Field(min_length=1)]
    styles: list[Style] = []
