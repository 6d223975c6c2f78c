"""Opens the bytes of a stranger: the format by its first bytes, every bound checked before decoding."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from PIL import ExifTags, Image, ImageFile
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from bot.errors import PictureRefused
from bot.images import blocks, claim

MAX_DECODED_BYTES = 180_000_000
"""What one picture may take while it is decoded; two are decoded at once."""

# Bytes a pixel while decoding, measured with Pillow 13: its own 4, and the buffers of the library beneath.
_BYTES_PER_PIXEL = {"PNG": 5, "GIF": 5, "BMP": 6, "TIFF": 9, "AVIF": 14, "WEBP": 14, "WEBP RGBA": 17}
_MAX_SCANS = 100  # of a JPEG; good encoders write up to a dozen, a bomb thousands
_MAX_SCANNED_PIXELS = 1_000_000_000  # pixels times scans
_MAX_RLE_PIXELS = 4_000_000  # Pillow decodes run-length BMP in Python, holding the interpreter
_MAX_EXIF_BYTES = 1_000_000
# Not the fax codes: libtiff writes a line to stderr for each damaged row.
_TIFF_COMPRESSIONS = frozenset({"raw", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits", "jpeg"})
_TIFF_ROWS_PER_STRIP, _TIFF_TILE_WIDTH, _TIFF_TILE_LENGTH = 278, 322, 323


def open_picture(data: bytes) -> ImageFile.ImageFile:
    """The picture, its header read and found within bounds, its pixels not yet decoded.

    Raises PictureRefused, or whatever Pillow raises for a broken header.
    """
    claim.check_bytes(len(data))
    if not (opener := _opener(data)):
        raise PictureRefused(_what_it_is(data))
    if check := _CHECKS.get(opener):
        check(data)
    # The class itself, not Image.open: no registry, no second guess at the format, no warnings about bombs.
    picture = opener(io.BytesIO(data))
    width, height = picture.size
    claim.check_pixels(width, height, claim.MAX_PIXELS)
    claim.check_shape(width, height)
    if isinstance(picture, JpegImageFile):
        _check_jpeg(picture, data)
    else:
        kind = picture.format or "TIFF"
        cost = _BYTES_PER_PIXEL.get(f"{kind} {picture.mode}", _BYTES_PER_PIXEL[kind])
        claim.check_pixels(width, height, MAX_DECODED_BYTES // cost)
    if isinstance(picture, TiffImageFile):
        _check_tiff(picture)
    if isinstance(picture, BmpImageFile) and picture.tile and picture.tile[0].codec_name == "bmp_rle":
        claim.check_pixels(width, height, _MAX_RLE_PIXELS)
    return picture


def turns(picture: ImageFile.ImageFile) -> Image.Transpose | None:
    """How to turn the picture upright, by its EXIF; damaged or bloated EXIF means not at all."""
    try:
        if len(picture.info.get("exif") or b"") > _MAX_EXIF_BYTES:
            return None
        orientation = picture.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # noqa: BLE001 - Pillow raises whatever the broken bytes lead to; the pixels may be sound
        return None
    return _TURNS.get(orientation) if isinstance(orientation, int) else None


def swaps_sides(turn: Image.Transpose | None) -> bool:
    return turn in _SIDEWAYS


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


_CHECKS: dict[type[ImageFile.ImageFile], Callable[[bytes], object]] = {
    JpegImageFile: blocks.jpeg_keeps_coefficients,
    PngImageFile: blocks.check_png,
    GifImageFile: blocks.check_gif,
    TiffImageFile: blocks.check_tiff,
}


def _opener(data: bytes) -> type[ImageFile.ImageFile] | None:
    if data.startswith(b"\xff\xd8\xff"):
        return JpegImageFile
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return PngImageFile
    if data.startswith((b"GIF87a", b"GIF89a")):
        return GifImageFile
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return WebPImageFile
    if data.startswith(b"BM"):
        return BmpImageFile
    if data.startswith((b"II*\0", b"MM\0*")):
        return TiffImageFile
    if data[4:8] == b"ftyp" and b"avif" in data[8:64]:
        return AvifImageFile
    return None


def _what_it_is(data: bytes) -> str:
    """The refusal for bytes that are no picture of ours."""
    start = data[:4096].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if data[4:8] == b"ftyp":
        is_heic = any(brand in data[8:64] for brand in (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1"))
        return claim.HEIC if is_heic else claim.A_VIDEO
    if start.startswith(b"<") and b"<svg" in start:
        return claim.SVG
    if start.startswith(b"%pdf"):
        return claim.A_PDF
    if data.startswith((b"\x1aE\xdf\xa3", b"RIFF")) and data[8:12] != b"WAVE":
        return claim.A_VIDEO
    if data.startswith((b"ID3", b"OggS", b"fLaC", b"RIFF", b"\xff\xfb", b"\xff\xf3", b"\xff\xf1")):
        return claim.A_SOUND
    return claim.NOT_A_PICTURE


def _check_jpeg(picture: JpegImageFile, data: bytes) -> None:
    """Refuses JPEGs that cost more than they look: coefficients all kept, or scanned over and over."""
    if not blocks.jpeg_keeps_coefficients(data):
        return
    width, height = picture.size
    scans = data.count(b"\xff\xda")  # cannot occur inside a scan; thumbnails in the metadata count too
    if scans > _MAX_SCANS or scans * width * height > _MAX_SCANNED_PIXELS:
        raise PictureRefused(claim.DAMAGED)
    most = max(v * h for _, v, h, _ in picture.layer) or 1
    per_pixel = sum(2 * v * h / most for _, v, h, _ in picture.layer)
    claim.check_pixels(width, height, int(MAX_DECODED_BYTES / max(per_pixel, 1)))


def _check_tiff(picture: TiffImageFile) -> None:
    """A strip or tile is decoded whole, however little of it the picture uses."""
    if picture.info.get("compression") not in _TIFF_COMPRESSIONS:
        raise PictureRefused(claim.NOT_A_PICTURE)
    width, height = picture.size
    rows = min(height, _number(picture, _TIFF_ROWS_PER_STRIP, height))
    tile = _number(picture, _TIFF_TILE_WIDTH, 0) * _number(picture, _TIFF_TILE_LENGTH, 0)
    claim.check_pixels(1, max(tile, width * rows), MAX_DECODED_BYTES // _BYTES_PER_PIXEL["TIFF"])


def _number(picture: TiffImageFile, tag: int, default: int) -> int:
    value: Any = picture.tag_v2.get(tag, default)
    return value if isinstance(value, int) else default
