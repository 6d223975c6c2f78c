"""A 12-megapixel JPEG fitted, against plain Pillow in the same run: time as a ratio, likeness as PSNR.

    uv run python benchmarks/pictures.py [--rounds 7]
    uv run python benchmarks/pictures.py --memory   the largest picture of each kind, two at once, each in a new process

Hold: ratio <= 0.5, PSNR >= 38 dB; under 400 MB more for two at once.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import math
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pillow_heif
import psutil
from PIL import Image, ImageChops, ImageDraw, ImageOps, ImageStat

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.figures import Figure
from bot.images.fitter import Fitted, Fitter
from bot.images.resize import QUALITY, fit

pillow_heif.register_heif_opener()
PHOTO = (4000, 3000)
ORIENTATION_TAG = 0x0112


def photo(size: tuple[int, int]) -> Image.Image:
    """Something like a photo: noise that halves with each octave, as in nature, hard edges and small print."""
    picture = Image.new("RGB", size, (120, 128, 120))
    cell, strength = max(size) // 2, 0.5
    while cell >= 1:
        shape = (math.ceil(size[0] / cell), math.ceil(size[1] / cell))
        channels = [Image.effect_noise(shape, 110).resize(size, Image.Resampling.BICUBIC) for _ in range(3)]
        picture = Image.blend(picture, Image.merge("RGB", channels), strength)
        cell, strength = cell // 2, max(0.06, strength * 0.75)
    draw = ImageDraw.Draw(picture)
    for step in range(0, size[0], 160):
        draw.line((step, 0, size[0] - step, size[1]), fill=(20, 20, 30), width=3)
        draw.text((step, (step * 7) % size[1]), "The quick brown fox 0123456789", fill=(250, 240, 200), font_size=28)
        draw.ellipse((step, step // 2, step + 90, step // 2 + 90), fill=(200, 60, step % 255))
    return picture


def phone_jpeg(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    out = io.BytesIO()
    photo(PHOTO).save(out, "JPEG", quality=90, exif=exif)
    return out.getvalue()


def plain(data: bytes, width: int, height: int) -> bytes:
    """What most bots do."""
    with Image.open(io.BytesIO(data)) as opened:
        upright = ImageOps.exif_transpose(opened)
        fitted = ImageOps.fit(upright, (width, height), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    fitted.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


def psnr(one: bytes, other: bytes) -> float:
    with Image.open(io.BytesIO(one)) as left, Image.open(io.BytesIO(other)) as right:
        squares = ImageStat.Stat(ImageChops.difference(left.convert("RGB"), right.convert("RGB"))).sum2
        pixels = left.width * left.height
    error = sum(squares) / (3 * pixels)
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


LARGEST: tuple[tuple[str, str, tuple[int, int], dict[str, Any]], ...] = (
    ("JPEG", "RGB", (10_000, 8_000), {"quality": 75}),
    ("JPEG", "RGB", (8_600, 6_900), {"quality": 75, "progressive": True}),
    ("JPEG", "RGB", (6_000, 5_000), {"quality": 75, "progressive": True, "subsampling": 0}),
    ("JPEG", "CMYK", (5_400, 4_100), {"quality": 75, "progressive": True}),
    ("PNG", "RGB", (7_680, 4_600), {"compress_level": 1}),
    ("PNG", "RGBA", (7_000, 4_600), {"compress_level": 1}),
    ("PNG", "P", (6_000, 5_000), {}),
    ("GIF", "P", (6_000, 5_000), {}),
    ("WEBP", "RGB", (4_032, 3_024), {"quality": 60, "method": 0}),
    ("WEBP", "RGBA", (3_700, 2_800), {"lossless": True, "method": 0}),
    ("AVIF", "RGB", (4_032, 3_024), {"quality": 60, "speed": 10, "subsampling": "4:4:4"}),
    ("AVIF", "RGBA", (4_032, 3_024), {"quality": 60, "speed": 10}),
    ("HEIF", "RGB", (5_712, 4_284), {"quality": 50, "tile_size": 512}),
    ("BMP", "RGB", (3_400, 2_500), {}),
    ("TIFF", "RGBA", (5_000, 3_900), {"compression": "tiff_adobe_deflate"}),
    ("TIFF", "F", (5_000, 3_900), {"compression": "tiff_adobe_deflate"}),
)


def largest(kind: str, mode: str, size: tuple[int, int], options: dict[str, Any]) -> bytes:
    """A soft picture near the bound; soft, so that the file stays under the bound of bytes."""
    soft = Image.effect_noise((size[0] // 64, size[1] // 64), 90).resize(size, Image.Resampling.BILINEAR)
    picture = Image.merge(mode, [soft] * len(mode)) if mode in ("RGB", "RGBA", "CMYK") else soft.convert(mode)
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def memory() -> None:
    for kind, mode, size, options in LARGEST:
        with tempfile.NamedTemporaryFile() as file:
            file.write(largest(kind, mode, size, options))
            file.flush()
            told = subprocess.run(
                [sys.executable, __file__, "--two", file.name], capture_output=True, text=True, check=True
            )
        print(f"{kind} {mode} {size[0]}x{size[1]} {options}: {told.stdout.strip()}")


def two_at_once(path: str) -> None:
    """Fits one file twice at once, and prints by how much this process and those it starts grew at most."""
    data = Path(path).read_bytes()
    process, peak, is_done = psutil.Process(), 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not is_done.wait(0.003):
            peak = max(peak, sum(map(resident, (process, *process.children()))))

    async def both() -> list[Fitted | BaseException]:
        fitter = Fitter()
        before = resident(process)
        watcher = threading.Thread(target=watch)
        watcher.start()
        fitted = await asyncio.gather(*(fitter.fit(data, lambda _: "1792x1024") for _ in "ab"), return_exceptions=True)
        is_done.set()
        watcher.join()
        print(f"+{(peak - before) / 1e6:.0f} MB", end=" ")
        return fitted

    refused = [str(one) for one in asyncio.run(both()) if isinstance(one, BaseException)]
    print(refused[0] if refused else "")


def resident(process: psutil.Process) -> int:
    """Bytes that are this process's alone: libraries that several share are not counted."""
    try:
        return int(process.memory_full_info().uss)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--memory", action="store_true")
    arguments.add_argument("--two", metavar="FILE", help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.memory:
        memory()
    elif chosen.two:
        two_at_once(chosen.two)
    else:
        against_plain_pillow(chosen.rounds)


def against_plain_pillow(rounds: int) -> list[Figure]:
    """Time and likeness for each size; printed, too."""
    found = []
    for name, orientation, size in (
        ("4000x3000, EXIF 6, to 720x1280", 6, (720, 1280)),
        ("4000x3000 to 1280x720", 1, (1280, 720)),
        ("4000x3000 to 1792x1024", 1, (1792, 1024)),
    ):
        data = phone_jpeg(orientation)
        # In turns, so that both see the same machine.
        pairs = [(seconds(lambda: fit(data, *size)), seconds(lambda: plain(data, *size))) for _ in range(rounds)]  # noqa: B023 - called at once
        ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
        likeness = psnr(fit(data, *size), plain(data, *size))
        print(
            f"{name}: ours {ours * 1000:.0f} ms, plain Pillow {theirs * 1000:.0f} ms, "
            f"ratio {ours / theirs:.2f}, PSNR {likeness:.1f} dB"
        )
        found += [
            Figure(f"JPEG {name}, against plain Pillow", ours / theirs, "x", 0.5),
            Figure(f"JPEG {name}: PSNR", likeness, "dB", 38, digits=1, at_least=True),
        ]
    return found


if __name__ == "__main__":
    main()
