"""The version that is told, and a bot that is to stay after a wrong setting."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bot.version import VERSION

PROJECT = Path(__file__).parents[2]
NOWHERE = {"DISCORD_TOKEN": "token", "VIDEO_API_KEY": "key", "DISCORD_API_URL": "http://127.0.0.1:9/api/v10"}


def started(folder: Path, *arguments: str, **settings: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if name not in NOWHERE}
    return subprocess.Popen(
        [sys.executable, "-m", "bot", *arguments], cwd=folder,
        env=environment | {"PYTHONPATH": str(PROJECT)} | settings,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def test_the_version_is_printed(tmp_path: Path) -> None:
    with started(tmp_path, "--version") as bot:
        said, _ = bot.communicate(timeout=30)

    assert (bot.returncode, said) == (0, f"animate-bot {VERSION}\n")


def test_the_first_line_of_the_log_has_the_version(tmp_path: Path) -> None:
    with started(tmp_path, DISCORD_TOKN="slip", **NOWHERE) as bot:
        said, _ = bot.communicate(timeout=50)

    assert f"animate-bot {VERSION} on Python 3." in said.splitlines()[0]
    assert "DISCORD_TOKN" in said


def test_the_version_is_the_same_wherever_it_stands() -> None:
    project = re.findall(r'^version = "(.+)"', (PROJECT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    image = re.findall(r"^ARG VERSION=(.+)$", (PROJECT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    changes = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", (PROJECT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)

    assert project == [VERSION]
    assert set(image) == {VERSION}
    assert changes[0] == VERSION


@pytest.mark.parametrize(
    ("settings", "fault"),
    [({}, "DISCORD_TOKEN is missing"), ({**NOWHERE, "DATA_DIR": "/dev/null/data"}, "DATA_DIR is wrong")],
    ids=["before the loop runs", "while it runs"],
)
def test_a_bot_that_is_to_stay_says_what_is_wrong_and_waits_until_it_is_stopped(
    tmp_path: Path, settings: dict[str, str], fault: str
) -> None:
    with started(tmp_path, "run", "--stay", **settings) as bot:
        assert bot.stdout is not None
        said: list[str] = []
        for line in bot.stdout:  # the test's own deadline bounds this
            said.append(line)
            if line.startswith("The bot waits to be stopped"):
                break
        bot.send_signal(signal.SIGTERM)
        assert bot.wait(timeout=30) == 0

    assert any(line.startswith(fault) for line in said), said
