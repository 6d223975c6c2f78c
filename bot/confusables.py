"""What a letter looks like to people: the plain Latin one, where it is a variant of it or one of another script's.

Unicode tells most of it by its normal forms and names; `confusables.txt` has what it says of other scripts.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib import resources

_ACCENTS = range(0x300, 0x370)
_REGIONAL_A = 0x1F1E6
_BOXED = {first + n: chr(ord("a") + n) for first in (_REGIONAL_A, 0x1F150, 0x1F170) for n in range(26)}
"""Letters of flags, and white ones in a disk or a box: nothing else says that they are letters."""
_FILLERS = dict.fromkeys(map(ord, "\u115f\u1160\u3164\uffa0"))
"""Letters by their category, and nothing to see."""
_UNSEEN = ("Cf", "Me")
"""Categories of what has no width of its own: zero-width marks, and rings and squares around letters."""
_LATIN = re.compile(r"LATIN (?:SMALL |CAPITAL )?LETTER (?:SMALL CAPITAL )?(?:[A-Z]+ )*?([A-Z]|AE|OE)(?: WITH .+)?")
"""Names of letters with a hook or a stroke, turned, dotless, small capitals …"""
_NAMED = {"ŋ": "n", "ð": "d", "þ": "p", "ə": "e", "ǝ": "e", "ʃ": "s", "ʒ": "z", "ɩ": "i", "ʊ": "u", "ʌ": "v"}
"""Latin letters that have a name of their own."""


class Letters(dict[int, str]):
    """For `str.translate`, of small letters in normal form; of the other letters' looks it knows those it was given."""

    def __init__(self, looks: dict[str, str]) -> None:
        super().__init__({code: chr(code) for code in range(128)})
        self.update({ord(letter): look for letter, look in (_NAMED | looks).items()})

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        category = unicodedata.category(letter)
        if category == "Nd":
            look = str(unicodedata.decimal(letter))
        elif category.startswith("L") and (named := _LATIN.fullmatch(unicodedata.name(letter, ""))):
            look = named[1].casefold()
        else:
            raise LookupError(code)  # it stays as it is
        self[code] = look
        return look


@cache
def readings() -> tuple[Letters, Letters]:
    """Two ways to read letters: some look like one Latin letter in small, and like another one as a capital."""
    looks: dict[str, str] = {}
    as_capitals: dict[str, str] = {}
    for line in (resources.files("bot") / "confusables.txt").read_text("utf-8").splitlines():
        if not line.startswith("#"):
            latin, _, others = line.partition(" ")
            (as_capitals if latin[0] == "^" else looks).update(dict.fromkeys(others, latin[-1]))
    return Letters(looks), Letters(looks | as_capitals)


def normal(text: str) -> str:
    """Small letters without accents and full-width or boxed forms, and nothing invisible: to be read by `readings`."""
    wide = unicodedata.normalize("NFKC", text.translate(_FILLERS).translate(_BOXED)).casefold()
    kept = (
        char
        for char in unicodedata.normalize("NFD", wide)
        if ord(char) not in _ACCENTS and unicodedata.category(char) not in _UNSEEN
    )
    return unicodedata.normalize("NFC", "".join(kept))
