"""The sound of a video made anew: taken over as it is, or encoded, each moment where it was."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from av import AudioFrame, AudioResampler, AudioStream, Packet
from av.audio.fifo import AudioFifo
from av.container import OutputContainer

from bot.transcode.probe import Refused, Span

_RATES = (128_000, 96_000, 64_000)
_SHARE, _KEPT_SHARE = 0.1, 0.15  # of all bits; sound that is AAC already is best kept as it is
_AAC_SAMPLE_RATES = frozenset({16_000, 22_050, 24_000, 32_000, 44_100, 48_000})
_JUMP_S = 0.1
"""So far the stamps of the source may be off before they are believed: many containers round them."""
_LONGEST_GAP_S = 600
_FRAME_SAMPLES = 1024


@dataclass(frozen=True, slots=True)
class SoundPlan:
    """Bits a second; and whether the source's packets are taken over as they are."""

    rate: float
    kept: bool


def plan_sound(source: AudioStream, span: Span, bits: float) -> SoundPlan:
    """Keeps what is AAC without gaps and leaves enough to the pictures; the rest gets what suits the size."""
    has = 8 * span.size_bytes
    is_aac = source.codec_context.name == "aac" and source.codec_context.extradata
    if is_aac and span.is_even and has <= _KEPT_SHARE * bits:
        return SoundPlan(has / span.seconds, kept=True)
    fitting = next((rate for rate in _RATES if rate * span.seconds <= _SHARE * bits), _RATES[-1])
    return SoundPlan(fitting / 2 if source.channels == 1 else fitting, kept=False)


class KeptSound:
    """Packets as they are. Of those before the start one is kept: the decoder needs it, and players do not play it."""

    def __init__(self, made: OutputContainer, source: AudioStream) -> None:
        self._made, self._stream = made, made.add_stream_from_template(source)

    def add(self, packet: Packet[Any]) -> None:
        if not packet.size or (packet.is_discard and (packet.pts or 0) + 2 * (packet.duration or 0) <= 0):
            return
        packet.stream = self._stream
        self._made.mux(packet)

    def finish(self) -> None:
        """Nothing is held back."""


class EncodedSound:
    """One stretch of samples without holes: silence where the source has none, nothing twice where it overlaps."""

    def __init__(self, made: OutputContainer, source: AudioStream, bit_rate: float) -> None:
        self._made, self._source = made, source
        self._rate = source.sample_rate if source.sample_rate in _AAC_SAMPLE_RATES else 48_000
        self._layout = "mono" if source.channels == 1 else "stereo"
        self._stream = made.add_stream("aac", rate=self._rate, layout=self._layout, bit_rate=int(bit_rate))
        self._resampler = AudioResampler(format="fltp", layout=self._layout, rate=self._rate)
        self._fifo = AudioFifo()
        self._samples = 0
        self._encoded = 0

    def add(self, packet: Packet[Any]) -> None:
        for frame in self._source.decode(packet):
            stamp = packet.pts if frame.pts is None else frame.pts
            if stamp is not None:
                missing_s = float(stamp * packet.time_base) - self._samples / self._rate
                if missing_s < -_JUMP_S:
                    continue
                if missing_s > _JUMP_S or not self._samples:
                    self._be_silent(missing_s)
            frame.pts = None
            self._write(frame)

    def finish(self) -> None:
        self._write(None)
        self._encode(self._fifo.read(0, partial=True) if self._fifo.samples else None)
        self._made.mux(self._stream.encode(None))

    def _be_silent(self, seconds: float) -> None:
        if seconds > _LONGEST_GAP_S:
            raise Refused(f"a gap of {seconds:.0f} s in its sound")
        left = round(seconds * self._rate)
        while left > 0:
            silence = AudioFrame(format="fltp", layout=self._layout, samples=min(left, self._rate))
            silence.sample_rate = self._rate
            for plane in silence.planes:
                plane.update(bytes(plane.buffer_size))
            self._queue(silence)
            left -= silence.samples

    def _write(self, frame: AudioFrame | None) -> None:
        for plain in self._resampler.resample(frame):
            self._queue(plain)

    def _queue(self, plain: AudioFrame) -> None:
        self._samples += plain.samples
        plain.pts = None
        self._fifo.write(plain)
        while self._fifo.samples >= _FRAME_SAMPLES:
            self._encode(self._fifo.read(_FRAME_SAMPLES))

    def _encode(self, frame: AudioFrame | None) -> None:
        if frame is not None:
            frame.sample_rate, frame.pts, frame.time_base = self._rate, self._encoded, 1 / Fraction(self._rate)
            self._encoded += frame.samples
            self._made.mux(self._stream.encode(frame))
