"""What the catalog offers, as members choose from it: models, lengths and sizes with their prices."""

from __future__ import annotations

from bot.catalog import Catalog, Model
from bot.chat import prices
from bot.i18n.marking import N_
from bot.i18n.translations import Translations
from bot.models import Show

LONGEST = 100
"""Discord's bound on the name of a choice and the label of an option."""
MOST = 25
"""Its bound on the choices of a command's option and the options of a select."""

_SHOWS = {Show.HERE: N_("Here"), Show.SPOILER: N_("Here, as a spoiler"), Show.ME: N_("Only to me")}


def model_label(model: Model, translations: Translations) -> str:
    """ "Sora 2 Pro · from 3 credits/s"."""
    rate = prices.rate(translations, list(model.sizes.values()))
    return f"{model.label} · {rate}"[:LONGEST]


def seconds_label(catalog: Catalog, seconds: int, translations: Translations) -> str:
    """ "8 s · from 8 credits"."""
    costs = [model.cheapest * seconds for model in catalog.models if seconds in model.seconds]
    length = prices.length(translations, seconds)
    if len(set(costs)) == 1:
        return f"{length} · {prices.credits_of(translations, costs[0])}"
    price = translations.ngettext("from {n} credit", "from {n} credits", min(costs))
    return f"{length} · {price}"


def size_label(catalog: Catalog, size: str, translations: Translations) -> str:
    """ "Landscape 1280×720 · from 1 credit/s"."""
    rates = [model.sizes[size] for model in catalog.models if size in model.sizes]
    return f"{prices.size(translations, size)} · {prices.rate(translations, rates)}"


def show_label(show: Show, translations: Translations) -> str:
    """Who sees the video."""
    return translations.gettext(_SHOWS[show])
