"""Reads create requests in JSON, whatever a model calls its fields: prompt, picture, length and size of the video."""

import base64
import binascii
import io
import re
from collections.abc import Iterator
from typing import Any

import aiohttp
from PIL import Image

from sandbox.providers.exchange import ErrorReply, RequestRefused
from sandbox.providers.jobs import Options

DEFAULT_SECONDS = 5
MOST_SECONDS = 60
DEFAULT_SHORT_SIDE = 720
NAMED_SIDES = {"1k": 1024, "2k": 1440, "4k": 2160}
FETCH_WITHIN_SECONDS = 10
_DATA_URI = re.compile(r"data:image/(?:jpeg|png|webp);base64,")
_SECONDS = ("duration", "seconds", "durationSeconds", "duration_seconds")
_RATIOS = ("aspect_ratio", "ratio", "aspectRatio")


def prompt_in(body: Any) -> str:
    """The prompt: under that name, or the first text of a list of contents; empty where there is none."""
    found = _first(body, ("prompt", "text"))
    return found if isinstance(found, str) else ""


def pictures_in(body: Any) -> list[str]:
    """Every picture of the body, as a data URI or an address, in the order in which they stand there."""
    return [text for text in _strings(body) if _DATA_URI.match(text) or text.startswith(("https://", "http://"))]


def seconds_in(body: Any) -> int:
    """The length: 5, "5" and "5s" are the same. Raises RequestRefused (422)."""
    given = _first(body, _SECONDS)
    found = re.fullmatch(r"([0-9]{1,3})s?", str(DEFAULT_SECONDS if given is None else given))
    if found is None or not 1 <= int(found[1]) <= MOST_SECONDS:
        raise RequestRefused(
            ErrorReply(422, f"{given} is not a length", "less_than_equal", "invalid_input", "duration")
        )
    return int(found[1])


def options_in(body: Any) -> Options:
    """Sound and seed, of the types that they have everywhere. Raises RequestRefused (422)."""
    found: Options = {}
    sound, seed = _first(body, ("generate_audio", "generateAudio")), _first(body, ("seed",))
    if sound is not None and type(sound) is not bool:
        raise RequestRefused(
            ErrorReply(422, f"{sound} is not a boolean", "bool_type", "invalid_input", "generate_audio")
        )
    if seed is not None and (type(seed) is not int or not -1 <= seed < 2**32):
        raise RequestRefused(ErrorReply(422, f"{seed} is not a seed", "int_type", "invalid_input", "seed"))
    found["sound"], found["seed"] = sound, seed
    return found


def check_last(first: bytes, last: bytes) -> None:
    """A video has one shape. Raises RequestRefused (422)."""
    if _dimensions(first) != _dimensions(last):
        raise RequestRefused(ErrorReply(422, "First and last picture differ in size", "value_error", "invalid_input"))


def size_in(body: Any, picture: bytes) -> str:
    """What is rendered: the size that is asked for, else aspect ratio and resolution, else the picture's own shape."""
    size = _first(body, ("size",))
    if isinstance(size, str) and re.fullmatch(r"[1-9][0-9]{1,4}x[1-9][0-9]{1,4}", size):
        return size
    ratio = re.fullmatch(r"([1-9][0-9]?):([1-9][0-9]?)", str(_first(body, _RATIOS)))
    width, height = (int(ratio[1]), int(ratio[2])) if ratio else _dimensions(picture)
    resolution = str(_first(body, ("resolution",)) or "").lower()
    digits = re.match(r"[0-9]{3,4}", resolution)
    short = NAMED_SIDES.get(resolution, int(digits[0]) if digits else DEFAULT_SHORT_SIDE)
    scale = short / min(width, height)
    return f"{2 * round(width * scale / 2)}x{2 * round(height * scale / 2)}"


async def picture_of(reference: str) -> bytes:
    """The picture itself, fetched where it is an address. Raises RequestRefused (400) where it is none."""
    if reference.startswith(("https://", "http://")):
        picture = await _fetched(reference)
    else:
        try:
            picture = base64.b64decode(_DATA_URI.sub("", reference, count=1), validate=True)
        except binascii.Error:
            raise _no_picture() from None
    _dimensions(picture)
    return picture


async def _fetched(address: str) -> bytes:
    timeout = aiohttp.ClientTimeout(total=FETCH_WITHIN_SECONDS)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(address) as response:
            response.raise_for_status()
            return await response.read()
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise RequestRefused(ErrorReply(400, f"The picture cannot be fetched: {type(error).__name__}")) from None


def _dimensions(picture: bytes) -> tuple[int, int]:
    try:
        with Image.open(io.BytesIO(picture), formats=("JPEG", "PNG", "WEBP")) as image:
            return image.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _no_picture() from None


def _no_picture() -> RequestRefused:
    return RequestRefused(ErrorReply(422, "The picture cannot be read", "image_load_error", "invalid_input", "image"))


def _first(body: Any, names: tuple[str, ...]) -> Any:
    """The first value under one of these names, the outermost first."""
    level = [body]
    while level:
        for part in level:
            if isinstance(part, dict):
                for name in names:
                    if part.get(name) is not None and not isinstance(part[name], dict | list):
                        return part[name]
        inner = [p.values() if isinstance(p, dict) else p for p in level if isinstance(p, dict | list)]
        level = [value for values in inner for value in values]
    return None


def _strings(body: Any) -> Iterator[str]:
    if isinstance(body, str):
        yield body
    for part in body.values() if isinstance(body, dict) else body if isinstance(body, list) else ():
        yield from _strings(part)
