"""DATABASE_URL: a SQLite file, or a PostgreSQL server. Nothing here connects to it."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from bot.errors import SettingsError

SQLITE = "sqlite:///"
POSTGRESQL = "postgresql://"
NOT_INSTALLED = (
    "DATABASE_URL is a PostgreSQL address, and the packages for it are not installed: run `uv sync --extra cluster`."
)
NO_BACKUPS = "BACKUP_EVERY is for SQLite only: leave it empty, and back up PostgreSQL with pg_dump."
_PASSWORD = re.compile(r"(?:^[^@/?]*?:|[?&]password=)([^@&]+)")


def normal(url: str) -> str:
    """The address as it is used. Raises ValueError for anything else; libpq has a second name for its addresses."""
    scheme, _, rest = url.strip().partition("://")
    if scheme.lower() in {"postgresql", "postgres"} and rest:
        return POSTGRESQL + rest
    if not url.startswith(SQLITE) or not url.removeprefix(SQLITE):
        raise ValueError("no address of a database")
    return url


def path_of(url: str) -> Path | None:
    """The SQLite file; four slashes make the path absolute. None with PostgreSQL."""
    return Path(url.removeprefix(SQLITE)) if url.startswith(SQLITE) else None


def database_of(url: str) -> Path | str:
    """As `Store.open` takes it."""
    return path_of(url) or url


def checked(url: str) -> Path | str:
    """As `Store.open` takes it. Raises SettingsError."""
    try:
        url = normal(url)
    except ValueError:
        raise SettingsError(["A database is written as sqlite:/// and a path, or as postgresql://…"]) from None
    if sentences := faults(url, is_backed_up=False):
        raise SettingsError(list(sentences.values()))
    return database_of(url)


def faults(url: str, *, is_backed_up: bool) -> dict[str, str]:
    """What PostgreSQL needs, and what does not go together with it; by setting. The driver is not imported."""
    if url.startswith(SQLITE):
        return {}
    found = {} if importlib.util.find_spec("psycopg") else {"DATABASE_URL": NOT_INSTALLED}
    return found | {"BACKUP_EVERY": NO_BACKUPS} if is_backed_up else found


def passwords(url: str) -> Iterator[str]:
    """Of a PostgreSQL address, as they are written there and as they are meant."""
    if url.startswith(POSTGRESQL):
        for written in _PASSWORD.findall(url.removeprefix(POSTGRESQL)):
            yield from {written, unquote(written)}
