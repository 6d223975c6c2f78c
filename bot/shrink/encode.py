"""Encodes a video anew with so many bytes: H.264 and AAC in an MP4, its index first."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av import AudioStream, Packet, VideoFrame, VideoStream
from av.codec.context import Flags
from av.container import OutputContainer
from av.filter import Graph
from av.video.reformatter import ColorRange, Colorspace

from bot.shrink.look import THREADS, Refused, Seen, Span, opened, streams

# One thread of x264, 12 s of 1280x720 noise from 25 MiB to 10: "veryfast" 9 s and SSIM 0.911, "faster" 12 s and 0.915,
# "fast" 17 s and 0.912, "medium" 21 s and 0.913. A second pass takes as long again for 0.001,
# so it is taken only where one came out too large.
_PRESET = "faster"
_SOUND_RATES = (128_000, 96_000, 64_000)
_SOUND_SHARE, _KEPT_SOUND_SHARE = 0.1, 0.15  # of all bits; sound that is AAC already is best kept as it is
_AAC_SAMPLE_RATES = frozenset({16_000, 22_050, 24_000, 32_000, 44_100, 48_000})
_INDEX_BYTES, _INDEX_BYTES_PER_PACKET = 2_000, 16


def encode(source: str, target: Path, seen: Seen, aimed_bytes: float, *, again: bool) -> None:
    """One try at so many bytes. What it learns of each frame is left beside `target`, for the try `again`."""
    movflags = {"movflags": "faststart"}
    with opened(source) as file, av.open(f"file:{target}", "w", format="mp4", options=movflags) as made:
        video, audio = streams(file)
        bits = 8 * (aimed_bytes - _INDEX_BYTES - _INDEX_BYTES_PER_PACKET * (seen.video.packets + seen.sound.packets))
        plan = plan_sound(audio, seen.sound, bits) if audio and seen.sound.seconds else None
        pictures = Pictures(made, video, seen, bits - plan.rate * seen.sound.seconds if plan else bits)
        pictures.learn(target.with_suffix(".stats"), again=again)
        sound = Sound(made, audio, plan) if audio and plan else None
        start_s = Fraction(max(0, file.start_time or 0), 1_000_000)
        for packet in file.demux(*filter(None, (video, audio))):
            start = int(start_s / packet.time_base)
            packet.pts = None if packet.pts is None else packet.pts - start
            packet.dts = None if packet.dts is None else packet.dts - start
            if packet.stream is video:
                pictures.add(packet)
            elif sound:
                sound.add(packet)
        pictures.finish()
        if sound:
            sound.finish()


def least_video_bits(width: int, height: int, frames: int, seconds: float) -> float:
    """Bits below which the frames look broken, so that a link to the good video is better.

    0.03 bits a pixel at 1280x720, more for smaller frames, less for larger: 0.045 at 854x480, 0.02 at 1920x1080.
    1280x720 at 24 frames a second needs 0.66 Mbit/s: 10 MiB hold two minutes of it. Frames above 30 a second are free.
    """
    pixels = width * height
    return 0.03 * math.sqrt(1280 * 720 / pixels) * pixels * min(frames, 30 * seconds)


class Pictures:
    """Frames of the source, encoded anew, each at its own time."""

    def __init__(self, made: OutputContainer, source: VideoStream, seen: Seen, bits: float) -> None:
        (width, height), seconds, first = seen.size, seen.video.seconds, seen.first
        if bits < least_video_bits(width, height, seen.video.packets, seconds):
            raise Refused(f"{seconds:.1f} s of {width}x{height} would get only {max(0, bits) / 8:.0f} bytes")
        self._made, self._source, self._first = made, source, first
        self._stream = made.add_stream("libx264", rate=seen.rate, options={"preset": _PRESET})
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
        self._stream.bit_rate = int(bits / seconds)
        context = self._stream.codec_context
        context.time_base = source.time_base or 1 / seen.rate
        context.thread_count = THREADS
        if source.sample_aspect_ratio:
            context.sample_aspect_ratio = source.sample_aspect_ratio
        context.color_range = ColorRange.MPEG
        context.color_primaries, context.color_trc = first.color_primaries, first.color_trc
        context.colorspace = Colorspace.ITU709 if first.format.is_rgb else first.colorspace
        side_data: Any = first.side_data  # a mapping by name, not what PyAV's stub says
        if "DISPLAYMATRIX" in side_data:
            self._stream.set_display_matrix(array("i", bytes(side_data["DISPLAYMATRIX"])))
        is_plain = first.format.name == "yuv420p" and first.color_range != ColorRange.JPEG
        self._conversion: dict[str, Any] = {} if is_plain else {"format": "yuv420p", "dst_color_range": ColorRange.MPEG}
        if first.format.is_rgb:
            self._conversion["dst_colorspace"] = Colorspace.ITU709
        self._crop = None if (width, height) == shape(first)[:2] else cropping(source, first, width, height)
        self._last = -math.inf

    def learn(self, stats: Path, *, again: bool) -> None:
        """Before the first frame. The first try leaves what each frame cost, the second shares out better by it."""
        context = self._stream.codec_context
        context.flags |= Flags.pass2 if again else Flags.pass1
        context.options |= {"stats": str(stats), "fastfirstpass": "0"}

    def add(self, packet: Packet[Any]) -> None:
        for frame in self._source.decode(packet):
            stamp = frame.dts if frame.pts is None else frame.pts
            if shape(frame) != shape(self._first):
                raise Refused("its frames change their size")
            if stamp is None or stamp <= self._last:
                continue  # it would upset the encoder
            self._last = frame.pts = stamp
            frame.time_base = self._source.time_base
            self._encode(frame)

    def _encode(self, frame: VideoFrame) -> None:
        if self._crop:
            frame = self._crop(frame)
        if self._conversion:
            frame = frame.reformat(**self._conversion)
        frame.pict_type = 0  # or the source's key frames are forced on the encoder
        self._made.mux(self._stream.encode(frame))

    def finish(self) -> None:
        self._made.mux(self._stream.encode(None))


def shape(frame: VideoFrame) -> tuple[int, int, str]:
    return frame.width, frame.height, frame.format.name


def cropping(source: VideoStream, first: VideoFrame, width: int, height: int) -> Callable[[VideoFrame], VideoFrame]:
    graph = Graph()
    entry = graph.add_buffer(width=first.width, height=first.height, format=first.format, time_base=source.time_base)
    graph.link_nodes(entry, graph.add("crop", f"{width}:{height}:0:0"), graph.add("buffersink")).configure()

    def crop(frame: VideoFrame) -> VideoFrame:
        graph.vpush(frame)
        return graph.vpull()

    return crop


@dataclass(frozen=True, slots=True)
class SoundPlan:
    """Bits a second; and whether the source's packets are taken over as they are."""

    rate: float
    kept: bool


