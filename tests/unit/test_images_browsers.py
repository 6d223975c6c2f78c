"""What browsers and viewers show is taken, and as they show it."""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Callable

import pillow_heif
import pytest
from PIL import Image, ImageDraw

from bot.errors import PictureRefused
from bot.images.precheck import CAMERA_RAW, DAMAGED, TRANSPARENT
from bot.images.resize import copy, fit
from tests.unit.images_samples import (
    ORIENTATION,
    UNDO,
    drawing,
    encoded,
    heic,
    is_near,
    oriented,
    samples,
    upright,
    wide_gamut_profile,
)

RED, BLUE = (220, 20, 30), (20, 30, 220)


def shown(data: bytes, width: int = 1280, height: int = 720) -> Image.Image:
    picture = Image.open(io.BytesIO(fit(data, width, height)))
    picture.load()
    return picture


def is_upright(picture: Image.Image) -> bool:
    """Red top left, blue bottom right, as `drawing` made it."""
    width, height = picture.size
    return is_near(picture.getpixel((width // 12, height // 12)), RED) and is_near(
        picture.getpixel((width - width // 12, height - height // 12)), BLUE
    )


def refusal(data: bytes) -> str:
    with pytest.raises(PictureRefused) as refused:
        fit(data, 1280, 720)
    return str(refused.value)


# --- PNG -------------------------------------------------------------------------------------------------------------


def with_chunks(*chunks: bytes, png: bytes = b"", spoil: bool = False) -> bytes:
    png = png or encoded(drawing(), "PNG")
    crc_off = 1 if spoil else 0
    packed = (
        struct.pack(">I", len(one) - 4) + one + struct.pack(">I", (zlib.crc32(one) + crc_off) & 0xFFFFFFFF)
        for one in chunks
    )
    return png[:33] + b"".join(packed) + png[33:]


def spoiled(png: bytes, name: bytes) -> bytes:
    """The checksum of the first chunk of this name is wrong."""
    at = png.index(name)
    end = at + 4 + struct.unpack_from(">I", png, at - 4)[0]
    return png[:end] + bytes((png[end] ^ 0xFF,)) + png[end + 1 :]


def large_profile(size: int) -> bytes:
    """A profile of a wide gamut, with so many bytes of tables behind it."""
    profile = wide_gamut_profile()
    return struct.pack(">I", size) + profile[4:].ljust(size - 4, b"\0")


def test_a_display_profile_of_more_than_a_mebibyte_is_obeyed() -> None:
    flat = Image.new("RGB", (64, 36), (200, 100, 100))
    draw = ImageDraw.Draw(flat)
    draw.rectangle((0, 0, 8, 8), fill=(0, 0, 0))
    profile = b"iCCPdisplay\0\0" + zlib.compress(large_profile(1_400_000))

    converted = shown(with_chunks(profile, png=encoded(flat, "PNG")))

    red, green, _ = converted.getpixel((900, 400))  # type: ignore[misc] # an RGB pixel is three numbers
    assert red > 208
    assert green < 98


@pytest.mark.parametrize("name", [b"zTXt", b"iTXt", b"tEXt"])
def test_a_generators_workflow_of_more_than_a_mebibyte_is_no_hindrance(name: bytes) -> None:
    text = bytes(range(256)) * 7000
    body = {
        b"zTXt": b"workflow\0\0" + zlib.compress(text),
        b"iTXt": b"workflow\0\1\0\0\0" + zlib.compress(text),
        b"tEXt": b"workflow\0" + text,
    }[name]

    assert is_upright(shown(with_chunks(name + body)))


@pytest.mark.parametrize("name", [b"tEXt", b"zTXt", b"gAMA", b"tIME", b"pHYs", b"prVt", b"iCCP", b"eXIf"])
def test_a_chunk_that_is_not_shown_may_have_a_wrong_checksum(name: bytes) -> None:
    exif = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, ORIENTATION, 3, 1, 6, 0, 0)
    body = exif if name == b"eXIf" else b"note\0\0xx"

    assert is_upright(shown(with_chunks(name + body, spoil=True)))


def test_a_picture_whose_last_checksum_or_end_is_wrong_is_shown() -> None:
    png = encoded(drawing(), "PNG")

    assert is_upright(shown(spoiled(png, b"IDAT")))
    assert is_upright(shown(png[:-12]))
    assert is_upright(shown(png[:-16]))
    assert is_upright(shown(spoiled(encoded(drawing(), "PNG", interlace=1), b"IDAT")))
    assert refusal(spoiled(png, b"IHDR")) == DAMAGED


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "PNG palette", "JPEG progressive"])
def test_of_a_picture_cut_at_nine_tenths_what_is_there_is_shown(kind: str) -> None:
    picture = Image.effect_noise((320, 240), 90).convert("RGB")
    ImageDraw.Draw(picture).rectangle((0, 0, 80, 60), fill=RED)
    if "palette" in kind or kind == "GIF":
        picture = picture.quantize(64)
    options = {"progressive": True, "quality": 95} if "progressive" in kind else {}
    if kind == "GIF":
        options = {"interlace": 0}
    data = encoded(picture, kind.partition(" ")[0], **options)

    cut = shown(data[: len(data) * 9 // 10])

    assert is_near(cut.getpixel((100, 60)), RED)
    bottom = cut.crop((0, 640, 1280, 720)).convert("L").getextrema()
    assert bottom[1] - bottom[0] > 60  # type: ignore[operator] # noise down to the last row: nothing is filled up


@pytest.mark.parametrize("share", [0.5, 0.65])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF"])
def test_a_picture_of_which_a_third_or_more_is_missing_is_refused(kind: str, share: float) -> None:
    picture = Image.effect_noise((320, 240), 90).convert("RGB")
    data = encoded(picture.quantize(64) if kind == "GIF" else picture, kind)

    assert refusal(data[: int(len(data) * share)]) == DAMAGED


def test_a_progressive_jpeg_of_which_only_a_sketch_is_there_is_refused() -> None:
    data = encoded(drawing((640, 480)), "JPEG", progressive=True)
    second_scan = [found.start() for found in re.finditer(b"\xff\xda", data)][1]

    assert refusal(data[: second_scan + 200]) == DAMAGED


def test_sixteen_bits_a_colour_and_transparent_palettes_are_read() -> None:
    deep = Image.new("RGB", (96, 72), RED)
    rows = b"".join(
        b"\0" + b"".join(struct.pack(">HHH", *(v * 257 for v in RED)) for _ in range(96)) for _ in range(72)
    )
    head = struct.pack(">IIBBBBB", 96, 72, 16, 2, 0, 0, 0)
    data = with_chunks(b"IDAT" + zlib.compress(rows), b"IEND", png=b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR" + head))

    assert is_near(shown(data).getpixel((640, 360)), deep.getpixel((0, 0)), 6)  # type: ignore[arg-type] # three numbers


def _chunk(chunk: bytes) -> bytes:
    return struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))


def test_exif_that_stands_at_the_end_of_a_png_is_obeyed() -> None:
    exif = b"eXIf" + b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, ORIENTATION, 3, 1, 6, 0, 0)
    png = encoded(drawing((160, 90)), "PNG")

    assert upright(png[:-12] + _chunk(exif) + png[-12:]) == (90, 160)


# --- JPEG ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["jpeg", "jpeg progressive", "jpeg grey", "jpeg cmyk", "jpeg exif"])
def test_a_jpeg_without_its_end_marker_is_shown(name: str) -> None:
    whole, cut = shown(samples()[name]), shown(samples()[name][:-2])

    assert whole.tobytes() == cut.tobytes()


def test_an_orientation_that_stands_in_xmp_alone_is_not_obeyed() -> None:
    packet = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    xmp = b"http://ns.adobe.com/xap/1.0/\0" + packet
    jpeg = samples()["jpeg"]
    text = b"iTXtXML:com.adobe.xmp\0\0\0\0\0" + packet

    for data in (
        jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(xmp) + 2) + xmp + jpeg[2:],
        with_chunks(text),
        encoded(drawing(), "WEBP", xmp=packet),
        encoded(drawing(), "TIFF", tiffinfo={700: packet}),
    ):
        assert upright(data) == (96, 72)
        assert is_upright(shown(data))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF", "TIFF deflate", "HEIC"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_picture_is_turned_upright_once(kind: str, orientation: int) -> None:
    undo = UNDO[orientation]
    held = drawing((90, 160))
    turned = held if undo is None else held.transpose(undo)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    if kind == "HEIC":
        data = heic(turned, exif=exif.tobytes())  # written as `irot` and `imir`
        assert pillow_heif.open_heif(io.BytesIO(data)).size == (90, 160)
    elif kind.startswith("TIFF"):
        packed = {"compression": "tiff_adobe_deflate"} if "deflate" in kind else {}
        data = encoded(turned, "TIFF", tiffinfo={ORIENTATION: orientation}, **packed)
    else:
        data = encoded(turned, kind, exif=exif)

    assert upright(data) == (90, 160)
    assert is_upright(shown(data, 720, 1280))
    assert is_upright(Image.open(io.BytesIO(copy(data))))


