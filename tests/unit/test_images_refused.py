"""What cannot be used is refused in a sentence, and nothing else ever comes out."""

from __future__ import annotations

import contextlib
import random
import re
import struct
import wave
import zlib
from io import BytesIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.errors import PictureRefused
from bot.images.precheck import (
    CAMERA_RAW,
    DAMAGED,
    EMPTY,
    JPEG_XL,
    MAX_BYTES,
    MAX_PIXELS,
    NOT_A_PICTURE,
    SVG,
    check_claim,
    check_claimed_enlargement,
    is_measured_whole,
)
from bot.images.resize import fit
from tests.thorough import mostly_thorough
from tests.unit.images_samples import drawing, encoded, mutated, rle_bmp, samples, upright

VIDEO = "This is a video, not a picture. Send a JPEG, PNG, WebP, GIF or HEIC."
SOUND = "This is a sound file, not a picture. Send a JPEG, PNG, WebP, GIF or HEIC."
PDF = "This is a PDF, not a picture. Send a JPEG, PNG, WebP, GIF or HEIC."


def refusal(data: bytes) -> str:
    with pytest.raises(PictureRefused) as fitting:
        fit(data, 720, 1280)
    with contextlib.suppress(PictureRefused):  # what is wrong with pixels shows only when they are decoded
        upright(data)
    return str(fitting.value)


def sound() -> bytes:
    out = BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(800))
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        pytest.param(b"", EMPTY, id="empty"),
        pytest.param(b"hello, I am a picture", NOT_A_PICTURE, id="text"),
        pytest.param(b"\0" * 5000, NOT_A_PICTURE, id="zeros"),
        pytest.param(b'<svg xmlns="http://www.w3.org/2000/svg"/>', SVG, id="svg"),
        pytest.param(b'\xef\xbb\xbf\n<?xml version="1.0"?><!-- x --><SVG/>', SVG, id="svg behind xml"),
        pytest.param(b"<!doctype html><html><body>404</body></html>", NOT_A_PICTURE, id="html"),
        pytest.param(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", PDF, id="pdf"),
        pytest.param(b"%PDF-1.7\n" + samples()["jpeg"], PDF, id="polyglot: a pdf with a jpeg inside"),
        pytest.param(b"ID3\x04\0\0\0\0\0\0" + bytes(200), SOUND, id="mp3"),
        pytest.param(b"\xff\xfb\x90\0" + bytes(200), SOUND, id="mp3 without tags"),
        pytest.param(b"OggS\0\2" + bytes(200), SOUND, id="ogg, a voice message"),
        pytest.param(sound(), SOUND, id="wav"),
        pytest.param(b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + bytes(100), VIDEO, id="mp4"),
        pytest.param(b"\x1aE\xdf\xa3" + bytes(100), VIDEO, id="webm"),
        pytest.param(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100), DAMAGED, id="the start of a heic"),
        pytest.param(b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(100), CAMERA_RAW, id="a Canon's raw"),
        pytest.param(b"FUJIFILMCCD-RAW 0201" + bytes(100), CAMERA_RAW, id="a Fujifilm's raw"),
        pytest.param(b"IIU\0\x18\0\0\0" + bytes(100), CAMERA_RAW, id="a Panasonic's raw"),
        pytest.param(b"\xff\x0a" + bytes(100), JPEG_XL, id="jpeg xl"),
        pytest.param(b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(100), JPEG_XL, id="jpeg xl in boxes"),
        pytest.param(b"PK\x03\x04" + bytes(100), NOT_A_PICTURE, id="zip"),
        pytest.param(b"GIF89a@\0@\0=1;alert(1)//" + bytes(99), DAMAGED, id="polyglot: gif and script"),
        pytest.param(b"\xff\xd8\xff", DAMAGED, id="three bytes of jpeg"),
        pytest.param(b"BM" + b"%!PS-Adobe" * 20, DAMAGED, id="polyglot: bmp and postscript"),
        pytest.param(b"\xff" * (MAX_BYTES + 2**20),
                     "This picture is too large: 26 MB. The limit is 25 MB. Send a smaller copy.", id="too many bytes"),
    ],
)  # fmt: skip
def test_what_is_no_picture_is_refused_by_name(data: bytes, sentence: str) -> None:
    assert refusal(data) == sentence


