"""Where members see the price: each choice of a command and of a form with it, and what is left for it."""

from __future__ import annotations

from bot.catalog import Catalog
from bot.catalog.choices import VideoOption
from bot.chat import prices, text
from bot.i18n.translations import Translations
from bot.models import VideoSpec

MAX_LABEL_LENGTH = 100
"""Discord's bound on the name of a choice and the label of an option."""
MAX_CHOICES = 25
"""Its bound on the choices of a command's option and the options of a select."""


def choice_label(translations: Translations, what: str, facts: list[str], spec: VideoSpec, left: int | None) -> str:
    """ "8 s · 8 credits · you have 12"; `left` is None where it is not known. Too long, it loses none of the price."""
    tail = " · ".join([prices.credits_of(translations, spec.total), *left_of(translations, spec, left)])
    head = " · ".join([what, *facts])
    return f"{head[: max(1, MAX_LABEL_LENGTH - len(tail) - 3)]} · {tail}"[:MAX_LABEL_LENGTH]


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


def video_option_label(translations: Translations, option: VideoOption, left: int | None) -> str:
    """ "Sora 2 Pro · 8 s · 24 credits", an option of a form."""
    too_dear = left is not None and left < option.spec.total
    tail = [
        prices.length(translations, option.spec.seconds),
        *([] if option.spec.sound is None else [text.sound(translations, on=option.spec.sound)]),
        prices.credits_of(translations, option.spec.total),
        *([translations.gettext("not enough credits")] if too_dear else []),
    ]
    rest = " · ".join(tail)
    return f"{option.model.label[: MAX_LABEL_LENGTH - len(rest) - 3]} · {rest}"
