"""What the bot writes is for its own user alone, whatever the umask it is started with: files 0600, folders 0700.

The database holds prompts and living tokens, DATA_DIR members' pictures.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

log = logging.getLogger(__name__)

FOLDER, FILE = 0o700, 0o600
UMASK = 0o077
BESIDE_A_DATABASE = ("", ".lock", "-wal", "-shm", "-journal")


def write_for_this_user_alone() -> None:
    """From now on, for this process and those it starts; what SQLite puts beside a database gets that one's mode."""
    os.umask(UMASK)


def tighten(data_dir: Path, folders: Iterable[str], database: Path | None) -> None:
    """Takes from others what an earlier version or a restored copy lets them read; tells what cannot be changed.

    Looks at the database and at these folders of DATA_DIR.
    """
    for path in (*(() if database is None else _of_the_database(database)), *_of_the_data(data_dir, folders)):
        try:
            _restrict(path)
        except FileNotFoundError:
            continue  # its job was done with it in the meantime
        except OSError as error:
            log.warning("%s can be read by others, and this could not be changed: %s", path, error.strerror)


def _of_the_database(database: Path) -> Iterator[Path]:
    files = (database.with_name(database.name + ending) for ending in BESIDE_A_DATABASE)
    return (file for file in files if file.exists())


def _of_the_data(data_dir: Path, folders: Iterable[str]) -> Iterator[Path]:
    """DATA_DIR is the bot's own, unless it is where everybody works or the folder it was started in."""
    if not data_dir.stat().st_mode & stat.S_ISVTX and not data_dir.samefile(Path.cwd()):
        yield data_dir
    for folder in (data_dir / name for name in folders):
        yield from (folder, *folder.rglob("*"))


def _restrict(path: Path) -> None:
    mode = path.lstat().st_mode
    wanted = FOLDER if stat.S_ISDIR(mode) else FILE
    if stat.S_IMODE(mode) & ~wanted and not stat.S_ISLNK(mode):
        path.chmod(stat.S_IMODE(mode) & wanted)
