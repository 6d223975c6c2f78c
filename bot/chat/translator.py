"""Commands in every tongue: descriptions, and the names of choices. Names that people type stay as they are."""

from __future__ import annotations

from collections.abc import Callable

import discord
from discord import app_commands
from discord.app_commands import TranslationContextLocation, TranslationContextTypes

from bot.chat.tongue import FILES, Tongue, Tongues

_TRANSLATED = frozenset({
    TranslationContextLocation.command_description,
    TranslationContextLocation.group_description,
    TranslationContextLocation.parameter_description,
    TranslationContextLocation.choice_name,
})  # fmt: skip


def spoken(tongues: Tongues, say: Callable[[Tongue], str]) -> app_commands.locale_str:
    """Words that are made anew in each tongue, such as those with a price in them."""
    return app_commands.locale_str(say(tongues.english), say=say)


class CommandTranslator(app_commands.Translator):
    """Answers for each language that Discord knows; discord.py asks for all of them."""

    def __init__(self, tongues: Tongues) -> None:
        self._tongues = tongues

    async def translate(
        self, string: app_commands.locale_str, locale: discord.Locale, context: TranslationContextTypes
    ) -> str | None:
        """None where Discord is to show the English."""
        if locale.value not in FILES or context.location not in _TRANSLATED:
            return None
        tongue = self._tongues.of(locale.value)
        say: Callable[[Tongue], str] | None = string.extras.get("say")
        return tongue.say(string.message) if say is None else say(tongue)
