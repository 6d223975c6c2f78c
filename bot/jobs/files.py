"""The files of DATA_DIR: pictures waiting and kept, videos not yet at Discord. Named by job; replaced in one step."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Literal

from bot.models import Job, JobId

Folder = Literal["pictures", "videos", "stills"]

log = logging.getLogger(__name__)

LEAST_FREE_BYTES = 200 * 1024 * 1024
"""Nothing is submitted with less room than this: a paid video must have a place to land."""

FOLDERS: tuple[Folder, ...] = ("pictures", "videos", "stills")
LEFT_OVER_S = 3_600.0
"""No video is re-encoded for so long."""


class Files:
    """Owns `root`; nobody else writes there but processes of the same bot. By `now`, in seconds, files age."""

    def __init__(self, root: Path, now: Callable[[], float] = time.time) -> None:
        self._root = root
        self._now = now

    def prepare(self, *, shared: bool = False) -> None:
        """Makes the folders and clears away what a power cut left of re-encoding. Raises OSError.

        Where they are `shared`, another process may be re-encoding right now: what is old is left over.
        """
        for folder in FOLDERS:
            (self._root / folder).mkdir(parents=True, exist_ok=True)
        for leftover in self._root.glob("videos/*.shrinking"):
            if not shared or _touched(leftover) < time.time() - LEFT_OVER_S:
                shutil.rmtree(leftover, ignore_errors=shared)  # another process may do so, too

    def picture(self, job: Job, *, last: bool = False) -> Path:
        """The fitted JPEG of the first picture, or of the `last`."""
        return self._root / "pictures" / f"{job.id}.{'last.' if last else ''}jpg"

    def copy(self, job: JobId, *, last: bool = False) -> Path:
        """The member's picture without metadata, kept for another video of it."""
        return self._root / "pictures" / f"{job}.{'last.' if last else ''}copy.jpg"

    def has_copies(self, job: Job) -> bool:
        """Whether all of its pictures are kept for another video."""
        return all(self.copy(job.id, last=last).exists() for last in lasts(job))

    def has_pictures(self, job: Job) -> bool:
        """Whether all of its pictures are fitted."""
        return all(self.picture(job, last=last).exists() for last in lasts(job))

    def video(self, job: Job) -> Path:
        """The finished video."""
        return self._root / "videos" / f"{job.id}.mp4"

    def transcoded(self, job: Job) -> Path:
        """The video re-encoded for a place's upload limit."""
        return self._root / "videos" / f"{job.id}.small.mp4"

    def kept(self, job: Job) -> Path:
        """The video as Discord had it, fetched before a message with it was deleted for others than its member.

        A name of its own: a delivery that ends late deletes `video`, never this.
        """
        return self._root / "videos" / f"{job.id}.kept.mp4"

    def found_video(self, job: Job) -> Path | None:
        """The video, where it is here."""
        return next((path for path in (self.kept(job), self.video(job)) if path.exists()), None)

    def keep_on(self, job: Job) -> None:
        """The kept video begins its time, anew perhaps (`purge`)."""
        found = self.found_video(job)
        if found is not None:
            with contextlib.suppress(FileNotFoundError):  # its time was over in this moment
                os.utime(found, (self._now(), self._now()))

    async def keep_video(self, job: Job, chunks: AsyncIterator[bytes]) -> None:
        """Writes a video that Discord had to `kept`, whole or not at all. Raises OSError, and what `chunks` raises."""
        await self.write(self.kept(job), chunks)
        self.keep_on(job)

    async def write(self, target: Path, chunks: AsyncIterator[bytes]) -> None:
        """Writes a file of ours, whole or not at all. Raises OSError, and what `chunks` raises."""
        part = await asyncio.to_thread(_new_part, target)
        try:
            async for chunk in chunks:
                await asyncio.to_thread(_append, part, chunk)
            await asyncio.to_thread(_fsync_and_rename, part, target)
        finally:
            part.unlink(missing_ok=True)

    def borrowed(self, taker: JobId) -> Path:
        """A video that is fetched from Discord once more, for a job or a command, and deleted when that is done.

        Another file each time, as below: two presses want the same at once, and each deletes its own.
        """
        return self._root / "videos" / f"{taker}.{secrets.token_hex(8)}.borrowed.mp4"

    def work_folder(self, job: JobId, what: str) -> Path:
        """Where a process writes what it makes of a video; cleared away at the next start, if nobody did before."""
        return self._root / "videos" / f"{job}.{secrets.token_hex(8)}.{what}.shrinking"

    async def keep_picture(self, job: Job, jpeg: bytes, *, last: bool = False) -> None:
        """Writes the fitted picture, whole or not at all. Raises OSError."""
        await asyncio.to_thread(_replace, self.picture(job, last=last), jpeg, self._now())

    async def keep_copy(self, job: Job, jpeg: bytes, *, last: bool = False) -> None:
        """Writes the kept copy, whole or not at all. Raises OSError."""
        await asyncio.to_thread(_replace, self.copy(job.id, last=last), jpeg, self._now())

    async def read_copy(self, job: JobId, *, last: bool = False) -> bytes | None:
        """The kept copy, or None where it is not kept any more."""
        return await _read(self.copy(job, last=last))

    async def read_picture(self, job: Job, *, last: bool = False) -> bytes | None:
        """The fitted picture, or None where it is not there, or there is no such picture."""
        return await _read(self.picture(job, last=last))

    def still(self, job: JobId) -> Path:
        """A small picture of the finished video, for its member's list."""
        return self._root / "stills" / f"{job}.jpg"

    async def read_still(self, job: JobId) -> bytes | None:
        """The still, or None where there is none."""
        return await _read(self.still(job))

    async def keep_still(self, job: JobId, jpeg: bytes, *, at_most: int) -> None:
        """Writes the still, and deletes the oldest where there are more than so many. Raises OSError."""
        await asyncio.to_thread(_replace, self.still(job), jpeg, self._now())
        await asyncio.to_thread(self._trim, at_most)

    def _trim(self, at_most: int) -> None:
        kept = [file for _, file in self._kept("stills")]
        for file in sorted(kept, key=_touched)[: max(0, len(kept) - at_most)]:
            file.unlink(missing_ok=True)

    def has_disk_space(self) -> bool:
        """Whether there is room for another video."""
        return shutil.disk_usage(self._root).free >= LEAST_FREE_BYTES

    def forget(self, job: Job, *, keep_video: bool = False) -> None:
        """Deletes what is kept for this job, but for the copy of the picture.

        What our disk does not let go keeps nobody waiting: it is logged, and deleted by its age (`purge`).
        """
        videos = [] if keep_video else [self.video(job), self.transcoded(job)]
        for path in (self.picture(job), self.picture(job, last=True), *videos):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                log.warning("%s could not be deleted: %s", path.name, error)

    def forget_picture(self, job: Job) -> None:
        """Deletes the fitted pictures: they are to be fitted anew, to another size. Raises OSError."""
        for last in (False, True):
            self.picture(job, last=last).unlink(missing_ok=True)

    def erase(self, job: Job) -> None:
        """Deletes all that is kept for this job: its member wants it gone. Raises OSError."""
        for path in (self.video(job), self.transcoded(job), self.kept(job), self.still(job.id)):
            path.unlink(missing_ok=True)
        self.forget_picture(job)
        self.forget_copy(job.id)

    def forget_copy(self, job: JobId) -> None:
        """Deletes the kept copies of the pictures."""
        for last in (False, True):
            self.copy(job, last=last).unlink(missing_ok=True)

    def purge(self, folder: Folder, *, older_than: timedelta, spare: Collection[JobId]) -> int:
        """Deletes files untouched for so long, but for those of the jobs to `spare`, and tells how many."""
        oldest = self._now() - older_than.total_seconds()
        old = [file for job, file in self._kept(folder) if job not in spare and _touched(file) < oldest]
        for file in old:
            file.unlink(missing_ok=True)
        return len(old)

    def forget_all(self, jobs: Collection[JobId]) -> None:
        """Deletes whatever is kept for these jobs."""
        for folder in FOLDERS:
            for job, file in list(self._kept(folder)):
                if job in jobs:
                    file.unlink(missing_ok=True)

    def names_of(self, jobs: Collection[JobId]) -> dict[JobId, list[str]]:
        """What is kept for each of these jobs, by folder and name."""
        found: dict[JobId, list[str]] = {}
        for folder in FOLDERS:
            for job, file in self._kept(folder):
                if job in jobs:
                    found.setdefault(job, []).append(f"{folder}/{file.name}")
        return found

    def _kept(self, folder: str) -> Iterator[tuple[JobId, Path]]:
        """Every file of the folder with its job, which is its name up to the first dot."""
        for file in (self._root / folder).iterdir():
            job = file.name.partition(".")[0]
            if job.isdecimal() and file.is_file():
                yield JobId(int(job)), file


def lasts(job: Job) -> tuple[bool, ...]:
    """For each picture of its own that a job has, whether it is the last."""
    return (False,) if job.spec.last_image is None else (False, True)


def _touched(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:  # its job was done with it in the meantime
        return math.inf


async def _read(path: Path) -> bytes | None:
    try:
        return await asyncio.to_thread(path.read_bytes)
    except FileNotFoundError:
        return None


def _new_part(target: Path) -> Path:
    """A file of its own for each that writes; `purge` knows the job by its name."""
    handle, name = tempfile.mkstemp(".part", f"{target.name}.", target.parent)
    os.close(handle)
    return Path(name)


def _append(path: Path, chunk: bytes) -> None:
    with path.open("ab") as file:
        file.write(chunk)


def _fsync_and_rename(part: Path, target: Path) -> None:
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    part.replace(target)


def _replace(target: Path, content: bytes, now: float) -> None:
    """By a file of its own: an earlier writer that was cancelled may still be at work in its thread."""
    part = _new_part(target)
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.utime(part, (now, now))
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
