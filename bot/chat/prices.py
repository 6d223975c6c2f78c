"""What a video costs, as members read it: credits, a second's price, a model's prices, with lengths and sizes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bot.catalog import Model
from bot.i18n.translations import Translations
from bot.measures import parse_size, shown_size


def credits_of(translations: Translations, count: int) -> str:
    """ "1 credit", "4 credits"."""
    return translations.ngettext("{n} credit", "{n} credits", count)


def length(translations: Translations, seconds: int) -> str:
    """ "4 s"."""
    return translations.gettext("{seconds} s", seconds=str(seconds))


def size(translations: Translations, value: str) -> str:
    """ "Portrait 720×1280"."""
    pixels = shown_size(value)
    width, height = parse_size(value)
    if width == height:
        return translations.gettext("Square {size}", size=pixels)
    if width > height:
        return translations.gettext("Landscape {size}", size=pixels)
    return translations.gettext("Portrait {size}", size=pixels)


def price(translations: Translations, seconds: int, credits: int) -> str:  # noqa: A002 - the word of the domain
    """ "4 s = 4 credits"."""
    return translations.ngettext(
        "{length} = {n} credit", "{length} = {n} credits", credits, length=length(translations, seconds)
    )


def rate(translations: Translations, credits_per_s: Sequence[int]) -> str:
    """ "2 credits/s"; "from 1 credit/s" where they differ."""
    least = min(credits_per_s)
    if least == max(credits_per_s):
        return translations.ngettext("{n} credit/s", "{n} credits/s", least)
    return translations.ngettext("from {n} credit/s", "from {n} credits/s", least)


def lines(translations: Translations, model: Model) -> Iterator[str]:
    """A line for each price: "Sora 2 · 4 s = 4 credits · 8 s = 8"."""
    yield from _lines(translations, model, model.label, model.sizes)
    if model.sound_sizes:
        with_sound = f"{model.label} · {translations.gettext('with sound')}"
        yield from _lines(translations, model, with_sound, model.sound_sizes)


def _lines(translations: Translations, model: Model, label: str, rates: Mapping[str, int]) -> Iterator[str]:
    by_price: dict[int, list[str]] = {}
    for dimensions, each in rates.items():
        by_price.setdefault(each, []).append(size(translations, dimensions))
    for each, sizes in by_price.items():
        first, *others = model.seconds
        parts = [label] if len(by_price) == 1 else [label, translations.either(sizes)]
        parts.append(price(translations, first, each * first))
        parts += [f"{length(translations, n)} = {translations.number(each * n)}" for n in others]
        yield " · ".join(parts)
