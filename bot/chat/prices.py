"""What a video costs, as members read it: in the choices of commands and forms, in lists, with lengths and sizes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bot.catalog import Catalog, Model
from bot.catalog.choices import VideoOption
from bot.chat.discord_limits import MAX_LABEL_LENGTH
from bot.i18n.translations import Translations
from bot.models import VideoSpec
from bot.sizes import parse_size, shown_size


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


def sound(translations: Translations, *, on: bool) -> str:
    """Of a video whose sound can be chosen."""
    return translations.gettext("with sound") if on else translations.gettext("without sound")


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


def choice_label(translations: Translations, what: str, facts: list[str], spec: VideoSpec, left: int | None) -> str:
    """ "8 s · 8 credits · you have 12"; `left` is None where it is not known. Too long, it loses none of the price."""
    tail = " · ".join([credits_of(translations, spec.total), *left_of(translations, spec, left)])
    head = " · ".join([what, *facts])
    return f"{head[: max(1, MAX_LABEL_LENGTH - len(tail) - 3)]} · {tail}"[:MAX_LABEL_LENGTH]


def left_of(translations: Translations, spec: VideoSpec, left: int | None) -> list[str]:
    """What the member has, and whether that is enough; nothing where it is not known."""
    if left is None:
        return []
    if left < spec.total:
        return [translations.gettext("not enough credits: you have {n}", n=left)]
    return [translations.gettext("you have {n}", n=left)]


def maker(catalog: Catalog, spec: VideoSpec, chosen: VideoSpec) -> list[str]:
    """The model that would make it, where none was chosen."""
    model = None if chosen.model else catalog.model(spec.model)
    return [] if model is None else [model.label]


def video_option_label(translations: Translations, option: VideoOption, left: int | None) -> str:
    """ "Sora 2 Pro · 8 s · 24 credits", an option of a form."""
    too_dear = left is not None and left < option.spec.total
    tail = [
        length(translations, option.spec.seconds),
        *([] if option.spec.sound is None else [sound(translations, on=option.spec.sound)]),
        credits_of(translations, option.spec.total),
        *([translations.gettext("not enough credits")] if too_dear else []),
    ]
    rest = " · ".join(tail)
    return f"{option.model.label[: MAX_LABEL_LENGTH - len(rest) - 3]} · {rest}"
