"""Every statement of the store runs on SQLite and PostgreSQL alike: what a reader can see of that without a server."""

from __future__ import annotations

import ast
import functools
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bot.store.migrations import migrate, scripts

STORE = Path(__file__).parents[2] / "bot" / "store"

SPEAKS_SQL = re.compile(
    r"\b(SELECT|INSERT INTO|UPDATE \w+ SET|DELETE FROM|CREATE|VALUES|WHERE|FROM|ON CONFLICT|ORDER BY|JOIN|AND|SET)\b"
)
ENGINES_OWN = {
    "queue_entries.py",
    "sqlite.py", "move_backends.py", "postgres.py", "postgres_move_backend.py", "postgres_values.py",
    "migrations/__init__.py", "migrations/from_0_1.py", "migrations/on_postgres.py",
}  # fmt: skip
"""What is about one of them: PRAGMA, sqlite_master, BEGIN IMMEDIATE, advisory locks."""

FORBIDDEN = {
    "a number that is no BIGINT": (r"(?i)\b(INT|INTEGER|SMALLINT|REAL|FLOAT|DOUBLE|NUMERIC|SERIAL)\b", "n INTEGER"),
    "a type of one engine": (r"(?i)\b(BLOB|BYTEA|BOOLEAN|DATETIME|TIMESTAMP|JSONB?|VARCHAR)\b", "picture BLOB"),
    "ids made by the engine": (r"(?i)\b(AUTOINCREMENT|IDENTITY|ROWID|last_insert_rowid)\b", "id AUTOINCREMENT"),
    "a kind of table of one engine": (r"(?i)\b(STRICT|WITHOUT ROWID|UNLOGGED)\b", "CREATE TABLE t (a) STRICT"),
    "a function of one engine": (
        r"(?i)\b(ifnull|iif|nvl|strftime|julianday|unixepoch|group_concat|string_agg|greatest|least|printf|now)\s*\(",
        "ifnull(a, b)",
    ),
    "min and max of two values": (r"(?i)\b(MIN|MAX)\s*\([^()]*,", "MAX(a, b)"),
    "a double-quoted string": (r'"', 'SELECT "a"'),
    "a cast of PostgreSQL": (r"::", "a::BIGINT"),
    "a bare per cent sign": (r"%", "a % 2"),
    "FOR UPDATE": (r"(?i)\bFOR\s+UPDATE\b", "SELECT a FROM t FOR UPDATE"),
    "a parameter without a name": (r"\?|\$\d", "a = ?"),
    "INSERT OR, REPLACE": (r"(?i)\bINSERT\s+OR\b|\bREPLACE\s+INTO\b", "INSERT OR IGNORE INTO t"),
    "an alias in RETURNING": (r"(?i)\bRETURNING\b.*\bAS\b", "RETURNING a AS b"),
    "a LIMIT on UPDATE or DELETE": (r"(?i)^\s*(UPDATE|DELETE)\b.*\bLIMIT\b", "DELETE FROM t LIMIT 1"),
    "an unqualified column in DO UPDATE": (
        r"(?i)\bDO UPDATE SET (\w+ = )(?!excluded\.|:|(CASE WHEN )?\w+\.)", "DO UPDATE SET n = n + 1"
    ),
    "a sum that is Decimal on PostgreSQL": (r"(?i)(?<!CAST\(COALESCE\()(?<!CAST\()\bSUM\(", "SELECT SUM(a) FROM t"),
    "a CHECK on names of states": (r"(?i)\bCHECK\s*\(", "state TEXT CHECK (state IN ('a'))"),
    "GLOB, REGEXP": (r"(?i)\b(GLOB|REGEXP|ILIKE)\b", "a GLOB 'b'"),
}  # fmt: skip
"""Each with something it must catch."""

_RESERVED_WORDS = """
all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate collation
column concurrently constraint create cross current_catalog current_date current_role current_schema current_time
current_timestamp current_user default deferrable desc distinct do else end except false fetch for foreign freeze
from full grant group having ilike in initially inner intersect into is isnull join lateral leading left like limit
localtime localtimestamp natural not notnull null offset on only or order outer overlaps placing primary references
returning right select session_user similar some symmetric system_user table tablesample then to trailing true union
unique user using variadic verbose when where window with
"""
RESERVED = frozenset(_RESERVED_WORDS.split())
"""PostgreSQL 17, appendix C: reserved words, also those that may name a function or type."""


