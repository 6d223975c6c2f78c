"""The process that encodes: `python -m bot.transcode SOURCE FOLDER LIMIT`. The fault, if any, goes to stderr.

A video is a stranger's bytes: whatever they do to a decoder, they do it here.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from bot import confined_process
from bot.transcode.encode import encode, least_video_bits
from bot.transcode.probe import Refused, Seen, look
from bot.transcode.webp import is_webp, unpack_webp

AIM = 0.95  # of the limit; on even noise a try came out 2 % over what it was told, of one second up to 8
TRIES = 4
GOOD_BITS = 8
"""Times the bits below which it looks broken: as many as a video needs that is only to be of another kind."""
SOUND_BITS = 128_000
NICENESS = 15
MAX_MEMORY_BYTES = 1 << 30


def main(source: str, folder: str, limit: str) -> int:
    """The video made is `folder`/video.mp4."""
    confined_process.confine(max_memory_bytes=MAX_MEMORY_BYTES, niceness=NICENESS)
    confined_process.end_with_the_bot(lambda: shutil.rmtree(folder, ignore_errors=True))
    try:
        transcode(source, Path(folder, "video.mp4"), int(limit))
    except Exception as error:  # noqa: BLE001 - the edge of a process: FFmpeg raises whatever the bytes lead to
        print(error if isinstance(error, Refused) else repr(error), file=sys.stderr)  # noqa: T201 - the bot reads it
        return 1
    return 0


def transcode(source: str, target: Path, limit_bytes: int) -> None:
    """Raises Refused, and whatever FFmpeg raises."""
    if is_webp(source):
        source = unpack_webp(source, target.with_name("frames.mkv"))
    seen = look(source)
    wanted = min(limit_bytes, max(Path(source).stat().st_size, good_bytes(seen)))
    aimed, size = AIM * wanted, 0
    for number in range(TRIES):
        encode(source, target, seen, aimed, again=bool(number))
        if (size := target.stat().st_size) <= limit_bytes:
            return check(target, seen)
        aimed *= 0.97 * min(1.0, limit_bytes / size)
    raise Refused(f"came out at {size} bytes")


def good_bytes(seen: Seen) -> float:
    least = least_video_bits(*seen.size, seen.video.packets, seen.video.seconds)
    return (GOOD_BITS * least + SOUND_BITS * seen.sound.seconds) / 8


def check(target: Path, source: Seen) -> None:
    """The file as it is on the disk. Raises Refused unless it is whole and as long as the source."""
    with target.open("rb") as file:
        os.fsync(file.fileno())
    made = look(str(target))
    frame_s = source.video.seconds / source.video.packets
    before, after = source.video, made.video
    if made.size != source.size or abs((after.last - after.start) - (before.last - before.start)) > frame_s + 0.002:
        raise Refused(f"came out {made.size} and {after.seconds:.2f} of {before.seconds:.2f} s")
    off_s = 0.0 if source.length_s is None or made.length_s is None else abs(made.length_s - source.length_s)
    if off_s > frame_s + 0.1:
        raise Refused(f"came out {off_s:.2f} s off in all")
    if bool(made.sound.packets) != bool(source.sound.packets):
        raise Refused("came out without its sound")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
