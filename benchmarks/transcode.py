"""A 25 MiB video made to fit 10 MiB: how long, how near the limit, how like its source, and what the bot feels of it.

    uv run python benchmarks/transcode.py [--limit-mib 10] [--idle-s 10]

Twelve seconds of 1280x720 noise with sound: the hardest there is to make smaller. The lag of the event loop is taken
by a 5 ms ticker, first with nothing to do, then while the video is encoded. Hold: posted under the limit; lag p99
within 50 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import math
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import psutil
from av.filter import Graph
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from bot.transcode.transcoder import Transcoder

SIZE, SECONDS, FPS = (1280, 720), 12, 24
BIT_RATE = 17_300_000  # 25 MiB
TICK_S = 0.005


def make_video(path: Path) -> None:
    """Noise over a slope that drifts, and noise to hear."""
    width, height = SIZE
    chance = random.Random(1)
    slope = Image.linear_gradient("L").resize((2 * width, height)).rotate(20)
    noises = [Image.effect_noise((2 * width, height), 40) for _ in range(3)]
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        video = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt, video.bit_rate = width, height, "yuv420p", BIT_RATE
        sound = container.add_stream("aac", rate=48_000, layout="stereo")
        for number in range(SECONDS * FPS):
            left = chance.randrange(width)
            noise = noises[number % 3].crop((left, 0, left + width, height))
            grey = Image.blend(slope.crop((number, 0, number + width, height)), noise, 0.3)
            picture = Image.merge(
                "RGBA", (grey, grey.point(lambda v: v // 2 + 60), grey.point(lambda v: 255 - v), grey)
            )
            frame = av.VideoFrame.from_bytes(picture.tobytes(), width, height)
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(video.encode(frame))
            if number % FPS == 0:
                heard = av.AudioFrame(format="s16", layout="stereo", samples=48_000)
                heard.sample_rate, heard.pts, heard.time_base = 48_000, 48_000 * (number // FPS), Fraction(1, 48_000)
                heard.planes[0].update(chance.randbytes(192_000))
                container.mux(sound.encode(heard))
        container.mux(video.encode(None))
        container.mux(sound.encode(None))


def likeness(source: Path, made: Path, kind: str) -> float:
    """Mean over all frames: SSIM, or PSNR of the brightness in dB."""
    with tempfile.TemporaryDirectory() as folder:
        stats = Path(folder, "stats")
        _compare(source, made, kind, stats)
        gc.collect()  # the filter writes its last lines when it goes
        mark = "All:" if kind == "ssim" else "psnr_y:"
        values = [float(line.split(mark)[1].split()[0]) for line in stats.read_text().splitlines() if mark in line]
    assert len(values) == SECONDS * FPS, len(values)
    return sum(values) / len(values)


def _compare(source: Path, made: Path, kind: str, stats: Path) -> None:
    graph = Graph()
    with av.open(str(source)) as first, av.open(str(made)) as second:
        entries = [graph.add_buffer(template=file.streams.video[0]) for file in (first, second)]
        compare, end = graph.add(kind, f"stats_file={stats}"), graph.add("buffersink")
        for place, entry in enumerate(entries):
            entry.link_to(compare, 0, place)
        compare.link_to(end)
        graph.configure()
        for pair in zip(first.decode(video=0), second.decode(video=0), strict=True):
            for place, frame in enumerate(pair):
                graph.vpush(frame, place)
            for _ in pulled(graph):
                pass


def pulled(graph: Graph) -> Iterator[Any]:
    while True:
        try:
            yield graph.vpull()
        except (av.BlockingIOError, av.EOFError):
            return


async def lags(stop: asyncio.Event) -> list[float]:
    """By how much each tick came late, in ms."""
    found = []
    while not stop.is_set():
        due = time.perf_counter() + TICK_S
        await asyncio.sleep(TICK_S)
        found.append(1000 * (time.perf_counter() - due))
    return found


async def highest_memory(stop: asyncio.Event) -> int:
    """RSS of the helper at its highest, in bytes."""
    highest = 0
    while not stop.is_set():
        for child in psutil.Process().children():
            try:
                highest = max(highest, child.memory_info().rss)
            except psutil.NoSuchProcess:
                continue
        await asyncio.sleep(0.5)
    return highest


def mib(path: Path) -> float:
    return path.stat().st_size / 2**20


def said(what: str, values: list[float]) -> str:
    values = sorted(values)
    p50, p99 = (values[math.ceil(share * len(values)) - 1] for share in (0.5, 0.99))
    return f"loop lag {what:<16} p50 {p50:.2f}  p99 {p99:.2f}  max {values[-1]:.2f} ms  ({len(values)} ticks)"


async def main(limit_bytes: int, idle_s: float) -> None:
    """Prints the figures."""
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder, "source.mp4"), Path(folder, "made.mp4")
        make_video(source)
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(idle_s, stop.set)
        idle = await lags(stop)

        stop = asyncio.Event()
        ticker, watch = asyncio.create_task(lags(stop)), asyncio.create_task(highest_memory(stop))
        started = time.perf_counter()
        done = await Transcoder().transcode(source, made, limit_bytes)
        took = time.perf_counter() - started
        stop.set()
        busy, memory = await ticker, await watch

        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        print(f"source  {mib(source):.2f} MiB, {SECONDS} s, {SIZE[0]}x{SIZE[1]}")
        if not done:
            print(f"cannot be made to fit {limit_bytes} bytes, found in {took:.1f} s")
            return
        share = mib(made) * 2**20 / limit_bytes
        print(f"made    {mib(made):.2f} MiB, {100 * share:.1f} % of the limit, in {took:.1f} s")
        print(f"        SSIM {likeness(source, made, 'ssim'):.4f}, PSNR {likeness(source, made, 'psnr'):.1f} dB")
        print(f"        the helper took {memory / 2**20:.0f} MiB at most")
        print(said("idle", idle))
        print(said("while shrinking", busy))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit-mib", type=float, default=10)
    parser.add_argument("--idle-s", type=float, default=10)
    options = parser.parse_args()
    asyncio.run(main(int(options.limit_mib * 2**20), options.idle_s))