# --- TIFF and what cameras make of it --------------------------------------------------------------------------------


def directory(at: int, tags: dict[int, tuple[int, ...] | int], next_at: int = 0) -> bytes:
    """Of a TIFF, little-endian, with LONGs; several values behind it."""
    entries, behind, end = b"", b"", at + 2 + 12 * len(tags) + 4
    for tag, value in sorted(tags.items()):
        values = value if isinstance(value, tuple) else (value,)
        packed = struct.pack(f"<{len(values)}I", *values)
        if len(values) > 1:
            packed, behind = struct.pack("<I", end + len(behind)), behind + packed
        entries += struct.pack("<HHI", tag, 4, len(values)) + packed
    return struct.pack("<H", len(tags)) + entries + struct.pack("<I", next_at) + behind


def camera_raw(below: dict[int, tuple[int, ...] | int], content: bytes, *, orientation: int = 1) -> bytes:
    """A thumbnail of 16x16 first, then in a sub-directory `content`, which lies at 5000."""
    first: dict[int, tuple[int, ...] | int] = {
        254: 1, 256: 16, 257: 16, 258: (8, 8, 8), 259: 1, 262: 2, 273: 4000, 274: orientation, 277: 3, 278: 16,
        279: 768, 330: 600,
    }  # fmt: skip
    head = (b"II*\0" + struct.pack("<I", 8) + directory(8, first)).ljust(600, b"\0")
    return (head + directory(600, below)).ljust(5000, b"\0") + content


