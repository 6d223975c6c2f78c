"""DATABASE_URL and what goes with it. Nobody who has SQLite loads anything of PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bot import database_address
from bot.errors import SettingsError
from bot.settings import Settings

PROJECT = Path(__file__).parents[2]
ENOUGH = {"discord_token": "token", "video_api_key": "key", "_env_file": None}
WITH_SQLITE = """
import asyncio, pathlib, sys
import bot.app, bot.check, bot.__main__
from bot.store.database import Store
async def main():
    store = await Store.open(pathlib.Path(sys.argv[1]))
    await store.close()
asyncio.run(main())
print([name for name in sys.modules if name.partition(".")[0] in ("psycopg", "psycopg_pool", "procrastinate")])
"""
WITHOUT_THE_EXTRA = """
import importlib.util, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == "psycopg" else find(name, package)
from bot.__main__ import main
sys.exit(main(["run"]))
"""


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("sqlite:///data/animate.db", Path("data/animate.db")),
        ("sqlite:////var/animate.db", Path("/var/animate.db")),
        ("postgresql://me@host/name", "postgresql://me@host/name"),
        ("POSTGRES://one,two/name?target_session_attrs=read-write", "postgresql://one,two/name?target_session_attrs=read-write"),
    ],
)  # fmt: skip
def test_an_address_is_a_file_or_a_servers(url: str, where: Path | str) -> None:
    assert database_address.checked(url) == where
    assert Settings.load(**ENOUGH, database_url=url).database == where


@pytest.mark.parametrize("url", ["mysql://host/name", "sqlite:///", "postgresql://", "animate.db"])
def test_anything_else_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        database_address.checked(url)

    assert caught.value.sentences == ("A database is written as sqlite:/// and a path, or as postgresql://…",)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:pass%3Dword@host/name",
        "postgresql://me:pass%3Dword@one:1,two:2/name?sslmode=require",
        "postgresql://host/name?user=me&password=pass%3Dword",
    ],
)
def test_its_password_is_a_secret(url: str) -> None:
    assert {"pass%3Dword", "pass=word"} <= set(Settings.load(**ENOUGH, database_url=url).secrets)


def test_an_address_without_a_password_has_no_secret() -> None:
    for url in ("postgresql://me@host:5432/name?sslmode=require", "postgresql://host/name", "sqlite:///a:b@c.db"):
        assert list(database_address.passwords(url)) == []


def test_backups_on_a_schedule_are_for_sqlite_alone() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.load(**ENOUGH, database_url="postgresql://host/name", backup_every="6h")

    assert caught.value.sentences == (
        "BACKUP_EVERY is for SQLite only: leave it empty, and back up PostgreSQL with pg_dump.",
    )


def test_with_sqlite_nothing_of_postgresql_is_loaded(tmp_path: Path) -> None:
    ended = _python(WITH_SQLITE, tmp_path / "animate.db", cwd=PROJECT)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "[]\n", "")


def test_a_server_without_the_packages_for_it_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    ended = _python(WITHOUT_THE_EXTRA, cwd=tmp_path, DATABASE_URL="postgresql://host/name")

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        "DATABASE_URL is a PostgreSQL address, and the packages for it are not installed: "
        "run `uv sync --extra cluster`.\n"
    )


def test_the_command_backup_is_for_sqlite_alone(tmp_path: Path) -> None:
    ended = _python(
        "import sys; from bot.__main__ import main; sys.exit(main(['backup', 'copy.db']))",
        cwd=tmp_path, DATABASE_URL="postgresql://host/name",
    )  # fmt: skip

    assert ended.returncode == 2
    assert ended.stderr == "`backup` is for SQLite only: back up PostgreSQL with pg_dump, see docs/operations.md.\n"
    assert list(tmp_path.iterdir()) == []


def _python(script: str, *arguments: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=cwd, capture_output=True, text=True, check=False, timeout=50,
        env={**os.environ, "PYTHONPATH": str(PROJECT), "DISCORD_TOKEN": "token", "VIDEO_API_KEY": "key", **environment},
    )  # fmt: skip
