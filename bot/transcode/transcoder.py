"""Runs `python -m bot.transcode`: started, bounded, ended, its file taken or cleared away. Loads no FFmpeg itself."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import logging
import shutil
import weakref
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from bot import confined_process
from bot.transcode.playable import plays_everywhere

log = logging.getLogger(__name__)

WITHIN_S, WAIT_S = 300.0, 300.0
"""Of one video at work, and before its turn: in ten minutes at most it is known what to show, while tokens live 15."""
AT_ONCE = 2
REMEMBERED = 1000


class Transcoder:
    """Encodes videos anew, two at a time, each in a niced process that outlives neither the call nor the bot."""

    def __init__(self, *, within_s: float = WITHIN_S, wait_s: float = WAIT_S) -> None:
        self._within_s, self._wait_s = within_s, wait_s
        self._lanes = asyncio.Semaphore(AT_ONCE)
        self._targets: weakref.WeakValueDictionary[Path, asyncio.Lock] = weakref.WeakValueDictionary()
        self._hopeless: collections.OrderedDict[Path, int] = collections.OrderedDict()  # the highest limit in vain

    async def prepare(self, source: Path, target: Path, limit_bytes: int) -> Path:
        """What to show of `source`: itself where it plays everywhere and fits, else `target`, encoded anew.

        Itself also where nothing better can be had within ten minutes: then it is over the limit, or does not play
        everywhere. What is there of `target` from an earlier time is taken where it fits. Raises OSError.
        """
        size_bytes = await asyncio.to_thread(_size, source)
        if not size_bytes or (size_bytes <= limit_bytes and await asyncio.to_thread(plays_everywhere, source)):
            return source
        if 0 < await asyncio.to_thread(_size, target) <= limit_bytes:
            return target
        return target if await self.transcode(source, target, limit_bytes) else source

    async def transcode(self, source: Path, target: Path, limit_bytes: int) -> bool:
        """Whether `target` is now an MP4 of at most so many bytes that shows and sounds what `source` does.

        False, with a line in the log and no file, where it would look bad, cannot be read, or took too long; also
        where so many others are before it that its turn does not come. What failed once is not tried again. Whoever
        wants the same meanwhile, as two presses of a button do, waits for the first and shares what came of it.
        """
        if limit_bytes <= self._hopeless.get(source, 0):
            return False
        fault = f"no turn within {self._wait_s:g} s"
        with contextlib.suppress(TimeoutError):
            async with self._turn(target):
                if target != source and 0 < await asyncio.to_thread(_size, target) <= limit_bytes:
                    return True
                if limit_bytes <= self._hopeless.get(source, 0):
                    return False
                fault = await self._transcode(source, target, limit_bytes)
        if fault:
            log.warning("%s is not encoded anew for %s bytes: %s", source.name, limit_bytes, fault)
        return not fault

    @contextlib.asynccontextmanager
    async def _turn(self, target: Path) -> AsyncIterator[None]:
        """The only one who writes `target`, and one of few at work. Raises TimeoutError where that is not soon."""
        async with contextlib.AsyncExitStack() as taken:
            async with asyncio.timeout(self._wait_s):
                await taken.enter_async_context(self._targets.setdefault(target, asyncio.Lock()))
                await taken.enter_async_context(self._lanes)
            yield

    async def _transcode(self, source: Path, target: Path, limit_bytes: int) -> str:
        folder = target.with_name(f"{target.name}.shrinking")
        try:
            _clear(folder)  # a power cut may have left it
            folder.mkdir()
            fault = await self._run("fit", str(folder), str(limit_bytes), str(source))
            if not fault:
                (folder / "video.mp4").replace(target)
        except TimeoutError:
            fault = f"took over {self._within_s:g} s"
        except OSError as error:
            return str(error)  # of this machine, not of the video
        finally:
            _clear(folder)
        if fault:
            self._hopeless[source] = max(limit_bytes, self._hopeless.pop(source, 0))
            if len(self._hopeless) > REMEMBERED:
                self._hopeless.popitem(last=False)
        return fault

    async def last_frame(self, source: Path, folder: Path) -> bytes | None:
        """The last frame that a player shows, as a PNG; None, with a line in the log, where there is none to be had.

        `folder` is made for it and cleared away. Raises OSError.
        """
        return await self._made(folder, "frame.png", source.name, "last", str(folder), str(source))

    async def still(self, source: Path, folder: Path, *, side: int, most_bytes: int) -> bytes | None:
        """A frame near the middle, at most `side` pixels long, as a JPEG of at most so many bytes; else as above."""
        arguments = ("still", str(folder), str(side), str(most_bytes), str(source))
        return await self._made(folder, "frame.jpg", source.name, *arguments)

    async def joined(
        self, sources: Sequence[Path], folder: Path, *, limit_bytes: int, most_seconds: float
    ) -> bytes | None:
        """The videos as one, each after the other, as an MP4 of at most so many bytes and seconds; else as above."""
        arguments = ("join", str(folder), str(limit_bytes), str(most_seconds), *map(str, sources))
        return await self._made(folder, "video.mp4", f"{len(sources)} videos", *arguments)

    async def _made(self, folder: Path, name: str, what: str, *arguments: str) -> bytes | None:
        try:
            async with self._turn(folder):
                try:
                    await asyncio.to_thread(_make, folder)
                    fault = await self._run(*arguments)
                    if not fault:
                        return await asyncio.to_thread((folder / name).read_bytes)
                finally:
                    _clear(folder)
        except TimeoutError:
            fault = "took too long"
        log.warning("nothing was made of %s (%s): %s", what, arguments[0], fault)
        return None

    async def _run(self, *arguments: str) -> str:
        """What was wrong, or nothing. Raises TimeoutError, OSError."""
        async with (
            asyncio.timeout(self._within_s),
            confined_process.process("bot.transcode", *arguments) as process,
        ):
            assert process.stderr is not None
            said = await process.stderr.read()
            code = await process.wait()
        return "" if code == 0 else " ".join(said.decode(errors="replace").split())[-300:] or f"exit code {code}"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _make(folder: Path) -> None:
    _clear(folder)  # a power cut may have left it
    folder.mkdir()


def _clear(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
