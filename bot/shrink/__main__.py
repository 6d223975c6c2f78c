"""The process that encodes: `python -m bot.shrink SOURCE FOLDER LIMIT`. The fault, if any, goes to stderr.

A video is a stranger's bytes: whatever they do to a decoder, they do it here.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from bot import confined
from bot.shrink.encode import encode
from bot.shrink.look import Refused, Seen, look

AIMS = (0.95, 0.92)  # of the limit; on even noise a try came out 2 % over what it was told, of one second up to 8
NICENESS = 15
MAX_MEMORY_BYTES = 1 << 30


def main(source: str, folder: str, limit: str) -> int:
    """The video made is `folder`/video.mp4."""
    confined.confine(max_memory_bytes=MAX_MEMORY_BYTES, niceness=NICENESS)
    confined.end_with_the_bot(lambda: shutil.rmtree(folder, ignore_errors=True))
    try:
        shrink(source, Path(folder, "video.mp4"), int(limit))
    except Exception as error:  # noqa: BLE001 - the edge of a process: FFmpeg raises whatever the bytes lead to
        print(error if isinstance(error, Refused) else repr(error), file=sys.stderr)  # noqa: T201 - the bot reads it
        return 1
    return 0


def shrink(source: str, target: Path, limit_bytes: int) -> None:
    """Raises Refused, and whatever FFmpeg raises."""
    seen = look(source)
    for again, aim in enumerate(AIMS):
        encode(source, target, seen, aim * limit_bytes, again=bool(again))
        if target.stat().st_size <= limit_bytes:
            return check(target, seen)
    raise Refused(f"came out at {target.stat().st_size} bytes")


def check(target: Path, source: Seen) -> None:
    """The file as it is on the disk. Raises Refused unless it is whole and as long as the source."""
    with target.open("rb") as file:
        os.fsync(file.fileno())
    made = look(str(target))
    frame_s = source.video.seconds / source.video.packets
    if made.size != source.size or abs(made.video.seconds - source.video.seconds) > frame_s + 0.002:
        raise Refused(f"came out {made.size} and {made.video.seconds:.2f} of {source.video.seconds:.2f} s")
    if bool(made.sound.packets) != bool(source.sound.packets):
        raise Refused("came out without its sound")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
