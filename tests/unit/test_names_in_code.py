"""Code has the names of its field, and its sentences the words of `docs/voice.md`: none of those that were replaced."""

import ast
import builtins
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.test_documents import replaced_words
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
    "pot": "bonus credits",
    "shelf": "library",
    "shelve": "keep undelivered",
    "shrink": "transcode",
    "studio": "renderer",
    "take away": "delete message",
    "tongue": "language, translations",
    "town": "environment",
    "weather": "faults",
    "whisper": "ephemeral follow-up",
    "wish": "request",
}
"""What stood in the code once, and its name now. Plurals are meant too."""
HONEST = {
    ("bot/store/row_mapping.py", "epoch"),
    ("sandbox/discord/wire.py", "epoch"),
    ("tests/unit/test_names_in_code.py", "epoch"),
}
"""Where such a word is the field's own: the epoch of Unix, and that of Discord's ids."""
PROPER_NAMES = {"AutoMod", "OpenRouter", "QuickTime", "WebSocket"}
FILES = {
    "answering", "answers_first", "asking", "ban", "blocks", "board", "breaker", "budget", "claim", "closing",
    "delivering", "desk", "door", "durations", "duties", "elsewhere", "erasing", "events", "figures", "fitting",
    "forecast", "guard", "identifies", "line", "look", "lookalikes", "measures", "memory", "mistakes", "naming",
    "one_card", "option_labels", "orders", "overviews", "own_entries", "pace", "patient", "placing", "port",
    "rendering", "reserve", "restored", "routes", "rows", "serving", "sharing", "shelf", "sides", "sync", "taking",
    "thread_turns", "tongue", "translator", "under_way", "undone", "use", "verdict", "waiting", "ways", "wire",
    "wording", "words",
}  # fmt: skip
"""Names of modules that were replaced."""
DEFINITIONS = {
    "AnswersFirst": "InteractionPriority",
    "Ban": "CloudflareBlock",
    "Bar": "ProgressBar",
    "By": "ChangeContext",
    "Elsewhere": "RemoteJobs",
    "InARow": "FailureCounter",
    "Mistakes": "AdapterErrorLog",
    "PutDownError": "JobReleasedError",
    "SILENT_JOBS": "FAILURE_THRESHOLD",
    "Sharing": "SharedStateSync",
    "Side": "MoveBackend",
    "Standing": "AccountRows",
    "Taking": "JobClaims",
    "What": "ActKind",
    "Whole": "VideoOption",
    "bar": "check_eligibility, progress_bar",
    "barred": "ineligible",
    "give_back": "release, refund",
    "hears": "handles_guild",
    "hold": "lock_rows, pause_for, apply_provider_pause",
    "leads": "has_first_shard",
    "point_at": "set_api_base",
    "press": "run_interaction",
    "take": "claim, acquire, record, handle: a take is one of several videos",
    "take_back": "cancel_unanswered",
    "take_down": "hide",
    "take_up": "claim_interaction",
    "unname": "pseudonymize",
}
"""What modules defined once, with or without a line before it, and its name now."""


def words_in(source: str) -> Iterator[tuple[int, str]]:
    """Line and words of each identifier (apart where it is made of several), comment and docstring."""
    yield from docstrings_in(ast.parse(source))
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME:
            yield token.start[0], apart(token.string)
        elif token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def docstrings_in(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant(value=str() as text)):
                yield node.lineno, text


def identifiers(tree: ast.Module) -> set[str]:
    parts = ("id", "attr", "name", "asname", "arg")
    return {getattr(node, part) for node in ast.walk(tree) for part in parts if hasattr(node, part)}


