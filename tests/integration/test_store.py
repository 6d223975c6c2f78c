"""The store on real SQLite files: units and their batches, the lock, what it opens and what it leaves alone.

What holds for units and batches on PostgreSQL is in `test_units.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import platform
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bot.errors import StoreInUse, StoreUnavailable, StoreUnusable
from bot.store.command_hashes import remember_hash
from bot.store.database import Store, Tx
from bot.store.migrations import migrate, scripts
from bot.store.sqlite import BUSY_TIMEOUT_MS, Writer
from tests.batches import DEADLINE_S, busy, hashes, note, outcomes, submit

PROJECT = Path(__file__).parents[2]

Open = Callable[..., Coroutine[Any, Any, Store]]


class Watched(Writer):
    """Counts its commits, and fails statements it is told to."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.commits = 0
        self.failing: list[str] = []

    def commit_now(self) -> None:
        self.commits += 1
        super().commit_now()

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
        if sql in self.failing:
            self.failing.remove(sql)
            raise sqlite3.OperationalError("disk I/O error")
        return super().execute(sql, *args)


class Watch:
    """Makes the writer of a store, and keeps it."""

    writer: Watched

    def __call__(self, *args: Any, **kwargs: Any) -> Watched:
        self.writer = Watched(*args, **kwargs)
        return self.writer


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    return tmp_path / "animate.db"


@pytest.fixture(name="open_store")
async def _open_store(path: Path) -> AsyncIterator[Open]:
    """Opens stores and closes them at the end."""
    async with contextlib.AsyncExitStack() as stack:

        async def open_store(**kwargs: Any) -> Store:
            store = await Store.open(path, **kwargs)
            stack.push_async_callback(store.close)
            return store

        yield open_store


@pytest.fixture(name="watch")
def _watch() -> Watch:
    return Watch()


@pytest.fixture(name="store")
async def _store(open_store: Open, watch: Watch) -> Store:
    return await open_store(writer=watch)


class TestLostBatches:
    async def test_a_failing_commit_whose_rollback_fails_too_keeps_nothing(self, store: Store, watch: Watch) -> None:
        watch.writer.failing = ["COMMIT", "ROLLBACK"]

        (lost,) = await outcomes(await submit(store.write(note(1))))
        (kept,) = await outcomes(await submit(store.write(note(2))))

        assert isinstance(lost, StoreUnavailable)
        assert kept is None
        assert watch.writer.failing == []
        assert set(await store.read(hashes)) == {2}

    async def test_a_database_without_room_fails_the_batch_and_the_next_one_works(self, store: Store) -> None:
        def fill(tx: Tx) -> None:
            remember_hash(100, "api", "x" * 1_000_000)(tx)

        await store.write(_no_more_pages)
        async with busy(store):
            tasks = await submit(store.write(note(1)), store.write(fill), store.write(note(2)))
        full = await outcomes(tasks)
        await store.write(lambda tx: tx.one("PRAGMA max_page_count = 1000000"))
        async with busy(store):
            tasks = await submit(store.write(note(3)), store.write(fill))

        assert isinstance(full[1], StoreUnavailable)
        assert "database or disk is full" in str(full[1])
        kept = {number for number, outcome in zip((1, 100, 2), full, strict=True) if outcome is None}
        assert await outcomes(tasks) == [None, None]
        assert set(await store.read(hashes)) == kept | {3, 100}

    @pytest.mark.skipif(platform.system() != "Linux", reason="open files are read from /proc")
    async def test_a_unit_needs_no_temporary_file(self, store: Store) -> None:
        def fill(tx: Tx, letter: str) -> None:
            for number in range(100):
                remember_hash(number, "api", letter * 2_000)(tx)

        def replace(tx: Tx) -> list[Path]:
            fill(tx, "b")
            return [file.readlink() for file in Path("/proc/self/fd").iterdir() if file.is_symlink()]

        await store.write(lambda tx: fill(tx, "a"))
        opened = await store.write(replace)

        assert any(file.name.endswith("-wal") for file in opened)
        assert [file for file in opened if file.name.startswith("etilqs_")] == []


