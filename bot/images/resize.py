"""Makes a picture fit for the provider: an upright sRGB JPEG of exactly the size, with no metadata."""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image, ImageCms, ImageFile, ImageFilter, ImageStat
from PIL.JpegImagePlugin import JpegImageFile

from bot.errors import PictureRefused
from bot.images import decode, frames, precheck

if TYPE_CHECKING:
    from bot.images.heif import HeifPicture

QUALITY = 92
COPY_SIDE = 1792
"""Longest side of a kept copy: any size on offer can be made from it once more."""
MAX_LOST = 0.26
"""How much of a picture may be cropped away; a 4:3 photo loses a quarter at 16:9. Above that it is padded."""

# A JPEG is decoded at 1/2, 1/4 or 1/8, others are box-reduced, to no less than this times the final size.
_DRAFT_GAP, _REDUCE_GAP = 1.1, 2.0
_LIGHT, _DARK = (255, 255, 255), (49, 51, 56)
_DIRECT = frozenset({"RGB", "L", "CMYK", "LAB", "YCbCr"})
_DEEP = frozenset({"I", "F", "I;16", "I;16L", "I;16B", "I;16N"})


@dataclass(frozen=True, slots=True)
class Measured:
    """Width and height as the picture is meant to be seen, and whether decoding takes so much that it is done alone."""

    upright: tuple[int, int]
    is_large: bool


def measure(data: bytes) -> Measured:
    """What the header tells. Raises PictureRefused."""
    with _refusing():
        opened = decode.open_picture(data)
        with opened.picture:
            return Measured(opened.upright_size, opened.is_large)


def fit(data: bytes, width: int, height: int, *, max_enlargement: float = precheck.ANY_ENLARGEMENT) -> bytes:
    """A JPEG of exactly this size: cropped where shapes are near, else on a blurred copy of the picture.

    Raises PictureRefused, and nothing else, for any bytes.
    """
    with _refusing():
        opened = decode.open_picture(data)
        with opened.picture:
            return _jpeg(_fitted(opened, width, height, max_enlargement))


def copy(data: bytes) -> bytes:
    """The whole picture as an upright JPEG without metadata, reduced to COPY_SIDE. Raises PictureRefused."""
    width, height = measure(data).upright
    scale = min(1.0, COPY_SIDE / max(width, height))
    return fit(data, max(1, round(width * scale)), max(1, round(height * scale)))


@contextlib.contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except PictureRefused:
        raise
    except Exception as error:  # decoders raise whatever the broken bytes lead to, MemoryError included
        raise PictureRefused(precheck.DAMAGED) from error


@dataclass(frozen=True, slots=True)
class Plan:
    """Which part of a picture is shown, and how large, before any padding."""

    box: tuple[float, float, float, float]
    size: tuple[int, int]

    @property
    def scale(self) -> float:
        return max(self.size[0] / (self.box[2] - self.box[0]), self.size[1] / (self.box[3] - self.box[1]))