def definitions_in(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and name of each class, function and constant."""
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield node.lineno, name
            case ast.Assign(targets=[ast.Name(id=name)]) if name.isupper():
                yield node.lineno, name


def replaced_definitions_in(name: str, source: str) -> list[str]:
    """Each with its place and what it is called now."""
    return [
        f"{name}:{line}: {defined} → {DEFINITIONS[defined.lstrip('_')]}"
        for line, defined in definitions_in(ast.parse(source))
        if defined.lstrip("_") in DEFINITIONS
    ]


def apart(names: str) -> str:
    return re.sub(r"_|(?<=[a-z0-9])(?=[A-Z])", " ", names)


def metaphors_in(name: str, source: str) -> list[str]:
    """Each with its place and what it is called now."""
    if not re.search(rf"\b(?:{'|'.join(METAPHORS)})(?:s|es)?\b", apart(source).lower()):
        return []  # without taking it to pieces
    return [
        f"{name}:{line}: {word} → {today}"
        for line, text in words_in(source)
        for word, today in METAPHORS.items()
        if word in text.lower()
        and re.search(rf"\b{word}(?:s|es)?\b", text, re.IGNORECASE)
        and (name, word) not in HONEST
    ]


def code(*folders: str) -> dict[str, str]:
    found = {
        path.relative_to(PROJECT).as_posix(): path.read_text("utf-8")
        for folder in folders
        for path in sorted((PROJECT / folder).rglob("*.py"))
    }
    assert len(found) > 10
    return found


def test_the_code_has_none_of_the_names_that_were_replaced() -> None:
    everything = code("bot", "cogs", "sandbox", "tests", "benchmarks")

    assert [found for name, source in everything.items() for found in metaphors_in(name, source)] == []


def test_no_module_has_a_name_that_was_replaced() -> None:
    assert {name for name in code("bot", "cogs") if Path(name).stem in FILES} == set()


def test_nothing_is_defined_by_a_name_that_was_replaced() -> None:
    assert [
        found for name, source in code("bot", "cogs").items() for found in replaced_definitions_in(name, source)
    ] == []


@pytest.mark.parametrize(
    "source", ["class Elsewhere: ...", "async def take(): ...", "class X:\n    def _take(self): ...", "SILENT_JOBS = 5"]
)
def test_such_a_definition_would_be_seen(source: str) -> None:
    assert len(replaced_definitions_in("x.py", source)) == 1


@pytest.mark.parametrize(
    "source", ["take = takes[0]", "for take in takes: ...", "def takes(): ...", "class Taken: ..."]
)
def test_other_definitions_are_free(source: str) -> None:
    assert replaced_definitions_in("x.py", source) == []


@pytest.mark.parametrize(
    "source", ["desk = 1", "class LineDesk: ...", "def of_tongues(): ...", "x = 1  # its fate", '"""The town."""']
)
def test_such_a_name_would_be_seen(source: str) -> None:
    assert len(metaphors_in("x.py", source)) == 1


@pytest.mark.parametrize("source", ["wishbone = 1", "clipboard = 1", 'x = "a desk"', "line = text.split()"])
def test_other_words_are_free(source: str) -> None:
    assert metaphors_in("x.py", source) == []


@pytest.mark.parametrize("folder", ["bot", "cogs"])
def test_no_sentence_for_people_has_a_word_that_was_replaced(folder: str) -> None:
    said = [sentence for source in code(folder).values() for sentence in sentences(source)]
    texts = [re.sub(r"`[^`]*`", "", " / ".join([one] if isinstance(one, str) else one)) for one in said]

    assert [(text, found) for text in texts if (found := replaced_words(text))] == []
    assert len(texts) > 10


def test_docstrings_and_comments_name_only_classes_that_are_there() -> None:
    """Whoever renames one is told where else it is named."""
    sources = {name: (source, ast.parse(source)) for name, source in code("bot", "cogs").items()}
    known = {name for _, tree in sources.values() for name in identifiers(tree)} | PROPER_NAMES | vars(builtins).keys()
    told = {
        (name, word)
        for name, (source, tree) in sources.items()
        for text in (*(text for _, text in docstrings_in(tree)), *re.findall(r"#.*", source))
        for word in re.findall(r"\b(?:[A-Z][a-z]+){2,}\b", text)
    }

    assert {(name, word) for name, word in told if word not in known} == set()
    assert len(told) > 50
