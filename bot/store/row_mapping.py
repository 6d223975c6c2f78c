"""Rows to models and back: times are milliseconds since 1970 in the database and aware UTC outside.

No column of a job is listed by hand. `jobs` and `cards` have one for each field of `Job`, `VideoSpec`, `Picture` and
`Card`, named as the field is (`picture_…` for a picture's), and how it is kept follows from the field's type. A field
that is True or False is kept as the time since when it is True, in a column with `_at` behind its name. What a
`VideoSpec` has beyond `SPEC_COLUMNS` lies in `jobs.options`, so an option of /animate needs no column.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import NoneType
from typing import Any, get_args, get_type_hints

from bot.models import Card, Job, JobId, Period, Picture, VideoSpec
from bot.store import sql
from bot.store.database import Row, Tx

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class AccountRows:
    """What is set for a server and for a member of it, as rows of this transaction; None where nothing is yet."""

    server: Row | None
    member: Row | None

    @property
    def reset_count(self) -> int:
        """The member's reset_count: 0 until the first reset."""
        return 0 if self.member is None else self.member["reset_count"]


def to_ms(moment: datetime) -> int:
    """Exact: no float in between."""
    return (moment - _EPOCH) // _MS


def from_ms(ms: int) -> datetime:
    """Aware UTC."""
    return _EPOCH + ms * _MS


def maybe_ms(moment: datetime | None) -> int | None:
    """`to_ms`, None staying None."""
    return None if moment is None else to_ms(moment)


def maybe_time(ms: int | None) -> datetime | None:
    """`from_ms`, None staying None."""
    return None if ms is None else from_ms(ms)


def day_of(moment: datetime) -> int:
    """The UTC day, counted from 1970-01-01."""
    return (moment.astimezone(UTC) - _EPOCH).days


def first_day(per: Period, now: datetime) -> int:
    """The first UTC day of the period that `now` is in."""
    today = day_of(now)
    match per:
        case Period.DAY:
            return today
        case Period.WEEK:
            return today - now.astimezone(UTC).weekday()
        case Period.MONTH:
            return today - now.astimezone(UTC).day + 1
        case Period.TOTAL:
            return 0


def next_renewal(per: Period, now: datetime) -> datetime | None:
    """When the period after the one of `now` begins; None for TOTAL."""
    if per is Period.TOTAL:
        return None
    start = from_ms(0) + timedelta(days=first_day(per, now))
    match per:
        case Period.DAY:
            return start + timedelta(days=1)
        case Period.WEEK:
            return start + timedelta(days=7)
        case _:
            return (start + timedelta(days=32)).replace(day=1)


Value = Callable[[Any], Any]

SPEC_COLUMNS = ("model", "prompt", "seconds", "size", "credits")
"""What statements ask about; each later field of `VideoSpec` is an option."""
OPTIONS = "options"
_MICRO_USD = 1_000_000
_ALIKE = {"model", "size", "content_type", "endpoint", "provider", "wire", "locale", "member_locale"}
"""Most jobs have the same there: one text in memory for all of them."""


@dataclass(frozen=True, slots=True)
class Column:
    """Where a field is kept. `to_row` and `to_field` change its value; None where it stays as it is."""

    name: str
    field: str
    hint: Any
    is_flag: bool = False
    to_row: Value | None = None
    to_field: Value | None = None


def _columns(model: type, *, prefix: str = "", only: Iterable[str] | None = None) -> list[Column]:
    """Of the fields of a dataclass, in their order; those that are dataclasses have columns of their own."""
    hints = get_type_hints(model)
    names = [field.name for field in fields(model)] if only is None else only
    plain = [(name, _without_none(hints[name])) for name in names]
    return [_column(prefix + name, name, hint) for name, hint in plain if not is_dataclass(hint)]


def _column(name: str, field: str, hint: Any) -> Column:
    if hint is bool:
        return Column(f"{name}_at", field, hint, is_flag=True)
    if hint is datetime:
        return Column(name, field, hint, to_row=to_ms, to_field=from_ms)
    if hint is float:  # of US dollars: whole numbers of millionths, since not every database keeps the same REAL
        return Column(f"{name}_micros", field, hint, to_row=_to_micros, to_field=lambda micros: micros / _MICRO_USD)
    if field in _ALIKE:
        return Column(name, field, hint, to_field=sys.intern)
    return Column(name, field, hint, to_field=hint if isinstance(hint, type) and issubclass(hint, StrEnum) else None)


