"""Opens the bytes of a stranger: the format by its first bytes, every bound checked before decoding."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL import AvifImagePlugin, ExifTags, Image, ImageFile
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.IcoImagePlugin import IcoImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from bot.errors import PictureRefused
from bot.images import containers, file_types, png, precheck, tiff

if TYPE_CHECKING:
    from bot.images.heif import HeifPicture

AvifImagePlugin.DEFAULT_MAX_THREADS = 2

MAX_DECODED_BYTES = 300_000_000
"""What one picture may take while it is decoded."""
LARGE_BYTES = 100_000_000
"""What takes more is decoded while no other is."""

# Bytes a pixel while decoding, measured with Pillow 13: its own 4, the buffers of the library beneath, and 4 more where
# transparency is to be laid on a ground. A JPEG is decoded at a fraction.
_BYTES_PER_PIXEL = {"JPEG": 0.25, "PNG": 6, "GIF": 9, "BMP": 6, "TIFF": 9, "HEIF": 10, "AVIF": 14, "WEBP": 14}
_BYTES_PER_PIXEL |= {"PNG RGBA": 9, "PNG LA": 9, "WEBP RGBA": 17}
_MAX_SCANS = 100  # of a JPEG; good encoders write up to a dozen, a bomb thousands
_MAX_SCANNED_PIXELS = 1_000_000_000  # pixels times scans
_MAX_RLE_PIXELS = 4_000_000  # Pillow decodes run-length BMP in Python, holding the interpreter
_MAX_ICON_PIXELS = 1_000_000
_MAX_EXIF_BYTES = 1_000_000
# Not the fax codes: libtiff writes a line to stderr for each damaged row.
_TIFF_COMPRESSIONS = frozenset({"raw", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits", "jpeg"})
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_TIFF_ROWS_PER_STRIP, _TIFF_TILE_WIDTH, _TIFF_TILE_LENGTH = 278, 322, 323


@dataclass(frozen=True, slots=True)
class Opened:
    """A picture whose header was read and found within bounds, its pixels not yet decoded.

    `turn` makes it upright. Where it `breaks_off`, its last rows may be missing. `cost_bytes` is what decoding takes.
    """

    picture: ImageFile.ImageFile | HeifPicture
    turn: Image.Transpose | None = None
    breaks_off: bool = False
    cost_bytes: int = 0

    @property
    def is_large(self) -> bool:
        return self.cost_bytes > LARGE_BYTES

    @property
    def upright_size(self) -> tuple[int, int]:
        width, height = self.picture.size
        return (height, width) if self.is_sideways else (width, height)

    @property
    def is_sideways(self) -> bool:
        return self.turn in _SIDEWAYS


def open_picture(data: bytes) -> Opened:
    """Raises PictureRefused, or whatever a decoder raises for a broken header."""
    precheck.check_bytes(len(data))
    if opener := _opener(data):
        return opener(data)
    raise PictureRefused(file_types.what_it_is(data))


def _opener(data: bytes) -> Callable[[bytes], Opened] | None:
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg
    if data.startswith(png.SIGNATURE):
        return _png
    if data.startswith((b"GIF87a", b"GIF89a")):
        return _gif
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _webp
    if data.startswith(b"BM"):
        return _bmp
    if data.startswith((b"II*\0", b"MM\0*")):
        return _tiff
    if data.startswith(b"\0\0\1\0"):
        return _ico
    brands = file_types.brands(data)
    if brands & {b"avif", b"avis"}:
        return _avif
    if brands & _HEIF_BRANDS and brands.isdisjoint(file_types.VIDEO_BRANDS):
        return _heif
    return None


# Each uses the class itself, not Image.open: no registry, no second guess at the format, no warnings about bombs.


def _jpeg(data: bytes, orientation: int = 1) -> Opened:
    found = containers.read_jpeg(data)
    if not found.is_whole:
        if not found.has_every_coefficient and found.keeps_coefficients:
            raise PictureRefused(precheck.DAMAGED)
        data += b"\xff\xd9"
    picture = JpegImageFile(io.BytesIO(data))
    cost = _checked(picture, "JPEG")
    if found.keeps_coefficients:
        width, height = picture.size
        if found.scans > _MAX_SCANS or found.scans * width * height > _MAX_SCANNED_PIXELS:
            raise PictureRefused(precheck.DAMAGED)
        most = max(v * h for _, v, h, _ in picture.layer) or 1
        per_pixel = sum(2 * v * h / most for _, v, h, _ in picture.layer)
        precheck.check_pixels(width, height, int(MAX_DECODED_BYTES / max(per_pixel, 1)))
        cost = int(per_pixel * width * height)
    turn = _TURNS.get(_orientation(picture) or orientation)
    return Opened(picture, turn, not found.is_whole and not found.keeps_coefficients, cost)


def _png(data: bytes) -> Opened:
    whole = png.mended(data)
    picture = PngImageFile(io.BytesIO(whole.data))
    if whole.profile:
        picture.info["icc_profile"] = whole.profile
    cost = _checked(picture, f"PNG {picture.mode}")
    return Opened(picture, _TURNS.get(_orientation(picture)), cost_bytes=cost)


def _gif(data: bytes) -> Opened:
    containers.check_gif(data)
    picture = GifImageFile(io.BytesIO(data))
    cost = _checked(picture, "GIF")
    return Opened(picture, breaks_off=True, cost_bytes=cost)


def _webp(data: bytes) -> Opened:
    picture = WebPImageFile(io.BytesIO(data))
    cost = _checked(picture, f"WEBP {picture.mode}")
    return Opened(picture, _TURNS.get(_orientation(picture)), cost_bytes=cost)


def _bmp(data: bytes) -> Opened:
    picture = BmpImageFile(io.BytesIO(data))
    cost = _checked(picture, "BMP")
    if picture.tile and picture.tile[0].codec_name == "bmp_rle":
        precheck.check_pixels(*picture.size, _MAX_RLE_PIXELS)
    return Opened(picture, cost_bytes=cost)


def _ico(data: bytes) -> Opened:
    """The largest picture of an icon."""
    largest, alone = file_types.largest_of_icon(data)
    if largest.startswith(png.SIGNATURE):
        return _png(largest)
    width, height = struct.unpack_from("<II", largest, 4)
    precheck.check_pixels(width, height, _MAX_ICON_PIXELS)
    picture = IcoImageFile(io.BytesIO(alone))
    _checked(picture, "BMP")
    return Opened(picture)


def _tiff(data: bytes) -> Opened:
    shown = tiff.shown(data)
    if shown.jpeg:
        return _jpeg(shown.jpeg, shown.orientation)
    picture = TiffImageFile(io.BytesIO(shown.tiff))  # turned upright by Pillow itself
    picture.info.pop("xmp", None)  # or Pillow would obey the orientation that stands there
    cost = _checked(picture, "TIFF")
    _check_tiff(picture)
    return Opened(picture, _TURNS.get(shown.orientation), cost_bytes=cost)


def _avif(data: bytes) -> Opened:
    picture = AvifImageFile(io.BytesIO(data))
    cost = _checked(picture, "AVIF")
    turn = _TURNS.get(_orientation(picture))  # Pillow has put there what its container says
    return Opened(picture, turn, cost_bytes=cost)


def _heif(data: bytes) -> Opened:
    from bot.images.heif import HeifPicture  # loads libheif: 20 ms and 10 MB that other pictures do without

    containers.check_boxes(data)
    picture = HeifPicture(data)
    cost = _checked(picture, "HEIF")
    return Opened(picture, cost_bytes=cost)


def _checked(picture: ImageFile.ImageFile | HeifPicture, kind: str) -> int:
    """The bytes that decoding takes, within bounds."""
    width, height = picture.size
    cost = _BYTES_PER_PIXEL.get(kind) or _BYTES_PER_PIXEL[kind.partition(" ")[0]]
    precheck.check_pixels(width, height, precheck.MAX_PIXELS)
    precheck.check_shape(width, height)
    precheck.check_pixels(width, height, int(MAX_DECODED_BYTES / cost))
    return int(cost * width * height)


def _orientation(picture: ImageFile.ImageFile) -> int:
    """What EXIF says; 0 where it says nothing, is damaged or bloated. What XMP says no viewer obeys."""
    for name in ("xmp", "XML:com.adobe.xmp", "Raw profile type exif"):
        picture.info.pop(name, None)
    if isinstance(picture, PngImageFile) and "exif" not in picture.info:
        return 0  # or Pillow would decode it all, to look for EXIF at its end
    try:
        if len(picture.info.get("exif") or b"") > _MAX_EXIF_BYTES:
            return 0
        orientation = picture.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # noqa: BLE001 - Pillow raises whatever the broken bytes lead to; the pixels may be sound
        return 0
    return orientation if isinstance(orientation, int) else 0


_SIDEWAYS = (
    Image.Transpose.TRANSPOSE,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSVERSE,
    Image.Transpose.ROTATE_90,
)
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _check_tiff(picture: TiffImageFile) -> None:
    """A strip or tile is decoded whole, however little of it the picture uses."""
    if picture.info.get("compression") not in _TIFF_COMPRESSIONS:
        raise PictureRefused(precheck.NOT_A_PICTURE)
    width, height = _number(picture, 256, 0), _number(picture, 257, 0)
    rows = min(height, _number(picture, _TIFF_ROWS_PER_STRIP, height))
    tile = _number(picture, _TIFF_TILE_WIDTH, 0) * _number(picture, _TIFF_TILE_LENGTH, 0)
    precheck.check_pixels(1, max(tile, width * rows), int(MAX_DECODED_BYTES / _BYTES_PER_PIXEL["TIFF"]))


def _number(picture: TiffImageFile, tag: int, default: int) -> int:
    value: Any = picture.tag_v2.get(tag, default)
    return value if isinstance(value, int) else default
