"""OpenRouter's prices (`pricing_skus`) as US dollars per second of a video that is made from a picture.

They have no one form. What is not known leaves the model unpriced: a guess would cost the operator money. Where
several prices could apply, such as with and without sound, the highest counts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

FRAMES_PER_SECOND = 24
TOKEN_PIXELS = 1024
"""A price by tokens is for width × height × frames / 1024 of them."""

_FORMS = (
    (re.compile(r"(?:image_to_video_)?duration_seconds(_with_audio|_without_audio)?(?:_(\w+))?"), 1.0, False),
    (re.compile(r"per-video-second()(?:-(\w+))?"), 1.0, False),
    (re.compile(r"cents_per_(?:video_output_second|second_output)()(?:_(\w+))?"), 0.01, False),
    (re.compile(r"video_tokens(_with_audio|_without_audio)?(?:_(\w+))?"), 1.0, True),
)
_FLAT = {"cents_per_image_input": 0.01, "reference_images": 1.0}
_LEAST = {"minimum_cents_per_generation": 0.01}
_OF_OTHER_REQUESTS = re.compile(
    r"text_to_video_.*|reference_duration_.*|.*video_continuation.*|cents_per_video_input.*"
)


class UnpricedError(ValueError):
    """Why there is no price per second."""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per second; `is_estimated`: reckoned from tokens."""

    usd: float
    is_estimated: bool = False


@dataclass(frozen=True, slots=True)
class _Rate:
    sound: str
    resolution: str | None
    usd: float
    is_by_token: bool


def price_of(skus: Any, resolution: str | None, size: tuple[int, int], shortest_s: int) -> Price:
    """The price at a resolution, for the shortest video: what is paid once is spread over it. Raises UnpricedError."""
    if not isinstance(skus, Mapping) or not skus:
        raise UnpricedError("its price is not listed")
    rates = list(_rates(skus))
    wanted = None if resolution is None else resolution.lower()
    found = [_Rate(rate.sound, wanted, _usd(rate, size), rate.is_by_token) for rate in _applying(rates, wanted)]
    if not found:
        raise UnpricedError("its price per second is not listed")
    highest = max(found, key=lambda rate: rate.usd)
    once = sum(_number(skus, name) * scale for name, scale in _FLAT.items() if name in skus)
    least = max((_number(skus, name) * scale for name, scale in _LEAST.items() if name in skus), default=0.0)
    usd = max(highest.usd + once / shortest_s, least / shortest_s)
    return Price(math.ceil(round(usd * 10_000, 6)) / 10_000, highest.is_by_token)


def credits_for(usd: float, usd_per_credit: float) -> int:
    """Whole credits per second, rounded up; at least 1."""
    return max(1, math.ceil(round(usd / usd_per_credit, 9)))


def _rates(skus: Mapping[str, Any]) -> Iterator[_Rate]:
    for name in skus:
        if name in _FLAT or name in _LEAST or _OF_OTHER_REQUESTS.fullmatch(name):
            continue
        for form, scale, is_by_token in _FORMS:
            if (match := form.fullmatch(name)) is not None:
                resolution = match[2] and match[2].lower()
                yield _Rate(match[1] or "", resolution, _number(skus, name) * scale, is_by_token)
                break
        else:
            raise UnpricedError(f"its price has a part that is not known: {name}")


def _applying(rates: list[_Rate], resolution: str | None) -> Iterator[_Rate]:
    """For each kind of sound those for the very resolution, else those for any."""
    for sound in {rate.sound for rate in rates}:
        of_sound = [rate for rate in rates if rate.sound == sound]
        yield from [rate for rate in of_sound if rate.resolution == resolution is not None] or [
            rate for rate in of_sound if rate.resolution is None
        ]


def _usd(rate: _Rate, size: tuple[int, int]) -> float:
    width, height = size
    return rate.usd * width * height * FRAMES_PER_SECOND / TOKEN_PIXELS if rate.is_by_token else rate.usd


def _number(skus: Mapping[str, Any], name: str) -> float:
    try:
        found = float(skus[name])
    except (TypeError, ValueError):
        found = math.nan
    if not math.isfinite(found) or found < 0:
        raise UnpricedError(f"its price is not a number: {name}")
    return found
