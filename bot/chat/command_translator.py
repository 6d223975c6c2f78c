"""Commands in every language: descriptions, and the names of choices. Names that people type stay as they are."""

from __future__ import annotations

from collections.abc import Callable

import discord
from discord import app_commands
from discord.app_commands import TranslationContextLocation, TranslationContextTypes

from bot.i18n.translations import FILES, TranslationCatalog, Translations, fingerprint

_TRANSLATED = frozenset({
    TranslationContextLocation.command_description,
    TranslationContextLocation.group_description,
    TranslationContextLocation.parameter_description,
    TranslationContextLocation.choice_name,
})  # fmt: skip


def localized(
    translation_catalog: TranslationCatalog, gettext: Callable[[Translations], str]
) -> app_commands.locale_str:
    """Text that is made in each language, such as those with a price in them."""
    return app_commands.locale_str(gettext(translation_catalog.english), gettext=gettext)


class CommandTranslator(app_commands.Translator):
    """Answers for each language that Discord knows; discord.py asks for all of them."""

    def __init__(self, translation_catalog: TranslationCatalog) -> None:
        self._translation_catalog = translation_catalog

    def fingerprint(self) -> str:
        """Changes where the same English may be translated to something else, without reading any language."""
        return fingerprint()

    async def translate(
        self, string: app_commands.locale_str, locale: discord.Locale, context: TranslationContextTypes
    ) -> str | None:
        """None where Discord is to show the English."""
        if locale.value not in FILES or context.location not in _TRANSLATED:
            return None
        translations = self._translation_catalog.of(locale.value)
        gettext: Callable[[Translations], str] | None = string.extras.get("gettext")
        return translations.gettext(string.message) if gettext is None else gettext(translations)
