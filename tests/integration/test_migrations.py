"""From every schema to a later one, with rows in it: all or nothing, and nothing lost."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bot.models import FailureKind, JobId, JobState
from bot.store import jobs, migrations
from bot.store.database import Store
from bot.store.migrations import migrate, scripts
from tests.builders import NOON
from tests.ledger_audit import differences

PROJECT = Path(__file__).parents[2]
DEADLINE_S = 20.0
A_LATER_SCRIPT = """
ALTER TABLE jobs ADD COLUMN mood TEXT;               -- a column
CREATE INDEX jobs_of_mood ON jobs (mood) WHERE mood IS NOT NULL;
CREATE TABLE moods (                                 -- and a table with what is there already
    member BIGINT NOT NULL PRIMARY KEY, mood TEXT
);
INSERT INTO moods (member) SELECT DISTINCT member FROM jobs;
"""
KNOWN = [*scripts(), (scripts()[-1][0] + 1, A_LATER_SCRIPT)]
"""As it will be after the next release: every script that there is, and one more."""
OLDER = [number for number, _ in KNOWN][:-1]
ROWS_EACH = 3

Rows = list[tuple[Any, ...]]


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    return tmp_path / "animate.db"


def up_to(version: int) -> list[tuple[int, str]]:
    return [(number, script) for number, script in KNOWN if number <= version]


def next_after(version: int) -> tuple[int, str]:
    """Not every number has a script for SQLite."""
    return next((number, script) for number, script in KNOWN if number > version)


def columns(connection: sqlite3.Connection, table: str) -> list[tuple[str, str, bool]]:
    """Name, type, and whether it must be given."""
    return [
        (name, kind, bool(needed)) for _, name, kind, needed, _, _ in connection.execute(f"PRAGMA table_info({table})")
    ]


def tables(connection: sqlite3.Connection) -> list[str]:
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
    return [name for (name,) in found if name != "schema_versions"]


def schema(path: Path) -> dict[str, object]:
    """Everything that a schema is: columns in their order, indexes, and the words they were made with."""
    with closing(sqlite3.connect(path)) as connection:
        made = connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()
        info = {name: connection.execute(f"PRAGMA table_xinfo({name})").fetchall() for name in tables(connection)}
        return {
            "made": made,
            "columns": info,
            "versions": connection.execute("SELECT * FROM schema_versions").fetchall(),
        }


def fill(path: Path) -> None:
    """Rows in every table, each value its own; what may be NULL is, in every other row."""
    with closing(sqlite3.connect(path)) as connection:
        for table in tables(connection):
            cells = columns(connection, table)
            for row in range(1, ROWS_EACH + 1):
                values = [
                    None if row % 2 and not needed else _value(kind, row * 1000 + at, name)
                    for at, (name, kind, needed) in enumerate(cells)
                ]
                connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values))})", values)
        connection.commit()


def _value(kind: str, number: int, name: str) -> object:
    return number << 40 if kind == "BIGINT" else f"{name} ☃ {number}"


def rows(path: Path, of: dict[str, list[str]] | None = None) -> dict[str, Rows]:
    """Every row of every table, by the columns of `of`, else all there are."""
    with closing(sqlite3.connect(path)) as connection:
        names = of or {table: [name for name, _, _ in columns(connection, table)] for table in tables(connection)}
        return {
            table: connection.execute(f"SELECT {', '.join(cells)} FROM {table} ORDER BY 1, 2").fetchall()
            for table, cells in names.items()
        }


def names(path: Path) -> dict[str, list[str]]:
    with closing(sqlite3.connect(path)) as connection:
        return {table: [name for name, _, _ in columns(connection, table)] for table in tables(connection)}


def statements(script: str) -> list[str]:
    """The script, cut behind each statement."""
    found, rest = [], ""
    for line in script.splitlines(keepends=True):
        rest += line
        if sqlite3.complete_statement(rest):
            found.append(rest)
            rest = ""
    assert not rest.strip()
    return found


@pytest.mark.parametrize("version", OLDER)
class TestFromAnOlderSchema:
    def test_it_becomes_what_a_new_database_has_and_every_row_survives(self, path: Path, version: int) -> None:
        migrate(path, up_to(version))
        fill(path)
        kept, before = names(path), rows(path)
        assert sum(len(found) for found in before.values()) == ROWS_EACH * len(before) > 30

        migrate(path, KNOWN)

        fresh = path.with_name("fresh.db")
        migrate(fresh, KNOWN)
        assert schema(path) == schema(fresh)
        assert rows(path, kept) == before

    def test_a_script_that_breaks_at_any_statement_leaves_all_as_it_was(self, path: Path, version: int) -> None:
        number, script = next_after(version)
        parts = statements(script)
        migrate(path, up_to(version))
        fill(path)
        before = schema(path), rows(path)

        for whole in range(len(parts) + 1):
            broken = (number, "".join(parts[:whole]) + "INSERT INTO nowhere VALUES (1);")
            with pytest.raises(sqlite3.OperationalError, match="nowhere"):
                migrate(path, [*up_to(version), broken])
            assert (schema(path), rows(path)) == before

        migrate(path, KNOWN)
        assert schema(path)["versions"] == [(number,) for number, _ in KNOWN]

    async def test_a_kill_in_the_middle_leaves_all_as_it_was(self, path: Path, version: int) -> None:
        migrate(path, up_to(version))
        fill(path)
        before = schema(path), rows(path)
        endless = (
            f"{next_after(version)[1]}\nCREATE TABLE endless (n BIGINT);\nINSERT INTO endless"
            " WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted) SELECT n FROM counted;"
        )
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", CHILD, str(path), endless, cwd=PROJECT)
        log = path.with_name(path.name + "-wal")
        deadline = time.monotonic() + DEADLINE_S
        while not log.exists() or log.stat().st_size < 1_000_000:  # so much of it is on the disk already
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
        child.kill()
        assert await child.wait() == -signal.SIGKILL

        assert (schema(path), rows(path)) == before
        migrate(path, KNOWN)
        assert schema(path)["versions"] == [(number,) for number, _ in KNOWN]

    async def test_a_job_of_then_is_carried_on_today(self, path: Path, version: int) -> None:
        migrate(path, up_to(version))
        with closing(sqlite3.connect(path)) as connection:
            for table, row in A_JOB_OF_THEN.items():
                values = ", ".join(f":{name}" for name in row)
                connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({values})", row)
            connection.commit()

        store = await Store.open(path)
        (found,) = await store.read(jobs.to_resume())
        moved = await store.write(
            jobs.move(JobId(7), JobState.RENDERING, JobState.FAILED, now=NOON, failure=FailureKind.PROVIDER)
        )
        await store.close()

        assert (found.state, found.ticket, found.card.token) == (JobState.RENDERING, "video_7", "a-token")
        assert moved is not None
        with closing(sqlite3.connect(path)) as connection:
            assert differences(connection) == []


CHILD = """
import pathlib, sys
from bot.store.migrations import migrate
path, script = pathlib.Path(sys.argv[1]), sys.argv[2]
migrate(path, [(10_000, script)])
"""

_DAY = (NOON.date() - NOON.date().replace(1970, 1, 1)).days
_MS = int(NOON.timestamp() * 1000)

A_JOB_OF_THEN: dict[str, dict[str, object]] = {
    "budget": {"id": 1, "lines": 1},
    "servers": {"scope": 5},
    "members": {"scope": 5, "member": 6, "reset_count": 0},
    "budget_usage": {"day": _DAY, "credits": 4},
    "server_usage": {"scope": 5, "day": _DAY, "credits": 4},
    "member_usage": {"scope": 5, "member": 6, "reset_count": 0, "day": _DAY, "credits": 4},
    "ledger": {
        "id": 1, "at": _MS, "kind": "reserve", "job": 7, "scope": 5, "member": 6, "credits": -4, "from_quota": -4,
        "from_bonus": 0, "from_budget": -4, "day": _DAY, "reset_count": 0, "limit_credits": 20, "limit_per": "day",
        "limit_source": "setting", "budget_credits": 1000, "budget_per": "day",
    },
    "jobs": {
        "id": 7, "key": "7k3m9qz", "state": "rendering", "state_at": _MS, "created_at": _MS, "scope": 5, "member": 6,
        "day": _DAY, "reset_count": 0, "model": "sora-2", "prompt": "puts on a hat", "seconds": 4, "size": "720x1280",
        "credits": 4, "from_quota": 4, "picture_url": "https://cdn.example/cat.jpg", "picture_filename": "cat.jpg",
        "picture_size_bytes": 100, "endpoint": "https://videos.example/v1", "provider": "default", "wire": "openai",
        "first_sent_at": _MS, "last_sent_at": _MS,
        "ticket": "video_7",
    },
    "cards": {
        "job": 7, "application": 1, "channel": 2, "guild": 5, "message": 3, "token": "a-token", "token_ends_at": _MS,
        "upload_limit_bytes": 10_485_760, "bot_reaches_at": _MS,
    },
}  # fmt: skip


def test_every_script_is_cut_into_its_statements() -> None:
    assert OLDER
    for _, script in KNOWN:
        assert "".join(statements(script)).strip() == script.strip()
        assert statements(script)


def test_no_two_scripts_for_one_kind_of_database_have_one_number() -> None:
    """One would silently take the other's place."""
    names = [path.name for path in Path(migrations.__file__).parent.glob("*.sql")]
    numbered = [(name.partition("_")[0], *name.split(".")[1:-1]) for name in names]

    assert sorted(name for name, key in zip(names, numbered, strict=True) if numbered.count(key) > 1) == []
