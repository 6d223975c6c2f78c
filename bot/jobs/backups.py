"""Backups on a schedule, in a folder beside the database. Jobs go on meanwhile, and also where none can be made."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.errors import StoreError
from bot.jobs.context import Clock
from bot.jobs.files import LEAST_FREE_BYTES
from bot.store.backup import back_up

log = logging.getLogger(__name__)

FOLDER = "backups"
TRY_AGAIN = timedelta(minutes=10)
LONGEST_REST = timedelta(hours=1)
"""The clock is looked at so often: it may be set, and the machine may sleep."""
ENDS_WITHIN_S = 2.0
_TIME = "%Y-%m-%dT%H-%M-%SZ"


class Backups:
    """Owns one task, and the files in `folder` that are named after the database and a time.

    What bounds it: one copy at a time, `keep` copies, and room that jobs need is not taken. When the next one is due
    is told by the files, so a restart neither repeats nor forgets one.
    """

    def __init__(self, database: Path, *, every: timedelta, keep: int, clock: Clock) -> None:
        self.folder = database.absolute().parent / FOLDER
        self._database = database
        self._prefix = f"{database.stem}-"
        self.every = every
        self._keep = keep
        self._clock = clock
        self.failure: str | None = None
        """Why the last backup was not made; None once one was made after that."""
        self.last: datetime | None = None
        """When the newest backup was made, aware UTC; None before `start` has looked, and where there is none."""
        self._not_before: datetime | None = None
        self._stopped = threading.Event()
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def notes(self) -> list[str]:
        """What the operator should see to."""
        return [] if self.failure is None else [f"no backup was made: {self.failure}"]

    def start(self) -> None:
        """Makes the first backup where there is none, or the newest is old enough; returns at once."""
        self._task = asyncio.create_task(self._run(), name="backups")

    async def stop(self) -> None:
        """A backup that is being written is given up, and nothing of it stays."""
        self._stopped.set()
        self._woken.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=ENDS_WITHIN_S)

    async def _run(self) -> None:
        while not self._stopped.is_set():
            rest = self._rest(await asyncio.to_thread(self._found))
            if rest > timedelta():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(rest, LONGEST_REST).total_seconds()):
                        await self._woken.wait()
                self._woken.clear()
                continue
            await self._make()

    def _rest(self, found: list[tuple[datetime, Path]]) -> timedelta:
        """How long until the next one is due; one from the future was made by a wrong clock."""
        now = self._clock.now()
        self.last = max((made for made, _ in found if made <= now), default=None)
        due = now if self.last is None else self.last + self.every
        return max(due, self._not_before or due) - now

    async def _make(self) -> None:
        now = self._clock.now()
        try:
            target, size_bytes = await asyncio.to_thread(self._write, now)
        except Exception as error:  # noqa: BLE001 - jobs go on without a backup
            self._note_failure(error, now)
            return
        self.failure = self._not_before = None
        log.info("backed up to %s (%s bytes)", target, size_bytes)
        await asyncio.to_thread(self._delete_old, target)

    def _note_failure(self, error: Exception, now: datetime) -> None:
        if self._stopped.is_set():
            return
        pause = min(self.every, TRY_AGAIN)
        self.failure, self._not_before = str(error), now + pause
        trace = None if isinstance(error, StoreError | OSError) else error
        log.error("no backup was made, trying again in %s: %s", pause, error, exc_info=trace)

    def _write(self, now: datetime) -> tuple[Path, int]:
        """Raises StoreError, OSError."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        for leftover in self.folder.glob("*Z.db.*.part"):  # of a process that was killed
            if leftover.name.startswith(self._prefix):
                leftover.unlink(missing_ok=True)
        self._refuse_without_room()
        target = self.folder / f"{self._prefix}{now.strftime(_TIME)}.db"
        return target, back_up(self._database, target, is_stopped=self._stopped.is_set)

    def _refuse_without_room(self) -> None:
        log_file = self._database.with_name(f"{self._database.name}-wal")
        size_bytes = sum(file.stat().st_size for file in (self._database, log_file) if file.exists())
        free_bytes = shutil.disk_usage(self.folder).free
        if free_bytes < size_bytes + LEAST_FREE_BYTES:
            needed = (size_bytes + LEAST_FREE_BYTES) // 1000**2
            raise OSError(f"too little space in {self.folder}: {free_bytes // 1000**2} MB are free, {needed} MB needed")

    def _delete_old(self, newest: Path) -> None:
        """Only after a new one was written and checked."""
        others = sorted(((made, file) for made, file in self._found() if file != newest), reverse=True)
        for _, file in others[self._keep - 1 :]:
            try:
                file.unlink(missing_ok=True)
            except OSError as error:
                log.warning("%s could not be deleted: %s", file.name, error)

    def _found(self) -> list[tuple[datetime, Path]]:
        """The backups that are there, each with its time."""
        found = []
        for file in self.folder.glob("*.db"):
            with contextlib.suppress(ValueError):  # somebody else's file
                pattern = f"{self._prefix.replace('%', '%%')}{_TIME}.db"
                found.append((datetime.strptime(file.name, pattern).replace(tzinfo=UTC), file))
        return found
