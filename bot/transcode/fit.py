"""A video made to fit into so many bytes: how many bytes each try aims for, and whether what came out is whole."""

from __future__ import annotations

import os
from pathlib import Path

from bot.transcode.encode import encode, least_video_bits
from bot.transcode.probe import Refused, Seen, look
from bot.transcode.webp import is_webp, unpack_webp

AIM = 0.95  # of the limit; on even noise a try came out 2 % over what it was told, of one second up to 8
TRIES = 4
GOOD_BITS = 8
"""Times the bits below which it looks broken: as many as a video needs that is only to be of another kind."""
SOUND_BITS = 128_000


def fit(source: str, target: Path, limit_bytes: int) -> None:
    """Encodes `source` to `target` with at most so many bytes. Raises Refused, and whatever FFmpeg raises."""
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
