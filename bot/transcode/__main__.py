"""The process that decodes and encodes: `python -m bot.transcode fit|frame|join FOLDER …`. A fault goes to stderr.

A video is a stranger's bytes: whatever they do to a decoder, they do it here.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from bot import confined_process
from bot.transcode.fit import fit
from bot.transcode.frame import write_frame
from bot.transcode.join import join
from bot.transcode.probe import Refused

NICENESS = 15
MAX_MEMORY_BYTES = 1 << 30


def main(task: str, folder: str, *arguments: str) -> int:
    """What is made lies in `folder`: video.mp4, or frame.png or frame.jpg."""
    confined_process.confine(max_memory_bytes=MAX_MEMORY_BYTES, niceness=NICENESS)
    confined_process.end_with_the_bot(lambda: shutil.rmtree(folder, ignore_errors=True))
    try:
        _TASKS[task](Path(folder), *arguments)
    except Exception as error:  # noqa: BLE001 - the edge of a process: FFmpeg raises whatever the bytes lead to
        print(error if isinstance(error, Refused) else repr(error), file=sys.stderr)  # noqa: T201 - the bot reads it
        return 1
    return 0


def _fit(folder: Path, limit: str, source: str) -> None:
    fit(source, folder / "video.mp4", int(limit))


def _last(folder: Path, source: str) -> None:
    write_frame(source, folder / "frame.png", last=True)


def _still(folder: Path, side: str, most_bytes: str, source: str) -> None:
    write_frame(source, folder / "frame.jpg", last=False, side=int(side), most_bytes=int(most_bytes))


def _join(folder: Path, limit: str, most_seconds: str, *sources: str) -> None:
    join(sources, folder / "video.mp4", int(limit), float(most_seconds))


_TASKS: dict[str, Callable[..., None]] = {"fit": _fit, "last": _last, "still": _still, "join": _join}


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
