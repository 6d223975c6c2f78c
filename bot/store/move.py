"""The whole of a database to another one, SQLite or PostgreSQL, while no bot runs: `python -m bot move`.

Tables and columns are those of the schema, so that a new one needs nothing here. The target gets all of it in one
transaction, which is read back before its COMMIT, or nothing. Once it is there, the source counts as an older copy
(`bot.store.backup`): whoever starts on it by mistake sends nothing a second time.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bot.errors import StoreUnavailable, StoreUnusable
from bot.store.backup import BACKUP_MARK
from bot.store.migrations import migrate
from bot.store.move_backends import MoveBackend, RenamedMoveBackend, SqliteMoveBackend, Values
from bot.store.sqlite import locked

_SUMMED = "SELECT COUNT(*), CAST(COALESCE(SUM(credits), 0) AS BIGINT) FROM ledger"


@dataclass(frozen=True, slots=True)
class Moved:
    """Rows by table, and the ledger's lines and sum, as both databases have them."""

    rows: dict[str, int]
    lines: int
    credits: int


def move(source: Path | str, target: Path | str) -> Moved:
    """Moves all of `source` to `target`, which has to be empty or not there yet, and marks `source` as a copy.

    Raises StoreError; then both are as they were.
    """
    try:
        with _opened(source) as from_side, _made(target) as to_side:
            if from_side.mark():
                raise StoreUnusable("the database is a copy; start the bot on it once, stop it, then move it")
            moved = _copy(from_side, to_side)
            from_side.set_mark(BACKUP_MARK)
            to_side.commit()
            from_side.commit()
            return moved
    except sqlite3.Error as error:
        raise StoreUnavailable(f"nothing was moved: {error}") from error


def _copy(source: MoveBackend, target: MoveBackend) -> Moved:
    tables, theirs = target.tables(), source.tables()
    if tables != theirs:
        strange = sorted(name for name in tables.keys() | theirs.keys() if tables.get(name) != theirs.get(name))
        raise StoreUnusable(f"the two databases have different tables: {', '.join(strange)}; nothing was moved")
    counts: dict[str, int] = {}
    for table, columns in tables.items():
        if any(True for _ in target.rows(table, columns)):
            raise StoreUnusable(f"there are rows in {table} already; name an empty database. Nothing was moved")
        sent, arrived = _Sum(), _Sum()
        target.insert(table, columns, sent.through(source.rows(table, columns)))
        for _ in arrived.through(target.rows(table, columns)):
            pass
        if sent != arrived:
            raise StoreUnusable(f"{table} did not arrive as it was; nothing was moved")
        counts[table] = sent.rows
    here, there = source.one(_SUMMED), target.one(_SUMMED)
    if [int(number) for number in here] != [int(number) for number in there]:
        raise StoreUnusable("the ledger did not arrive as it was; nothing was moved")
    return Moved(counts, *(int(number) for number in here))


@dataclass
class _Sum:
    """Of rows in any order."""

    rows: int = 0
    digest: int = 0

    def through(self, rows: Iterable[Values]) -> Iterator[Values]:
        """The same rows, counted in; no text has NUL, which PostgreSQL refuses."""
        for row in rows:
            clean = tuple(value.replace("\0", "\ufffd") if isinstance(value, str) else value for value in row)
            self.rows += 1
            self.digest += int.from_bytes(hashlib.blake2b(repr(clean).encode(), digest_size=16).digest())
            yield clean


@contextlib.contextmanager
def _opened(where: Path | str) -> Iterator[MoveBackend]:
    """A stopped bot's database, of this version's schema. Raises StoreError."""
    if isinstance(where, str):
        from bot.store import postgres_move_backend  # its driver is an extra that SQLite does without

        with postgres_move_backend.stopped(where) as side:
            yield side
        return
    if not where.exists():
        raise StoreUnavailable(f"{where} is not there")
    with locked(where), closing(sqlite3.connect(where, isolation_level=None)) as connection:
        yield SqliteMoveBackend(connection)


@contextlib.contextmanager
def _made(where: Path | str) -> Iterator[MoveBackend]:
    """An empty database of this version's schema; it is there once it is committed. Raises StoreError."""
    if isinstance(where, str):
        from bot.store import postgres_move_backend  # as above

        with postgres_move_backend.made(where) as side:
            yield side
        return
    if where.exists():
        raise StoreUnavailable(f"{where} exists and was not changed; name a file that does not exist yet")
    aside = where.with_name(f"{where.name}.part")
    try:
        where.parent.mkdir(parents=True, exist_ok=True)
        aside.unlink(missing_ok=True)
        migrate(aside)
        with closing(sqlite3.connect(aside, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
            yield RenamedMoveBackend(connection, aside, where)
    except OSError as error:
        raise StoreUnavailable(f"{where} cannot be written: {error.strerror}") from error
    finally:
        aside.unlink(missing_ok=True)
