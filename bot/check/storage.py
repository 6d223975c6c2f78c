"""The database and the disk, without changing them: the bot may be running. A file that is tried is deleted again."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from bot.check.findings import Finding, ok, problem, warning
from bot.errors import StoreError
from bot.jobs.files import LEAST_FREE_BYTES
from bot.store import inspection

ENOUGH_BYTES = 1000**3
_PROBE_BYTES = 4096


def database(where: Path | str) -> list[Finding]:
    """Whether it opens, which version it has, and whether its folder can be written to."""
    return _file(where) if isinstance(where, Path) else _server(where)


def _server(address: str) -> list[Finding]:
    try:
        found = inspection.inspect_server(address)
    except StoreError as error:
        return [problem("database", f"{error}.")]
    if found.version < found.newest:
        return [ok("database", f"the server can be reached; the next start brings it to schema {found.newest}")]
    return [ok("database", f"the server can be reached, with schema {found.version}")]


def _file(path: Path) -> list[Finding]:
    folder = _existing(path.parent)
    if (error := _trouble(folder)) is not None:
        return [problem("database", f"this user cannot write to {folder} ({error}). Give the folder to this user.")]
    if not path.exists():
        return [ok("database", f"{path} does not exist yet; the first start creates it")]
    try:
        found = inspection.inspect(path)
    except StoreError as error:
        return [problem("database", f"{error}.")]
    if found.version < found.newest:
        return [ok("database", f"{path} opens; the next start updates it to schema {found.newest}")]
    return [ok("database", f"{path} opens, with schema {found.version}")]


def free_bytes(folder: Path) -> int:
    """How much can still be written there."""
    return shutil.disk_usage(folder).free


def disk(data_dir: Path, database_path: Path | None, free: Callable[[Path], int] = free_bytes) -> list[Finding]:
    """Whether the folders can be written to, and how much room there is for videos."""
    found = list(_folders(data_dir))
    found.append(_room("DATA_DIR", free(_existing(data_dir))))
    other = _existing(data_dir if database_path is None else database_path.parent)
    if other.stat().st_dev != _existing(data_dir).stat().st_dev:
        found.append(_room("the database", free(other)))
    return found


def _folders(data_dir: Path) -> Iterator[Finding]:
    for folder in (data_dir, data_dir / "pictures", data_dir / "videos"):
        if folder.exists() and not folder.is_dir():
            yield problem("disk", f"DATA_DIR is wrong: {folder} is not a folder.")
            return
        if (error := _trouble(_existing(folder))) is not None:
            yield problem("disk", f"this user cannot write to {_existing(folder)} ({error}). Give it to this user.")
            return
    yield ok("disk", f"{data_dir} can be written to")


def _room(whose: str, free: int) -> Finding:
    text = f"{free // 1000**2:,} MB free for {whose}"
    if free < LEAST_FREE_BYTES:
        least = LEAST_FREE_BYTES // 1024**2
        return problem("disk", f"{text}; below {least} MB the bot sends nothing to a provider. Free some space.")
    if free < ENOUGH_BYTES:
        return warning("disk", f"{text}. Free some space.")
    return ok("disk", text)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())


def _trouble(folder: Path) -> str | None:
    """Why nothing can be written here; a full disk is told by how much is free."""
    if not os.access(folder, os.W_OK | os.X_OK):
        return "permission denied"
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(_PROBE_BYTES))
            probe.flush()
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return None
