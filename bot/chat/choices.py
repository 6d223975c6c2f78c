"""What the catalog offers, as members choose from it: models, lengths and sizes with their prices."""

from __future__ import annotations

from bot.catalog import Catalog, Model

LONGEST = 100
"""Discord's bound on the name of a choice and the label of an option."""
MOST = 25
"""Its bound on the choices of a command's option and the options of a select."""


def model_label(model: Model) -> str:
    """ "Sora 2 Pro · 3 to 5 credits a second"."""
    prices = sorted(set(model.sizes.values()))
    price = str(prices[0]) if len(prices) == 1 else f"{prices[0]} to {prices[-1]}"
    unit = "credit" if prices == [1] else "credits"
    return f"{model.label} · {price} {unit} a second"[:LONGEST]


def seconds_label(catalog: Catalog, seconds: int) -> str:
    """ "8 seconds · Sora 2 8, Sora 2 Pro 24 credits"."""
    prices = [f"{m.label} {m.cheapest * seconds}" for m in catalog.models if seconds in m.seconds]
    return f"{seconds} seconds · {', '.join(prices)} credits"[:LONGEST]


def size_label(catalog: Catalog, size: str) -> str:
    """ "1280x720 · Sora 2 1, Sora 2 Pro 3 a second"."""
    prices = [f"{m.label} {m.sizes[size]}" for m in catalog.models if size in m.sizes]
    return f"{size} · {', '.join(prices)} a second"[:LONGEST]
