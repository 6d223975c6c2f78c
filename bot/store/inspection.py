"""What can be told of a database without locking or changing it: another process may be using it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from bot.errors import StoreUnavailable, StoreUnusable
from bot.store.migrations import scripts, version_of
from bot.store.sqlite import check_access, check_log, check_pages
from bot.store.units import Tx, Unit

T = TypeVar("T")
PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class State:
    """The schema's version, and the newest that this version of the bot knows."""

    version: int
    newest: int


def inspect_server(address: str) -> State:
    """Looks at the PostgreSQL database at `address`. Raises StoreUnavailable, StoreUnusable as a start would."""
    from bot.store import postgres  # its driver is an extra that SQLite does without

    version, newest = postgres.version_at(address)
    return State(version, newest)


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


def read(where: Path | str, unit: Unit[T]) -> T:
    """What a unit that only reads tells of a database, while a bot may be using it.

    Raises StoreUnavailable where there is none or it cannot be opened, StoreUnusable where it is another version's.
    """
    if isinstance(where, Path):
        return _read_file(where, unit)
    from bot.store import postgres  # as above

    return postgres.read_at(where, unit)


def _read_file(path: Path, unit: Unit[T]) -> T:
    if not path.exists():
        raise StoreUnavailable(f"{path} is not there: the bot has not run with this DATABASE_URL yet")
    state = inspect(path)
    if state.version != state.newest:
        raise StoreUnusable(
            f"{path} was written by another version of the bot; start this version once, then try again"
        )
    try:
        address = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=PATIENCE_S, isolation_level=None)) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("BEGIN")  # one snapshot
            return unit(Tx(connection))
    except sqlite3.Error as error:
        raise StoreUnavailable(f"{path} cannot be read: {error}") from error
