"""What the catalog offers, as members choose from it: models, lengths and sizes with their prices."""

from __future__ import annotations

from bot.catalog import Catalog, Model
from bot.i18n.translations import Translations

LONGEST = 100
"""Discord's bound on the name of a choice and the label of an option."""
MOST = 25
"""Its bound on the choices of a command's option and the options of a select."""


def model_label(model: Model, translations: Translations) -> str:
    """ "Sora 2 Pro · 3 to 5 credits a second"."""
    least, most = min(model.sizes.values()), max(model.sizes.values())
    if least == most:
        label = translations.ngettext(
            "{model} · {n} credit a second", "{model} · {n} credits a second", least, model=model.label
        )
    else:
        label = translations.gettext(
            "{model} · {least} to {most} credits a second", model=model.label, least=least, most=most
        )
    return label[:LONGEST]


def seconds_label(catalog: Catalog, seconds: int, translations: Translations) -> str:
    """ "8 seconds · Sora 2 8, Sora 2 Pro 24 credits"."""
    prices = [f"{m.label} {m.cheapest * seconds}" for m in catalog.models if seconds in m.seconds]
    label = translations.gettext("{seconds} seconds · {prices} credits", seconds=str(seconds), prices=", ".join(prices))
    return label[:LONGEST]


def size_label(catalog: Catalog, size: str, translations: Translations) -> str:
    """ "1280x720 · Sora 2 1, Sora 2 Pro 3 a second"."""
    prices = [f"{m.label} {m.sizes[size]}" for m in catalog.models if size in m.sizes]
    return translations.gettext("{size} · {prices} a second", size=size, prices=", ".join(prices))[:LONGEST]
