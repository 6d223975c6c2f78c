"""Reads a stranger's video: what it is, how long, and whether all of it is there."""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av import AudioStream, Packet, VideoFrame, VideoStream
from av.container import InputContainer

THREADS = max(1, min(4, (os.cpu_count() or 1) // 2))
"""Of decoder and encoder each: half of the machine is the bot's."""

_MAX_PIXELS = 2560 * 1440  # 4096x2160 takes more than the 1 GiB that the helper may have
_MOST_MISSING_S = 0.25  # of what the file declares; more means that it was cut short
_SOUND_JUMP_S = 0.005  # between two packets of sound; more is a gap, or an overlap
_FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")
# The kinds the bot downloads. FFmpeg's own guess knows playlists too, which open other files and addresses.
_KINDS = (
    (0, (b"\x1aE\xdf\xa3",), "matroska"),
    (8, (b"AVI ",), "avi"),
    (0, (b"GIF8",), "gif"),
    (0, (b"OggS",), "ogg"),
    (0, (b"FLV\x01",), "flv"),
    (0, (b"\0\0\x01\xba",), "mpeg"),
    (4, _FIRST_BOXES, "mov"),
)
_DECLARES_ITS_LENGTH = frozenset({"mov", "matroska", "avi"})


class Refused(Exception):
    """Cannot be done, or not well; the words say why."""


@dataclass(slots=True)
class Span:
    """What the packets of one stream tell. What an edit list cuts away is not counted."""

    packets: int = 0
    size_bytes: int = 0
    start: float = math.inf
    last: float = -math.inf
    end: float = -math.inf
    is_even: bool = True  # each packet follows upon the one before

    def add(self, packet: Packet[Any]) -> None:
        if packet.is_discard:
            return
        self.packets += 1
        self.size_bytes += packet.size
        stamp = packet.dts if packet.pts is None else packet.pts
        if stamp is None:
            return
        at, duration = float(stamp * packet.time_base), float((packet.duration or 0) * packet.time_base)
        self.is_even = self.is_even and (self.packets == 1 or abs(at - self.end) <= _SOUND_JUMP_S)
        self.start = min(self.start, at)
        if at >= self.last:  # frames come in another order than they are shown in; what the last one lasts is the end
            self.last, self.end = at, at + duration

    @property
    def seconds(self) -> float:
        return max(0.0, self.end - self.start)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a walk over all packets tells of a file."""

    first: VideoFrame
    video: Span
    sound: Span
    length_s: float | None = None
    """Of the whole, where it is certain; a last frame may be held for longer than its packet tells."""

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
    boxes = read_boxes(path)
    with opened(path) as file:
        video, audio = streams(file)
        for packet in packets(file, video, audio, is_fragmented=boxes.is_fragmented):
            if packet.size:
                spans[packet.stream.type].add(packet)
            if packet.stream is video and first is None:
                first = next(iter(video.decode(packet)), None)
        if not boxes.tell_the_end and file.format.name.split(",")[0] in _DECLARES_ITS_LENGTH:
            _check_end(file, [stream for stream in (video, audio) if stream is not None], spans)
        length_s = (file.duration or 0) / 1e6 if boxes.tell_the_end else None
    if first is None or not spans["video"].seconds:
        raise Refused("no frame in it")
    return Seen(first, spans["video"], spans["audio"], length_s)


def _check_end(file: InputContainer, chosen: list[VideoStream | AudioStream], spans: dict[str, Span]) -> None:
    for stream in chosen:
        whole = float((stream.duration or 0) * (stream.time_base or 0))
        if whole - spans[stream.type].seconds > _MOST_MISSING_S:
            raise Refused(f"cut short: {spans[stream.type].seconds:.2f} of {whole:.2f} s")
    end = max(spans[stream.type].end for stream in chosen)
    if chosen[0].duration is None and (file.duration or 0) / 1e6 - end > _MOST_MISSING_S:
        raise Refused("cut short")  # WebM tells the length of the whole alone


@dataclass(frozen=True, slots=True)
class Boxes:
    """What the outermost boxes of an MP4 tell; nothing of other kinds."""

    is_fragmented: bool = False
    tell_the_end: bool = False


def read_boxes(path: str) -> Boxes:
    """Raises Refused where one reaches beyond the file."""
    is_fragmented, at, size = False, 0, Path(path).stat().st_size
    with open(path, "rb") as file:  # noqa: PTH123 - as below
        while at + 8 <= size:
            file.seek(at)
            length, kind, long = struct.unpack(">I4sQ", file.read(16).ljust(16, b"\0"))
            if at == 0 and kind not in _FIRST_BOXES:
                return Boxes()
            is_fragmented = is_fragmented or kind == b"moof"
            length = long if length == 1 else length
            if length == 0:
                return Boxes(is_fragmented)  # it goes on to the end, wherever that was meant to be
            if length < 8 or at + length > size:
                raise Refused(f"cut short at {size} of {at + length} bytes")
            at += length
    return Boxes(is_fragmented, tell_the_end=not is_fragmented)


def packets(
    file: InputContainer, video: VideoStream, audio: AudioStream | None, *, is_fragmented: bool
) -> Iterator[Packet[Any]]:
    """What players play: FFmpeg would leave out fragments whose stamps are not in order, which nobody else does."""
    for packet in file.demux(*filter(None, (video, audio))):
        if not (is_fragmented and packet.is_discard and (packet.pts or 0) >= 0):
            yield packet
            continue
        plain: Packet[Any] = Packet(bytes(packet))
        plain.pts, plain.dts, plain.duration = packet.pts, packet.dts, packet.duration
        plain.time_base, plain.stream, plain.is_keyframe = packet.time_base, packet.stream, packet.is_keyframe
        yield plain


def opened(path: str) -> InputContainer:
    """Read as the kind its first bytes say. Raises Refused for any other."""
    with open(path, "rb") as file:  # noqa: PTH123 - FFmpeg takes names
        head = file.read(16)
    kind = next((name for at, marks, name in _KINDS if head[at:].startswith(marks)), None)
    if kind is None and (head.startswith(b"G") or head[4:5] == b"G"):
        kind = "mpegts"
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
