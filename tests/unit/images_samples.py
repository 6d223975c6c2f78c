"""Pictures of every format in small, and their mutation: by bytes, and by the format's own blocks."""

from __future__ import annotations

import functools
import io
import random
import struct
import zlib
from collections.abc import Callable, Iterator

import pillow_heif
from PIL import Image, ImageDraw

from bot.images.resize import measure

UNDO = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""By the orientation that a photo's metadata tells: what makes it upright."""

ORIENTATION = 0x0112
ODD_NUMBERS = (0, 1, 2, 7, 8, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF)


def upright(data: bytes) -> tuple[int, int]:
    return measure(data).upright


def is_near(seen: object, wanted: tuple[int, ...], tolerance: int = 40) -> bool:
    assert isinstance(seen, tuple)
    return all(abs(one - other) <= tolerance for one, other in zip(seen, wanted, strict=True))


def drawing(size: tuple[int, int] = (96, 72), mode: str = "RGB") -> Image.Image:
    """Red top left, blue bottom right, a slope between: turned or mirrored it shows."""
    slope = Image.linear_gradient("L").resize(size)
    picture = Image.merge("RGB", (slope.transpose(Image.Transpose.FLIP_TOP_BOTTOM), slope, slope))
    draw = ImageDraw.Draw(picture)
    width, height = size
    draw.rectangle((0, 0, width // 4, height // 4), fill=(220, 20, 30))
    draw.rectangle((width - width // 4, height - height // 4, width, height), fill=(20, 30, 220))
    if mode.endswith("A"):
        picture.putalpha(slope)
    return picture if picture.mode == mode else picture.convert(mode)


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def heic(picture: Image.Image, **options: object) -> bytes:
    """As an iPhone makes it, with a grid of tiles where it is told to."""
    out = io.BytesIO()
    pillow_heif.from_pillow(picture).save(out, quality=70, **options)
    return out.getvalue()


def oriented(orientation: int, size: tuple[int, int] = (96, 72)) -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return encoded(drawing(size), "JPEG", exif=exif, quality=95)


def wide_gamut_profile() -> bytes:
    """A minimal ICC profile with the primaries of Display P3, as phones attach it."""

    def fixed(*numbers: float) -> bytes:
        return b"".join(struct.pack(">i", round(number * 65536)) for number in numbers)

    def text(kind: bytes, words: bytes) -> bytes:
        if kind == b"text":
            return b"text\0\0\0\0" + words + b"\0"
        return b"desc\0\0\0\0" + struct.pack(">I", len(words) + 1) + words + b"\0" + bytes(4 + 4 + 2 + 1 + 67)

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(2.2 * 256))
    tags = {
        b"desc": text(b"desc", b"P3"),
        b"cprt": text(b"text", b"none"),
        b"wtpt": b"XYZ \0\0\0\0" + fixed(0.9642, 1.0, 0.8249),
        b"rXYZ": b"XYZ \0\0\0\0" + fixed(0.5151, 0.2412, -0.0011),
        b"gXYZ": b"XYZ \0\0\0\0" + fixed(0.2920, 0.6922, 0.0419),
        b"bXYZ": b"XYZ \0\0\0\0" + fixed(0.1571, 0.0666, 0.7841),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    table, body, at = b"", b"", 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        padded = value + bytes(-len(value) % 4)
        table += name + struct.pack(">II", at + len(body), len(value))
        body += padded
    head = struct.pack(">I4sI4s4s4s", at + len(body), b"\0\0\0\0", 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    head += struct.pack(">6H4s4sIIIQI", 2026, 1, 1, 0, 0, 0, b"acsp", b"\0\0\0\0", 0, 0, 0, 0, 0)
    head += fixed(0.9642, 1.0, 0.8249)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def rle_bmp(size: tuple[int, int] = (40, 30)) -> bytes:
    width, height = size
    rows = b"".join(bytes((width // 2, row % 8, width - width // 2, 7)) + b"\0\0" for row in range(height)) + b"\0\1"
    palette = b"".join(bytes((32 * shade, 255 - 32 * shade, 100, 0)) for shade in range(8)).ljust(1024, b"\0")
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(rows), 0, 0, 256, 0)
    start = 14 + len(info) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start) + info + palette + rows


@functools.cache
def samples() -> dict[str, bytes]:
    """One of each kind that is read, by name."""
    picture, clear = drawing(), drawing(mode="RGBA")
    frames = [drawing().rotate(turn) for turn in (90, 180)]
    paletted = picture.quantize(16)
    return {
        "jpeg": encoded(picture, "JPEG", quality=90, comment=b"hello"),
        "jpeg progressive": encoded(picture, "JPEG", progressive=True, icc_profile=wide_gamut_profile()),
        "jpeg grey": encoded(picture.convert("L"), "JPEG"),
        "jpeg cmyk": encoded(picture.convert("CMYK"), "JPEG"),
        "jpeg exif": oriented(6),
        "jpeg mpo": encoded(picture, "MPO", save_all=True, append_images=frames),
        "png": encoded(picture, "PNG", icc_profile=wide_gamut_profile()),
        "png alpha": encoded(clear, "PNG"),
        "png palette": encoded(paletted, "PNG"),
        "png palette clear": encoded(paletted, "PNG", transparency=3),
        "png grey alpha": encoded(drawing(mode="LA"), "PNG"),
        "png bits": encoded(picture.convert("1"), "PNG"),
        "png deep": encoded(_deep(picture), "PNG"),
        "apng": encoded(picture, "PNG", save_all=True, append_images=frames),
        "gif": encoded(paletted, "GIF"),
        "gif animated": encoded(picture, "GIF", save_all=True, append_images=frames),
        "gif clear": encoded(paletted, "GIF", transparency=3),
        "webp": encoded(picture, "WEBP", quality=80),
        "webp clear": encoded(clear, "WEBP", lossless=True),
        "webp animated": encoded(picture, "WEBP", save_all=True, append_images=frames),
        "avif": encoded(picture, "AVIF", speed=10),
        "avif clear": encoded(clear, "AVIF", speed=10),
        "heic": heic(picture),
        "heic clear": heic(clear),
        "heic tiled": heic(drawing((300, 200)), tile_size=128),
        "heic grey": heic(picture.convert("L")),
        "ico": encoded(clear, "ICO", sizes=[(96, 72), (16, 16)]),
        "ico bmp": encoded(drawing((48, 48), "RGBA"), "ICO", bitmap_format="bmp", sizes=[(48, 48)]),
        "bmp": encoded(picture, "BMP"),
        "bmp palette": encoded(paletted, "BMP"),
        "bmp rle": rle_bmp(),
        "tiff": encoded(picture, "TIFF"),
        "tiff lzw": encoded(clear, "TIFF", compression="tiff_lzw"),
        "tiff deflate": encoded(picture, "TIFF", compression="tiff_adobe_deflate", tiffinfo={278: 8}),
        "tiff jpeg": encoded(picture, "TIFF", compression="jpeg"),
        "tiff bits": encoded(picture.convert("1"), "TIFF", compression="packbits"),
        "tiff cmyk": encoded(picture.convert("CMYK"), "TIFF"),
        "tiff lab": encoded(picture.convert("LAB"), "TIFF"),
        "tiff float": encoded(picture.convert("F"), "TIFF"),
        "tiff deep": encoded(_deep(picture), "TIFF"),
    }


def mutated(chance: random.Random) -> tuple[str, bytes]:
    """A sample with one to four things wrong with it, and its name."""
    name = chance.choice(sorted(samples()))
    data = samples()[name]
    for _ in range(chance.choice((1, 1, 2, 4))):
        data = chance.choice((_blocks_changed, _blocks_changed, *_BYTE_CHANGES))(chance, data)
    return name, data


def _deep(picture: Image.Image) -> Image.Image:
    """Grey of 16 bits, from black to white."""
    grey = picture.convert("L")
    return Image.frombytes("I;16", grey.size, bytes(half for shade in grey.tobytes() for half in (shade, shade)))


def _flip(chance: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 3, 20))):
        if changed:
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _cut(chance: random.Random, data: bytes) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _odd_number(chance: random.Random, data: bytes) -> bytes:
    """A number at its limits somewhere in the first half, where headers are."""
    form = chance.choice((">H", "<H", ">I", "<I"))
    at = chance.randrange(max(1, len(data) // 2))
    number = chance.choice(ODD_NUMBERS) & (0xFFFF if form.endswith("H") else 0xFFFFFFFF)
    return data[:at] + struct.pack(form, number) + data[at + struct.calcsize(form) :]


def _splice(chance: random.Random, data: bytes) -> bytes:
    other = samples()[chance.choice(sorted(samples()))]
    return data[: chance.randrange(len(data) + 1)] + other[chance.randrange(len(other)) :]


def _insert(chance: random.Random, data: bytes) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.choice((b"\0", b"\xff", b"\xff\xda")) * chance.choice((1, 64, 3000)) + data[at:]


_BYTE_CHANGES = (_flip, _cut, _odd_number, _splice, _insert)


def _blocks_changed(chance: random.Random, data: bytes) -> bytes:
    """Blocks dropped, doubled, swapped or altered inside, with lengths and checksums made right again."""
    split, join = _format_of(data)
    blocks = list(split(data)) or [b""]
    for _ in range(chance.choice((1, 1, 3))):
        at, other = chance.randrange(len(blocks)), chance.randrange(len(blocks))
        match chance.randrange(5):
            case 0 if len(blocks) > 1:
                del blocks[at]
            case 1:
                blocks[at:at] = [blocks[other]] * chance.choice((1, 2, 40))
            case 2:
                blocks[at], blocks[other] = blocks[other], blocks[at]
            case 3:
                blocks[at] = blocks[at][:4] + _odd_number(chance, blocks[at][4:])
            case _:
                blocks[at] = blocks[at][:4] + _flip(chance, blocks[at][4:])
    return join(blocks)


def _format_of(data: bytes) -> tuple[Callable[[bytes], Iterator[bytes]], Callable[[list[bytes]], bytes]]:
    if data.startswith(b"\x89PNG"):
        return _png_chunks, _png_joined
    if data.startswith(b"RIFF"):
        return _riff_chunks, _riff_joined
    if data.startswith(b"\xff\xd8"):
        return _jpeg_segments, b"".join
    if data[4:8] == b"ftyp":
        return _boxes, b"".join
    return _twelves, b"".join


def _png_chunks(data: bytes) -> Iterator[bytes]:
    at = 8
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : at + 8 + length]
        at += 12 + length


def _png_joined(chunks: list[bytes]) -> bytes:
    joined = b"\x89PNG\r\n\x1a\n"
    for chunk in chunks:
        joined += struct.pack(">I", max(0, len(chunk) - 4)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return joined


def _riff_chunks(data: bytes) -> Iterator[bytes]:
    yield data[8:12]
    at = 12
    while at < len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        yield data[at : at + 4] + data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def _riff_joined(chunks: list[bytes]) -> bytes:
    body = chunks[0]
    for chunk in chunks[1:]:
        body += chunk[:4] + struct.pack("<I", max(0, len(chunk) - 4)) + chunk[4:] + bytes(len(chunk) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _jpeg_segments(data: bytes) -> Iterator[bytes]:
    yield data[:2]
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        length = 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        yield data[at : at + length]
        at += length
    yield data[at:]


def _boxes(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        length = max(8, int.from_bytes(data[at : at + 4], "big"))
        yield data[at : at + length]
        at += length


def _twelves(data: bytes) -> Iterator[bytes]:
    """Directory entries of TIFF are twelve bytes; for BMP and GIF it is as good as any."""
    yield data[:8]
    start = int.from_bytes(data[4:8], "little") + 2 if data.startswith(b"II") else 8
    yield data[8:start]
    for at in range(start, min(len(data), start + 240), 12):
        yield data[at : at + 12]
    yield data[start + 240 :]
