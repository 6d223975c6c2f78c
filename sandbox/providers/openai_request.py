"""Reads a create request and refuses what the real API refuses, in its words."""

import base64
import binascii
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from PIL import Image

from sandbox.providers.exchange import ErrorReply, Exchange, Part, RequestRefused
from sandbox.providers.jobs import Options
from sandbox.providers.json_request import options_in
from sandbox.providers.settings import ProviderSettings

FIELDS = ("prompt", "model", "seconds", "size", "input_reference")
IMAGE_TYPES = ("image/jpeg", "image/png", "image/webp")
LONGEST_PROMPT = 32_000


PORTRAIT_LANDSCAPE = ("720x1280", "1280x720")


def _models() -> dict[str, tuple[str, ...]]:
    return {"sora-2": PORTRAIT_LANDSCAPE, "sora-2-pro": (*PORTRAIT_LANDSCAPE, "1024x1792", "1792x1024")}


@dataclass(kw_only=True)
class OpenAISettings(ProviderSettings):
    auth: Literal["any", "raw", "bearer"] = "any"
    models: dict[str, tuple[str, ...]] = field(default_factory=_models)  # the first of each is its default
    seconds: tuple[str, ...] = ("4", "8", "12")
    strict: bool = False  # an unknown field is refused with 422
    status_words: dict[str, str] = field(default_factory=dict)  # queued, in_progress, completed, failed → other
    poll_after_ms: int | None = None  # sent as openai-poll-after-ms with every job


@dataclass(frozen=True)
class CreateRequest:
    prompt: str
    model: str
    seconds: str
    size: str
    picture: bytes | None
    options: Options


def pixels(size: str) -> tuple[int, int]:
    """Width and height."""
    width, _, height = size.partition("x")
    return int(width), int(height)


def read_request(exchange: Exchange, settings: OpenAISettings, *, strict: bool) -> CreateRequest:
    """What is to be made; raises RequestRefused with the first thing wrong with it."""
    fields = _fields(exchange)
    unknown = sorted(fields.keys() - FIELDS)
    if strict and unknown:
        raise _refusal(f"Unknown parameter: '{unknown[0]}'.", "unknown_parameter", unknown[0], status=422)
    prompt = _text(fields, "prompt", None)
    if not 1 <= len(prompt) <= LONGEST_PROMPT:
        raise _refusal(f"Invalid 'prompt': expected 1 to {LONGEST_PROMPT} characters.", "invalid_value", "prompt")
    model = _one_of("model", _text(fields, "model", next(iter(settings.models))), settings.models)
    seconds = _one_of("seconds", _text(fields, "seconds", settings.seconds[0]), settings.seconds)
    size = _one_of("size", _text(fields, "size", settings.models[model][0]), settings.models[model])
    picture = _picture(fields.get("input_reference"), size, exchange)
    return CreateRequest(prompt, model, seconds, size, picture, _options(fields))


def _options(fields: dict[str, Any]) -> Options:
    """What LiteLLM and others take beside OpenAI's own fields: as JSON has it, in a form as text."""
    given = {name: fields[name] for name in ("generate_audio", "seed") if name in fields}
    try:
        return options_in({name: json.loads(text) if isinstance(text, str) else text for name, text in given.items()})
    except ValueError:
        raise _refusal("Invalid type: expected a boolean and an integer.", "invalid_type", next(iter(given))) from None


def _fields(exchange: Exchange) -> dict[str, Any]:
    if exchange.parts:
        return _form_fields(exchange.parts)
    try:
        body = json.loads(exchange.body)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise _refusal("We could not parse the body of your request.", None, None)
    return body


def _form_fields(parts: Iterable[Part]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for part in parts:
        if part.name in fields:
            raise _refusal(f"Duplicate parameter: '{part.name}'.", "duplicate_parameter", part.name)
        try:
            fields[part.name] = part if part.filename is not None else part.body.decode()
        except UnicodeDecodeError:
            raise _refusal(f"Invalid '{part.name}': not UTF-8.", "invalid_value", part.name) from None
    return fields


def _text(fields: dict[str, Any], name: str, default: str | None) -> str:
    value = fields.get(name, default)
    if value is None:
        raise _refusal(f"Missing required parameter: '{name}'.", "missing_required_parameter", name)
    if not isinstance(value, str):
        kinds = {Part: "a file", int: "an integer", float: "a number", bool: "a boolean", dict: "an object"}
        got = kinds.get(type(value), "an array")
        expected = "one of '4', '8', or '12'" if name == "seconds" else "a string"
        raise _refusal(f"Invalid type for '{name}': expected {expected}, but got {got} instead.", "invalid_type", name)
    return value


def _one_of(name: str, value: str, allowed: Iterable[str]) -> str:
    if value not in allowed:
        *most, last = (f"'{word}'" for word in allowed)
        listed = f"{', '.join(most)} and {last}" if most else last
        raise _refusal(f"Invalid value: '{value}'. Supported values are: {listed}.", "invalid_value", name)
    return value


def _picture(reference: Any, size: str, exchange: Exchange) -> bytes | None:
    if reference is None:
        return None
    if isinstance(reference, Part):
        mime, picture = (reference.content_type or "").partition(";")[0].strip().lower(), reference.body
    else:
        mime, picture = _data_url(reference, expected="a file" if exchange.parts else "an object")
    if mime not in IMAGE_TYPES:
        raise _refusal(
            f"Invalid file 'input_reference': unsupported mimetype ('{mime}'). "
            "Supported file formats are 'image/jpeg', 'image/png', and 'image/webp'.",
            "unsupported_file_mimetype", "input_reference",
        )  # fmt: skip
    if _dimensions(picture) != pixels(size):
        raise _refusal("Inpaint image must match the requested width and height", None, None)
    return picture


def _data_url(reference: Any, expected: str) -> tuple[str, bytes]:
    if not isinstance(reference, dict):
        raise _refusal(
            f"Invalid type for 'input_reference': expected {expected}, but got a string instead.",
            "invalid_type", "input_reference",
        )  # fmt: skip
    head, _, body = str(reference.get("image_url")).partition(";base64,")
    try:
        return head.removeprefix("data:"), base64.b64decode(body, validate=True)
    except binascii.Error:
        raise _refusal("Invalid 'input_reference.image_url'.", "invalid_value", "input_reference") from None


def _dimensions(picture: bytes) -> tuple[int, int]:
    try:
        with Image.open(io.BytesIO(picture), formats=("JPEG", "PNG", "WEBP")) as image:
            return image.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _refusal("Invalid image file.", "invalid_image_file", "input_reference") from None


def _refusal(message: str, code: str | None, param: str | None, *, status: int = 400) -> RequestRefused:
    return RequestRefused(ErrorReply(status, message, "invalid_request_error", code, param))