JPEG = encoded(drawing((1200, 900)), "JPEG")


@pytest.mark.parametrize(
    "tags",
    [
        pytest.param({254: 0, 256: 1200, 257: 900, 259: 7, 262: 6, 273: 5000, 279: len(JPEG)}, id="a strip"),
        pytest.param({254: 1, 259: 6, 513: 5000, 514: len(JPEG)}, id="a preview without a size, as Nikon writes it"),
    ],
)
def test_of_a_camera_raw_the_large_jpeg_is_taken_as_viewers_do_and_turned(tags: dict[int, int]) -> None:
    data = camera_raw({**tags}, JPEG)

    assert upright(data) == (1200, 900)
    assert is_upright(shown(data))
    assert upright(camera_raw({**tags}, JPEG, orientation=6)) == (900, 1200)


def test_of_a_camera_raw_the_largest_plain_directory_is_taken() -> None:
    picture = drawing((1200, 900))
    tags: dict[int, tuple[int, ...] | int] = {
        256: 1200, 257: 900, 258: (8, 8, 8), 259: 1, 262: 2, 273: 5000, 277: 3, 278: 900, 279: 1200 * 900 * 3,
    }  # fmt: skip

    assert is_upright(shown(camera_raw(tags, picture.tobytes())))
    assert upright(camera_raw(tags, picture.tobytes(), orientation=6)) == (900, 1200)


def test_a_camera_raw_with_nothing_but_a_thumbnail_and_what_the_sensor_saw_is_refused_by_name() -> None:
    sensor: dict[int, tuple[int, ...] | int] = {
        254: 0, 256: 4000, 257: 3000, 258: 14, 259: 34713, 262: 32803, 273: 5000, 277: 1, 278: 3000, 279: 1000,
    }  # fmt: skip

    assert refusal(camera_raw(sensor, bytes(1000))) == CAMERA_RAW


def test_of_several_pages_the_first_is_taken_unless_it_is_a_small_copy() -> None:
    small, large = drawing((40, 30)).rotate(180), drawing((400, 300))

    plain = encoded(large, "TIFF", save_all=True, append_images=[small])
    thumbnail_first = bytearray(encoded(small, "TIFF", save_all=True, append_images=[large], tiffinfo={254: 1}))
    (at,) = struct.unpack_from("<I", thumbnail_first, 4)
    (count,) = struct.unpack_from("<H", thumbnail_first, at)
    (second,) = struct.unpack_from("<I", thumbnail_first, at + 2 + 12 * count)
    (count,) = struct.unpack_from("<H", thumbnail_first, second)
    for entry in range(second + 2, second + 2 + 12 * count, 12):
        if struct.unpack_from("<H", thumbnail_first, entry)[0] == 254:
            struct.pack_into("<I", thumbnail_first, entry + 8, 0)

    for data in (plain, bytes(thumbnail_first)):
        assert upright(data) == (400, 300)
        assert is_upright(shown(data))


