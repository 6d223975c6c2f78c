"""Entries as the text of a catalog file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date

from bot.catalog import ProviderEntry
from bot.make_catalog.openrouter import Entries, Entry
from bot.make_catalog.prices import FRAMES_PER_SECOND, credits_for


def text_of(found: Entries, provider: ProviderEntry, *, source: str, day: date, usd_per_credit: float) -> str:
    """The whole file, with where it is from."""
    lines = [
        f"# Written on {day} by `python -m bot catalog {provider.name}`, from {source}.",
        "# To use it, put its path into VIDEO_CATALOG; docs/configuration.md explains every key.",
        "#",
        f"# 1 credit stands for up to {usd_per_credit:g} US dollars: what a second costs is divided by that and",
        "# rounded up. `usd` is the highest price of the list that could apply, such as the one with sound. Compare it",
        "# with your account before you raise the budget.",
        *_left_out(found.left_out),
        "",
        f"default = {_quoted(found.entries[0].id)}",
        "",
        f"[providers.{provider.name}]",
        f"wire = {_quoted(provider.wire)}",
        f"url = {_quoted(provider.url)}",
        *([f"key = {_quoted(provider.key)}"] if provider.key else []),
        f"auth = {_quoted(provider.auth)}",
    ]
    for entry in found.entries:
        lines += ["", *_model(entry, usd_per_credit)]
    return "\n".join(lines) + "\n"


def _left_out(reasons: Mapping[str, str]) -> Iterator[str]:
    if reasons:
        yield "#"
        yield "# Left out:"
    for name, reason in sorted(reasons.items()):
        yield f"# - {name}: {reason}"


def _model(entry: Entry, usd_per_credit: float) -> Iterator[str]:
    yield "[[models]]"
    yield f"id = {_quoted(entry.id)}"
    yield f"label = {_quoted(entry.label)}"
    yield f"name = {_quoted(entry.name)}"
    yield f"seconds = {list(entry.seconds)}"
    if entry.aspect_ratios:
        yield f"aspect_ratios = {json.dumps(list(entry.aspect_ratios))}"
        if resolutions := [key for key in entry.prices if key]:
            yield f"resolutions = {json.dumps(resolutions)}"
    else:
        yield f"sizes = {json.dumps(list(entry.sizes))}"
    yield f"credits = {_by_key({key: credits_for(price.usd, usd_per_credit) for key, price in entry.prices.items()})}"
    is_estimated = any(price.is_estimated for price in entry.prices.values())
    remark = f"  # estimated from a price by tokens, at {FRAMES_PER_SECOND} frames per second" if is_estimated else ""
    yield f"usd = {_by_key({key: price.usd for key, price in entry.prices.items()})}{remark}"
    for name in ("sound", "last_image", "seed"):
        if getattr(entry, name):
            yield f"{name} = true"


def _by_key(values: Mapping[str, float]) -> str:
    """One value where all are the same, else a table."""
    if len(set(values.values())) == 1:
        return repr(next(iter(values.values())))
    return "{ " + ", ".join(f"{_quoted(key)} = {value!r}" for key, value in values.items()) + " }"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
