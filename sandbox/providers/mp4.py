"""A playable MP4 from a picture: a slow push-in over it, with a quiet chord. Knows nothing of HTTP."""

import functools
import io
import math
import sys
import tempfile
from array import array
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from PIL import Image

FPS = 24
# The quiet chord: whole-numbered frequencies, so that one second of it can be repeated without a click.
AUDIO_RATE = 24_000
CHORD_HZ = (110, 165, 220)
# How far the push-in goes: the last frame shows this much of the picture's width.
LAST_FRAME_SHARE = 0.84
# ultrafast encodes 720x1280 at some 300 frames a second on one core, more than the drawing of them.
X264 = {"preset": "ultrafast", "crf": "24"}

Box = tuple[float, float, float, float]


class Render(Protocol):
    """Makes the video of one job, in a thread; told how far it is by calling `progress` with 0 to 1."""

    def __call__(
        self, picture: bytes | None, size: tuple[int, int], seconds: int, progress: Callable[[float], None], /
    ) -> bytes: ...


def render_video(
    picture: bytes | None,
    size: tuple[int, int],
    seconds: int,
    progress: Callable[[float], None],
    /,
    *,
    sound: bool = True,
) -> bytes:
    """H.264 and AAC in MP4, index first, exactly `size` and `seconds` long; without a picture, a dusk."""
    planes = _planes(_opened(picture, size))
    frames = seconds * FPS
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "video.mp4")
        with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
            video = _video_stream(container, size)
            audio = container.add_stream("aac", rate=AUDIO_RATE, layout="mono") if sound else None
            for number in range(frames):
                container.mux(video.encode(_frame(planes, size, number, frames)))
                if audio and number % FPS == 0:
                    _play_second(container, audio, number // FPS)
                progress((number + 1) / frames)
            container.mux(video.encode(None))
            if audio:
                container.mux(audio.encode(None))
        return path.read_bytes()


def tiny_mp4(*_order: object) -> bytes:
    """The same real MP4 for every order, 64x64 and one second long: a renderer for tests."""
    return _tiny()


@functools.cache
def _tiny() -> bytes:
    return render_video(None, (64, 64), 1, lambda _share: None, sound=False)


def _opened(picture: bytes | None, size: tuple[int, int]) -> Image.Image:
    if picture is None:
        dusk = Image.linear_gradient("L").resize(size)
        return Image.merge("RGB", (dusk.point(lambda v: 40 + v // 2), dusk.point(lambda v: 50 + v // 3), dusk))
    with Image.open(io.BytesIO(picture)) as image:
        return image.convert("RGB").resize(size)


def _planes(image: Image.Image) -> list[Image.Image]:
    """Y, U and V as three grey pictures: resizing those costs a third of resizing RGB frame by frame."""
    source = VideoFrame.from_bytes(image.convert("RGBA").tobytes(), *image.size)
    frame = source.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG)
    return [
        Image.frombytes("L", (plane.width, plane.height), bytes(plane), "raw", "L", plane.line_size)
        for plane in frame.planes
    ]


def _video_stream(container: OutputContainer, size: tuple[int, int]) -> VideoStream:
    stream = container.add_stream("libx264", rate=FPS, options=X264)
    stream.width, stream.height = size
    stream.pix_fmt = "yuv420p"
    context = stream.codec_context
    context.thread_count = 1  # two renders and the bot share the newcomer's laptop
    context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
    return stream


def _frame(planes: list[Image.Image], size: tuple[int, int], number: int, frames: int) -> VideoFrame:
    frame = VideoFrame(*size, "yuv420p")
    for target, plane in zip(frame.planes, planes, strict=True):
        box = _view(plane.size, number / max(1, frames - 1))
        seen = plane.resize(plane.size, Image.Resampling.BILINEAR, box)
        target.update(seen.tobytes("raw", "L", target.line_size))
    frame.pts, frame.time_base = number, Fraction(1, FPS)
    return frame


def _view(size: tuple[int, int], elapsed: float) -> Box:
    """What of the picture is seen after a share of the video: all of it first, then closer and upwards."""
    eased = elapsed * elapsed * (3 - 2 * elapsed)
    share = 1 - (1 - LAST_FRAME_SHARE) * eased
    width, height = size[0] * share, size[1] * share
    left, top = (size[0] - width) * 0.5, (size[1] - height) * 0.4
    return (left, top, left + width, top + height)


def _play_second(container: OutputContainer, stream: AudioStream, second: int) -> None:
    frame = av.AudioFrame(format="s16", layout="mono", samples=AUDIO_RATE)
    frame.sample_rate = AUDIO_RATE
    frame.planes[0].update(_chord())
    frame.pts, frame.time_base = second * AUDIO_RATE, Fraction(1, AUDIO_RATE)
    container.mux(stream.encode(frame))


@functools.cache
def _chord() -> bytes:
    loudness = 0.01 * 32767
    turns = [2 * math.pi * hertz / AUDIO_RATE for hertz in CHORD_HZ]
    samples = array("h", (int(loudness * sum(math.sin(t * n) for t in turns)) for n in range(AUDIO_RATE)))
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()
