"""What becomes of a picture that can be used."""

from __future__ import annotations

import io
import zipfile

import pytest
from PIL import Image, ImageDraw, ImageStat

from bot.images.resize import fit, plan
from tests.unit.images_samples import (
    ORIENTATION,
    UNDO,
    drawing,
    encoded,
    is_near,
    oriented,
    samples,
    upright,
    wide_gamut_profile,
)

RED, BLUE, WHITE = (220, 20, 30), (20, 30, 220), (255, 255, 255)


def opened(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


@pytest.mark.parametrize("name", sorted(samples()))
@pytest.mark.parametrize("size", [(720, 1280), (1280, 720)], ids=str)
def test_every_format_goes_out_as_a_plain_jpeg_of_the_exact_size(name: str, size: tuple[int, int]) -> None:
    fitted = fit(samples()[name], *size)

    picture = opened(fitted)
    assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", size)
    assert set(picture.info) == {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photo_is_shown_upright(orientation: int) -> None:
    held = drawing((90, 160))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    turned = held if (undo := UNDO[orientation]) is None else held.transpose(undo)
    data = encoded(turned, "JPEG", exif=exif, quality=95)

    picture = opened(fit(data, 720, 1280))

    assert upright(data) == (90, 160)
    assert is_near(picture.getpixel((60, 100)), RED)
    assert is_near(picture.getpixel((660, 1180)), BLUE)


def test_an_upright_phone_photo_goes_out_upright_and_without_exif() -> None:
    data = oriented(6, (4000, 3000))

    fitted = fit(data, 720, 1280)

    picture = opened(fitted)
    assert upright(data) == (3000, 4000)
    assert picture.size == (720, 1280)
    assert b"Exif" not in fitted
    # The sensor's top left is the viewer's top right.
    assert is_near(picture.getpixel((700, 60)), RED)
    assert is_near(picture.getpixel((20, 1220)), BLUE)


@pytest.mark.filterwarnings("ignore::UserWarning")  # as it runs: Pillow warns of the EXIF, and goes on
def test_broken_exif_leaves_a_sound_picture_as_it_is() -> None:
    data = encoded(drawing(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff" + b"\xff" * 40)

    assert upright(data) == (96, 72)
    assert opened(fit(data, 720, 1280)).size == (720, 1280)


@pytest.mark.parametrize(
    ("source", "target", "is_cropped"),
    [
        ((1280, 720), (1280, 720), True),
        ((4000, 3000), (1280, 720), True),  # a photo at 4:3 loses just a quarter
        ((3000, 4000), (720, 1280), True),
        ((1080, 2400), (720, 1280), True),  # a phone's screenshot
        ((1000, 1000), (1280, 720), False),
        ((1280, 720), (720, 1280), False),
        ((4000, 200), (1280, 720), False),
        ((16, 16), (1024, 1792), False),
    ],
    ids=str,
)
def test_near_shapes_are_cropped_and_far_ones_padded(
    source: tuple[int, int],
    target: tuple[int, int],
    is_cropped: bool,  # noqa: FBT001 - a column of the table
) -> None:
    made = plan(source, target)

    left, top, right, bottom = made.box
    across, down = made.size[0] / (right - left), made.size[1] / (bottom - top)
    assert abs(across - down) / across < 0.02, "distorted"
    assert left + right == pytest.approx(source[0])
    assert top + bottom == pytest.approx(source[1])
    assert (made.size == target) is is_cropped
    assert is_cropped or made.box == (0, 0, *source)


def test_padding_is_of_the_pictures_own_colours_and_round_things_stay_round() -> None:
    picture = Image.new("RGB", (800, 800), (200, 160, 90))
    ImageDraw.Draw(picture).ellipse((200, 200, 600, 600), fill=(10, 10, 200))

    fitted = opened(fit(encoded(picture, "PNG"), 720, 1280))

    for corner in ((0, 0), (719, 0), (0, 1279), (719, 1279), (360, 100)):
        assert is_near(fitted.getpixel(corner), (200, 160, 90), 60), corner
    is_blue = [[is_near(fitted.getpixel((x, y)), (10, 10, 200)) for x in range(0, 720, 4)] for y in range(0, 1280, 4)]
    width = max(sum(row) for row in is_blue)
    height = max(sum(column) for column in zip(*is_blue, strict=True))
    assert abs(width - height) <= 2
    assert 85 <= width <= 95  # 360 of 720 pixels, in steps of 4


def test_a_wide_gamut_photo_is_converted_to_srgb() -> None:
    flat = Image.new("RGB", (64, 36), (200, 100, 100))

    converted = opened(fit(encoded(flat, "JPEG", icc_profile=wide_gamut_profile(), quality=95), 1280, 720))
    ignored = opened(fit(encoded(flat, "JPEG", icc_profile=b"no profile" * 20, quality=95), 1280, 720))

    assert is_near(ignored.getpixel((640, 360)), (200, 100, 100), 4)
    red, green, _ = converted.getpixel((640, 360))  # type: ignore[misc] # an RGB pixel is three numbers
    assert red > 208
    assert green < 98


@pytest.mark.parametrize(
    "name", ["jpeg cmyk", "tiff cmyk", "tiff lab", "gif", "png palette", "webp", "avif", "bmp", "heic", "heic tiled"]
)
def test_colours_survive_every_mode(name: str) -> None:
    picture = opened(fit(samples()[name], 1280, 720))

    assert is_near(picture.getpixel((60, 40)), RED)
    assert is_near(picture.getpixel((1220, 680)), BLUE)


@pytest.mark.parametrize("name", ["png deep", "tiff deep", "tiff float", "jpeg grey"])
def test_grey_of_any_depth_keeps_its_contrast(name: str) -> None:
    grey = opened(fit(samples()[name], 1280, 720)).convert("L")
    plain = opened(fit(encoded(drawing().convert("L"), "PNG"), 1280, 720)).convert("L")

    assert ImageStat.Stat(grey).mean[0] == pytest.approx(ImageStat.Stat(plain).mean[0], abs=4)


@pytest.mark.parametrize(
    ("drawn", "ground"),
    [((10, 90, 10), WHITE), ((250, 250, 250), (49, 51, 56))],
    ids=["dark on white", "white on dark"],
)
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "TIFF"])
def test_transparency_lies_on_a_plain_ground_that_shows_the_picture(
    drawn: tuple[int, int, int], ground: tuple[int, int, int], kind: str
) -> None:
    clear = Image.new("RGBA", (128, 72), (0, 0, 0, 0))
    ImageDraw.Draw(clear).rectangle((32, 18, 96, 54), fill=(*drawn, 255))

    picture = opened(fit(encoded(clear, kind), 1280, 720))

    assert is_near(picture.getpixel((20, 20)), ground, 12)
    assert is_near(picture.getpixel((640, 360)), drawn, 12)


def test_large_pictures_with_transparency_are_flattened_in_bands_without_seams() -> None:
    clear = Image.new("RGBA", (3000, 1700), (0, 90, 200, 128))

    picture = opened(fit(encoded(clear, "PNG"), 1280, 720))

    low, high = zip(*picture.getextrema(), strict=True)
    assert all(top - bottom <= 3 for bottom, top in zip(low, high, strict=True))


@pytest.mark.parametrize("name", ["apng", "gif animated", "webp animated", "jpeg mpo"])
def test_an_animation_gives_its_first_frame(name: str) -> None:
    picture = opened(fit(samples()[name], 1280, 720))

    assert is_near(picture.getpixel((60, 40)), RED)
    assert is_near(picture.getpixel((1220, 680)), BLUE)


def test_what_hides_behind_a_picture_does_not_go_out() -> None:
    out = io.BytesIO(samples()["jpeg"])
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("secret.txt", "stowaway")

    fitted = fit(out.getvalue(), 720, 1280)

    assert b"stowaway" not in fitted
    assert not zipfile.is_zipfile(io.BytesIO(fitted))


def test_a_photo_of_fifty_megapixels_is_taken_at_a_fraction() -> None:
    data = encoded(drawing((8160, 6120)), "JPEG", quality=60)

    assert opened(fit(data, 1280, 720)).size == (1280, 720)
