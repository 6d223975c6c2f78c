"""What is made of finished videos: the last frame of one, a still of it, several as one.

The bytes come from our disk while the video is kept there, else from the message at Discord that shows it: to a file
that goes when it is done with, or by its age after a crash. A permit of `JobContext.borrowing` bounds all of that.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from bot.errors import ChatUnavailable, PictureRefused, UserError
from bot.i18n.marking import N_
from bot.jobs.context import JobContext
from bot.models import Job, JobId, JobState
from bot.store import jobs

log = logging.getLogger(__name__)

STILL_SIDE, STILL_BYTES, MOST_STILLS = 320, 24_000, 5_000
"""Pixels of the longer side, bytes of one, and how many are kept: 120 MB at most."""
MOST_JOINED = 10
MOST_JOINED_S = 120.0
NOT_THERE = N_("The bot no longer keeps this video and cannot see the message that shows it.")
NO_FRAME = N_("The last frame of the video could not be read.")
NOT_JOINED = N_("These videos could not be joined into one that can be uploaded here.")
PART_GONE = N_("These videos cannot be joined: one of them is deleted, or there are more than 10.")


class FinishedVideos:
    """Owns what it fetches."""

    def __init__(self, context: JobContext) -> None:
        self._context = context

    async def last_frame(self, job: Job) -> bytes:
        """The picture of a job that continues another: the last frame that a player shows of that, as a PNG.

        To be called with a permit of `borrowing`. Raises PictureRefused where there is none to be had, ChatUnavailable
        where another try may bring it, OSError.
        """
        source = None if job.continues is None else await self._context.persist(jobs.find(job.continues))
        if source is None or source.deleted:
            raise PictureRefused(NOT_THERE)
        async with self.borrowed(source, job.id, address=job.picture.url) as video:
            folder = self._context.files.work_folder(job.id, "frame")
            frame = await self._context.transcoder.last_frame(video, folder)
            is_there = await asyncio.to_thread(video.exists)
        if frame is None and not is_there:  # it was delivered in this moment
            raise ChatUnavailable("the video is not on our disk any more")
        if frame is None:
            raise PictureRefused(NO_FRAME)
        return frame

    async def joined(self, parts: Sequence[Job], limit_bytes: int) -> bytes:
        """The videos as one, of at most so many bytes. Raises UserError, ChatUnavailable, OSError."""
        async with self._context.borrowing, contextlib.AsyncExitStack() as borrowed:
            last = parts[-1]
            videos = [await borrowed.enter_async_context(self.borrowed(part, last.id)) for part in parts]
            folder = self._context.files.work_folder(last.id, "joined")
            made = await self._context.transcoder.joined(
                videos, folder, limit_bytes=limit_bytes, most_seconds=MOST_JOINED_S
            )
        if made is None:
            raise UserError(NOT_JOINED)
        return made

    async def stills(self, among: Sequence[Job]) -> dict[JobId, bytes]:
        """Those that are kept."""
        found = {job.id: await self._context.files.read_still(job.id) for job in among}
        return {job: still for job, still in found.items() if still is not None}

    async def make_still(self, job: Job) -> bool:
        """Whether there is one now. Where its video cannot be had, or there is no room, there is none."""
        folder, still = self._context.files.work_folder(job.id, "still"), None
        try:
            if not self._context.files.has_disk_space():
                return False
            async with self._context.borrowing, self.borrowed(job, job.id) as video:
                transcoder = self._context.transcoder
                still = await transcoder.still(video, folder, side=STILL_SIDE, most_bytes=STILL_BYTES)
            if still is not None:
                await self._context.files.keep_still(job.id, still, at_most=MOST_STILLS)
        except (PictureRefused, ChatUnavailable, OSError) as error:
            log.info("job=%s no still: %s", job.id, error)
        now = await self._context.reload(job)
        if now is None or now.deleted:  # by its member, meanwhile
            self._context.files.still(job.id).unlink(missing_ok=True)
            return False
        return still is not None

    @contextlib.asynccontextmanager
    async def borrowed(self, job: Job, taker: JobId, *, address: str = "") -> AsyncIterator[Path]:
        """A file with the video of a job, until the block is left. `address` is where Discord had it lately.

        Raises PictureRefused where nobody has it any more, ChatUnavailable where another try may bring it, OSError.
        """
        kept = await asyncio.to_thread(self._context.files.found_video, job)
        if kept is not None and job.state in (JobState.DELIVERED, JobState.UNDELIVERED):
            yield kept
            return
        target = self._context.files.borrowed(taker)
        try:
            found = await self._context.chat.fetch_video(job, address)
            if found is None:
                raise PictureRefused(NOT_THERE)
            if not self._context.files.has_disk_space():
                raise ChatUnavailable("no room for a video")
            await self._context.files.write(target, found)
            yield target
        finally:
            target.unlink(missing_ok=True)
