"""A video over an upload limit is encoded again to fit, by a process that leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
import shutil
import subprocess
import sys
from array import array
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import psutil
import pytest
from PIL import Image, ImageStat

from bot.transcode.encode import least_video_bits
from bot.transcode.transcoder import Transcoder
from tests.thorough import mostly_thorough

PROJECT = Path(__file__).parents[2]
FPS = 24


@dataclass(frozen=True)
class Kind:
    """How a source is made."""

    ending: str = "mp4"
    video: str = "libx264"
    sound: str | None = "aac"
    size: tuple[int, int] = (320, 180)
    seconds: int = 2
    bit_rate: int = 4_000_000
    turned: int = 0
    pix_fmt: str = "yuv420p"
    stamps: Callable[[int], int] = lambda number: number
    noisy: Callable[[int], bool] = lambda _number: True


NOISY = Kind()
LONG = Kind(size=(640, 360), seconds=6, bit_rate=8_000_000)
LATE = Kind(seconds=3, noisy=lambda number: number >= 50)
OTHERS = {
    "without sound": Kind(sound=None, seconds=1),
    "WebM": Kind("webm", "libvpx", "libopus", (160, 96), seconds=1),
    "AVI": Kind("avi", "mjpeg", "pcm_s16le", (160, 90), seconds=1, pix_fmt="yuvj420p"),
    "turned": Kind(turned=90, seconds=1),
    "of odd sides": Kind("avi", "mjpeg", "pcm_s16le", (161, 91), seconds=1, pix_fmt="yuvj444p"),
    "of varying frame rate": Kind(stamps=lambda number: number + number // 5 + 3 * (number // 11)),
}


@functools.cache
def noises(size: tuple[int, int]) -> list[Image.Image]:
    return [Image.effect_noise((2 * size[0], size[1]), 60).convert("RGB") for _ in range(3)]


def frame(kind: Kind, number: int) -> av.VideoFrame:
    """Noise under a light that grows, so that each frame can be told from its neighbours."""
    left = random.Random(number).randrange(kind.size[0])
    light = Image.new("RGB", kind.size, (40 + number * 3 % 180,) * 3)
    noise = noises(kind.size)[number % 3].crop((left, 0, left + kind.size[0], kind.size[1]))
    picture = Image.blend(light, noise, 0.3 if kind.noisy(number) else 0.0).convert("RGBA")
    made = av.VideoFrame.from_bytes(picture.tobytes(), *kind.size)
    made.pts, made.time_base = kind.stamps(number), Fraction(1, FPS)
    return made


def second_of_sound(number: int) -> av.AudioFrame:
    made = av.AudioFrame(format="s16", layout="stereo", samples=48_000)
    made.sample_rate, made.pts, made.time_base = 48_000, 48_000 * number, Fraction(1, 48_000)
    made.planes[0].update(noise(number))
    return made


@functools.cache
def noise(number: int) -> bytes:
    return array("h", random.Random(number).choices(range(-8000, 8000), k=96_000)).tobytes()


def heard(path: Path) -> Iterator[tuple[av.AudioFrame, memoryview]]:
    """Every frame of sound, and its samples in one channel of 48 kHz."""
    with av.open(str(path)) as container:
        plain = av.AudioResampler(format="s16", layout="mono", rate=48_000)
        for frame in container.decode(audio=0) if container.streams.audio else ():
            assert isinstance(frame, av.AudioFrame)
            (one,) = plain.resample(frame)
            yield frame, memoryview(bytes(one.planes[0])[: 2 * one.samples]).cast("h")


@functools.cache
def video(kind: Kind, folder: Path) -> Path:
    path = folder / f"{abs(hash(kind))}.{kind.ending}"
    with av.open(str(path), "w", options={"movflags": "faststart"} if kind.ending == "mp4" else {}) as container:
        speed = {"preset": "ultrafast"} if kind.video == "libx264" else {"deadline": "realtime", "cpu-used": "8"}
        video = container.add_stream(kind.video, rate=FPS, options=speed)
        assert isinstance(video, av.VideoStream)
        video.width, video.height, video.pix_fmt = *kind.size, kind.pix_fmt
        video.bit_rate = kind.bit_rate
        if kind.turned:
            video.set_display_rotation(kind.turned)
        sound: Any = container.add_stream(kind.sound, rate=48_000) if kind.sound else None
        for number in range(kind.seconds * FPS):
            container.mux(video.encode(frame(kind, number)))
            if sound and number % FPS == 0:
                container.mux(sound.encode(second_of_sound(number // FPS)))
        container.mux(video.encode(None))
        if sound:
            container.mux(sound.encode(None))
    return path


@dataclass(frozen=True)
class Seen:
    """A video, every frame and every sound of it decoded."""

    codecs: tuple[str, ...]
    size: tuple[int, int]
    pix_fmt: str | None
    rate: float
    turned: int
    stamps: list[float]
    lights: list[int]
    sound_s: float
    loudness: float

    @property
    def length(self) -> float:
        return self.stamps[-1] - self.stamps[0]


def seen(path: Path) -> Seen:
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        frames = list(container.decode(video))
        codecs = tuple(stream.codec_context.name for stream in container.streams)
        rate = float(video.average_rate or 0)
    samples, loud = 0, 0.0
    for sound, values in heard(path):
        samples += sound.samples
        loud += sum(map(abs, values))
    return Seen(
        codecs=codecs,
        size=(frames[0].width, frames[0].height),
        pix_fmt=frames[0].format.name,
        rate=rate,
        turned=frames[0].rotation,
        stamps=[float(one.time) for one in frames],
        lights=[light(one) for one in frames],
        sound_s=samples / 48_000,
        loudness=loud / max(1, samples),
    )


def light(one: av.VideoFrame) -> int:
    grey = one.reformat(format="gray", dst_color_range="MPEG").planes[0]
    seen = Image.frombytes("L", (grey.width, grey.height), bytes(grey), "raw", "L", grey.line_size)
    return round(ImageStat.Stat(seen).mean[0])


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    """Where the target goes; nothing but the target is ever left in it."""
    folder = tmp_path / "videos"
    folder.mkdir()
    return folder


@pytest.fixture(name="sources", scope="session")
def _sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sources")


@pytest.fixture(name="noisy")
def _noisy(sources: Path) -> Path:
    return video(NOISY, sources)


@pytest.fixture(name="long")
def _long(sources: Path) -> Path:
    """Takes a few seconds."""
    return video(LONG, sources)


def size_of(path: Path) -> int:
    return path.stat().st_size


def share(path: Path) -> int:
    """A limit that stands to this file as 10 MiB to 25."""
    return size_of(path) * 2 // 5


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def helpers() -> list[psutil.Process]:
    """Processes that encode for this one."""
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if "bot.transcode" in child.cmdline() and child.status() != psutil.STATUS_ZOMBIE:
                found.append(child)
    return found


async def until(is_so: Callable[[], object], what: str) -> None:
    try:
        async with asyncio.timeout(20):
            while not is_so():  # noqa: ASYNC110 - processes and files tell nobody
                await asyncio.sleep(0.01)
    except TimeoutError:
        pytest.fail(f"{what} in 20 s")


@contextlib.asynccontextmanager
async def at_work(transcoder: Transcoder, source: Path, target: Path) -> AsyncIterator[asyncio.Task[bool]]:
    """A video being shrunk, its helper already writing."""
    task = asyncio.create_task(transcoder.transcode(source, target, share(source)))
    await until(lambda: list(target.parent.glob("*.shrinking/video.mp4")) or task.done(), "no helper wrote")
    assert not task.done()
    yield task
    task.cancel()
    await asyncio.wait({task})


class TestResult:
    async def test_it_fits_and_shows_and_sounds_the_same(self, noisy: Path, folder: Path) -> None:
        target, limit = folder / "small.mp4", share(noisy)

        assert await Transcoder().transcode(noisy, target, limit)

        before, after = seen(noisy), seen(target)
        assert 0.85 * limit < size_of(target) <= limit
        assert (after.codecs, after.size, after.pix_fmt) == (("h264", "aac"), before.size, "yuv420p")
        assert (after.rate, after.stamps) == (before.rate, before.stamps)
        assert after.sound_s == pytest.approx(before.sound_s, abs=1 / FPS)
        assert after.loudness == pytest.approx(before.loudness, rel=0.1)
        assert max(abs(old - new) for old, new in zip(before.lights, after.lights, strict=True)) <= 2
        assert names(folder) == ["small.mp4"]
        content = target.read_bytes()
        assert content[4:8] == b"ftyp"
        assert 0 < content.index(b"moov") < content.index(b"mdat"), "a player has to load all of it first"

    @pytest.mark.parametrize("name", mostly_thorough(OTHERS, ["turned", "of odd sides"]))
    async def test_other_sources_work_too(self, name: str, sources: Path, folder: Path) -> None:
        kind = OTHERS[name]
        source, target = video(kind, sources), folder / "small.mp4"
        limit = share(source)

        assert await Transcoder().transcode(source, target, limit)

        before, after = seen(source), seen(target)
        assert size_of(target) <= limit
        assert after.codecs == ("h264", "aac")[: len(before.codecs)]
        assert after.size == (before.size[0] // 2 * 2, before.size[1] // 2 * 2)
        assert (after.pix_fmt, after.turned) == ("yuv420p", kind.turned)
        assert after.stamps == pytest.approx(before.stamps, abs=0.0005)
        assert after.rate == pytest.approx(before.rate, rel=0.01)
        assert after.sound_s == pytest.approx(before.sound_s, abs=1 / FPS)
        assert after.loudness >= 0.5 * before.loudness
        assert max(abs(old - new) for old, new in zip(before.lights, after.lights, strict=True)) <= 3

    async def test_frames_that_cost_unlike_their_neighbours_are_tried_a_second_time(
        self, sources: Path, folder: Path
    ) -> None:
        source, target = video(LATE, sources), folder / "small.mp4"

        assert await Transcoder().transcode(source, target, share(source))

        assert size_of(target) <= share(source)
        assert seen(target).stamps == seen(source).stamps

    async def test_it_may_take_the_place_of_its_source(self, noisy: Path, folder: Path) -> None:
        source = Path(shutil.copy(noisy, folder / "1.mp4"))
        limit = share(source)

        assert await Transcoder().transcode(source, source, limit)

        assert size_of(source) <= limit

    def test_smaller_frames_need_more_bits_for_each_pixel_and_more_frames_a_second_than_30_none(self) -> None:
        a_second = {size: least_video_bits(*size, FPS, 1) for size in ((854, 480), (1280, 720), (1920, 1080))}

        assert [round(bits / (w * h * FPS), 3) for (w, h), bits in a_second.items()] == [0.045, 0.03, 0.02]
        assert least_video_bits(1280, 720, 60, 1) == least_video_bits(1280, 720, 30, 1)


class TestRefused:
    async def test_what_would_look_broken_is_not_made(
        self, noisy: Path, folder: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert not await Transcoder().transcode(noisy, folder / "small.mp4", 20_000)

        assert names(folder) == []
        assert [record.getMessage() for record in caplog.records if "320x180 would get only" in record.getMessage()]

    @pytest.mark.parametrize(
        "broken",
        [
            lambda whole: b"",
            lambda whole: whole[:1000],
            lambda whole: whole[: len(whole) // 2],
            lambda whole: whole[:4] + b"ftyp" + random.Random(1).randbytes(100_000),
            lambda whole: b"RIFF\0\0\1\0AVI " + random.Random(2).randbytes(100_000),
            lambda whole: b"#EXTM3U\n#EXTINF:1\n/etc/passwd\n",
        ],
        ids=["empty", "its start", "cut short", "noise", "noise as AVI", "a playlist"],
    )
    async def test_a_broken_source_is_refused(
        self, broken: Callable[[bytes], bytes], noisy: Path, tmp_path: Path, folder: Path
    ) -> None:
        source = tmp_path / "broken.mp4"
        await asyncio.to_thread(lambda: source.write_bytes(broken(noisy.read_bytes())))

        assert not await Transcoder().transcode(source, folder / "small.mp4", 500_000)

        assert names(folder) == []

    async def test_a_source_or_folder_that_is_not_there_is_refused(self, noisy: Path, folder: Path) -> None:
        assert not await Transcoder().transcode(folder / "none.mp4", folder / "small.mp4", 500_000)
        assert not await Transcoder().transcode(noisy, folder / "none" / "small.mp4", 500_000)

        assert names(folder) == []

    async def test_too_long_is_refused_and_leaves_nothing(self, noisy: Path, folder: Path) -> None:
        assert not await Transcoder(within_s=0.05).transcode(noisy, folder / "small.mp4", share(noisy))

        assert (helpers(), names(folder)) == ([], [])


class TestProcess:
    async def test_cancelled_it_is_gone_with_its_files(self, long: Path, folder: Path) -> None:
        async with at_work(Transcoder(), long, folder / "small.mp4") as task:
            (helper,) = helpers()

            task.cancel()
            await asyncio.wait({task})

            assert task.cancelled()
            assert not helper.is_running()
            assert names(folder) == []

    async def test_the_bot_killed_takes_it_along(self, long: Path, folder: Path) -> None:
        bot = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "import asyncio, sys, pathlib\nfrom bot.transcode.transcoder import Transcoder\n"
            "asyncio.run(Transcoder().transcode(*map(pathlib.Path, sys.argv[1:3]), int(sys.argv[3])))",
            str(long), str(folder / "small.mp4"), str(share(long)), cwd=PROJECT,
        )  # fmt: skip
        await until(lambda: list(folder.glob("*.shrinking/video.mp4")), "no helper wrote")
        (helper,) = psutil.Process(bot.pid).children()

        bot.kill()
        await bot.wait()

        await until(lambda: not helper.is_running() or helper.status() == psutil.STATUS_ZOMBIE, "the helper lived on")
        assert names(folder) == []

    async def test_it_is_niced_deaf_to_sigterm_and_knows_no_secret(
        self, long: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DISCORD_TOKEN", "secret")
        async with at_work(Transcoder(), long, folder / "small.mp4") as task:
            (helper,) = helpers()

            helper.terminate()

            assert helper.nice() > psutil.Process().nice()
            assert "DISCORD_TOKEN" not in helper.environ()
            assert helper.is_running()
            assert not task.done()

    async def test_two_at_a_time(self, noisy: Path, folder: Path) -> None:
        transcoder = Transcoder()
        most = 0
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(transcoder.transcode(noisy, folder / f"{number}.mp4", share(noisy)))
                for number in range(4)
            ]
            while not all(task.done() for task in tasks):
                most = max(most, len(helpers()))
                await asyncio.sleep(0.02)

        assert [task.result() for task in tasks] == [True] * 4
        assert most == 2

    async def test_cancelled_before_its_turn_those_at_work_go_on(self, noisy: Path, folder: Path) -> None:
        transcoder = Transcoder()
        *others, third = [
            asyncio.create_task(transcoder.transcode(noisy, folder / f"{number}.mp4", share(noisy)))
            for number in range(3)
        ]
        await until(lambda: len(helpers()) == 2, "no two helpers")

        third.cancel()

        assert await asyncio.gather(*others) == [True, True]
        assert names(folder) == ["0.mp4", "1.mp4"]

    async def test_whose_turn_does_not_come_is_told_so_in_time(
        self, long: Path, noisy: Path, folder: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        transcoder = Transcoder(wait_s=0.05)
        others = [asyncio.create_task(transcoder.transcode(long, folder / f"{n}.mp4", share(long))) for n in range(2)]
        await until(lambda: len(helpers()) == 2, "no two helpers")

        assert await transcoder.prepare(noisy, folder / "late.mp4", share(noisy)) == noisy

        assert "no turn within 0.05 s" in caplog.text
        for task in others:
            task.cancel()
        await asyncio.wait(others)
        assert await transcoder.prepare(noisy, folder / "late.mp4", share(noisy)) == folder / "late.mp4"

    async def test_two_who_want_the_same_video_made_smaller_share_one_result(self, noisy: Path, folder: Path) -> None:
        """Two presses of "Show again" in one moment, say, or one during a delivery."""
        transcoder, target = Transcoder(), folder / "small.mp4"

        found = await asyncio.gather(*(transcoder.prepare(noisy, target, share(noisy)) for _ in range(3)))

        assert found == [target] * 3
        assert names(folder) == ["small.mp4"]

    async def test_who_leaves_while_another_waits_for_the_same_video_takes_nothing_along(
        self, noisy: Path, folder: Path
    ) -> None:
        transcoder, target = Transcoder(), folder / "small.mp4"
        first, second = [asyncio.create_task(transcoder.prepare(noisy, target, share(noisy))) for _ in range(2)]
        await until(helpers, "no helper")

        first.cancel()

        assert await second == target
        assert names(folder) == ["small.mp4"]

    async def test_the_loop_runs_on_meanwhile(self, noisy: Path, folder: Path) -> None:
        ticks = 0
        task = asyncio.create_task(Transcoder().transcode(noisy, folder / "small.mp4", share(noisy)))
        await until(helpers, "no helper")
        while not task.done():
            await asyncio.sleep(0.005)
            ticks += 1

        assert task.result()
        assert ticks >= 20

    def test_the_bot_itself_never_loads_ffmpeg(self) -> None:
        code = "import sys, bot.transcode.transcoder; sys.exit('av' in sys.modules)"

        assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=False).returncode == 0
