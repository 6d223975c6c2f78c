"""Files are the bot's user's alone: made so under any umask, and made so again at a start."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from bot import file_permissions
from tests.thorough import mostly_thorough

PROJECT = Path(__file__).parents[2]


def modes(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): stat.S_IMODE(path.lstat().st_mode) for path in folder.rglob("*")}


def test_what_others_could_read_is_taken_from_them(tmp_path: Path) -> None:
    data, database = tmp_path / "data", tmp_path / "animate.db"
    for folder in (data / "pictures", data / "videos" / "1.mp4.shrinking"):
        folder.mkdir(parents=True)
    files = [data / "pictures" / "1.jpg", data / "videos" / "1.mp4.shrinking" / "video.mp4", database]
    files += [database.with_name(database.name + ending) for ending in (".lock", "-wal", "-shm")]
    for file in files:
        file.touch()
        file.chmod(0o666)
    (tmp_path / "of somebody else").touch(0o644)
    (tmp_path / "of somebody else").chmod(0o644)
    (data / "videos" / "2.mp4").symlink_to(tmp_path / "of somebody else")
    for folder in (data, data / "pictures", data / "videos", data / "videos" / "1.mp4.shrinking"):
        folder.chmod(0o777)

    file_permissions.tighten(data, ["pictures", "videos"], database)

    found = modes(tmp_path)
    assert found.pop("of somebody else") == 0o644
    del found["data/videos/2.mp4"]
    assert {
        name: mode for name, mode in found.items() if mode != (0o700 if (tmp_path / name).is_dir() else 0o600)
    } == {}
    assert len(found) == 10


@pytest.mark.parametrize("shared", ["sticky", "working"])
def test_a_folder_that_others_use_too_is_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: str
) -> None:
    for name in ("pictures", "videos"):
        (tmp_path / name).mkdir()
    mode = 0o1777 if shared == "sticky" else 0o755
    tmp_path.chmod(mode)
    if shared == "working":
        monkeypatch.chdir(tmp_path)

    file_permissions.tighten(tmp_path, ["pictures", "videos"], tmp_path / "animate.db")

    assert stat.S_IMODE(tmp_path.stat().st_mode) == mode
    assert set(modes(tmp_path).values()) == {0o700}


@pytest.mark.parametrize("umask", mostly_thorough([0o000, 0o022, 0o077], [0o000]))
def test_a_backup_is_its_users_alone(tmp_path: Path, umask: int) -> None:
    code = (
        "import pathlib; from bot.store.migrations import migrate; migrate(pathlib.Path('a.db'));"
        "from bot.__main__ import main; raise SystemExit(main(['backup', 'b.db']))"
    )
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "DATABASE_URL": "sqlite:///a.db"}

    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, umask=umask, check=True, timeout=30)

    assert modes(tmp_path)["b.db"] == 0o600
