"""Animations in WebP, which FFmpeg does not read: unpacked by Pillow into a video that it does."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
from PIL import Image
from PIL.WebPImagePlugin import WebPImageFile

from bot.transcode.probe import Refused

_LEAST_FRAME_MS = 20  # browsers show frames that claim to be shorter for longer
_MAX_FRAMES = 3000
_NEARLY_LOSSLESS = {"preset": "ultrafast", "qp": "6"}


def is_webp(path: str) -> bool:
    with open(path, "rb") as file:  # noqa: PTH123 - as in `bot.transcode.probe`
        head = file.read(16)
    return head[:4] == b"RIFF" and head[8:12] == b"WEBP"


def unpack_webp(source: str, target: Path) -> str:
    """Raises Refused for a picture that does not move."""
    with open(source, "rb") as file:  # noqa: PTH123
        picture = WebPImageFile(file)
        if not 1 < picture.n_frames <= _MAX_FRAMES:
            raise Refused(f"{picture.n_frames} frames")
        at_ms = 0
        with av.open(f"file:{target}", "w", format="matroska") as made:
            stream = made.add_stream("libx264", rate=30, options=_NEARLY_LOSSLESS)
            stream.width, stream.height, stream.pix_fmt = (*picture.size, "yuv444p")
            stream.codec_context.time_base = Fraction(1, 1000)
            for number in range(picture.n_frames):
                picture.seek(number)
                plain = Image.new("RGB", picture.size, (255, 255, 255))
                plain.paste(picture, mask=picture.getchannel("A") if picture.mode == "RGBA" else None)
                frame = av.VideoFrame.from_bytes(plain.convert("RGBA").tobytes(), *picture.size)
                frame.pts, frame.time_base = at_ms, Fraction(1, 1000)
                made.mux(stream.encode(frame))
                at_ms += max(_LEAST_FRAME_MS, int(picture.info.get("duration", 100)))
            made.mux(stream.encode(None))
    return str(target)
