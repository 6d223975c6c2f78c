"""A job comes back from the store as it went in, whatever its fields are: none of them is listed anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import count
from types import NoneType
from typing import Any, NewType, get_args, get_type_hints

import pytest

from bot.models import Card, Job, JobState, Picture, VideoSpec
from bot.store import jobs
from bot.store.row_mapping import SPEC_COLUMNS, insert, load
from tests.builders import NOON, a_job, an_option
from tests.in_memory_store import Ledgers
from tests.integration.conftest import MakeLedgers

ACCOUNTED = {"day": 1, "reset_count": 0, "from_quota": 1}


@pytest.fixture(name="kept")
def _kept(make_ledgers: MakeLedgers) -> Iterator[Ledgers]:
    kept = make_ledgers()
    yield kept
    kept.close()


def filled(model: type, numbers: Iterator[int], *, empty: bool) -> Any:
    """One of this dataclass, each field with a value of its own; `empty`: with None or False wherever that may be."""
    hints = get_type_hints(model)
    return model(
        **{field.name: _value(hints[field.name], next(numbers), numbers, empty=empty) for field in fields(model)}
    )


def _value(hint: Any, number: int, numbers: Iterator[int], *, empty: bool) -> Any:
    kinds = get_args(hint)
    if NoneType in kinds:
        kind = next(kind for kind in kinds if kind is not NoneType)
        return None if empty else _value(kind, number, numbers, empty=False)
    if is_dataclass(hint):
        return filled(hint, numbers, empty=empty)  # type: ignore[arg-type]  # a class, not one of it
    if isinstance(hint, NewType):
        return _value(hint.__supertype__, number, numbers, empty=empty)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return list(hint)[number % len(hint)]
    values = {
        int: number << 40, str: f"☃ {number}", float: number / 8, bool: not empty,
        datetime: NOON + timedelta(milliseconds=number),
    }  # fmt: skip
    return values[hint]


@pytest.mark.parametrize("empty", [False, True])
def test_every_field_of_a_job_comes_back(kept: Ledgers, *, empty: bool) -> None:
    job = filled(Job, count(1), empty=empty)

    kept.do(lambda tx: insert(tx, job, **ACCOUNTED))

    assert kept.do(lambda tx: load(tx, job.id)) == job
    values = [value for part in (job, job.spec, job.picture, job.card) for value in _plain(part)]
    assert len(values) >= 50
    assert (None in values) is empty


def _plain(model: object) -> list[object]:
    values = [getattr(model, field.name) for field in fields(model)]  # type: ignore[arg-type]  # a dataclass
    return [value for value in values if not is_dataclass(value)]


def test_every_field_that_changes_with_a_move_is_written(kept: Ledgers) -> None:
    kept.add_job(1, JobState.WAITING)
    job = filled(Job, count(1), empty=False)
    given = {"id", "key", "state", "state_at", "created_at", "scope", "member", "spec", "picture", "card"}
    changes = {field.name: getattr(job, field.name) for field in fields(Job)}
    changes = {name: value for name, value in changes.items() if name not in given and value is not True}

    moved = kept.do(jobs.move(a_job(1).id, JobState.WAITING, JobState.SUBMITTING, now=NOON, **changes))

    assert moved is not None
    assert {name: getattr(moved, name) for name in changes} == changes
    assert len(changes) >= 10


def test_an_option_of_animate_needs_no_column(kept: Ledgers) -> None:
    kept.add_job(1, spec=an_option("merry"))

    assert kept.rows("SELECT options FROM jobs") == [('{"mood": "merry"}',)]


def test_an_option_that_is_gone_is_no_trouble(kept: Ledgers) -> None:
    """An earlier version had it, or a later one."""
    job = kept.add_job(1, spec=an_option("merry"))

    found = kept.do(lambda tx: load(tx, job.id))

    assert found is not None
    assert found.spec.prompt == "puts on a hat"
    with pytest.raises(AttributeError):
        found.spec.mood  # type: ignore[attr-defined]  # noqa: B018 - that there is none is asked


def test_what_statements_ask_about_comes_first_in_what_was_asked_for() -> None:
    names = [field.name for field in fields(VideoSpec)]

    assert tuple(names[: len(SPEC_COLUMNS)]) == SPEC_COLUMNS
    assert all(field.default is None for field in fields(VideoSpec)[len(SPEC_COLUMNS) :])


@pytest.mark.parametrize(("table", "models"), [("jobs", (Job, VideoSpec, Picture)), ("cards", (Card,))])
def test_no_column_stands_for_nothing(kept: Ledgers, table: str, models: tuple[type, ...]) -> None:
    """What is in the schema is a field, or one of these."""
    apart = {
        "jobs": {"day", "reset_count", "from_quota", "render_ms", "options"},
        "cards": {"job", "posted_at", "posted_channel", "mentioned_at", "mention_message"},
    }
    columns = kept.columns(table) - apart[table]

    assert len(columns) == sum(
        not is_dataclass(hint) for model in models for hint in get_type_hints(model).values()
    ) - sum(field.name not in SPEC_COLUMNS for model in models if model is VideoSpec for field in fields(model))
