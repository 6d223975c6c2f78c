"""Videos of every kind that a service may send come out playing everywhere, with sound and pictures in step."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from bot.transcode.playable import plays_everywhere
from bot.transcode.transcoder import Transcoder
from tests.integration.test_transcode import FPS, Kind, frame, heard, names, second_of_sound, seen, size_of
from tests.thorough import mostly_thorough
from tests.unit.images_samples import drawing

ANY_SIZE = 10 * 2**20
SECONDS = 2


@dataclass(frozen=True)
class Made:
    """How a video is written; `stamps` are of frames, `sound_at` of seconds of sound."""

    ending: str = "mp4"
    video: str = "libx264"
    sound: str | None = "aac"
    pix_fmt: str = "yuv420p"
    movflags: str = ""
    stamps: Callable[[int], int] = lambda number: number
    sound_at: Callable[[int], int] = lambda second: second
    sounds: int = SECONDS
    held_s: float = 0.0
    options: str = ""
    frames: int = SECONDS * FPS


PLAYABLE = {
    "H.264 and AAC": Made(),
    "H.264 without sound": Made(sound=None),
    "its index first": Made(movflags="faststart"),
    "in fragments": Made(movflags="frag_keyframe+empty_moov"),
    "in full range": Made(pix_fmt="yuvj420p"),
    "H.264 Baseline": Made(options="profile=baseline"),
}
UNPLAYABLE = {
    "MPEG-4 Part 2": Made(video="mpeg4"),
    "AVI": Made("avi", "mpeg4", "libmp3lame"),
    "ProRes": Made("mov", "prores_ks", "pcm_s16le", "yuv422p10le"),
    "HEVC of 10 bits": Made(video="libx265", pix_fmt="yuv420p10le", options="x265-params=log-level=none"),
    "H.264 of 10 bits": Made(pix_fmt="yuv420p10le"),
    "H.264 in 4:4:4": Made(pix_fmt="yuv444p"),
    "WebM": Made("webm", "libvpx", "libopus", options="deadline=realtime:cpu-used=8"),
    "VP9 in an MP4": Made(video="libvpx-vp9", options="deadline=realtime:cpu-used=8"),
    "H.264 with Opus": Made(sound="libopus"),
    "H.264 with MP3": Made(sound="libmp3lame"),
    "Matroska": Made("mkv"),
    "MPEG-TS": Made("ts"),
    "MPEG-PS": Made("mpg", "mpeg2video", "mp2"),
    "QuickTime": Made("mov"),
    "Flash": Made("flv"),
    "GIF": Made("gif", "gif", None, "rgb8"),
}
ENCODED = ("HEVC of 10 bits", "AVI", "GIF")
"""By default: pictures alone, with sound in another container, and without sound. All are known for what they are."""
IN_STEP = {
    "a last frame held": Made(held_s=3.0, sounds=5),
    "a last frame held without sound": Made(held_s=3.0, sound=None),
    "a gap in its pictures": Made(stamps=lambda n: n + 2 * FPS * (n >= FPS), sounds=4),
    "a gap in pictures and sound": Made(stamps=lambda n: n + 2 * FPS * (n >= FPS), sound_at=lambda s: 3 * s),
    "one fragment a frame": Made(movflags="frag_every_frame+empty_moov+default_base_moof"),
    "one fragment a frame with a gap": Made(
        movflags="frag_every_frame+empty_moov+default_base_moof", stamps=lambda n: n + 2 * FPS * (n >= FPS), sounds=4
    ),
    "pictures that begin late": Made(stamps=lambda n: n + FPS, sounds=3),
    "sound that begins late": Made(sound_at=lambda s: s + 1),
    "sound that goes on": Made(sounds=4),
}
KEPT, ANEW = "aac", "libmp3lame"
"""Sound that is taken over, and sound that has to be encoded anew."""
BY_DEFAULT = [
    ("a last frame held", KEPT),
    ("a gap in pictures and sound", ANEW),
    ("one fragment a frame with a gap", KEPT),
    ("sound that begins late", KEPT),
]


@pytest.fixture(name="sources", scope="session")
def _sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kinds")


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    folder.mkdir()
    return folder


@functools.cache
def written(made: Made, folder: Path) -> Path:
    path = folder / f"{abs(hash(made))}.{made.ending}"
    flags = {"movflags": made.movflags} if made.movflags else {}
    with av.open(str(path), "w", options=flags) as container:
        options = dict(re.findall(r"(?:^|:)([a-z-]+[0-9]*-?[a-z]*)=([^:]+)", made.options))
        if made.video in ("libx264", "libx265"):
            options["preset"] = "ultrafast"
        video = container.add_stream(made.video, rate=FPS, options=options)
        assert isinstance(video, av.VideoStream)
        video.width, video.height, video.pix_fmt, video.bit_rate = 160, 90, made.pix_fmt, 500_000
        sound: Any = container.add_stream(made.sound, rate=48_000) if made.sound else None
        kind = Kind(size=(160, 90), stamps=made.stamps)
        packets = [packet for number in range(made.frames) for packet in video.encode(frame(kind, number))]
        packets += video.encode(None)
        if made.held_s:
            packets[-1].duration = int(made.held_s / packets[-1].time_base)
        for second in range(made.sounds if sound else 0):
            one = second_of_sound(second)
            one.pts = 48_000 * made.sound_at(second)
            packets += sound.encode(one)
        packets += sound.encode(None) if sound else []
        for packet in sorted(packets, key=lambda one: (one.dts or 0) * one.time_base):
            container.mux(packet)
    return path


def length_s(path: Path) -> float:
    with av.open(str(path)) as container:
        return float(container.duration or 0) / 1e6


def loud_at(path: Path) -> list[int]:
    """The tenths of seconds in which there is something to hear."""
    found = set()
    for sound, values in heard(path):
        if max(map(abs, values), default=0) > 500 and sound.time is not None and sound.time >= 0:
            found.add(round(sound.time * 10))
    return sorted(found)


@pytest.mark.parametrize("name", PLAYABLE)
async def test_what_plays_everywhere_is_shown_as_it_is(name: str, sources: Path, folder: Path) -> None:
    source = written(PLAYABLE[name], sources)

    assert await Transcoder().prepare(source, folder / "small.mp4", size_of(source)) == source
    assert names(folder) == []


@pytest.mark.parametrize("name", UNPLAYABLE)
def test_what_does_not_play_everywhere_is_known(name: str, sources: Path) -> None:
    assert not plays_everywhere(written(dataclasses.replace(UNPLAYABLE[name], frames=4), sources))


@pytest.mark.parametrize("name", mostly_thorough(UNPLAYABLE, ENCODED))
async def test_what_does_not_play_everywhere_is_encoded_anew_whatever_its_size(
    name: str, sources: Path, folder: Path
) -> None:
    source, target = written(UNPLAYABLE[name], sources), folder / "small.mp4"

    assert await Transcoder().prepare(source, target, ANY_SIZE) == target

    assert plays_everywhere(target)
    before, after = seen(source), seen(target)
    assert after.codecs == ("h264", "aac")[: len(before.codecs)]
    assert after.size == before.size
    lost = len(before.stamps) - len(after.stamps)
    assert 0 <= lost <= (name == "MPEG-PS")  # such a stream need not tell the time of its picture at either end
    assert after.length == pytest.approx(before.length, abs=1.5 / FPS)
    assert after.sound_s == pytest.approx(before.sound_s, abs=2 / FPS)
    kept = [before.lights[first : first + len(after.lights)] for first in range(lost + 1)]
    assert min(max(abs(old - new) for old, new in zip(each, after.lights, strict=True)) for each in kept) <= 4
    assert size_of(target) < ANY_SIZE / 4, "no more than is good for it"


@pytest.mark.parametrize(
    "case",
    mostly_thorough(
        [(name, sound) for name in IN_STEP for sound in (KEPT, ANEW) if sound == KEPT or IN_STEP[name].sound],
        BY_DEFAULT,
    ),
    ids="-".join,
)
async def test_pictures_and_sound_stay_where_they_were(case: tuple[str, str], sources: Path, folder: Path) -> None:
    name, sound = case
    made = IN_STEP[name]
    source = written(dataclasses.replace(made, sound=made.sound and sound), sources)
    target = folder / "small.mp4"

    assert await Transcoder().transcode(source, target, max(40_000, size_of(source) * 3 // 4))

    before, after = seen(source), seen(target)
    is_fragmented = "frag" in made.movflags  # FFmpeg leaves out some of what players play
    if not is_fragmented:
        assert [stamp - after.stamps[0] for stamp in after.stamps] == pytest.approx(
            [stamp - before.stamps[0] for stamp in before.stamps], abs=0.002
        )
    assert after.length == pytest.approx(before.length, abs=1.5 / FPS)
    assert length_s(target) == pytest.approx(length_s(source), abs=0.15)
    if made.sound:
        expected = [
            10 * made.sound_at(second) + tenth
            for second in range(made.sounds)
            for tenth in range(10)
            if made.sound_at(second) >= 0
        ]
        loud = set(loud_at(target))
        assert len(loud - set(expected)) <= 4
        assert len(set(expected) - loud) <= 2 + made.sounds // 2


def trimmed(source: Path, target: Path, seconds: float) -> Path:
    """The same, its start cut away by an edit list: the packets stay, players begin later."""
    with (
        av.open(str(source)) as file,
        av.open(str(target), "w", options={"movflags": "faststart"}) as made,
    ):
        kept = {stream.index: made.add_stream_from_template(stream) for stream in file.streams}
        for packet in file.demux():
            if packet.dts is None:
                continue
            off = int(seconds / packet.time_base)
            packet.pts, packet.dts = (packet.pts or 0) - off, packet.dts - off
            packet.stream = kept[packet.stream_index]
            made.mux(packet)
    return target


@pytest.mark.parametrize("sound", ["aac", None])
async def test_a_start_cut_away_by_an_edit_list_stays_away(
    sound: str | None, sources: Path, folder: Path, tmp_path: Path
) -> None:
    source = trimmed(written(Made(sound=sound), sources), tmp_path / "trimmed.mp4", 0.7)
    before = seen(source)
    assert before.length < 1.4, "FFmpeg made no edit list"

    assert await Transcoder().transcode(source, folder / "small.mp4", 60_000)

    after = seen(folder / "small.mp4")
    assert len(after.stamps) == len(before.stamps)
    assert after.length == pytest.approx(before.length, abs=0.002)
    assert max(abs(old - new) for old, new in zip(before.lights, after.lights, strict=True)) <= 4
    assert after.sound_s == pytest.approx(before.sound_s, abs=0.05)
    assert length_s(folder / "small.mp4") == pytest.approx(length_s(source), abs=0.1)


async def test_an_animation_in_webp_becomes_a_video_at_its_own_pace(folder: Path, tmp_path: Path) -> None:
    first, *others = [drawing((160, 90)).rotate(10 * number) for number in range(12)]
    source = tmp_path / "animation.mp4"
    first.save(source, "WEBP", save_all=True, append_images=others, duration=[100] * 6 + [200] * 6)

    assert await Transcoder().prepare(source, folder / "small.mp4", ANY_SIZE) == folder / "small.mp4"

    stamps = seen(folder / "small.mp4").stamps
    assert stamps == pytest.approx([*(n / 10 for n in range(6)), *(0.6 + n / 5 for n in range(6))], abs=0.002)


async def test_a_picture_that_does_not_move_is_left_as_it_is(folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "still.mp4"
    Image.new("RGB", (64, 64)).save(source, "WEBP")

    assert await Transcoder().prepare(source, folder / "small.mp4", ANY_SIZE) == source
    assert names(folder) == []


async def test_what_failed_once_is_not_tried_again_with_as_little_or_less(
    sources: Path, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source, transcoder = written(Made(), sources), Transcoder()

    for limit in (3000, 3000, 2000):
        assert await transcoder.prepare(source, folder / "small.mp4", limit) == source
    assert len([record for record in caplog.records if "would get only" in record.getMessage()]) == 1

    assert await transcoder.prepare(source, folder / "small.mp4", size_of(source) * 2 // 3) == folder / "small.mp4"
    assert await transcoder.prepare(source, folder / "small.mp4", size_of(source) * 3 // 4) == folder / "small.mp4"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"",
        lambda data: data[:60],
        lambda data: data[: len(data) // 2],
        lambda data: data.replace(b"avcC", b"avcX"),
        lambda data: data.replace(b"esds", b"esdX"),
        lambda data: data.replace(b"stsd", b"stsX"),
        lambda data: data.replace(b"trak", b"skip"),
        lambda data: data.replace(b"moov", b"free"),
        lambda data: b"\0\0\0\1" + data[4:],
    ],
    ids=["empty", "its start", "half", "no avcC", "no esds", "no stsd", "no track", "no index", "a long box"],
)
def test_what_cannot_be_read_is_not_taken_for_playable(
    spoil: Callable[[bytes], bytes], sources: Path, tmp_path: Path
) -> None:
    path = tmp_path / "spoiled.mp4"
    path.write_bytes(spoil(written(Made(), sources).read_bytes()))

    assert not plays_everywhere(path)