def _to_micros(usd: float) -> int:
    return round(usd * _MICRO_USD)


def _without_none(hint: Any) -> Any:
    return next((part for part in get_args(hint) if part is not NoneType), hint) if NoneType in get_args(hint) else hint


JOB = _columns(Job)
SPEC = _columns(VideoSpec, only=SPEC_COLUMNS)
PICTURE = _columns(Picture, prefix="picture_")
CARD = _columns(Card)
_ALL = (*JOB, *SPEC, *PICTURE, *CARD)
_FLAGS = [at for at, column in enumerate(_ALL) if column.is_flag]
_CHANGED = [(at, column.to_field) for at, column in enumerate(_ALL) if column.to_field is not None]
_JOB_FIELDS = [column.field for column in JOB]
_OF_JOBS = {column.field: column for column in JOB}
_JOB, _SPEC, _PICTURE = len(JOB), len(JOB) + len(SPEC), len(JOB) + len(SPEC) + len(PICTURE)
"""Where the values of each end."""
_OPTIONS = {field.name for field in fields(VideoSpec)}.difference(SPEC_COLUMNS)

JOB_SQL = (
    f"SELECT {', '.join(('jobs.' if at < _PICTURE else 'cards.') + column.name for at, column in enumerate(_ALL))},"
    f" jobs.{OPTIONS}"
    " FROM jobs JOIN cards ON cards.job = jobs.id"
)
"""Rows for `job_of`, which takes their values in this order."""


def job_of(row: Row) -> Job:
    """A job from a row of `JOB_SQL`."""
    *values, options = row
    for at, to_field in _CHANGED:
        if values[at] is not None:
            values[at] = to_field(values[at])
    for at in _FLAGS:
        values[at] = values[at] is not None
    return Job(
        **dict(zip(_JOB_FIELDS, values, strict=False)),
        spec=VideoSpec(*values[_JOB:_SPEC], **({} if options is None else _options_of(options))),
        picture=Picture(*values[_SPEC:_PICTURE]),
        card=Card(*values[_PICTURE:]),
    )


def _options_of(kept: str) -> dict[str, Any]:
    """Those that this version knows."""
    return {name: value for name, value in json.loads(kept).items() if name in _OPTIONS}


def insert(tx: Tx, job: Job, **accounted: int) -> None:
    """Stores a new job and its card; `accounted` are the columns of `jobs` that only the accounts have."""
    spec, at = job.spec, to_ms(job.created_at)
    chosen = ((field.name, getattr(spec, field.name)) for field in fields(spec) if field.name not in SPEC_COLUMNS)
    options = {name: value for name, value in chosen if value is not None}
    row = _kept(JOB, job, at) | _kept(SPEC, spec, at) | _kept(PICTURE, job.picture, at) | accounted
    sql.insert(tx, "jobs", row | {OPTIONS: json.dumps(options)} if options else row)
    sql.insert(tx, "cards", _kept(CARD, job.card, at) | {"job": job.id})


def _kept(columns: Iterable[Column], model: object, at: int) -> dict[str, object]:
    """What a new row has of it; a flag that is set is so from `at` on, and what is None or False is left out."""
    row: dict[str, object] = {}
    for column in columns:
        value = getattr(model, column.field)
        if value is not None and value is not False:
            row[column.name] = at if column.is_flag else value if column.to_row is None else column.to_row(value)
    return row


def changed_columns(changes: Mapping[str, object]) -> dict[str, object]:
    """Fields of a job that change, as columns; what is no field is a column of `jobs`, times in milliseconds."""
    row: dict[str, object] = {}
    for name, value in changes.items():
        column = _OF_JOBS.get(name)
        kept = value
        if isinstance(value, datetime):
            kept = to_ms(value)
        elif column is not None and column.to_row is not None and value is not None:
            kept = column.to_row(value)
        row[name if column is None else column.name] = kept
    return row


def load(tx: Tx, job: JobId) -> Job | None:
    """The job, or None."""
    row = tx.one(f"{JOB_SQL} WHERE jobs.id = :job", job=job)
    return None if row is None else job_of(row)