@pytest.mark.parametrize("name", sorted(set(samples()) - {"jpeg progressive"}))
@pytest.mark.parametrize("share", [0.15, 0.5])
def test_a_picture_of_which_much_is_missing_is_refused(name: str, share: float) -> None:
    data = samples()[name]
    is_of_frames = name in ("gif animated", "apng", "webp animated", "jpeg mpo")
    kept = data[: int(len(data) * share / (3 if is_of_frames else 1))]

    sentence = refusal(kept)

    assert sentence in (DAMAGED, VIDEO, NOT_A_PICTURE)


def png(width: int, height: int, *chunks: bytes) -> bytes:
    made = b"\x89PNG\r\n\x1a\n"
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    for chunk in (header, *chunks, b"IEND"):
        made += struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return made


def tiff_with(tag: int, value: int, *, count: int = 1) -> bytes:
    data = bytearray(encoded(drawing(), "TIFF", compression="tiff_adobe_deflate"))
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    for at in range(start + 2, start + 2 + 12 * count, 12):
        if struct.unpack_from("<H", data, at)[0] == tag:
            struct.pack_into("<HII", data, at + 2, 4, count, value)
    return bytes(data)


def tiled_tiff(side: int) -> bytes:
    """Claims a tile far larger than the picture; the tile is what gets decoded."""
    entries = [
        (256, 64),
        (257, 64),
        (258, 8),
        (259, 8),
        (262, 1),
        (277, 1),
        (322, side),
        (323, side),
        (324, 200),
        (325, 9),
    ]
    packed = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    data = b"II*\0" + struct.pack("<IH", 8, len(entries)) + packed + bytes(4)
    return data.ljust(200, b"\0") + zlib.compress(bytes(100))


def jpeg_of(width: int, height: int) -> bytes:
    data = bytearray(samples()["jpeg"])
    at = data.index(b"\xff\xc0")
    struct.pack_into(">HH", data, at + 5, height, width)
    return bytes(data)


def scanned_over_and_over(scans: int) -> bytes:
    data = samples()["jpeg progressive"]
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * scans + data[-2:]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(png(50_000, 50_000, b"IDAT" + zlib.compress(b"")), "50000×50000", id="png of 2.5 gigapixels"),
        pytest.param(png(10_000, 9_500), "10000×9500", id="png where Pillow would only warn"),
        pytest.param(png(9_000, 7_000), "9000×7000 pixels. The limit for this kind of file is 50 megapixels",
                     id="png beyond memory"),
        pytest.param(jpeg_of(65_000, 65_000), "65000×65000", id="jpeg of 4 gigapixels"),
        pytest.param(b"GIF89a" + struct.pack("<HH", 65_535, 65_535) + samples()["gif"][10:], "", id="gif"),
        pytest.param(samples()["webp"][:24].replace(b"VP8 ", b"VP8X") + b"\xfe\x3f\0\xfe\x3f\0" + bytes(99), "",
                     id="webp"),
        pytest.param(b"BM" + bytes(12) + struct.pack("<IiiHHIIiiII", 40, 60_000, 60_000, 1, 24, 0, 0, 0, 0, 0, 0)
                     + bytes(99), "60000×60000", id="bmp"),
        pytest.param(tiff_with(256, 60_000), "", id="tiff width"),
        pytest.param(tiled_tiff(40_000), "Send a smaller copy", id="tiff tile"),
        pytest.param(scanned_over_and_over(400), DAMAGED, id="jpeg of endless scans"),
        pytest.param(png(4000, 100), "too long and narrow: 4000×100 pixels", id="thread"),
        pytest.param(png(8, 8), "8×8 pixels. Each side needs at least 16", id="dot"),
    ],
)  # fmt: skip
def test_a_bomb_is_refused_before_it_is_decoded(data: bytes, words: str) -> None:
    assert words in refusal(data)


@pytest.mark.parametrize("name", mostly_thorough([b"zTXt", b"iTXt", b"iCCP"], [b"iCCP"]))
def test_what_unpacks_without_end_is_left_packed_unless_it_is_the_picture(name: bytes) -> None:
    between = {b"zTXt": b"note\0\0", b"iTXt": b"note\0\1\0\0\0", b"iCCP": b"note\0\0"}[name]
    bomb = name + between + zlib.compress(bytes(200_000_000), 9)

    assert fit(png(64, 64, bomb, b"IDAT" + zlib.compress(bytes(64 * 193))), 720, 1280)


def test_pixels_that_unpack_without_end_stop_at_the_declared_size() -> None:
    data = png(64, 64, b"IDAT" + zlib.compress(bytes(100_000_000), 9))

    assert fit(data, 720, 1280)