# --- names, icons, animations, transparency --------------------------------------------------------------------------


def test_an_icon_gives_its_largest_picture() -> None:
    sizes = [(16, 16), (128, 128), (32, 32)]

    for form in ("png", "bmp"):
        data = encoded(drawing((128, 128), "RGBA"), "ICO", sizes=sizes, bitmap_format=form)
        assert upright(data) == (128, 128)
        assert fit(data, 1280, 720)


def frames(*colours: tuple[int, int, int, int] | None) -> list[Image.Image]:
    """A plain frame for each colour, the drawing for None."""
    return [drawing(mode="RGBA") if colour is None else Image.new("RGBA", (96, 72), colour) for colour in colours]


def opaque(picture: Image.Image) -> Image.Image:
    picture.putalpha(255)
    return picture


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("blank", [(0, 0, 0, 0), (0, 0, 0, 255), (255, 255, 255, 255)], ids=["clear", "black", "white"])
def test_of_an_animation_the_first_frame_is_taken_that_shows_something(kind: str, blank: tuple[int, ...]) -> None:
    nothing = Image.new("RGBA", (96, 72), blank)
    drawn, later = opaque(drawing(mode="RGBA")), opaque(drawing(mode="RGBA").rotate(180))
    options = {"lossless": True} if kind == "WEBP" else {"disposal": 2} if kind == "GIF" else {}
    data = encoded(nothing, kind, save_all=True, append_images=[nothing, drawn, later], **options)

    assert is_upright(shown(data))


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_an_animation_of_plain_colours_gives_the_first_of_them(kind: str) -> None:
    first, *others = frames((0, 0, 0, 0), (*RED, 255), (*BLUE, 255))
    options = {"lossless": True} if kind == "WEBP" else {"disposal": 2} if kind == "GIF" else {}

    data = encoded(first, kind, save_all=True, append_images=others, **options)

    assert is_near(shown(data).getpixel((640, 360)), RED)


def test_an_apng_is_shown_as_those_see_it_who_know_apng() -> None:
    for_others, drawn = Image.new("RGBA", (96, 72), (0, 255, 0, 255)), opaque(drawing(mode="RGBA"))
    ImageDraw.Draw(for_others).rectangle((0, 0, 40, 40), fill=(0, 0, 0, 255))

    data = encoded(for_others, "PNG", save_all=True, default_image=True, append_images=[drawn, drawn.rotate(180)])

    assert is_upright(shown(data))


def heic_of(picture: Image.Image) -> bytes:
    return heic(picture)


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(lambda clear: encoded(clear, "PNG"), id="png"),
        pytest.param(lambda clear: encoded(clear.convert("LA"), "PNG"), id="png of greys"),
        pytest.param(lambda clear: encoded(clear.convert("RGB").quantize(4), "PNG", transparency=0), id="png palette"),
        pytest.param(lambda clear: encoded(clear, "WEBP", lossless=True), id="webp"),
        pytest.param(lambda clear: encoded(clear, "GIF"), id="gif"),
        pytest.param(lambda clear: encoded(clear, "GIF", save_all=True, append_images=[clear, clear]), id="animation"),
        pytest.param(lambda clear: encoded(clear, "TIFF"), id="tiff"),
        pytest.param(lambda clear: encoded(clear, "AVIF"), id="avif"),
        pytest.param(heic_of, id="heic"),
        pytest.param(lambda clear: encoded(clear, "ICO", sizes=[(96, 72)]), id="ico"),
    ],
)
def test_a_picture_of_nothing_is_refused(made: Callable[[Image.Image], bytes]) -> None:
    assert refusal(made(Image.new("RGBA", (96, 72), (0, 0, 0, 0)))) == TRANSPARENT


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "TIFF"])
def test_a_small_spot_is_something(kind: str) -> None:
    spot = Image.new("RGBA", (640, 480), (0, 0, 0, 0))
    spot.putpixel((333, 222), (*RED, 255))

    assert fit(encoded(spot, kind), 1280, 720)


def test_the_bytes_decide_not_the_name() -> None:
    assert is_upright(shown(oriented(1)))
    assert is_upright(shown(heic(drawing())))


def test_an_iphones_heic_keeps_its_colours_and_form() -> None:
    picture = drawing((1200, 900))

    data = heic(picture, tile_size=512, icc_profile=wide_gamut_profile())

    assert upright(data) == (1200, 900)
    seen = shown(data)
    red = seen.getpixel((100, 60))
    assert isinstance(red, tuple)
    assert red[0] > 225
    assert red[1] < 20
