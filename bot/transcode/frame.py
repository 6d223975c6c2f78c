"""One frame of a video as a picture: the last that a player shows, or one near its middle."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from av import VideoFrame
from PIL import Image

from bot.transcode.probe import Refused, opened, packets, read_boxes, streams
from bot.transcode.webp import is_webp, unpack_webp

_QUALITIES = (80, 60, 40, 20)
_TURNS = {90: Image.Transpose.ROTATE_90, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_270}


def write_frame(
    source: str, target: Path, *, last: bool, side: int | None = None, most_bytes: int | None = None
) -> None:
    """Writes it upright, at most `side` pixels long, as the kind of picture that `target` is named after.

    Raises Refused where there is no frame, or none fits into `most_bytes`; and whatever FFmpeg raises.
    """
    if is_webp(source):
        source = unpack_webp(source, target.with_name("frames.mkv"))
    picture = _picture_of(_frame(source, last=last))
    if side is not None:
        picture.thumbnail((side, side))
    if most_bytes is None:
        picture.save(target)
        return
    for quality in _QUALITIES:
        picture.save(target, quality=quality, optimize=True)
        if target.stat().st_size <= most_bytes:
            return
    raise Refused(f"no still of {most_bytes} bytes")


def _frame(source: str, *, last: bool) -> VideoFrame:
    """By the times at which frames are shown: they are stored in another order, and edit lists leave some out.

    FFmpeg marks what an edit list leaves out, and the decoder drops it. All is decoded: a last frame depends on those
    before it, and nothing but its time tells that it is the last.
    """
    found, found_at = None, -math.inf
    with opened(source) as file:
        video, _ = streams(file)
        middle = float((video.duration or 0) * (video.time_base or 0)) / 2
        for packet in packets(file, video, None, is_fragmented=read_boxes(source).is_fragmented):
            for frame in video.decode(packet):
                at = -math.inf if frame.time is None else frame.time
                if found is None or at >= found_at:
                    found, found_at = frame, at
                if not last and at >= middle:
                    return frame
    if found is None:
        raise Refused("no frame in it")
    return found


def _picture_of(frame: VideoFrame) -> Image.Image:
    """In its colors, turned as players turn it, with square pixels."""
    picture: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]  # PyAV's
    side_data: Any = frame.side_data
    turn = _TURNS.get(round(frame.rotation) % 360) if "DISPLAYMATRIX" in side_data else None
    return picture if turn is None else picture.transpose(turn)
