"""What the catalog offers, as members choose from it: each video with its price, and what is left for it."""

from __future__ import annotations

from bot.catalog import Catalog
from bot.catalog.choices import Whole
from bot.chat import prices, text
from bot.i18n.marking import N_
from bot.i18n.translations import Translations
from bot.models import Show, VideoSpec

LONGEST = 100
"""Discord's bound on the name of a choice and the label of an option."""
MOST = 25
"""Its bound on the choices of a command's option and the options of a select."""

_SHOWS = {Show.HERE: N_("Here"), Show.SPOILER: N_("Here, as a spoiler"), Show.ME: N_("Only to me")}


def choice_label(translations: Translations, what: str, facts: list[str], spec: VideoSpec, left: int | None) -> str:
    """ "8 s · 8 credits · you have 12"; `left` is None where it is not known. Too long, it loses none of the price."""
    tail = " · ".join([prices.credits_of(translations, spec.total), *left_of(translations, spec, left)])
    head = " · ".join([what, *facts])
    return f"{head[: max(1, LONGEST - len(tail) - 3)]} · {tail}"[:LONGEST]


def left_of(translations: Translations, spec: VideoSpec, left: int | None) -> list[str]:
    """What the member has, and whether that is enough; nothing where it is not known."""
    if left is None:
        return []
    if left < spec.total:
        return [translations.gettext("not enough: you have {n}", n=left)]
    return [translations.gettext("you have {n}", n=left)]


def maker(catalog: Catalog, spec: VideoSpec, chosen: VideoSpec) -> list[str]:
    """The model that would make it, where none was chosen."""
    model = None if chosen.model else catalog.model(spec.model)
    return [] if model is None else [model.label]


def whole_label(translations: Translations, whole: Whole, left: int | None) -> str:
    """ "Sora 2 Pro · 8 s · 24 credits", an option of a form."""
    too_dear = left is not None and left < whole.spec.total
    tail = [
        prices.length(translations, whole.spec.seconds),
        *([] if whole.spec.sound is None else [text.sound(translations, on=whole.spec.sound)]),
        prices.credits_of(translations, whole.spec.total),
        *([translations.gettext("not enough credits")] if too_dear else []),
    ]
    rest = " · ".join(tail)
    return f"{whole.model.label[: LONGEST - len(rest) - 3]} · {rest}"


def show_label(show: Show, translations: Translations) -> str:
    """Who sees the video."""
    return translations.gettext(_SHOWS[show])
