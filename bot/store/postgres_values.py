"""Statements and values between units and psycopg: units have `:name` and rows by column name."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import psycopg
from psycopg.abc import Buffer
from psycopg.types.string import StrDumperUnknown

_PARTS = re.compile(r"'(?:[^']|'')*'|:(?P<name>[a-zA-Z_]\w*)|%")


@functools.lru_cache(maxsize=2_000)
def translated(sql: str) -> str:
    """A statement with `:name`, as psycopg takes it; a per cent sign and what stands in quotes mean themselves."""

    def part(found: re.Match[str]) -> str:
        name = found["name"]
        return found[0].replace("%", "%%") if name is None else f"%({name})s"

    return _PARTS.sub(part, sql)


class PostgresRow(tuple[Any, ...]):
    """As `Row` has it. Where two columns have one name, it is the first's."""

    __slots__ = ()
    at: Mapping[str, int]

    def __getitem__(self, column: Any, /) -> Any:
        return tuple.__getitem__(self, self.at[column] if isinstance(column, str) else column)

    def keys(self) -> Sequence[str]:
        """The names of the columns."""
        return list(self.at)


@functools.lru_cache(maxsize=500)
def _row_type(names: tuple[bytes | None, ...]) -> type[PostgresRow]:
    at: dict[str, int] = {}
    for place, name in enumerate(names):
        at.setdefault((name or b"").decode(), place)
    return type("Row", (PostgresRow,), {"__slots__": (), "at": at})


def rows_of(cursor: psycopg.Cursor[Any]) -> Callable[[Sequence[Any]], Any]:
    found = cursor.pgresult
    return tuple if found is None else _row_type(tuple(found.fname(at) for at in range(found.nfields)))


class Text(StrDumperUnknown):
    """PostgreSQL takes no NUL in a text, SQLite does: nothing that is paid for may fail to be written down for it."""

    def dump(self, obj: str) -> Buffer | None:
        return super().dump(obj.replace("\0", "\ufffd") if "\0" in obj else obj)
