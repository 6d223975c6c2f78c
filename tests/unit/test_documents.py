"""Documents, `.env.example` and `--help` use the words of docs/voice.md, and none of those that it has replaced."""

from __future__ import annotations

import re

import pytest

from bot.__main__ import parser
from bot.settings import _SHOULD_BE
from tests.documents import DOCUMENTS, PROJECT

FOR_WRITERS = ("docs/voice.md",)
"""It lists the words not to use."""

READ_BY_PEOPLE = (
    *(name for name in DOCUMENTS if name not in FOR_WRITERS), ".env.example", "--help", "sentences about settings",
)  # fmt: skip

REPLACED = {
    r"clips?": "video",
    r"allowances?": "quota",
    r"ceilings?": "server limit",
    r"in line\b(?! with)|line length|the line tells": "queue",
    r"pings?|pinged": "mention",
    r"dies?|died": "expires",
    r"remarks?": "comment",
    r"passed? (?:a|the|its|no) (?:quota|budget|limit)": "exceed",
    r"shuts?(?! down)": "turn off, block",
    r"rooms?|houses?|doors?|weather|town|tongues?": "no figures of speech",
    r"for ever|anew|somebody|everybody|nobody's": "forever, again, someone, everyone",
    r"video API": "video service, provider",
    r"take away|taken away": "hide, delete, remove",
    r"\d %": "27%, without a space",
    r"colours?": "American spelling",
    r"licence|behaviour|favourite|cancelling|grey": "American spelling",
}


def text_of(name: str) -> str:
    """What people read there; code blocks and what stands in backticks left out."""
    match name:
        case "--help":
            text = parser().format_help()
        case "sentences about settings":
            text = "\n".join(_SHOULD_BE.values())
        case _:
            text = (PROJECT / name).read_text("utf-8")
    return re.sub(r"^ *```.*?^ *```$|`[^`\n]*`", "", text, flags=re.MULTILINE | re.DOTALL)


def replaced_words(text: str) -> list[str]:
    return [
        f"{found[0]!r}: {instead}"
        for word, instead in REPLACED.items()
        for found in re.finditer(rf"\b(?:{word})\b" if word[-1] != "%" else word, text, re.IGNORECASE)
    ]


@pytest.mark.parametrize("name", READ_BY_PEOPLE)
def test_none_of_the_replaced_words_is_used(name: str) -> None:
    text = text_of(name)

    assert replaced_words(text) == []
    assert text.strip()


@pytest.mark.parametrize(
    "text", ["Your clips wait in line.", "No member can pass a quota; it is 27 %.", "0 shuts them"]
)
def test_a_replaced_word_would_be_seen(text: str) -> None:
    assert replaced_words(text)
