"""Bodies and workflows of a model's own: JSON in which placeholders stand for what was asked. Pure.

A string that is nothing but `{seconds}` becomes the value itself, with its type; `{seconds!s}` is the value as text, as
it is inside of a text, `{seconds}s`. Braces round any other word are left as they are.

What has no value is left out: a member of an object, an object that has become empty by that, and, in a list, the whole
item in which a placeholder has no value.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

from bot.providers.protocols import CreateRequest
from bot.wire_config import ModelWire, PictureForm

_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)(!s)?\}")
_NOTHING = object()
_URI = "data:image/jpeg;base64,"
_NAMES = (
    "prompt", "negative_prompt", "picture", "picture_base64", "last_image", "seconds", "size", "width", "height",
    "aspect_ratio", "resolution", "sound", "seed",
)  # fmt: skip
NAMES = frozenset(_NAMES)
"""The placeholders that `values_of` has values for."""


def filled(
    template: Mapping[str, Any], values: Mapping[str, Any], braces: re.Pattern[str] = _PLACEHOLDER
) -> dict[str, Any]:
    """A copy of the template with the values in the places of their placeholders; None is no value."""
    found, _ = _filled(template, values, braces)
    return found if isinstance(found, dict) else {}


def placeholders(template: Any, braces: re.Pattern[str] = _PLACEHOLDER) -> frozenset[str]:
    """The names of all words in braces, known or not, for checks of a catalog."""
    if isinstance(template, str):
        return frozenset(found[1] for found in braces.finditer(template))
    parts = template.values() if isinstance(template, Mapping) else template if isinstance(template, list) else ()
    return frozenset[str]().union(*(placeholders(part, braces) for part in parts))


def faults_of(model: ModelWire) -> list[str]:
    """What is wrong with the model's own body, for whoever wrote the catalog."""
    unknown = sorted(placeholders(model.body) - NAMES)
    return [f"the body of the model {model.name} has the unknown placeholder {{{name}}}" for name in unknown]


def values_of(request: CreateRequest) -> dict[str, Any]:
    """What stands for each placeholder in a request; None where it has no value."""
    width, _, height = (request.size or "").partition("x")
    coded = base64.b64encode(request.picture).decode()
    picture = request.picture_url if request.model.picture is PictureForm.URL else _URI + coded
    given = (
        request.prompt, request.negative_prompt, picture, coded,
        last_picture_of(request), request.seconds, request.size, int(width) if height else None,
        int(height) if height else None, request.aspect_ratio, request.resolution, request.sound, request.seed,
    )  # fmt: skip
    return dict(zip(_NAMES, given, strict=True))


def has_picture(request: CreateRequest) -> bool:
    """Whether the picture can be given as its model takes it: only an address may be missing."""
    return request.model.picture is not PictureForm.URL or request.picture_url is not None


def picture_of(request: CreateRequest) -> str | None:
    """The picture as its model takes it in JSON: the address where the bot serves it, or the bytes as a data URI."""
    return request.picture_url if request.model.picture is PictureForm.URL else data_uri(request.picture)


def last_picture_of(request: CreateRequest) -> str | None:
    """The picture with which the video ends, as `picture_of` has the first; None where there is none."""
    return request.last_image_url if request.model.picture is PictureForm.URL else data_uri(request.last_image)


def data_uri(picture: bytes | None) -> str | None:
    """A JPEG as a data URI."""
    return None if picture is None else _URI + base64.b64encode(picture).decode()


def _filled(template: Any, values: Mapping[str, Any], braces: re.Pattern[str]) -> tuple[Any, bool]:
    """The filled template, or `_NOTHING`, and whether anything in it was left out."""
    if isinstance(template, str):
        found = _text(template, values, braces)
        return found, found is _NOTHING
    if isinstance(template, Mapping):
        members = {name: _filled(part, values, braces) for name, part in template.items()}
        kept = {name: found for name, (found, _) in members.items() if found is not _NOTHING}
        is_short = any(left_out for _, left_out in members.values())
        return (kept if kept or not is_short else _NOTHING), is_short
    if isinstance(template, list | tuple):
        items = [_filled(part, values, braces) for part in template]
        whole = [found for found, left_out in items if not left_out]
        return (whole if whole or not items else _NOTHING), len(whole) < len(items)
    return template, False


def _text(template: str, values: Mapping[str, Any], braces: re.Pattern[str]) -> Any:
    names = [found[1] for found in braces.finditer(template) if found[1] in values]
    if any(values[name] is None for name in names):
        return _NOTHING
    whole = braces.fullmatch(template)
    if whole and names and not whole[2]:
        return values[names[0]]
    return braces.sub(lambda found: _as_text(values[found[1]]) if found[1] in values else found[0], template)


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
