"""What can be told of a database without locking or changing it: another process may be using it."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from bot.errors import StoreUnavailable, StoreUnusable
from bot.store.database import check_access, check_log, check_pages
from bot.store.migrations import scripts, version_of


@dataclass(frozen=True, slots=True)
class State:
    """The schema's version, and the newest that this version of the bot knows."""

    version: int
    newest: int


def inspect(path: Path) -> State:
    """Looks at the database at `path`. Raises StoreUnavailable, StoreUnusable where a start would refuse it."""
    newest = scripts()[-1][0]
    if path.with_name(path.name + "-journal").exists():  # it was being made; whoever opens it next finishes that
        return State(0, newest)
    try:
        check_access(path)
        check_log(path)
        check_pages(path)
        version = version_of(path, newest)
    except (OSError, sqlite3.OperationalError) as error:
        raise StoreUnavailable(f"{path} cannot be opened: {error}") from error
    except sqlite3.DatabaseError as error:
        raise StoreUnusable(f"{path} is not a database this bot can read ({error}); it was not changed") from error
    return State(version, newest)
