"""Runs `python -m bot.shrink`: started, bounded, ended, its file taken or cleared away. Loads no FFmpeg itself."""

from __future__ import annotations

import asyncio
import logging
import shutil
from pathlib import Path

from bot import confined

log = logging.getLogger(__name__)

WITHIN_S = 300.0


class Shrinker:
    """Shrinks one video at a time, in a niced process that outlives neither the call nor the bot."""

    def __init__(self, *, within_s: float = WITHIN_S) -> None:
        self._within_s = within_s
        self._turn = asyncio.Lock()

    async def shrink(self, source: Path, target: Path, limit_bytes: int) -> bool:
        """Whether `target` is now an MP4 of at most so many bytes that shows and sounds what `source` does.

        False, with a line in the log and no file, where it would look bad, cannot be read, or took too long.
        """
        folder = target.with_name(f"{target.name}.shrinking")
        async with self._turn:
            try:
                _clear(folder)  # a power cut may have left it
                folder.mkdir()
                fault = await self._encode(source, folder, limit_bytes)
                if not fault:
                    (folder / "video.mp4").replace(target)
            except TimeoutError:
                fault = f"took over {self._within_s:g} s"
            except OSError as error:
                fault = str(error)
            finally:
                _clear(folder)
        if fault:
            log.warning("%s cannot be shrunk to %s bytes: %s", source.name, limit_bytes, fault)
        return not fault

    async def _encode(self, source: Path, folder: Path, limit_bytes: int) -> str:
        """What was wrong, or nothing. Raises TimeoutError, OSError."""
        async with (
            asyncio.timeout(self._within_s),
            confined.process("bot.shrink", str(source), str(folder), str(limit_bytes)) as process,
        ):
            assert process.stderr is not None
            said = await process.stderr.read()
            code = await process.wait()
        return "" if code == 0 else " ".join(said.decode(errors="replace").split())[-300:] or f"exit code {code}"


def _clear(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
