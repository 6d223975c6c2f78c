"""What the real bot leaves on the disk is for its own user alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Build


@pytest.fixture(name="open_umask", autouse=True)
def _open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def written(folder: Path) -> list[Path]:
    data = folder / "data"
    found = [data, *data.rglob("*"), *folder.glob("animate.db*")]
    assert {"pictures", "videos", "animate.db", "animate.db.lock"} <= {path.name for path in found}
    return found


def open_to_others(folder: Path) -> dict[str, str]:
    modes = {str(path): path.stat().st_mode for path in written(folder)}
    return {name: oct(mode) for name, mode in modes.items() if stat.S_IMODE(mode) & 0o077}


async def test_no_file_of_a_running_bot_can_be_read_by_others(build: Build) -> None:
    stage = await build(render_s=None)
    await stage.rendering()

    assert open_to_others(stage.folder) == {}
    assert {".jpg", ".db-wal"} <= {path.suffix for path in written(stage.folder)}


async def test_what_an_earlier_run_left_open_is_closed_at_the_next_start(build: Build) -> None:
    stage = await build()
    await stage.over(await stage.animate())
    assert stage.bot is not None
    await stage.bot.stop()
    for path in written(stage.folder):
        path.chmod(0o777)

    await stage.start_bot()

    assert open_to_others(stage.folder) == {}
