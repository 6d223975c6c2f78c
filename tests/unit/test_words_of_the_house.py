"""Code has the names of its field, and people read the words of `docs/voice.md`, none of those that were replaced."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.test_translations import sentences

PROJECT = Path(__file__).parents[2]

METAPHORS = {
    "allowance": "quota",
    "backstage": "inspector",
    "ceiling": "server limit",
    "clip": "video",
    "desk": "context",
    "door": "checks, decode",
    "epoch": "reset count",
    "fate": "outcome",
    "forecast": "estimate",
    "foretold": "estimated",
    "in line": "in the queue",
    "litter": "pending deletions",
    "outlook": "progress view",
    "pots": "bonus credits",
    "shelf": "library",
    "shrink": "transcode",
    "studio": "renderer",
    "tongue": "language, translations",
    "town": "environment",
    "weather": "faults",
    "wish": "request",
}
"""What stood in the code once, and its name now. Plurals are meant too."""
HONEST = {("bot/store/mapping.py", "epoch")}
"""Where such a word is the field's own: the epoch of Unix."""
FILES = {
    "answering", "asking", "blocks", "board", "breaker", "budget", "claim", "closing", "delivering", "desk", "door",
    "durations", "erasing", "fitting", "forecast", "guard", "line", "look", "memory", "naming", "orders", "pace",
    "placing", "port", "rendering", "reserve", "restored", "routes", "rows", "shelf", "tongue", "translator", "use",
    "verdict", "waiting", "ways", "wire", "wording", "words",
}  # fmt: skip
"""Names of modules that were replaced."""
NOT_FOR_PEOPLE = re.compile(
    r"\b(clips?|allowances?|ceilings?|pots?|grants|video API|in line|(?:line|link)s? (?:dies|died)|per: ever|afresh"
    r"|tak(?:e|es|en|ing) (?:\w+ )?away|pings?|pinged|(?:limit|quota|budget)s? (?:is|was|are|were) passed)\b",
    re.IGNORECASE,
)
"""The words that `docs/voice.md` and its like have in their columns of what is not said."""
AREAS = ("README.md", ".env.example", "docs", "cogs", "bot")
NOT_YET = {"cogs", "bot"}
"""Areas whose sentences are still being rewritten."""


def words_in(source: str) -> Iterator[tuple[int, str]]:
    """Line and words of each identifier (apart where it is made of several), comment and docstring."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Expr(value=ast.Constant(value=str() as text)):
                yield node.lineno, text
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME:
            yield token.start[0], re.sub(r"_|(?<=[a-z0-9])(?=[A-Z])", " ", token.string)
        elif token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def metaphors_in(name: str, source: str) -> list[str]:
    """Each with its place and what it is called now."""
    return [
        f"{name}:{line}: {word} → {today}"
        for line, text in words_in(source)
        for word, today in METAPHORS.items()
        if re.search(rf"\b{word}(?:s|es)?\b", text, re.IGNORECASE) and (name, word) not in HONEST
    ]


def code(*folders: str) -> dict[str, str]:
    found = {
        path.relative_to(PROJECT).as_posix(): path.read_text("utf-8")
        for folder in folders
        for path in sorted((PROJECT / folder).rglob("*.py"))
    }
    assert len(found) > 10
    return found


def read_by_people(area: str) -> list[str]:
    """The English of an area: whole documents, or the sentences in the code."""
    if area in ("bot", "cogs"):
        said = [one for source in code(area).values() for one in sentences(source)]
        return [part for one in said for part in ([one] if isinstance(one, str) else one)]
    path = PROJECT / area
    files = [path] if path.is_file() else [file for file in path.glob("*.md") if file.name != "voice.md"]
    return [line for file in files for line in file.read_text("utf-8").splitlines()]


def test_the_code_has_none_of_the_names_that_were_replaced() -> None:
    assert [found for name, source in code("bot", "cogs").items() for found in metaphors_in(name, source)] == []


def test_no_module_has_a_name_that_was_replaced() -> None:
    assert {name for name in code("bot", "cogs") if Path(name).stem in FILES} == set()


@pytest.mark.parametrize(
    "source", ["desk = 1", "class LineDesk: ...", "def of_tongues(): ...", "x = 1  # its fate", '"""The town."""']
)
def test_such_a_name_would_be_seen(source: str) -> None:
    assert len(metaphors_in("x.py", source)) == 1


@pytest.mark.parametrize("source", ["wishbone = 1", "clipboard = 1", 'x = "a desk"', "line = text.split()"])
def test_other_words_are_free(source: str) -> None:
    assert metaphors_in("x.py", source) == []


@pytest.mark.parametrize("area", [area for area in AREAS if area not in NOT_YET])
def test_people_read_none_of_the_words_that_were_replaced(area: str) -> None:
    read = read_by_people(area)

    assert [text for text in read if NOT_FOR_PEOPLE.search(text)] == []
    assert len(read) > 10


@pytest.mark.parametrize(
    "text", ["Your clips are ready.", "3rd in line", "The card was taken away.", "Your allowance is 20 credits."]
)
def test_such_a_word_would_be_seen(text: str) -> None:
    assert NOT_FOR_PEOPLE.search(text)