class TestClosing:
    async def test_it_leaves_no_thread(self, open_store: Open) -> None:
        store = await open_store()
        assert len(store_threads()) == 2

        await store.close()

        assert await no_threads()


def store_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if "_connection_worker_thread" in thread.name]


async def no_threads() -> bool:
    """Waits until the threads of connections are gone."""
    for thread in store_threads():
        await asyncio.to_thread(thread.join, DEADLINE_S)
    return store_threads() == []


def _no_more_pages(tx: Tx) -> None:
    row = tx.one("PRAGMA page_count")
    assert row is not None
    tx.one(f"PRAGMA max_page_count = {row['page_count'] + 2}")


CHILD = """
import asyncio, pathlib, sys
from bot.errors import BotError
from bot.store.database import Store

async def main():
    try:
        store = await Store.open(pathlib.Path(sys.argv[1]))
    except BotError as error:
        print(type(error).__name__, error, flush=True)
        return
    print("open", flush=True)
    sys.stdin.read()
    await store.close()

asyncio.run(main())
"""


@contextlib.asynccontextmanager
async def child(path: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Another process that opens the same database, says how that went, and holds it."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, str(path), cwd=PROJECT, stdin=pipe, stdout=pipe
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def said(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), DEADLINE_S)).decode().strip()


class TestTheLock:
    async def test_a_second_store_on_the_same_file_is_refused(self, store: Store, path: Path) -> None:
        with pytest.raises(StoreInUse) as caught:
            await Store.open(path)

        assert str(caught.value) == f"another process is using {path}; each database can have only one bot"
        await store.write(note(1))

    async def test_another_process_is_refused(self, store: Store, path: Path) -> None:
        async with child(path) as process:
            answer = await said(process)

        assert answer == f"StoreInUse another process is using {path}; each database can have only one bot"
        await store.write(note(1))

    async def test_it_is_free_as_soon_as_the_process_that_held_it_is_killed(self, open_store: Open, path: Path) -> None:
        async with child(path) as process:
            assert await said(process) == "open"
            with pytest.raises(StoreInUse):
                await open_store()

            process.kill()
            await process.wait()

            store = await open_store()
        await store.write(note(1))


def foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
        connection.commit()


