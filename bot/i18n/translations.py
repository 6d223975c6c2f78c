"""The languages the bot speaks. Translations are `locales/*.po`, read when first needed; English is the code itself."""

from __future__ import annotations

import gettext
import hashlib
import io
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

import babel
import discord
from babel import Locale
from babel.lists import format_list
from babel.numbers import format_decimal, format_percent

from bot.i18n.marking import Sentence, Value

FILES = {"es-ES": "es", "es-419": "es", "pt-BR": "pt_BR", "fr": "fr", "de": "de", "ja": "ja"}
"""Discord's name of a language, and the file that speaks it. All other languages read English."""
ENGLISH = "en_GB"  # "a, b and c", as our sentences have it
_COLONS = {"fr": "\u00a0: ", "ja": "\uff1a"}


class Translations:
    """One language: says sentences, numbers and lists in it."""

    def __init__(self, code: str, translations: gettext.NullTranslations) -> None:
        self.code = code
        self._translations = translations
        self._locale = Locale.parse(code)

    def gettext(self, sentence: str, /, **values: Value) -> str:
        """The English sentence in this language; `values` stand for the names in its braces."""
        return self._filled(self._translations.gettext(sentence), values)

    def ngettext(self, one: str, many: str, number: int, /, **values: Value) -> str:
        """As `say`, in the form that goes with the number, which stands for `{n}`."""
        return self._filled(self._translations.ngettext(one, many, number), {"n": number, **values})

    def explain(self, error: Sentence) -> str:
        """What a `UserError` says."""
        return self.gettext(error.sentence, **error.values)

    def paragraph(self, *sentences: str) -> str:
        """Whole sentences behind one another: with a space between them, except in Japanese."""
        return ("" if self.code == "ja" else " ").join(sentences)

    def number(self, value: float, *, digits: int = 0) -> str:
        """ "1,000,000"; with so many digits behind the point."""
        if not digits and 0 <= value < 1_000 and isinstance(value, int):
            return str(value)  # in each of our languages; on every card, and Babel takes its time
        return format_decimal(value, "#,##0" + ("." + "0" * digits if digits else ""), self._locale)

    def change(self, value: int) -> str:
        """ "+4", "-1,000"."""
        return ("+" if value >= 0 else "") + self.number(value)

    def percent(self, value: int) -> str:
        """ "27%"; other languages put a space before the sign."""
        return format_percent(value / 100, locale=self._locale)

    def place(self, number: int) -> str:
        """ "3rd" in English. The others have too many forms: there it is the number alone."""
        if self.code != ENGLISH:
            return self.number(number)
        ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10 if number % 100 // 10 != 1 else 0, "th")
        return f"{self.number(number)}{ending}"

    def labeled(self, name: str, value: str) -> str:
        """ "@Mia: 20 credits per day"; French puts a no-break space before the colon, Japanese has a wide one."""
        return f"{name}{_COLONS.get(self.code, ': ')}{value}"

    def every(self, words: Sequence[str]) -> str:
        """ "a, b and c"."""
        return format_list(words, locale=self._locale)

    def either(self, words: Sequence[str]) -> str:
        """ "a or b"."""
        return format_list(words, "or", self._locale)

    def _filled(self, sentence: str, values: dict[str, Value]) -> str:
        return sentence.format(**{name: self._shown(value) for name, value in values.items()})

    def _shown(self, value: Value) -> str:
        match value:
            case str():
                return value
            case int():
                return self.number(value)
            case float():
                return self.number(value, digits=1)
            case _:
                return self.every(value)


class TranslationCatalog:
    """Every language the bot speaks."""

    def __init__(self) -> None:
        self.english = Translations(ENGLISH, gettext.NullTranslations())
        self._read: dict[str, Translations] = {}

    def of(self, locale: str | None) -> Translations:
        """For who reads the language that Discord calls so."""
        code = FILES.get(locale or "")
        if code is None:
            return self.english
        if code not in self._read:
            self._read[code] = Translations(code, read(code))
        return self._read[code]


def translations_of(interaction: discord.Interaction[Any]) -> Translations:
    """What the person behind an interaction reads."""
    translation_catalog: TranslationCatalog = interaction.client.translation_catalog
    return translation_catalog.of(str(interaction.locale))


def fingerprint() -> str:
    """Of all translators' files, and of Babel, which writes numbers: as long as it stays, so does what is said."""
    files = {name: hashlib.sha256(_file(code)).hexdigest() for name, code in FILES.items()}
    return f"{babel.__version__} {files}"


def _file(code: str) -> bytes:
    return (resources.files("bot.i18n") / "locales" / f"{code}.po").read_bytes()


@cache
def read(code: str) -> gettext.GNUTranslations:
    """What the translators' file says; read once in a process."""
    from babel.messages.mofile import write_mo  # most of Babel, which the start does without
    from babel.messages.pofile import read_po

    compiled = io.BytesIO()
    write_mo(compiled, read_po(io.BytesIO(_file(code)), locale=code))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
