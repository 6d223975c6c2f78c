"""What a server's admins allow beside credits: which models, in which channels, and with which words."""

from __future__ import annotations

import enum
import functools
import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from bot import confusables

MOST_WORDS, LONGEST_WORD = 200, 50

_SIGNS = {
    "a": "4@₳", "b": "8₿฿", "c": "¢₵©", "d": "₫", "e": "3€", "g": "₲", "k": "₭", "l": "£", "n": "₦", "o": "0",
    "p": "₱₽", "r": "®", "s": "5$₴§", "t": "7₮₸†+", "w": "₩", "x": "×", "y": "¥", "z": "2",
}  # fmt: skip
_LEET = [{ord(sign): letter for letter, signs in [*_SIGNS.items(), (like, "1|!")] for sign in signs} for like in "il"]
"""What stands for a letter; a 1 stands for two."""
_NO_SPACES = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")
"""Scripts that write words without anything between them."""


class RuleTarget(enum.StrEnum):
    """What a rule about models is for."""

    ROLE = "role"
    CHANNEL = "channel"


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody asks: a channel, and of a thread the channel that it belongs to."""

    channel: int
    parent: int | None = None
    is_age_restricted: bool = False


NOWHERE = Place(0)


@dataclass(frozen=True, slots=True)
class ServerRules:
    """Of one server. A role or a channel without models of its own may use all; no list is empty."""

    age_restricted_only: bool = False
    barred_words: tuple[str, ...] = ()
    roles: Mapping[int, Sequence[str]] = field(default_factory=dict)
    channels: Mapping[int, Sequence[str]] = field(default_factory=dict)

    def models(self, roles: Collection[int], place: Place) -> frozenset[str] | None:
        """Ids of those that a member with these roles may use there; None for all.

        What any of the roles may use, of what the channel may. A thread has the models of its channel.
        """
        of_roles = [self.roles[role] for role in roles if role in self.roles]
        of_channel = self.channels.get(place.channel, self.channels.get(place.parent or place.channel))
        allowed = frozenset(model for models in of_roles for model in models) if of_roles else None
        if of_channel is None:
            return allowed
        return frozenset(of_channel) if allowed is None else allowed & frozenset(of_channel)

    def barred_in(self, prompt: str) -> str | None:
        """The first barred word that the prompt has, as the admin wrote it."""
        if not self.barred_words:
            return None
        normal = confusables.normal(prompt)
        texts = dict.fromkeys(normal.translate(letters) for letters in confusables.readings())
        read = [(plain, [plain.translate(table) for table in _LEET]) for plain in texts]
        return next((word for word in self.barred_words if any(_is_in(word, *text) for text in read)), None)


def words_of(typed: str) -> tuple[str, ...]:
    """The words that an admin typed, separated by commas or lines; without those that say nothing, each once."""
    parts = (" ".join(part.split())[:LONGEST_WORD] for part in re.split(r"[,\n;]", typed))
    return tuple(dict.fromkeys(part for part in parts if _letters(part)))[:MOST_WORDS]


def _letters(word: str) -> str:
    return re.sub(r"[\W_]", "", confusables.normal(word.rstrip("*")).translate(confusables.readings()[0]))


def _is_in(word: str, plain: str, leet: Sequence[str]) -> bool:
    """Digits and signs are taken for letters, and for something between letters."""
    found, apart = _patterns(word)
    return apart.search(plain) is not None or any(found.search(text) for text in (plain, *leet))


@functools.lru_cache(maxsize=4_096)
def _patterns(word: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """The word by itself, its letters with anything between them that is none; `*` at its end: and what begins so.

    In the second one digits are no letters, unless the word has some.
    """
    letters = _letters(word)
    digits = "" if any(letter.isdigit() for letter in letters) else r"\d"
    return _pattern(word, letters, ""), _pattern(word, letters, digits)


def _pattern(word: str, letters: str, digits: str) -> re.Pattern[str]:
    found = rf"[\W_{digits}]*".join(re.escape(letter) for letter in letters)
    if any(unicodedata.name(letter, "").startswith(_NO_SPACES) for letter in letters):
        return re.compile(found)
    letter = rf"[^\W_{digits}]"
    return re.compile(rf"(?<!{letter}){found}" + ("" if word.endswith("*") else rf"(?!{letter})"))