def test_a_large_run_length_bmp_is_refused_as_pillow_unpacks_it_in_python() -> None:
    data = bytearray(rle_bmp())
    struct.pack_into("<ii", data, 18, 3000, 2000)

    assert "3000×2000 pixels. The limit for this kind of file is 4 megapixels" in refusal(bytes(data))


def after_gif_head(*blocks: bytes) -> bytes:
    data = samples()["gif"]
    start = 13 + (3 << ((data[10] & 7) + 1))
    return data[:start] + b"".join(blocks) + data[start:]


def with_jpeg_segments(*segments: bytes) -> bytes:
    return samples()["jpeg"][:2] + b"".join(segments) + samples()["jpeg"][2:]


def with_png_chunks(*chunks: bytes) -> bytes:
    packed = (struct.pack(">I", len(each) - 4) + each + struct.pack(">I", zlib.crc32(each)) for each in chunks)
    return samples()["png"][:33] + b"".join(packed) + samples()["png"][33:]


MANY = 30_000


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(with_jpeg_segments(b"\xff\xe5\0\2" * MANY), id="jpeg segments: 24 MB took 870 MB"),
        pytest.param(with_jpeg_segments(b"\xff" * MANY), id="jpeg fill bytes: 24 MB took 14 s"),
        pytest.param(with_jpeg_segments(b"\xff\0" * MANY), id="jpeg stray bytes"),
        pytest.param(with_png_chunks(*[b"prVt"] * MANY), id="png chunks: 24 MB took 300 MB"),
        pytest.param(after_gif_head(b"!\xfe\1x\0" * MANY), id="gif comments: 24 MB took 900 MB"),
        pytest.param(after_gif_head(b"!\xfe" + b"\1x" * MANY + b"\0"), id="one gif comment in crumbs"),
        pytest.param(after_gif_head(b"\7" * MANY), id="gif stray bytes"),
        pytest.param(tiff_with(273, 8, count=6_000_000), id="tiff strips: 24 MB took 2 GB"),
        pytest.param(b"\xff\xd8\xff\xc3" + samples()["jpeg"][4:], id="lossless jpeg"),
    ],
)
def test_metadata_without_end_is_refused_before_pillow_walks_it(data: bytes) -> None:
    assert refusal(data) == DAMAGED


def test_metadata_as_large_as_cameras_write_it_is_no_hindrance() -> None:
    makers_notes = b"\xff\xe1" + struct.pack(">H", 65_000) + b"x" * 64_998
    comment = b"!\xfe" + (b"\xff" + b"x" * 255) * 200 + b"\0"

    assert fit(with_jpeg_segments(*[makers_notes] * 100), 720, 1280)
    assert fit(with_png_chunks(*[b"tEXtnote\0" + b"x" * 900] * 900), 720, 1280)
    assert fit(after_gif_head(comment), 720, 1280)


def test_bloated_exif_is_not_read() -> None:
    exif = b"II*\0" + struct.pack("<IHHHII", 8, 1, 274, 3, 600_000, 26) + b"\6\0" * 600_000

    assert upright(with_png_chunks(b"eXIf" + exif)) == (96, 72)


@settings(max_examples=500, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(min_value=0, max_value=2**40))
def test_no_mutated_picture_brings_anything_but_a_jpeg_or_a_sentence(seed: int) -> None:
    _, data = mutated(random.Random(seed))

    try:
        outcome = fit(data, 320, 180)
    except PictureRefused as refused:
        outcome = str(refused).encode()

    assert outcome.startswith(b"\xff\xd8\xff") or re.fullmatch(r"[A-Z].+\. .+\.", outcome.decode())


