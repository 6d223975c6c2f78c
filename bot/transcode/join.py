"""Several videos as one: each after the other, in the size of the first."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av import AudioFrame, AudioResampler, VideoFrame
from av.audio.fifo import AudioFifo
from av.container import OutputContainer
from av.filter import Graph
from av.video.format import VideoFormat
from av.video.reformatter import ColorRange, Colorspace

from bot.transcode.fit import fit, good_bytes
from bot.transcode.probe import Refused, Seen, look, opened, packets, read_boxes, streams
from bot.transcode.webp import is_webp, unpack_webp

_NEARLY_LOSSLESS = {"preset": "ultrafast", "qp": "6"}
_SOUND_RATE = 48_000
_CLOCK = Fraction(1, 90_000)
_NO_BORDER = 4
"""Pixels, by which two videos of the same shape may differ after rounding."""
_MORE = 1.3
"""Times the bytes of the sources: so much is spent where there is room for it."""


def join(sources: Sequence[str], target: Path, limit_bytes: int, most_seconds: float) -> None:
    """Writes `target` with at most so many bytes. Raises Refused, also where it is longer; and FFmpeg's errors."""
    plain = [_readable(source, target.with_name(f"{number}.mkv")) for number, source in enumerate(sources)]
    seen = [look(source) for source in plain]
    if (seconds := sum(each.video.seconds for each in seen)) > most_seconds:
        raise Refused(f"{seconds:.1f} s in all")
    whole = target.with_name("whole.mkv")
    _put_together(plain, seen, whole)
    wanted = max(_MORE * sum(Path(source).stat().st_size for source in plain), sum(map(good_bytes, seen)))
    fit(str(whole), target, min(limit_bytes, int(wanted)))


def _readable(source: str, unpacked: Path) -> str:
    return unpack_webp(source, unpacked) if is_webp(source) else source


def _put_together(sources: Sequence[str], seen: Sequence[Seen], whole: Path) -> None:
    with av.open(f"file:{whole}", "w", format="matroska") as made:
        pictures = _Pictures(made, seen[0])
        sound = _Sound(made) if any(each.sound.packets for each in seen) else None
        at_s = Fraction(0)
        for source, each in zip(sources, seen, strict=True):
            length_s = Fraction(each.video.seconds).limit_denominator(90_000)
            _add(source, each, at_s, pictures, sound)
            at_s += length_s
            if sound is not None:
                sound.fill_up_to(at_s)
        pictures.finish()
        if sound is not None:
            sound.finish()


def _add(source: str, seen: Seen, at_s: Fraction, pictures: _Pictures, sound: _Sound | None) -> None:
    with opened(source) as file:
        video, audio = streams(file)
        start_s = Fraction(seen.video.start).limit_denominator(90_000)
        for packet in packets(file, video, audio if sound else None, is_fragmented=read_boxes(source).is_fragmented):
            if packet.stream is video:
                for frame in video.decode(packet):
                    pictures.add(frame, at_s - start_s)
            elif sound is not None and audio is not None:
                for samples in audio.decode(packet):
                    sound.add(samples)


class _Pictures:
    def __init__(self, made: OutputContainer, first: Seen) -> None:
        self._made = made
        self._stream = made.add_stream("libx264", rate=first.rate, options=_NEARLY_LOSSLESS)
        self._stream.width, self._stream.height = first.size
        self._stream.pix_fmt = "yuv420p"
        context, picture = self._stream.codec_context, first.first
        context.time_base, context.color_range = _CLOCK, ColorRange.MPEG
        context.color_primaries, context.color_trc = picture.color_primaries, picture.color_trc
        context.colorspace = self._colorspace = Colorspace.ITU709 if picture.format.is_rgb else picture.colorspace
        self._last = -1
        self._borders: dict[tuple[int, int], Graph] = {}

    def add(self, frame: VideoFrame, shift_s: Fraction) -> None:
        stamp = frame.dts if frame.pts is None else frame.pts
        if stamp is None or frame.time_base is None:
            return
        pts = round((stamp * frame.time_base + shift_s) / _CLOCK)
        if pts <= self._last:
            return  # it would upset the encoder
        plain = self._fitted(frame)
        self._last = plain.pts = pts
        plain.time_base = _CLOCK
        plain.pict_type = 0  # or the source's key frames are forced on the encoder
        self._made.mux(self._stream.encode(plain))

    def _fitted(self, frame: VideoFrame) -> VideoFrame:
        """In the size of the first: one of another shape stands between black borders, and is not distorted."""
        width, height = self._stream.width, self._stream.height
        scale = min(Fraction(width, frame.width), Fraction(height, frame.height))
        inner = _even(frame.width * scale, width), _even(frame.height * scale, height)
        plain = frame.reformat(*inner, "yuv420p", dst_colorspace=self._colorspace, dst_color_range=ColorRange.MPEG)
        if inner == (width, height):
            return plain
        if inner not in self._borders:
            self._borders[inner] = _border(inner, (width, height))
        self._borders[inner].push(plain)
        padded = self._borders[inner].pull()
        assert isinstance(padded, VideoFrame)
        return padded

    def finish(self) -> None:
        self._made.mux(self._stream.encode(None))


def _even(length: Fraction, most: int) -> int:
    """As H.264's halved colours want it. A pixel or two less than `most` is no border."""
    even = max(2, 2 * round(length / 2))
    return most if most - even <= _NO_BORDER else even


def _border(inner: tuple[int, int], outer: tuple[int, int]) -> Graph:
    graph = Graph()
    source = graph.add_buffer(width=inner[0], height=inner[1], format=VideoFormat("yuv420p"), time_base=_CLOCK)
    border = graph.add("pad", f"{outer[0]}:{outer[1]}:-1:-1")
    sink = graph.add("buffersink")
    source.link_to(border)
    border.link_to(sink)
    graph.configure()
    return graph


class _Sound:
    """One stretch of samples: silence where a video has none, and none of it beyond the video's end."""

    def __init__(self, made: OutputContainer) -> None:
        self._made = made
        self._stream = made.add_stream("flac", rate=_SOUND_RATE, layout="stereo", format="s16")
        self._resampler: AudioResampler | None = None
        self._fifo = AudioFifo()
        self._encoded = 0

    def add(self, samples: AudioFrame) -> None:
        if self._resampler is None:
            self._resampler = AudioResampler(format="s16", layout="stereo", rate=_SOUND_RATE)
        samples.pts = None
        self._queue(self._resampler.resample(samples))

    def fill_up_to(self, end_s: Fraction) -> None:
        """The video is over: the next begins there."""
        if self._resampler is not None:
            self._queue(self._resampler.resample(None))
            self._resampler = None
        wanted = round(end_s * _SOUND_RATE) - self._encoded
        while wanted > 0:
            count = min(wanted, _SOUND_RATE)
            have = min(count, self._fifo.samples)
            frame: Any = self._fifo.read(have) if have else _silence(count)
            self._encode(frame)
            wanted -= frame.samples
        self._fifo = AudioFifo()

    def finish(self) -> None:
        self._made.mux(self._stream.encode(None))

    def _queue(self, frames: Sequence[AudioFrame]) -> None:
        for frame in frames:
            frame.pts = None
            self._fifo.write(frame)

    def _encode(self, frame: AudioFrame) -> None:
        frame.sample_rate, frame.pts, frame.time_base = _SOUND_RATE, self._encoded, Fraction(1, _SOUND_RATE)
        self._encoded += frame.samples
        self._made.mux(self._stream.encode(frame))


def _silence(samples: int) -> AudioFrame:
    frame = AudioFrame(format="s16", layout="stereo", samples=samples)
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    return frame
