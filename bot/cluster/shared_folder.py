"""DATA_DIR, which all processes share: a picture fitted by one is sent by another, and so is a video."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from pathlib import Path

from bot.errors import SettingsError
from bot.store.database import Store
from bot.store.shared_state import shared_folder

MARK = "shared-by"


async def check_folder(store: Store, data_dir: Path) -> None:
    """Raises SettingsError where this is not the folder of the other processes, StoreUnavailable."""
    here = await asyncio.to_thread(_mark, data_dir / MARK)
    if await store.write(shared_folder(here)) != here:
        sentence = (
            "DATA_DIR is wrong: with PostgreSQL it should be one folder that all processes share, "
            f"with the file {MARK} that the first of them wrote."
        )
        raise SettingsError([sentence])


def _mark(path: Path) -> str:
    """What is in the file, which is there whole or not at all, whoever of several writes it."""
    if not path.exists():
        mark = secrets.token_hex(16)
        part = path.with_name(f"{MARK}.{mark}.part")
        part.write_text(mark, "ascii")
        with contextlib.suppress(FileExistsError):
            os.link(part, path)
        part.unlink()
    return path.read_text("ascii")
