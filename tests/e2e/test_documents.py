"""The commands of README and the documents, typed as they stand in a copy of the project, do what is said."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bot.store.migrations import migrate
from tests.documents import ENDS, IS_ENOUGH, LOOKS_FOR_TESTS, PROJECT, SERVES
from tests.e2e.stage import png
from tests.thorough import mostly_thorough

NOT_COPIED = shutil.ignore_patterns(".git", ".venv*", ".env", ".*_cache", "data", "uv.lock")
DEADLINE_S = 150
pytestmark = pytest.mark.timeout(DEADLINE_S + 50)


@pytest.fixture(name="copy", scope="module")
def _copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("copies") / "copy"
    shutil.copytree(PROJECT, copy, ignore=NOT_COPIED)  # with what is compiled, or each command's first task is that
    (copy / "data").mkdir()
    migrate(copy / "data" / "animate.db")
    (copy / "cat.jpg").write_bytes(png())
    return copy


@pytest.fixture(name="environment")
def _environment(copy: Path) -> dict[str, str]:
    """Nothing of this process's settings; `uv run` takes the environment that is there and asks nobody."""
    uv = shutil.which("uv")
    if uv is None:  # installed without it: only `uv run` is wanted of it
        tools = copy / "tools"
        tools.mkdir(exist_ok=True)
        (tools / "uv").write_text(
            '#!/bin/sh\nshift\n[ "$1" = --no-dev ] && shift\n[ "$1" = --extra ] && shift 2\nexec "$@"\n'
        )
        (tools / "uv").chmod(0o755)
        uv = str(tools / "uv")
    path = os.pathsep.join((str(Path(sys.prefix) / "bin"), str(Path(uv).parent), os.environ["PATH"]))
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "UV_CACHE_DIR", "TMPDIR") if name in os.environ}
    return {
        **kept, "PATH": path, "UV_PROJECT_ENVIRONMENT": sys.prefix, "UV_NO_SYNC": "1", "UV_FROZEN": "1",
        "UV_OFFLINE": "1", "BROWSER": "true", "PYTHONUNBUFFERED": "1",
    }  # fmt: skip


def type_in(command: str, copy: Path, environment: dict[str, str]) -> tuple[int, str]:
    ended = subprocess.run(
        ["bash", "-c", command], cwd=copy, env=environment, check=False, timeout=DEADLINE_S,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return ended.returncode, ended.stdout


@pytest.mark.parametrize("command", mostly_thorough(ENDS, by_default=IS_ENOUGH & ENDS.keys()))
def test_it_ends_as_it_should(copy: Path, environment: dict[str, str], command: str) -> None:
    code = ENDS[command]
    if "pybabel init" in command:
        type_in("uv run pybabel extract -F pyproject.toml -o messages.pot bot cogs", copy, environment)
    elif " -m bot" in command:
        shutil.copy(copy / ".env.example", copy / ".env")

    ended, said = type_in(command, copy, environment)

    assert ended == code, said
    if code == 2:
        assert [line.split()[0] for line in said.strip().splitlines()] == ["DISCORD_TOKEN", "VIDEO_API_KEY"], said


@pytest.mark.parametrize("command", mostly_thorough(sorted(LOOKS_FOR_TESTS), by_default=IS_ENOUGH & LOOKS_FOR_TESTS))
def test_its_tests_are_there(copy: Path, environment: dict[str, str], command: str) -> None:
    ended, said = type_in(f"{command} --collect-only -q", copy, environment)

    assert ended == 0, said


@pytest.mark.parametrize("command", mostly_thorough(sorted(SERVES), by_default=IS_ENOUGH & SERVES))
def test_it_serves_until_it_is_told_to_end(copy: Path, environment: dict[str, str], command: str) -> None:
    typed = re.sub(r"--port \d+", "--port 0", command).split()

    with subprocess.Popen(
        typed,
        cwd=copy,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as serving:
        assert serving.stdout is not None
        said: list[str] = []
        for line in serving.stdout:  # the test's own deadline bounds this
            said.append(line)
            if "http://127.0.0.1" in line or "http://localhost" in line:
                break
        os.killpg(serving.pid, signal.SIGINT)
        rest, _ = serving.communicate(timeout=DEADLINE_S)

    assert any("http://" in line for line in said), "".join(said) + rest
    assert "Traceback" not in rest
