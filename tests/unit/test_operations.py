"""docs/operations.md tells the operator what is so: its log lines, sentences, commands, settings and links exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from bot.__main__ import parser
from bot.models import FailureKind, JobState
from bot.settings import Settings
from tests.documents import ENDS, LOOKS_FOR_TESTS, NOT_RUN, SERVES, is_dockers, shown

PROJECT = Path(__file__).parents[2]
HOLE = "…"

QUESTIONS = (
    "a member says the video never arrived",
    "the key or the balance is refused",
    "how do i back up and restore?",
    "the disk is full",
    "how do i update?",
    "what do the log lines mean?",
    "a job is unknown: did i pay?",
    "someone is using up the budget",
    "discord or the provider is down",
    "how do i move to another machine?",
)


def document() -> str:
    return (PROJECT / "docs" / "operations.md").read_text("utf-8")


def fenced(kind: str) -> list[str]:
    """The lines of all blocks of a kind."""
    blocks = re.findall(rf"^ *```{kind}\n(.*?)^ *```$", document(), re.MULTILINE | re.DOTALL)
    return [line.strip() for block in blocks for line in block.splitlines()]


def quoted_lines() -> list[str]:
    """Log lines and sentences: of their blocks, and of the table of lines."""
    _, _, rest = document().partition("## What do the log lines mean?")
    in_table = re.findall(r"^\| `([^`]+)` \|", rest, re.MULTILINE)
    assert len(in_table) > 10
    return [*fenced("log"), *fenced("text"), *in_table]


@cache
def spoken() -> tuple[str, ...]:
    """Every string of the bot's sources; what is filled in later reads as a hole, and so do joined strings."""
    found: list[str] = []
    for room in ("bot", "cogs"):
        for file in sorted((PROJECT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                match node:
                    case ast.Constant(value=str(text)):
                        found.append(re.sub(r"%[sr]", HOLE, text))
                    case ast.JoinedStr(values=parts):
                        found.append("".join(p.value if isinstance(p, ast.Constant) else HOLE for p in parts))  # type: ignore[misc]  # its constants are strings
    assert len(found) > 500
    return tuple(found)


def is_said(line: str) -> bool:
    """Whether some string of ours is this line, holes for holes."""
    return any(line in text for text in spoken())


@pytest.mark.parametrize("line", quoted_lines())
def test_every_quoted_line_is_one_of_ours(line: str) -> None:
    assert is_said(line)


@pytest.mark.parametrize(
    "line", ["job=… was paid twice; sorry", "job=… key=… user=… state=…; failure=…", "started from …"]
)
def test_an_invented_line_would_be_seen(line: str) -> None:
    assert not is_said(line)


def test_every_question_is_a_heading_and_every_heading_is_listed() -> None:
    headings = re.findall(r"^## (.+)$", document(), re.MULTILINE)
    listed = re.findall(r"^- \[(.+?)\]\(#(.+?)\)$", document(), re.MULTILINE)

    assert set(QUESTIONS) <= {heading.lower() for heading in headings}
    assert [title for title, _ in listed] == headings
    assert [anchor for _, anchor in listed] == [anchor_of(heading) for heading in headings]


def test_links_within_the_page_lead_to_a_heading() -> None:
    anchors = {anchor_of(heading) for heading in re.findall(r"^## (.+)$", document(), re.MULTILINE)}

    used = re.findall(r"\]\(#([^)]+)\)", document())

    assert len(used) > len(anchors)
    assert set(used) <= anchors


def anchor_of(heading: str) -> str:
    """As GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_command_of_the_bot_can_be_typed_as_it_stands() -> None:
    typed = [line.partition("python -m bot")[2] for line in [*fenced("console"), *inline()] if "python -m bot" in line]

    asked = [arguments.split() for arguments in typed]
    commands = {parser().parse_args(arguments).command for arguments in asked if arguments not in ([], ["--version"])}

    assert commands == {"run", "backup", "check", "healthy", "move", "usage"}
    assert ["run", "--restored"] in asked


def test_commands_at_discord_are_those_of_the_list() -> None:
    listed = (PROJECT / "docs" / "commands.md").read_text("utf-8")
    named = [code for code in inline() if code.startswith("/animate-admin")]

    assert [command for command in named if f"`{command}" not in listed] == []
    assert len(named) > 5


def test_settings_states_and_kinds_are_called_by_their_names() -> None:
    settings = {name.upper() for name in Settings.model_fields} | {"DISCORD_TOKEN_FILE", "VIDEO_API_KEY_FILE"}
    named = {code.partition("=")[0] for code in inline() if re.fullmatch(r"[A-Z]+(_[A-Z]+)+(=.*)?", code)}
    kinds = {code.removeprefix("kind=") for code in inline() if re.fullmatch(r"kind=\w+", code)}
    _, _, table = document().partition("| the last `state=` |")
    states = {
        state for row in table.split("\n\n")[0].splitlines() for state in re.findall(r"`(\w+)`", row.split(" | ")[0])
    }

    assert named - settings == {"HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"}  # of every program, not of this one
    assert len(named) > 8
    assert kinds <= set(FailureKind)
    assert len(kinds) == 3
    assert states == set(JobState)


def inline() -> list[str]:
    """What stands between single backticks."""
    return re.findall(
        r"(?<!`)`([^`\n]+)`(?!`)", re.sub(r"^ *```.*?^ *```$", "", document(), flags=re.MULTILINE | re.DOTALL)
    )


def test_the_readme_leads_here() -> None:
    assert "(docs/operations.md)" in (PROJECT / "README.md").read_text("utf-8")


def test_every_command_of_the_documents_is_tried_or_says_why_not() -> None:
    tried = ENDS.keys() | LOOKS_FOR_TESTS | SERVES | NOT_RUN.keys()

    commands = {command for command in shown() if not is_dockers(command)}

    assert commands - tried == set()
    assert tried - commands == set()
    assert len(commands) > 20
