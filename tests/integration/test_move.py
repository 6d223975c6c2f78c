"""`python -m bot move`: all of a database arrives, or nothing is changed. The default run moves from file to file."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from bot.errors import StoreError, StoreInUse
from bot.models import JobState, Scope
from bot.store import backup
from bot.store.database import Store
from bot.store.migrations import migrate, scripts
from bot.store.move import move
from tests.builders import GUILD, MEMBER, grant, limits, set_own
from tests.databases import Database, Direct
from tests.in_memory_store import Ledgers

PROJECT = Path(__file__).parents[2]


@pytest.fixture(name="source")
def _source(tmp_path: Path) -> Path:
    """Jobs in every state, bonus credits, rules, and texts that are not plain."""
    path = tmp_path / "source.db"
    migrate(path)
    direct = Direct(path)
    kept = Ledgers(limits(1_000), direct)
    kept.do(grant(MEMBER, 7))
    kept.do(set_own(MEMBER, 500))
    for number, state in enumerate(JobState, start=1):
        kept.add_job(number, state, scope=Scope(GUILD + number % 3))
    kept.rows("UPDATE jobs SET prompt = :text WHERE id = 1", text="a 'b' \t \\ \n é 🎬 % \\N")
    direct.close()
    return path


@pytest.fixture(name="target")
def _target(database: Database, tmp_path: Path) -> Path | str:
    return tmp_path / "target.db" if isinstance(database.where, Path) else database.where


def content(where: Path | str) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table that both kinds of databases have, columns and rows in one order."""
    with closing(sqlite3.connect(":memory:")) as schema:
        for _, script in scripts():
            schema.executescript(script)
        columns = schema.execute(
            "SELECT m.name, c.name FROM sqlite_master AS m, pragma_table_info(m.name) AS c"
            " WHERE m.type = 'table' AND m.name <> 'schema_versions' ORDER BY 1, 2"
        ).fetchall()
    tables = {table: ", ".join(name for of, name in columns if of == table) for table, _ in columns}
    database = Database(where)
    return {table: sorted(database.rows(f"SELECT {names} FROM {table}"), key=repr) for table, names in tables.items()}


def test_everything_arrives_and_comes_back(source: Path, target: Path | str, tmp_path: Path) -> None:
    before = content(source)

    there = move(source, target)
    back = move(target, tmp_path / "back.db")

    assert content(target) == content(tmp_path / "back.db") == content(source) == before
    assert there == back
    assert (there.rows["jobs"], there.lines) == (len(JobState), len(before["ledger"]))
    assert Database(target).differences() == []


async def test_the_bot_goes_on_where_it_was_and_the_old_database_sends_nothing_again(
    source: Path, target: Path | str
) -> None:
    move(source, target)

    for where, is_copy in ((target, False), (source, True)):
        store = await Store.open(where)
        assert await store.read(backup.is_backup) is is_copy
        await store.close()


async def test_a_database_in_use_is_not_moved(source: Path, target: Path | str, tmp_path: Path) -> None:
    store = await Store.open(source)
    with pytest.raises(StoreInUse):
        await asyncio.to_thread(move, source, target)
    await store.close()
    move(source, target)
    store = await Store.open(target)

    with pytest.raises(StoreInUse):
        await asyncio.to_thread(move, target, tmp_path / "back.db")

    assert not (tmp_path / "back.db").exists()
    await store.close()


def test_what_is_there_is_not_written_over(source: Path, target: Path | str) -> None:
    move(source, target)
    direct = Direct(source)
    direct.execute("PRAGMA user_version = 0")
    direct.close()
    before = content(source), content(target)

    with pytest.raises(StoreError, match=r"exists and was not changed|rows in .* already"):
        move(source, target)

    assert (content(source), content(target)) == before


def test_a_row_that_cannot_be_kept_leaves_both_as_they_were(source: Path, target: Path | str, tmp_path: Path) -> None:
    """SQLite takes a text for a number; where the target does too, it has another column."""
    direct = Direct(source)
    if isinstance(target, Path):
        direct.execute("ALTER TABLE users ADD COLUMN mood TEXT")
    direct.execute("INSERT INTO pending_deletions (message, channel) VALUES (1, 'a text')")
    direct.close()
    before = source.read_bytes()

    with pytest.raises(StoreError, match="nothing was moved"):
        move(source, target)

    assert source.read_bytes() == before
    assert not any(content(target).values()) if isinstance(target, str) else not target.exists()
    assert not list(tmp_path.glob("*.part"))


def test_the_command_says_what_it_did(source: Path, database: Database, target: Path | str) -> None:
    addresses = [f"sqlite:///{source}", target if isinstance(target, str) else f"sqlite:///{target}"]

    moved = _run(*addresses)
    again = _run(*addresses)
    wrong = _run("sqlite:///a.db", "mysql://b")

    assert (moved.returncode, again.returncode, wrong.returncode) == (0, 1, 2)
    assert "jobs: 10 rows" in moved.stdout
    assert moved.stdout.splitlines()[-2].startswith("The ledger is as it was: ")
    assert (again.stdout, wrong.stdout) == ("", "")
    assert wrong.stderr == "A database is written as sqlite:/// and a path, or as postgresql://…\n"


def _run(*addresses: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bot", "move", *addresses],
        cwd=PROJECT, capture_output=True, text=True, check=False, timeout=50,
    )  # fmt: skip