@pytest.mark.parametrize(
    ("size", "width", "height", "kind", "name", "sentence"),
    [
        pytest.param(2_000_000, 4000, 3000, "image/jpeg", "cat.jpg", None, id="photo"),
        pytest.param(2_000, 100, 100, "image/png; charset=x", "cat", None, id="no ending"),
        pytest.param(2_000, None, None, None, "cat.WEBP", None, id="no type, no size, a known ending"),
        pytest.param(2_000, None, None, "application/octet-stream", "scan.tiff", None, id="unnamed type"),
        pytest.param(2_000, 500, 500, "image/png", "really-a.gif", None, id="mislabelled: the bytes decide"),
        pytest.param(2_000, 500, 500, "image/x-new", "a.new", None, id="an image type we do not know yet"),
        pytest.param(0, 100, 100, "image/png", "cat.png", EMPTY, id="empty"),
        pytest.param(2_000, None, None, "image/heic", "IMG_1.HEIC", None, id="heic"),
        pytest.param(2_000, 500, 500, "image/svg+xml", "logo.svg", None, id="measured: no SVG, whatever its name"),
        pytest.param(2_000, None, None, None, "cat.new", None, id="unknown ending"),
        pytest.param(2_000, None, None, None, "png", None, id="no ending, no type"),
        pytest.param(2_000, None, None, "application/octet-stream", "blob", None, id="an unnamed type, no ending"),
        pytest.param(2_000, 640, 480, "video/mp4", "cat.mp4", VIDEO, id="video"),
        pytest.param(2_000, None, None, "audio/ogg", "voice-message.ogg", SOUND, id="audio"),
        pytest.param(2_000, None, None, "application/pdf", "cat.png", PDF, id="a pdf called png"),
        pytest.param(2_000, None, None, "application/zip", "cat.zip", NOT_A_PICTURE, id="zip"),
        pytest.param(2_000, None, None, "text/plain; charset=utf-8", "cat.txt", NOT_A_PICTURE, id="text"),
        pytest.param(2_000, None, None, "image/svg+xml", "logo.svg", SVG, id="svg"),
        pytest.param(2_000, None, None, None, "logo.SVGZ", SVG, id="svg by ending"),
        pytest.param(MAX_BYTES + 1_000_000, 100, 100, "image/png", "cat.png",
                     "This picture is too large: 26 MB. The limit is 25 MB. Send a smaller copy.", id="bytes"),
        pytest.param(2_000, 30_000, 30_000, "image/png", "cat.png",
                     "This picture is too large: 30000×30000 pixels. The limit is 200 megapixels. Send a "
                         "smaller copy.", id="pixels"),
        pytest.param(2_000, 1, 1, "image/gif", "pixel.gif",
                     "This picture is too small: 1×1 pixels. Each side needs at least 16 pixels. Send a larger "
                         "one.", id="dot"),
        pytest.param(2_000, 0, 0, "image/gif", "pixel.gif",
                     "This picture is too small: 0×0 pixels. Each side needs at least 16 pixels. Send a larger "
                         "one.", id="nothing"),
        pytest.param(2_000, 20, 5000, "image/png", "long.png",
                     "This picture is too long and narrow: 20×5000 pixels. Crop it first.", id="thread"),
    ],
)  # fmt: skip
def test_a_claim_is_refused_only_when_it_is_hopeless(
    size: int, width: int | None, height: int | None, kind: str | None, name: str, sentence: str | None
) -> None:
    if sentence is None:
        check_claim(size, width, height, kind, name)
        return

    with pytest.raises(PictureRefused) as refused:
        check_claim(size, width, height, kind, name)

    assert str(refused.value) == sentence


def test_the_bounds_of_a_claim_admit_what_phones_make() -> None:
    for width, height in ((4032, 3024), (9248, 6936), (12000, 9000), (16320, 12240)):
        check_claim(20_000_000, width, height, "image/jpeg", "photo.jpg")
        assert width * height <= MAX_PIXELS


@pytest.mark.parametrize(
    ("width", "height", "is_refused"),
    [(320, 180, False), (180, 320, False), (180, 180, False), (128, 72, True), (60, 60, True)],
)
def test_a_claim_too_small_for_the_video_however_it_is_turned_is_refused(
    width: int,
    height: int,
    is_refused: bool,  # noqa: FBT001 - a column of the table
) -> None:
    if not is_refused:
        check_claimed_enlargement(width, height, (1280, 720), 4)
        return

    with pytest.raises(PictureRefused, match="It would have to be enlarged"):
        check_claimed_enlargement(width, height, (1280, 720), 4)


@pytest.mark.parametrize(
    ("content_type", "is_whole"),
    [("image/jpeg", True), ("image/PNG; charset=binary", True), ("image/*", True), ("image/tiff", False),
     ("image/x-nikon-nef", False), ("application/octet-stream", False), (None, False)],
)  # fmt: skip
def test_sides_told_beforehand_of_what_may_begin_with_a_thumbnail_refuse_nothing(
    content_type: str | None,
    is_whole: bool,  # noqa: FBT001 - a column of the table
) -> None:
    assert is_measured_whole(content_type) == is_whole
