"""Backups by BACKUP_EVERY: made when they are due, checked, bounded in number and room, and given up at a stop."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.errors import StoreUnavailable, StoreUnusable
from bot.jobs import backups as module
from bot.jobs.backups import Backups
from bot.jobs.context import Clock
from bot.store.backup import BACKUP_MARK, back_up
from bot.store.command_hashes import remember_hash
from bot.store.database import Store
from tests.integration.test_store import torn

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DEADLINE_S = 20.0


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    return tmp_path / "animate.db"


@pytest.fixture(name="store")
async def _store(path: Path) -> AsyncIterator[Store]:
    store = await Store.open(path)
    yield store
    await store.close()


class SetClock(Clock):
    """Stands where it is set."""

    def __init__(self, at: datetime) -> None:
        self.at = at
        super().__init__(wall=lambda: self.at, steady=self.steady_s)

    def steady_s(self) -> float:
        return self.at.timestamp()


def backups(path: Path, at: datetime = NOON, *, keep: int = 3, every: timedelta = HOUR) -> Backups:
    return Backups(path, every=every, keep=keep, clock=SetClock(at))


def names(path: Path) -> list[str]:
    return sorted(file.name for file in (path.parent / "backups").iterdir())


async def made(path: Path, at: datetime, *, keep: int = 3) -> None:
    """Starts at that time, waits for what is due, and stops."""
    due = backups(path, at, keep=keep)
    due.start()
    name = f"animate-{at:%Y-%m-%dT%H-%M-%SZ}.db"
    await until((path.parent / "backups" / name).exists)
    await until(lambda: len(names(path)) <= keep or due.failure is not None)
    await due.stop()


async def until(holds: Callable[[], bool]) -> None:
    """A folder tells nobody when it changes."""
    async with asyncio.timeout(DEADLINE_S):
        while not holds():  # noqa: ASYNC110 - as said
            await asyncio.sleep(0.01)


async def test_the_first_is_made_at_once_and_is_a_marked_and_sound_copy(store: Store, path: Path) -> None:
    await store.write(remember_hash(1, "api", "remembered"))

    await made(path, NOON)

    assert names(path) == ["animate-2026-03-04T12-00-00Z.db"]
    copy = path.parent / "backups" / names(path)[0]
    assert copy.stat().st_mode & 0o777 == 0o600
    assert copy.parent.stat().st_mode & 0o777 == 0o700
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("PRAGMA user_version").fetchall() == [(BACKUP_MARK,)]
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("SELECT hash FROM commands").fetchall() == [("remembered",)]


async def test_after_a_restart_none_is_made_before_it_is_due(store: Store, path: Path) -> None:
    await made(path, NOON)

    early, late = backups(path, NOON + HOUR / 2), backups(path, NOON + HOUR)
    rests = [each._rest(each._found()) for each in (early, late)]

    assert rests == [HOUR / 2, timedelta()]
    assert early.last == NOON


async def test_a_backup_from_the_future_holds_none_up(store: Store, path: Path) -> None:
    await made(path, NOON + timedelta(days=400))

    await made(path, NOON)

    assert len(names(path)) == 2


async def test_the_oldest_go_only_after_the_new_one_was_checked(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for hour in range(4):
        await made(path, NOON + hour * HOUR)
    kept = names(path)
    (path.parent / "backups" / "animate-of-mine.db").touch()

    def fails(*_: object, **__: object) -> int:
        raise StoreUnusable("the copy is not whole")

    monkeypatch.setattr(module, "back_up", fails)
    due = backups(path, NOON + timedelta(days=1))
    due.start()
    await until(lambda: due.failure is not None)
    await due.stop()

    assert kept == [f"animate-2026-03-04T1{hour}-00-00Z.db" for hour in (3, 4, 5)]
    assert names(path) == [*kept, "animate-of-mine.db"]


async def test_a_failed_one_is_said_and_tried_again_later_and_the_next_good_one_ends_it(
    store: Store, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = SetClock(NOON)
    due = Backups(path, every=HOUR, keep=3, clock=clock)
    (path.parent / "backups").write_text("in the way")
    due.start()
    await until(lambda: due.failure is not None)

    assert due.notes()[0].startswith("no backup was made: ")
    assert "no backup was made, trying again in 0:10:00: " in caplog.text
    assert due._rest(due._found()) == timedelta(minutes=10)
    (path.parent / "backups").unlink()
    clock.at += timedelta(minutes=10)
    due._woken.set()
    await until(lambda: due.last is not None)
    assert due.notes() == []
    await due.stop()


async def test_without_room_for_jobs_beside_it_none_is_begun(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "LEAST_FREE_BYTES", 2**62)
    due = backups(path)
    due.start()
    await until(lambda: due.failure is not None)
    await due.stop()

    assert "too little space in" in caplog.text
    assert names(path) == []


async def test_a_damaged_database_gets_no_backup_and_its_earlier_ones_stay(path: Path) -> None:
    store = await Store.open(path)
    await made(path, NOON)
    await store.close()
    torn(path)

    due = backups(path, NOON + HOUR, keep=1)
    due.start()
    await until(lambda: due.failure is not None)
    await due.stop()

    assert due.failure is not None
    assert "damaged" in due.failure
    assert names(path) == ["animate-2026-03-04T12-00-00Z.db"]


async def test_at_a_stop_it_is_given_up_without_a_word_and_nothing_of_it_stays(
    store: Store, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fill(number: int) -> None:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.executemany(
                "INSERT INTO commands (application, api, hash) VALUES (?, 'api', ?)",
                ((number * 10_000 + row, "x" * 200) for row in range(10_000)),
            )

    await asyncio.to_thread(fill, 1)
    due = backups(path)
    due._stopped.set()

    with pytest.raises(StoreUnavailable, match="interrupted"):
        await asyncio.to_thread(back_up, path, path.with_name("copy.db"), is_stopped=due._stopped.is_set)
    await due._make()
    await due.stop()

    assert names(path) == []
    assert not path.with_name("copy.db").exists()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_what_a_killed_process_left_of_one_goes_with_the_next(store: Store, path: Path) -> None:
    (path.parent / "backups").mkdir()
    (path.parent / "backups" / "animate-2026-03-04T11-00-00Z.db.abc.part").touch()
    (path.parent / "backups" / "other-2026-03-04T11-00-00Z.db.abc.part").touch()

    await made(path, NOON)

    assert names(path) == ["animate-2026-03-04T12-00-00Z.db", "other-2026-03-04T11-00-00Z.db.abc.part"]
