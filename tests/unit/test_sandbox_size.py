"""The local Discord stays smaller than what of the bot talks to Discord: code alone, without comments."""

import ast
import io
import tokenize
from pathlib import Path

PROJECT = Path(__file__).parents[2]
NO_CODE = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING,
    tokenize.ENDMARKER,
}  # fmt: skip


def code_lines(source: str) -> int:
    """How many lines hold code: no blank ones, no comments, no docstrings."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    lines = {n for t in tokens if t.type not in NO_CODE for n in range(t.start[0], t.end[0] + 1)}
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Expr(value=ast.Constant(value=str())):
                lines -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


def code_lines_in(*folders: str) -> int:
    return sum(code_lines(path.read_text("utf-8")) for folder in folders for path in (PROJECT / folder).rglob("*.py"))


def test_the_local_discord_is_no_larger_than_the_bots_chat_and_jobs_together() -> None:
    local, bot = code_lines_in("sandbox/discord"), code_lines_in("bot/chat", "bot/jobs")

    assert 1_000 < local <= bot, (local, bot)


def test_blank_lines_comments_and_docstrings_do_not_count() -> None:
    about, why = '"""About."""\n\n', "# why\n"
    value, function = 'x = """a\nb"""  # a value\n\n\n', 'def f() -> int:\n    """Says."""\n    return 1\n'

    source = about + why + value + function

    assert code_lines(source) == 4
