"""Reads a stranger's video: what it is, how long, and whether all of it is there."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
from av import AudioStream, Packet, VideoFrame, VideoStream
from av.container import InputContainer

THREADS = max(1, min(4, (os.cpu_count() or 1) // 2))
"""Of decoder and encoder each: half of the machine is the bot's."""

_MAX_PIXELS = 2560 * 1440  # 4096x2160 takes more than the 1 GiB that the helper may have
_MOST_MISSING_S = 0.25  # of what the file declares; more means that it was cut short
# The kinds the bot downloads. FFmpeg's own guess knows playlists too, which open other files and addresses.
_KINDS = ((4, b"ftyp", "mov"), (0, b"\x1aE\xdf\xa3", "matroska"), (8, b"AVI ", "avi"))


class Refused(Exception):
    """Cannot be done, or not well; the words say why."""


@dataclass(slots=True)
class Span:
    """What the packets of one stream tell."""

    packets: int = 0
    size_bytes: int = 0
    start: float = math.inf
    end: float = -math.inf

    def add(self, packet: Packet[Any]) -> None:
        self.packets += 1
        self.size_bytes += packet.size
        stamp = packet.dts if packet.pts is None else packet.pts
        if stamp is not None:
            self.start = min(self.start, float(stamp * packet.time_base))
            self.end = max(self.end, float((stamp + (packet.duration or 0)) * packet.time_base))

    @property
    def seconds(self) -> float:
        return max(0.0, self.end - self.start)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a walk over all packets tells of a file."""

    first: VideoFrame
    video: Span
    sound: Span

    @property
    def size(self) -> tuple[int, int]:
        """Even: yuv420p has no odd sides, so the last row or column goes."""
        return self.first.width // 2 * 2, self.first.height // 2 * 2

    @property
    def rate(self) -> Fraction:
        return Fraction(self.video.packets / self.video.seconds).limit_denominator(1001)


def look(path: str) -> Seen:
    """Reads everything, decodes the first frame. Raises Refused for a file that ends before it should."""
    first: VideoFrame | None = None
    spans = {"video": Span(), "audio": Span()}
    with opened(path) as file:
        video, audio = streams(file)
        for packet in file.demux(*filter(None, (video, audio))):
            if packet.size:
                spans[packet.stream.type].add(packet)
            if packet.stream is video and first is None:
                first = next(iter(video.decode(packet)), None)
        for stream in filter(None, (video, audio)):
            whole = float((stream.duration or 0) * (stream.time_base or 0))
            if whole - spans[stream.type].seconds > _MOST_MISSING_S:
                raise Refused(f"cut short: {spans[stream.type].seconds:.2f} of {whole:.2f} s")
        if video.duration is None and (file.duration or 0) / 1e6 - max(s.end for s in spans.values()) > _MOST_MISSING_S:
            raise Refused("cut short")  # WebM tells the length of the whole alone
    if first is None or not spans["video"].seconds:
        raise Refused("no frame in it")
    return Seen(first, spans["video"], spans["audio"])


def opened(path: str) -> InputContainer:
    """Read as the kind its first bytes say. Raises Refused for any other."""
    with open(path, "rb") as file:  # noqa: PTH123 - FFmpeg takes names
        head = file.read(16)
    kind = next((name for at, mark, name in _KINDS if head[at : at + 4] == mark), None)
    if kind is None:
        raise Refused("not a video")
    return av.open(f"file:{path}", "r", format=kind, metadata_errors="replace")


def streams(file: InputContainer) -> tuple[VideoStream, AudioStream | None]:
    """The picture and the sound that a player would choose."""
    video, audio = file.streams.best("video"), file.streams.best("audio")
    if not isinstance(video, VideoStream) or not 0 < video.width * video.height <= _MAX_PIXELS:
        raise Refused("no picture in it, or too large a one")
    video.thread_count = THREADS
    return video, audio if isinstance(audio, AudioStream) else None