def plan_sound(source: AudioStream, span: Span, bits: float) -> SoundPlan:
    """Keeps what is AAC and leaves enough to the pictures; the rest gets what suits the size."""
    has = 8 * span.size_bytes
    if source.codec_context.name == "aac" and source.codec_context.extradata and has <= _KEPT_SOUND_SHARE * bits:
        return SoundPlan(has / span.seconds, kept=True)
    fitting = next((rate for rate in _SOUND_RATES if rate * span.seconds <= _SOUND_SHARE * bits), _SOUND_RATES[-1])
    return SoundPlan(fitting / 2 if source.channels == 1 else fitting, kept=False)


class Sound:
    """The sound of the source, as it is or encoded anew."""

    def __init__(self, made: OutputContainer, source: AudioStream, plan: SoundPlan) -> None:
        self._made, self._source, self._kept = made, source, plan.kept
        if plan.kept:
            self._stream = made.add_stream_from_template(source)
            return
        rate = source.sample_rate if source.sample_rate in _AAC_SAMPLE_RATES else 48_000
        layout = "mono" if source.channels == 1 else "stereo"
        self._stream = made.add_stream("aac", rate=rate, layout=layout, bit_rate=int(plan.rate))

    def add(self, packet: Packet[Any]) -> None:
        if self._kept:
            if packet.size:
                packet.stream = self._stream
                self._made.mux(packet)
            return
        for frame in self._source.decode(packet):
            frame.time_base = self._source.time_base
            self._made.mux(self._stream.encode(frame))

    def finish(self) -> None:
        if not self._kept:
            self._made.mux(self._stream.encode(None))