def foreign_with_our_words(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE schema_versions (applied TEXT)")
        connection.commit()


def foreign_and_empty(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE schema_versions (version TEXT)")
        connection.commit()


def no_database(path: Path) -> None:
    path.write_text("Dear diary, " * 1000)


def torn(path: Path) -> None:
    migrate(path)
    path.write_bytes(path.read_bytes()[:9_000])


def newer(path: Path) -> None:
    migrate(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO schema_versions VALUES (1000)")
        connection.commit()


class TestOpening:
    @pytest.mark.parametrize(
        ("made", "sentence"),
        [
            (foreign, "belongs to another program"),
            (foreign_with_our_words, "belongs to another program"),
            (foreign_and_empty, "belongs to another program"),
            (no_database, "is not a database this bot can read"),
            (torn, "is not a database this bot can read"),
            (newer, f"was written by a newer version of this bot (schema 1000, this one knows {scripts()[-1][0]})"),
        ],
    )
    async def test_what_is_not_ours_to_run_on_is_refused_and_left_as_it_was(
        self, path: Path, made: Callable[[Path], None], sentence: str
    ) -> None:
        made(path)
        before = bytes_of(path)

        with pytest.raises(StoreUnusable) as caught:
            await Store.open(path)

        assert str(caught.value).startswith(f"{path} {sentence}")
        assert bytes_of(path) == before
        assert await no_threads()
        assert the_lock_is_free(path)

    async def test_another_programs_write_ahead_log_is_left_as_it_was(self, path: Path) -> None:
        """Its program was killed: whoever closes the database last would fold the log into the file."""
        copy = path.with_name("copy.db")
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("PRAGMA journal_mode = WAL")
            other.execute("CREATE TABLE recipes (name TEXT)")
            for ending in ("", "-wal"):
                copy.with_name(copy.name + ending).write_bytes(path.with_name(path.name + ending).read_bytes())
        before = bytes_of(copy)

        with pytest.raises(StoreUnusable):
            await Store.open(copy)

        assert bytes_of(copy) == before
        assert set(before) == {"copy.db", "copy.db-wal"}

    async def test_a_start_killed_while_the_file_was_made_is_made_good(self, open_store: Open, path: Path) -> None:
        """Before its first table the file changes its journal mode, through a journal that a crash leaves behind."""
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA cache_size = 1")
            connection.execute("VACUUM")
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("PRAGMA user_version = 7")
            connection.execute("PRAGMA cache_spill = 1")
            journal = path.with_name(path.name + "-journal")
            assert journal.exists()
            left = journal.read_bytes()
        journal.write_bytes(left)

        store = await open_store()

        await store.write(note(1))

    async def test_a_place_that_cannot_be_opened_is_unavailable_and_leaves_no_thread(self, tmp_path: Path) -> None:
        (tmp_path / "a file").write_text("")

        for path, why in ((tmp_path, "it is a folder; name a file"), (tmp_path / "a file" / "animate.db", "")):
            with pytest.raises(StoreUnavailable, match=f"cannot be opened: {why}"):
                await Store.open(path)

        assert await no_threads()

    @pytest.mark.parametrize("at", ["connecting", "set-up"])
    async def test_a_start_that_fails_half_way_closes_all_it_opened(self, path: Path, at: str) -> None:
        def writer(*args: Any, **kwargs: Any) -> Watched:
            if at == "connecting":
                raise sqlite3.OperationalError("unable to open database file")
            made = Watched(*args, **kwargs)
            made.failing = ["PRAGMA synchronous = FULL"]
            return made

        with pytest.raises(StoreUnavailable, match="cannot be opened"):
            await Store.open(path, writer=writer)

        assert await no_threads()
        assert the_lock_is_free(path)

    async def test_a_start_that_is_cancelled_closes_all_it_opened(self, path: Path) -> None:
        loop = asyncio.get_running_loop()
        opening: asyncio.Task[Store]

        def writer(*args: Any, **kwargs: Any) -> Watched:
            loop.call_soon_threadsafe(opening.cancel)
            return Watched(*args, **kwargs)

        opening = asyncio.create_task(Store.open(path, writer=writer))
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(opening, DEADLINE_S)

        assert await no_threads()
        assert the_lock_is_free(path)

    async def test_a_new_database_gets_its_folder(self, tmp_path: Path) -> None:
        store = await Store.open(tmp_path / "new" / "folder" / "animate.db")
        await store.close()

        assert (tmp_path / "new" / "folder" / "animate.db").exists()

    @pytest.mark.parametrize("name", ["what?.db", "50%25.db", "a#b.db", "ordi nal.db"])
    async def test_any_file_name_will_do(self, tmp_path: Path, name: str) -> None:
        for _ in range(2):
            store = await Store.open(tmp_path / name)
            await store.write(note(1))
            await store.close()

        assert files_in(tmp_path) == {name, f"{name}.lock"}

    async def test_it_writes_through_to_the_disk_and_waits_for_others(self, store: Store) -> None:
        def read(tx: Tx) -> tuple[object, ...]:
            names = {"journal_mode": "journal_mode", "synchronous": "synchronous", "busy_timeout": "timeout"}
            rows = {name: (tx.one(f"PRAGMA {name}"), column) for name, column in names.items()}
            return tuple(row[column] for row, column in rows.values() if row is not None)

        full = 2
        assert await store.write(read) == ("wal", full, BUSY_TIMEOUT_MS)


def the_lock_is_free(path: Path) -> bool:
    """Raises where a store that could not be opened still holds its lock."""
    with closing(sqlite3.connect(path.with_name(path.name + ".lock"), timeout=0, isolation_level=None)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
    return True


def bytes_of(path: Path) -> dict[str, bytes]:
    """The database and its write-ahead log; an empty one is none."""
    files = (path, path.with_name(path.name + "-wal"))
    return {file.name: file.read_bytes() for file in files if file.exists() and file.stat().st_size}


def files_in(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


class TestMigrations:
    def test_they_are_numbered_from_one_without_a_gap(self) -> None:
        numbers = {number for engine in ("sqlite", "postgres") for number, _ in scripts(engine)}

        assert sorted(numbers) == list(range(1, len(numbers) + 1))
        assert numbers

    def test_a_broken_script_leaves_the_schema_before_it(self, path: Path) -> None:
        newest = scripts()[-1][0]
        good = (newest + 1, "CREATE TABLE extra (id BIGINT NOT NULL PRIMARY KEY);")
        broken = (
            newest + 2,
            "CREATE TABLE half (id BIGINT NOT NULL PRIMARY KEY);\nDROP TABLE commands;\nCREATE TABLE nonsense",
        )

        with pytest.raises(sqlite3.OperationalError):
            migrate(path, [*scripts(), good, broken])

        assert tables(path) == tables_of([*scripts(), good], path.with_name("other.db"))
        assert versions(path) == [*(number for number, _ in scripts()), newest + 1]

    def test_a_script_mended_after_it_broke_is_applied(self, path: Path) -> None:
        newest = scripts()[-1][0]
        with pytest.raises(sqlite3.OperationalError):
            migrate(path, [*scripts(), (newest + 1, "CREATE TABLE half (id BIGINT);\nnonsense;")])

        migrate(path, [*scripts(), (newest + 1, "CREATE TABLE half (id BIGINT); -- at last")])

        assert "half" in tables(path)
        assert versions(path)[-1] == newest + 1

    async def test_a_second_start_changes_nothing_and_keeps_what_is_there(self, open_store: Open, path: Path) -> None:
        first = await open_store()
        await first.write(note(1))
        await first.close()
        before = tables(path)

        second = await open_store()

        assert set(await second.read(hashes)) == {1}
        await second.close()
        assert tables(path) == before


def tables(path: Path) -> dict[str, str]:
    with closing(sqlite3.connect(path)) as connection:
        return dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall())


def tables_of(known: list[tuple[int, str]], path: Path) -> dict[str, str]:
    migrate(path, known)
    return tables(path)


def versions(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as connection:
        return [version for (version,) in connection.execute("SELECT version FROM schema_versions ORDER BY version")]


NO_LOCKS = """
import ctypes, errno, pathlib, platform, struct, sys
fcntl_nr = {"x86_64": 72, "aarch64": 25}[platform.machine()]
steps = [  # a filter of system calls: what a share without locks answers to fcntl(…, F_SETLK, …)
    (0x20, 0, 0, 0), (0x15, 0, 3, fcntl_nr), (0x20, 0, 0, 24), (0x15, 0, 1, 6), (0x06, 0, 0, 0x50000 | errno.ENOLCK),
    (0x06, 0, 0, 0x7FFF0000),
]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(steps), ctypes.addressof(code)))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, program, 0, 0):
    sys.exit(77)
import asyncio
from bot.store.database import Store
try:
    asyncio.run(Store.open(pathlib.Path(sys.argv[1])))
except Exception as error:
    print(f"{type(error).__name__}: {error}")
"""


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"), reason="filters system calls of Linux"
)
def test_a_share_without_locks_is_told_as_that(path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", NO_LOCKS, path], cwd=PROJECT, capture_output=True, text=True, check=False, timeout=30
    )

    if ended.returncode == 77:
        pytest.skip("system calls cannot be filtered here")
    assert ended.stdout == (
        f"StoreUnavailable: {path} cannot be opened: files cannot be locked in {path.parent} (No locks available), "
        "as on some network shares; the database needs a local disk\n"
    ), ended.stderr