@functools.cache
def statements() -> dict[str, str]:
    """Every piece of SQL of the store by where it stands; a hole in an f-string reads `{}`."""
    found = {number: re.sub(r"--.*", "", script) for number, script in _numbered()}
    for file in sorted(STORE.rglob("*.py")):
        name = file.relative_to(STORE).as_posix()
        if name not in ENGINES_OWN:
            found |= {f"{name}:{line}": text for line, text in _strings(file) if SPEAKS_SQL.search(text)}
    return found


def _numbered() -> list[tuple[str, str]]:
    return [(f"{number:04}", script) for number, script in scripts()]


def _strings(file: Path) -> list[tuple[int, str]]:
    tree = ast.parse(file.read_text("utf-8"))
    inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)} - {
        id(node) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)
    }
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    found: list[tuple[int, str]] = []
    for node in ast.walk(tree):
        if id(node) in inner | prose:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append((node.lineno, node.value))
        elif isinstance(node, ast.JoinedStr):
            parts = [str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values]
            found.append((node.lineno, "".join(parts)))
    return found


@pytest.mark.parametrize("name", FORBIDDEN)
def test_no_statement_has(name: str) -> None:
    pattern, offender = FORBIDDEN[name]

    found = {place: text for place, text in statements().items() if re.search(pattern, text, re.MULTILINE)}

    assert found == {}
    assert re.search(pattern, offender)


def test_the_statements_that_were_looked_at_are_those_of_the_store() -> None:
    looked_at = statements()

    files = {place.partition(":")[0] for place in looked_at}
    assert files >= {number for number, _ in _numbered()} | {
        "balances.py", "command_hashes.py", "jobs.py", "ledger.py", "row_mapping.py", "quotas.py", "reservations.py"
    }  # fmt: skip
    assert len(looked_at) >= 40
    for known in (
        "SELECT COUNT(*) FROM jobs WHERE id = :job",
        "UPDATE jobs SET state = :to, state_at = :now{} WHERE id = :job AND state = :start",
        "INSERT INTO {} ({}) VALUES ({})",
    ):
        assert known in looked_at.values()
    assert not any(text.startswith("A job's life") for text in looked_at.values())


def test_an_alias_is_no_reserved_word() -> None:
    aliases = {
        alias.lower()
        for text in statements().values()
        for alias in re.findall(r"\bAS (\w+)", text)
        if alias != "BIGINT"
    }

    assert aliases & RESERVED == set()
    assert "job_key" in aliases


class TestSchema:
    @pytest.fixture(name="columns")
    def _columns(self, tmp_path: Path) -> list[tuple[str, str, str, int, int]]:
        """(table, column, type, NOT NULL, part of the key) of every column."""
        path = tmp_path / "animate.db"
        migrate(path)
        with closing(sqlite3.connect(path)) as connection:
            return connection.execute(
                'SELECT m.name, c.name, c.type, c."notnull", c.pk'
                " FROM sqlite_master AS m, pragma_table_info(m.name) AS c WHERE m.type = 'table'"
            ).fetchall()

    def test_every_name_may_stand_without_quotes(self, columns: list[tuple[str, str, str, int, int]]) -> None:
        names = {name for table, column, *_ in columns for name in (table, column)}

        assert names & RESERVED == set()
        assert {"jobs", "from_quota"} <= names
        assert all(re.fullmatch("[a-z_]+", name) for name in names)

    def test_every_column_is_a_bigint_or_text(self, columns: list[tuple[str, str, str, int, int]]) -> None:
        assert {kind for _, _, kind, *_ in columns} == {"BIGINT", "TEXT"}

    def test_every_key_is_not_null(self, columns: list[tuple[str, str, str, int, int]]) -> None:
        keys = {(table, column): bool(required) for table, column, _, required, part in columns if part}

        assert [key for key, required in keys.items() if not required] == []
        assert {table for table, _ in keys} == {table for table, *_ in columns}
