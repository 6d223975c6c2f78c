"""Copies of the database: whole, marked, made beside a running bot; and what is done with one when it is started."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bot.errors import StoreUnavailable, StoreUnusable
from bot.models import FailureKind, JobId, JobState, UserId
from bot.store import jobs
from bot.store.backup import BACKUP_MARK, Reconciled, back_up, is_backup, is_reconciled, keep, reconcile
from bot.store.command_hashes import remember_hash
from bot.store.database import Store, Tx
from bot.store.migrations import migrate, scripts
from bot.store.reservations import reserve
from tests.builders import NOON, a_job, grant, limits
from tests.integration.test_store import bytes_of, foreign, no_database, torn
from tests.ledger_audit import differences

PROJECT = Path(__file__).parents[2]
DEADLINE_S = 20.0
S = JobState


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    return tmp_path / "animate.db"


@pytest.fixture(name="copy")
def _copy(tmp_path: Path) -> Path:
    return tmp_path / "elsewhere" / "copy.db"


@pytest.fixture(name="store")
async def _store(path: Path, copy: Path) -> AsyncIterator[Store]:
    copy.parent.mkdir()
    store = await Store.open(path)
    yield store
    await store.close()


def ask(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def content(path: Path) -> bytes:
    return path.read_bytes()


def put(path: Path, some: bytes) -> None:
    path.write_bytes(some)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def mark_of(path: Path) -> int:
    return int(ask(path, "PRAGMA user_version")[0][0])


ROADS: dict[JobState, list[tuple[JobState, dict[str, object]]]] = {
    S.WAITING: [],
    S.CANCELLED: [(S.CANCELLED, {"failure": FailureKind.NO_CARD})],
    S.SUBMITTING: [(S.SUBMITTING, {"first_sent_at": NOON, "last_sent_at": NOON})],
    S.UNKNOWN: [(S.SUBMITTING, {}), (S.UNKNOWN, {"failure": FailureKind.LOST_ANSWER})],
    S.FAILED: [(S.SUBMITTING, {}), (S.FAILED, {"failure": FailureKind.KEY})],
    S.RENDERING: [(S.SUBMITTING, {}), (S.RENDERING, {"ticket": "video"})],
    S.TIMED_OUT: [
        (S.SUBMITTING, {}),
        (S.RENDERING, {"ticket": "video"}),
        (S.TIMED_OUT, {"failure": FailureKind.TIMED_OUT}),
    ],
    S.DELIVERING: [(S.SUBMITTING, {}), (S.RENDERING, {"ticket": "video"}), (S.DELIVERING, {})],
    S.DELIVERED: [(S.SUBMITTING, {}), (S.RENDERING, {"ticket": "video"}), (S.DELIVERING, {}), (S.DELIVERED, {})],
    S.UNDELIVERED: [
        (S.SUBMITTING, {}),
        (S.RENDERING, {"ticket": "video"}),
        (S.DELIVERING, {}),
        (S.UNDELIVERED, {}),
    ],
}
"""How a job gets into each state."""


async def one_in_each_state(store: Store, *, each: int = 1) -> dict[JobId, JobState]:
    """Jobs by their moves; the first pays from a grant too."""
    await store.write(grant(UserId(1), 3))
    where: dict[JobId, JobState] = {}
    for state, road in ROADS.items():
        for _ in range(each):
            number = len(where) + 1
            job = a_job(number, cost=4, member=UserId(number))
            await store.write(reserve(job, [], limits(default=2 if number == 1 else 20)))
            at = S.WAITING
            for to, changes in road:
                assert await store.write(jobs.move(JobId(number), at, to, now=NOON, **changes)) is not None
                at = to
            where[JobId(number)] = state
    assert set(where.values()) == set(JobState)
    return where


def states(path: Path) -> dict[JobId, JobState]:
    return {JobId(job): JobState(state) for job, state in ask(path, "SELECT id, state FROM jobs")}


class TestACopy:
    async def test_it_is_whole_and_marked_and_the_original_is_not(self, store: Store, path: Path, copy: Path) -> None:
        await one_in_each_state(store)

        size_bytes = back_up(path, copy)

        assert size_bytes == len(content(copy))
        assert [file.name for file in copy.parent.iterdir()] == ["copy.db"]
        assert mode(copy) == 0o600  # prompts, and tokens of cards
        tables = [name for (name,) in ask(path, "SELECT name FROM sqlite_master WHERE type = 'table'")]
        assert len(tables) > 10
        for table in tables:
            assert ask(copy, f"SELECT * FROM {table}") == ask(path, f"SELECT * FROM {table}")
        assert (mark_of(copy), mark_of(path)) == (BACKUP_MARK, 0)
        assert ask(copy, "PRAGMA integrity_check") == [("ok",)]

    async def test_while_the_bot_is_inside_a_transaction_it_has_what_was_committed(
        self, store: Store, path: Path, copy: Path
    ) -> None:
        await store.write(remember_hash(1, "api", "before"))

        def unit(tx: Tx) -> None:
            remember_hash(2, "api", "in the middle")(tx)
            back_up(path, copy)

        await store.write(unit)

        assert ask(copy, "SELECT hash FROM commands") == [("before",)]

    async def test_the_bot_writes_on_and_each_copy_is_of_one_moment(
        self, store: Store, path: Path, tmp_path: Path
    ) -> None:
        def both(number: int) -> Any:
            def unit(tx: Tx) -> None:
                remember_hash(number, "one", "x" * 500)(tx)
                remember_hash(number, "two", "x" * 500)(tx)

            return unit

        async def write_on() -> int:
            number = 0
            while not done.is_set():
                number += 1
                await store.write(both(number))
            return number

        done = asyncio.Event()
        writing = asyncio.create_task(write_on())
        for number in range(5):
            await asyncio.to_thread(back_up, path, tmp_path / f"{number}.db")
        done.set()
        written = await writing

        ngettext = "SELECT COUNT(*), COUNT(DISTINCT application) FROM commands"
        counts = [ask(tmp_path / f"{number}.db", ngettext)[0] for number in range(5)]
        assert all(rows == 2 * pairs for rows, pairs in counts)
        assert counts == sorted(counts)
        assert counts[-1][1] <= written

    async def test_what_was_deleted_is_not_in_it(self, store: Store, path: Path, copy: Path) -> None:
        await store.write(remember_hash(1, "api", "a word that was taken back " * 200))
        await store.write(lambda tx: tx.changed("DELETE FROM commands"))

        back_up(path, copy)

        assert b"taken back" not in content(copy)

    async def test_of_a_database_whose_bot_was_killed_it_has_what_was_in_the_log_alone(
        self, store: Store, path: Path, copy: Path
    ) -> None:
        await store.write(remember_hash(1, "api", "committed"))
        killed = copy.with_name("killed.db")
        for ending in ("", "-wal"):
            killed.with_name(killed.name + ending).write_bytes(path.with_name(path.name + ending).read_bytes())
        before = bytes_of(killed)

        back_up(killed, copy)

        assert ask(copy, "SELECT hash FROM commands") == [("committed",)]
        assert bytes_of(killed) == before

    async def test_nothing_is_ever_replaced(self, store: Store, path: Path, copy: Path) -> None:
        put(copy, b"last week's")
        link = copy.with_name("link")
        link.symlink_to("nowhere")

        for target in (copy, link, copy.parent, path):
            with pytest.raises(StoreUnavailable, match="exists and was not changed"):
                back_up(path, target)

        assert content(copy) == b"last week's"
        assert {file.name for file in copy.parent.iterdir()} == {"copy.db", "link"}

    async def test_a_folder_that_is_not_there_is_said(self, store: Store, path: Path, copy: Path) -> None:
        with pytest.raises(StoreUnavailable, match=r"copy.db cannot be written: No such file or directory$"):
            back_up(path, copy.parent / "nowhere" / "copy.db")

    def test_a_database_that_is_not_there_is_said_and_not_made(self, path: Path, tmp_path: Path) -> None:
        with pytest.raises(StoreUnavailable, match="there is no such file"):
            back_up(path, tmp_path / "copy.db")

        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("made", [foreign, no_database, torn, bytes])
    def test_what_is_no_sound_database_of_ours_is_not_copied(self, path: Path, tmp_path: Path, made: Any) -> None:
        path.write_bytes(b"") if made is bytes else made(path)
        before = bytes_of(path)

        with pytest.raises(StoreUnusable, match=r"it is damaged|is no database of this bot"):
            back_up(path, tmp_path / "copy.db")

        assert bytes_of(path) == before
        assert not [file for file in tmp_path.iterdir() if "copy" in file.name]

    def test_no_room_for_the_copy_is_one_sentence_and_leaves_nothing(self, path: Path, tmp_path: Path) -> None:
        migrate(path)
        copy = tmp_path / "copy.db"

        ended = subprocess.run(
            [sys.executable, "-c", NO_ROOM, str(copy)], cwd=PROJECT, capture_output=True, text=True, check=False,
            env={"DATABASE_URL": f"sqlite:///{path}"}, timeout=DEADLINE_S,
        )  # fmt: skip

        assert ended.returncode == 1
        assert ended.stderr.startswith(f"{path} cannot be backed up to {copy}: ")
        assert ended.stderr.count("\n") == 1
        assert not [file for file in tmp_path.iterdir() if "copy" in file.name]


NO_ROOM = """
import resource, sys
sys.dont_write_bytecode = True  # a module compiled under this limit would stay cut in the environment for good
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
from bot.__main__ import main
sys.exit(main(["backup", sys.argv[1]]))
"""


class TestStartingFromACopy:
    async def test_what_may_have_been_sent_since_is_ended_and_refunded_and_the_rest_is_carried_on(
        self, store: Store, path: Path, copy: Path
    ) -> None:
        before = await one_in_each_state(store, each=2)
        back_up(path, copy)

        restored = await Store.open(copy)
        marked = await restored.read(is_backup)
        reconciled = await restored.write(reconcile(now=NOON))
        carried_on = [job.id for job in await restored.read(jobs.to_resume()) if job.state.needs_work]
        marked_still = await restored.read(is_backup)
        await restored.close()

        ends = {S.WAITING: S.CANCELLED, S.SUBMITTING: S.UNKNOWN}
        assert (marked, marked_still) == (True, False)
        assert states(copy) == {job: ends.get(state, state) for job, state in before.items()}
        assert reconciled == Reconciled(cancelled=2, unknown=2, carried_on=len(carried_on))
        assert {before[job] for job in carried_on} == {S.RENDERING, S.DELIVERING, S.TIMED_OUT} | (
            {S.UNDELIVERED} if S.UNDELIVERED.needs_work else set()
        )
        with closing(sqlite3.connect(copy)) as connection:
            assert differences(connection) == []
        refunds = ask(copy, "SELECT job, credits, from_budget FROM ledger WHERE kind = 'refund'")
        told = {job: (credits_, budget) for job, credits_, budget in refunds}
        for job, state in before.items():
            if state is S.WAITING:
                assert told[job] == (4, 4)  # as a cancelled job: certainly not sent by what this database knows
            if state is S.SUBMITTING:
                assert told[job] == (4, 0)
        assert states(path) == before

    async def test_what_its_card_shows_already_is_delivered_and_the_rest_stays(
        self, store: Store, path: Path, copy: Path
    ) -> None:
        before = await one_in_each_state(store, each=2)
        back_up(path, copy)
        restored = await Store.open(copy)
        await restored.write(reconcile(now=NOON))
        shown = [job for job in await restored.read(jobs.to_resume()) if job.id % 2]

        asked = await restored.read(is_reconciled)
        await restored.write(keep(shown, now=NOON))
        asked_again = await restored.read(is_reconciled)
        left = {job.id for job in await restored.read(jobs.to_resume())}
        await restored.close()

        assert (asked, asked_again) == (True, False)
        assert shown
        assert left.isdisjoint(job.id for job in shown)
        at_service = {S.RENDERING, S.TIMED_OUT, S.DELIVERING, S.UNDELIVERED}
        now = states(copy)
        assert {now[job.id] for job in shown if before[job.id] in at_service} == {S.DELIVERED}
        assert {now[job.id] for job in shown if before[job.id] in (S.WAITING, S.SUBMITTING)} == {S.CANCELLED, S.UNKNOWN}
        with closing(sqlite3.connect(copy)) as connection:
            assert differences(connection) == []

    async def test_the_mark_goes_with_the_moves_or_not_at_all(self, store: Store, path: Path, copy: Path) -> None:
        before = await one_in_each_state(store)
        back_up(path, copy)

        def breaks(tx: Tx) -> None:
            reconcile(now=NOON)(tx)
            raise StoreUnavailable("the power went")

        restored = await Store.open(copy)
        with pytest.raises(StoreUnavailable, match="power"):
            await restored.write(breaks)
        marked = await restored.read(is_backup)
        await restored.close()

        assert marked
        assert states(copy) == before

    async def test_a_copy_of_another_kind_has_no_mark_and_can_be_settled_all_the_same(
        self, store: Store, path: Path
    ) -> None:
        await one_in_each_state(store)

        marked = await store.read(is_backup)
        reconciled = await store.write(reconcile(now=NOON))
        again = await store.write(reconcile(now=NOON))

        assert not marked
        assert (reconciled.cancelled, reconciled.unknown) == (1, 1)
        assert again == Reconciled(cancelled=0, unknown=0, carried_on=reconciled.carried_on)
        with closing(sqlite3.connect(path)) as connection:
            assert differences(connection) == []

    async def test_a_copy_stays_marked_when_it_is_migrated(self, path: Path, tmp_path: Path) -> None:
        migrate(path)
        back_up(path, tmp_path / "copy.db")
        later = (scripts()[-1][0] + 1, "ALTER TABLE jobs ADD COLUMN mood TEXT;")
        migrate(tmp_path / "copy.db", [*scripts(), later])
        with closing(sqlite3.connect(tmp_path / "copy.db")) as connection:  # and back: this version knows no later one
            connection.execute("DELETE FROM schema_versions WHERE version = :version", {"version": later[0]})
            connection.commit()

        restored = await Store.open(tmp_path / "copy.db")
        marked = await restored.read(is_backup)
        await restored.close()

        assert marked

    async def test_beside_the_log_of_the_database_it_replaces_it_is_refused_and_left_as_it_was(
        self, store: Store, path: Path, copy: Path
    ) -> None:
        """SQLite would play the log into the copy: jobs and credits of two times in one database."""
        back_up(path, copy)
        await store.write(remember_hash(1, "api", "written later"))
        log = path.with_name(path.name + "-wal").read_bytes()
        copy.with_name(copy.name + "-wal").write_bytes(log)
        before = bytes_of(copy)

        with pytest.raises(StoreUnusable) as caught:
            await Store.open(copy)

        assert "belongs to an earlier database" in str(caught.value)
        assert bytes_of(copy) == before
        copy.with_name(copy.name + "-wal").unlink()
        restored = await Store.open(copy)
        assert await restored.read(is_backup)
        await restored.close()

    async def test_a_log_of_its_own_is_taken_also_after_a_kill_at_its_first_start(
        self, store: Store, path: Path, copy: Path
    ) -> None:
        """The mark is gone in the log alone then; the header of the file bears it still."""
        back_up(path, copy)
        restored = await Store.open(copy)
        await restored.write(reconcile(now=NOON))
        killed = copy.with_name("killed.db")
        for ending in ("", "-wal"):
            killed.with_name(killed.name + ending).write_bytes(copy.with_name(copy.name + ending).read_bytes())
        await restored.close()
        assert int.from_bytes(killed.read_bytes()[60:64], "big") == BACKUP_MARK

        again = await Store.open(killed)
        marked = await again.read(is_backup)
        await again.close()

        assert not marked
