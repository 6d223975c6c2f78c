"""Sentences for people, apart from what stands in them: written in English, said in the reader's language where read.

`bot.i18n.translations` says them. Translators' files are made from what is marked here and said there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

Value = str | int | float | Sequence[str]
"""What may stand in a sentence: words and ids as text, numbers as numbers, several words as a list."""


class Sentence(Protocol):
    """What carries an English sentence and the values for the names in its braces, such as a `UserError`."""

    @property
    def sentence(self) -> str: ...
    @property
    def values(self) -> Mapping[str, Value]: ...


def N_(sentence: str) -> str:  # noqa: N802 - its name in gettext
    """The sentence itself. Marked so, it comes into the translators' files; it is translated where it is said."""
    return sentence


def english(sentence: str, values: Mapping[str, Value]) -> str:
    """The sentence as the log has it."""
    return sentence.format(**{name: _shown(value) for name, value in values.items()})


def _shown(value: Value) -> str:
    match value:
        case str():
            return value
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.1f}"
        case [*others, last] if others:
            return f"{', '.join(others)} and {last}"
        case _:
            return "".join(value)
