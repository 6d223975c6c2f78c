"""Frames taken out of videos, and videos joined: by the process that decodes, on files made here."""

from __future__ import annotations

import io
import struct
from fractions import Fraction
from pathlib import Path

import av
import pytest
from PIL import Image

from bot.transcode.frame import write_frame
from bot.transcode.transcoder import Transcoder

FPS, STEP = 25, 8


def video(
    path: Path, frames: int, *, size: tuple[int, int] = (96, 64), first: int = 0, turned: int = 0, sound: bool = False
) -> Path:
    """Each frame is lighter than the one before by `STEP`; stored in another order than it is shown in."""
    with av.open(str(path), "w", format="mp4") as made:
        stream = made.add_stream("libx264", rate=FPS, options={"bf": "3", "b_strategy": "0", "qp": "4"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        if turned:
            stream.set_display_rotation(turned)
        audio = made.add_stream("aac", rate=48_000, layout="stereo") if sound else None
        for number in range(frames):
            plain = Image.new("RGBA", size, (first + number * STEP,) * 3 + (255,))
            plain.paste((255, 255, 255, 255), (0, 0, 8, 8))  # the corner that is up and left
            frame = av.VideoFrame.from_bytes(plain.tobytes(), *size)
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
        if audio is not None:
            for block in range(frames * 48_000 // FPS // 1024):
                samples = av.AudioFrame(format="fltp", layout="stereo", samples=1024)
                samples.sample_rate, samples.pts, samples.time_base = 48_000, block * 1024, Fraction(1, 48_000)
                for plane in samples.planes:
                    plane.update(b"\x00\x00\x00\x3e" * 1024)
                made.mux(audio.encode(samples))
            made.mux(audio.encode(None))
    return path


def cut_by_edit_list(path: Path, frames: int) -> None:
    """A player shows only so many frames, though all are there."""
    content = bytearray(path.read_bytes())
    at = content.index(b"elst") + 4
    (count,) = struct.unpack_from(">I", content, at + 4)
    assert count == 1
    struct.pack_into(">I", content, at + 8, frames * 1000 // FPS)
    path.write_bytes(content)


def light(picture: bytes | Path) -> int:
    opened = Image.open(io.BytesIO(picture) if isinstance(picture, bytes) else picture).convert("L")
    return light_at(opened, opened.width // 2, opened.height // 2)


def light_at(picture: Image.Image, x: int, y: int) -> int:
    return picture.getpixel((x, y))  # type: ignore[return-value]  # one band


def test_the_last_frame_is_the_one_shown_last_not_the_one_stored_last(tmp_path: Path) -> None:
    source = video(tmp_path / "a.mp4", 20)

    write_frame(str(source), tmp_path / "frame.png", last=True)

    assert light(tmp_path / "frame.png") == pytest.approx(19 * STEP, abs=2)


@pytest.mark.parametrize("shown", [7, 12])
def test_what_an_edit_list_cuts_off_the_end_is_not_the_last_frame(tmp_path: Path, shown: int) -> None:
    source = video(tmp_path / "a.mp4", 20)
    cut_by_edit_list(source, shown)

    write_frame(str(source), tmp_path / "frame.png", last=True)

    assert light(tmp_path / "frame.png") == pytest.approx((shown - 1) * STEP, abs=2)


def test_a_turned_video_gives_an_upright_frame(tmp_path: Path) -> None:
    write_frame(str(video(tmp_path / "a.mp4", 4, turned=90)), tmp_path / "frame.png", last=True)

    upright = Image.open(tmp_path / "frame.png").convert("L")
    assert upright.size == (64, 96)
    assert upright.getpixel((2, 93)) > 200  # type: ignore[operator]  # by 90 degrees against the clock


async def test_a_still_is_small_in_pixels_and_bytes(tmp_path: Path) -> None:
    source = video(tmp_path / "a.mp4", 21, size=(640, 360))

    still = await Transcoder().still(source, tmp_path / "work", side=320, most_bytes=20_000)

    assert still is not None
    assert len(still) <= 20_000
    assert Image.open(io.BytesIO(still)).size == (320, 180)
    assert light(still) == pytest.approx(10 * STEP, abs=2 * STEP)
    assert not (tmp_path / "work").exists()


async def test_joined_videos_play_one_after_the_other_in_the_size_of_the_first(tmp_path: Path) -> None:
    first = video(tmp_path / "a.mp4", 10)
    second = video(tmp_path / "b.mp4", 15, size=(128, 96), first=100, sound=True)

    joined = await Transcoder().joined([first, second], tmp_path / "work", limit_bytes=2_000_000, most_seconds=5)

    assert joined is not None
    with av.open(io.BytesIO(joined), "r") as file:
        frames = list(file.decode(video=0))
        assert (frames[0].width, frames[0].height) == (96, 64)
        assert len(frames) == pytest.approx(25, abs=1)
        assert file.streams.audio[0].duration is not None
        assert file.duration is not None
        assert file.duration / 1e6 == pytest.approx(1.0, abs=0.1)
    assert not (tmp_path / "work").exists()


async def test_a_video_of_another_shape_is_joined_undistorted_between_borders(tmp_path: Path) -> None:
    wide, tall = video(tmp_path / "a.mp4", 4), video(tmp_path / "b.mp4", 10, size=(64, 96), first=120)

    joined = await Transcoder().joined([wide, tall], tmp_path / "work", limit_bytes=2_000_000, most_seconds=5)

    assert joined is not None
    with av.open(io.BytesIO(joined), "r") as file:
        last = list(file.decode(video=0))[-1].to_image().convert("L")  # type: ignore[no-untyped-call]
    assert last.size == (96, 64)
    shown = [x for x in range(96) if light_at(last, x, 40) > 60]
    assert len(shown) == pytest.approx(64 * 64 / 96, abs=3)
    assert shown[0] == pytest.approx((96 - 64 * 64 / 96) / 2, abs=3)


async def test_what_would_be_too_long_or_is_no_video_is_not_made(tmp_path: Path) -> None:
    source, other = video(tmp_path / "a.mp4", 10), tmp_path / "b.mp4"
    other.write_bytes(b"not a video")
    transcoder = Transcoder()

    assert await transcoder.joined([source] * 3, tmp_path / "w", limit_bytes=2_000_000, most_seconds=1) is None
    assert await transcoder.last_frame(other, tmp_path / "w") is None
    assert await transcoder.last_frame(tmp_path / "none.mp4", tmp_path / "w") is None
