"""Encodes a video anew with so many bytes: H.264 and AAC in an MP4, its index first."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av import Packet, VideoFrame, VideoStream
from av.codec.context import Flags
from av.container import OutputContainer
from av.filter import Graph
from av.video.reformatter import ColorRange, Colorspace

from bot.transcode.probe import THREADS, Refused, Seen, opened, packets, read_boxes, streams
from bot.transcode.sound import EncodedSound, KeptSound, plan_sound

# One thread of x264, 12 s of 1280x720 noise from 25 MiB to 10: "veryfast" 9 s and SSIM 0.911, "faster" 12 s and 0.915,
# "fast" 17 s and 0.912, "medium" 21 s and 0.913. A second pass takes as long again for 0.001,
# so it is taken only where one came out too large.
_PRESET = "faster"
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
        sound: KeptSound | EncodedSound | None = None
        if audio and plan:
            sound = KeptSound(made, audio) if plan.kept else EncodedSound(made, audio, plan.rate)
        start_s = Fraction(max(0, file.start_time or 0), 1_000_000)
        for packet in packets(file, video, audio, is_fragmented=read_boxes(source).is_fragmented):
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
        self._last, self._render_times = -math.inf, dict[int, int]()

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
            self._render_times[stamp] = frame.duration
            frame.time_base = self._source.time_base
            self._encode(frame)

    def _encode(self, frame: VideoFrame) -> None:
        if self._crop:
            frame = self._crop(frame)
        if self._conversion:
            frame = frame.reformat(**self._conversion)
        frame.pict_type = 0  # or the source's key frames are forced on the encoder
        self._mux(self._stream.encode(frame))

    def finish(self) -> None:
        self._mux(self._stream.encode(None))

    def _mux(self, packets: list[Packet[Any]]) -> None:
        """Each lasts as long as its frame did, or a last frame that is held would vanish at once."""
        for packet in packets:
            packet.duration = self._render_times.pop(packet.pts or 0, 0) or packet.duration
            self._made.mux(packet)


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