def plan(source: tuple[int, int], target: tuple[int, int]) -> Plan:
    """Crops to the target's shape while no more than MAX_LOST goes, else keeps everything."""
    width, height = source
    wide = (width * target[1]) / (height * target[0])  # above 1: wider than the target
    if 1 - min(wide, 1 / wide) <= MAX_LOST:
        shown = (width / max(wide, 1), height / max(1 / wide, 1))
        left, top = (width - shown[0]) / 2, (height - shown[1]) / 2
        return Plan((left, top, left + shown[0], top + shown[1]), target)
    scale = min(target[0] / width, target[1] / height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return Plan((0, 0, width, height), size)


def _fitted(opened: decode.Opened, width: int, height: int, max_enlargement: float) -> Image.Image:
    picture, turn = opened.picture, opened.turn
    target = (height, width) if opened.is_sideways else (width, height)
    precheck.check_enlargement(*opened.upright_size, plan(picture.size, target).scale, max_enlargement)
    fitting = plan(frames.select_frame(opened), target)
    shown = _srgb(_resized(picture, fitting), picture.info.get("icc_profile"))
    if shown.size != target:
        shown = _padded(shown, target)
    return shown.transpose(turn) if turn is not None else shown


def _resized(picture: ImageFile.ImageFile | HeifPicture, fitting: Plan) -> Image.Image:
    full_width, full_height = picture.size
    if isinstance(picture, JpegImageFile):
        least = _DRAFT_GAP * fitting.scale
        picture.draft(None, (math.ceil(full_width * least), math.ceil(full_height * least)))
    picture.load()
    drafted = 2 ** round(math.log2(full_width / picture.width))  # 1, 2, 4 or 8
    factor = max(1, int(1 / (fitting.scale * drafted * _REDUCE_GAP)))
    if not isinstance(picture, Image.Image) or picture.mode not in _DIRECT or picture.has_transparency_data:
        reduced = _flattened(picture, factor)
    else:
        reduced = picture.reduce(factor) if factor > 1 else picture
    left, top, right, bottom = (side / (drafted * factor) for side in fitting.box)
    right, bottom = min(right, reduced.width), min(bottom, reduced.height)
    width, height = fitting.size
    # Down, then across. With BICUBIC down is a third cheaper; it costs 1 dB, so only where little else is lost.
    is_plenty = bottom - top > 1.3 * height
    filter_down = Image.Resampling.BICUBIC if is_plenty else Image.Resampling.LANCZOS
    low = reduced.resize((reduced.width, height), filter_down, (0, top, reduced.width, bottom))
    return low.resize((width, height), Image.Resampling.LANCZOS, (left, 0, right, height))


def _flattened(picture: Image.Image | HeifPicture, factor: int) -> Image.Image:
    """Plain colours from any mode, reduced, in bands: no second full-size copy is ever held."""
    width, height = picture.size
    reduced = Image.new("RGB", (math.ceil(width / factor), math.ceil(height / factor)))
    rows = factor * max(1, frames.BAND_PIXELS // (width * factor))
    ground, deepest = _ground(picture), _deepest(picture)
    for top in range(0, height, rows):
        band = picture.crop((0, top, width, min(height, top + rows)))
        reduced.paste(_plain(band, ground, deepest).reduce(factor), (0, top // factor))
    return reduced


def _plain(band: Image.Image, ground: tuple[int, int, int], deepest: tuple[float, float]) -> Image.Image:
    if band.mode in _DEEP:
        low, high = deepest
        scale = 255 / (high - low)
        return band.convert("F").point(lambda value: value * scale - low * scale).convert("RGB")
    if not band.has_transparency_data:
        return band.convert("RGB")
    seen = band.convert("RGBA")
    plain = Image.new("RGB", band.size, ground)
    plain.paste(seen, mask=seen.getchannel("A"))
    return plain


def _ground(picture: Image.Image | HeifPicture) -> tuple[int, int, int]:
    """White behind what is transparent; dark where the picture itself is nearly white and would vanish."""
    if not picture.has_transparency_data or picture.mode in _DEEP:
        return _LIGHT
    sample = picture.resize((64, 64), Image.Resampling.NEAREST).convert("RGBA")
    visible = sample.getchannel("A").point(lambda alpha: 255 * (alpha > 127))
    if visible.getbbox() is None:
        return _LIGHT
    return _DARK if ImageStat.Stat(sample.convert("L"), visible).mean[0] > 215 else _LIGHT


def _deepest(picture: Image.Image | HeifPicture) -> tuple[float, float]:
    """The values that stand for black and white in a grey picture of more than 8 bits."""
    if not isinstance(picture, Image.Image) or picture.mode not in _DEEP:
        return (0, 255)
    if picture.mode.startswith("I;16"):
        return (0, 65535)
    low, high = picture.getextrema()
    if not isinstance(low, int | float) or not isinstance(high, int | float):
        return (0, 255)
    if low >= 0 and high <= 65535:
        return (0, 1 if high <= 1 and picture.mode == "F" else 255 if high <= 255 else 65535)
    return (low, high) if math.isfinite(low) and math.isfinite(high) and high > low else (0, 255)


def _srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """Colours as a screen shows them; a profile that cannot be read or does not match is ignored."""
    srgb = ImageCms.createProfile("sRGB")
    try:
        if picture.mode == "LAB":
            source = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        elif profile:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        else:
            return picture.convert("RGB")
        converted = ImageCms.profileToProfile(
            picture, source, srgb, ImageCms.Intent.RELATIVE_COLORIMETRIC, outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return picture.convert("RGB")
    return converted if converted is not None else picture.convert("RGB")


def _padded(picture: Image.Image, target: tuple[int, int]) -> Image.Image:
    """The picture in the middle of a blurred, enlarged copy of itself."""
    small = (max(1, target[0] // 16), max(1, target[1] // 16))
    wide = (picture.width * target[1]) / (picture.height * target[0])
    shown = (picture.width / max(wide, 1), picture.height / max(1 / wide, 1))
    left, top = (picture.width - shown[0]) / 2, (picture.height - shown[1]) / 2
    ground = picture.resize(small, Image.Resampling.BOX, (left, top, left + shown[0], top + shown[1]))
    ground = ground.filter(ImageFilter.GaussianBlur(2)).resize(target, Image.Resampling.BICUBIC)
    ground.paste(picture, ((target[0] - picture.width) // 2, (target[1] - picture.height) // 2))
    return ground


def _jpeg(picture: Image.Image) -> bytes:
    picture.info.clear()  # Pillow carries a JPEG's comment along and would write it again
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()
