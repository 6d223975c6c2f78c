"""OpenRouter's list of video models as entries of a catalog: those that make a video from a first frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bot.catalog.sizes import size_of
from bot.log import printable
from bot.make_catalog.prices import Price, UnpricedError, price_of
from bot.sizes import parse_size

FIRST_FRAME, LAST_FRAME = "first_frame", "last_frame"
RATIOS = ("9:16", "16:9", "1:1")
"""Of the aspect ratios of a model, these are enough; without any of them, its first two."""
MOST_LENGTHS = 6
LENGTHS = (4, 5, 6, 8, 10, 12, 15)
"""Of a model with more lengths than that."""
LONGEST_S = 60


@dataclass(frozen=True, slots=True)
class Entry:
    """One `[[models]]` table. `prices` are by what is chosen: a resolution, or a size, or "" where there is none."""

    id: str
    label: str
    name: str
    seconds: tuple[int, ...]
    sizes: Mapping[str, str]  # in pixels, to the key of its price
    aspect_ratios: tuple[str, ...]
    prices: Mapping[str, Price]
    sound: bool
    last_image: bool
    seed: bool

    @property
    def cheapest(self) -> float:
        """US dollars per second."""
        return min(price.usd for price in self.prices.values())


@dataclass(frozen=True, slots=True)
class Entries:
    """The cheapest first, and why others are left out, by their names."""

    entries: tuple[Entry, ...]
    left_out: Mapping[str, str]


class _Unfit(ValueError):
    """Why a model is left out."""


def entries_of(listed: Sequence[Any]) -> Entries:
    """Reads the list; each model that a picture can begin with."""
    found: list[Entry] = []
    left_out: dict[str, str] = {}
    for model in listed:
        if not isinstance(model, dict) or not _is_name(model.get("id")):
            continue
        if FIRST_FRAME not in _strings(model, "supported_frame_images"):
            continue
        try:
            found.append(_entry(model))
        except (_Unfit, UnpricedError) as error:
            left_out[model["id"]] = printable(str(error))
    named = _with_ids(sorted(found, key=lambda entry: (entry.cheapest, entry.name)))
    return Entries(tuple(named), left_out)


def _entry(model: Mapping[str, Any]) -> Entry:
    seconds = _lengths(model)
    sizes, ratios = _sizes(model)
    prices: dict[str, Price] = {}
    for size, key in sizes.items():
        price = price_of(model.get("pricing_skus"), _resolution(size, key), parse_size(size), seconds[0])
        if key not in prices or prices[key].usd < price.usd:
            prices[key] = price
    label = printable(str(model.get("name") or model["id"])).rpartition(": ")[2].strip()[:100]
    return Entry(
        id=model["id"].rpartition("/")[2],
        label=label or model["id"],
        name=model["id"],
        seconds=seconds,
        sizes=sizes,
        aspect_ratios=ratios,
        prices=prices,
        sound=model.get("generate_audio") is True,
        last_image=LAST_FRAME in _strings(model, "supported_frame_images"),
        seed=model.get("seed") is True,
    )


def _lengths(model: Mapping[str, Any]) -> tuple[int, ...]:
    told = model.get("supported_durations")
    found = sorted({n for n in told if type(n) is int and 0 < n <= LONGEST_S}) if isinstance(told, list) else []
    if not found:
        raise _Unfit("its lengths are not listed")
    usual = [n for n in found if n in LENGTHS] if len(found) > MOST_LENGTHS else found
    return tuple((usual or found)[:MOST_LENGTHS])


def _sizes(model: Mapping[str, Any]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Sizes in pixels, each with the key of its price, and the aspect ratios, where there are any."""
    offered = [ratio for ratio in _strings(model, "supported_aspect_ratios") if _is_shape(ratio, None)]
    ratios = tuple(ratio for ratio in RATIOS if ratio in offered) or tuple(offered[:2])
    if ratios:
        resolutions = [each for each in _strings(model, "supported_resolutions") if _is_shape(ratios[0], each)]
        chosen: list[str | None] = [*resolutions] or [None]
        found: dict[str, str] = {}
        for each in chosen:
            for ratio in ratios:
                found.setdefault(size_of(ratio, each), each or "")
        return found, ratios
    sizes = [size for size in _strings(model, "supported_sizes") if _is_size(size)]
    if not sizes:
        raise _Unfit("neither its aspect ratios nor its sizes are listed")
    return {size: size for size in sizes}, ()


def _resolution(size: str, key: str) -> str:
    """As prices name it: the model's own word, else the short side."""
    return key if key and "x" not in key else f"{min(parse_size(size))}p"


def _with_ids(entries: Sequence[Entry]) -> list[Entry]:
    """Where two names end alike, both are told apart by their whole name."""
    ids, labels = ([getattr(entry, name) for entry in entries] for name in ("id", "label"))
    return [
        replace(
            entry,
            id=entry.id if ids.count(entry.id) == 1 else entry.name.replace("/", "-"),
            label=entry.label if labels.count(entry.label) == 1 else entry.name[:100],
        )
        for entry in entries
    ]


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 100 and value.isprintable() and not set(value) & set(" ,")


def _is_shape(ratio: str, resolution: str | None) -> bool:
    try:
        size_of(ratio, resolution)
    except ValueError:
        return False
    return True


def _is_size(size: str) -> bool:
    try:
        parse_size(size)
    except ValueError:
        return False
    return True


def _strings(model: Mapping[str, Any], name: str) -> list[str]:
    told = model.get(name)
    return [each for each in told if isinstance(each, str)] if isinstance(told, list) else []
