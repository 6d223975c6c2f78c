"""What there is to be seen: the first frame of an animation that shows something, the rows before a file breaks off."""

from __future__ import annotations

import enum
import io
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile

from bot.errors import PictureRefused
from bot.images import containers, precheck
from bot.images.decode import Opened

if TYPE_CHECKING:
    from bot.images.heif import HeifPicture

BAND_PIXELS = 1_000_000
MAX_FRAMES = 100
MAX_LOOKED_AT_PIXELS = 400_000_000
_LEAST_ALPHA = 8  # of 255; less is not seen
_LEAST_CONTRAST = 8  # between darkest and brightest; less is one colour
_JPEG_BLOCK = 16  # rows that come together


class Sight(enum.Enum):
    """What a frame shows."""

    NOTHING = enum.auto()
    ONE_COLOUR = enum.auto()
    SOMETHING = enum.auto()


def select_frame(opened: Opened) -> tuple[int, int]:
    """Leaves the picture at the frame to be shown; width and height of what is there of it.

    Raises PictureRefused where nothing is to be seen or too much is missing, and what decoders raise.
    """
    picture = opened.picture
    width, height = picture.size
    there = _rows_there(picture) if opened.breaks_off and isinstance(picture, ImageFile.ImageFile) else height
    if there < containers.LEAST_THERE * height:
        raise PictureRefused(precheck.DAMAGED)
    is_animated = isinstance(picture, GifImageFile) or getattr(picture, "is_animated", False)
    if is_animated and there == height and isinstance(picture, ImageFile.ImageFile):
        _choose_frame(picture)
    elif picture.has_transparency_data:
        picture.load()
        if look(picture) is Sight.NOTHING:
            raise PictureRefused(precheck.TRANSPARENT)
    return width, there


def _choose_frame(picture: ImageFile.ImageFile) -> None:
    """A frame of one colour is taken where there is no other: a video may begin with a fade."""
    first = 1 if picture.info.get("default_image") else 0  # what an APNG shows to those who know no APNG
    plain = None
    for number in range(first, first + MAX_FRAMES):
        try:
            picture.seek(number)
            picture.load()
        except Exception:  # EOFError for the end, and whatever broken bytes lead to
            if number == first:
                raise
            break
        sight = look(picture)
        if sight is Sight.SOMETHING:
            return
        if sight is Sight.ONE_COLOUR and plain is None:
            plain = number
        if (number + 1 - first) * picture.width * picture.height > MAX_LOOKED_AT_PIXELS:
            break
    if plain is None:
        raise PictureRefused(precheck.TRANSPARENT)
    picture.seek(plain)


def look(picture: Image.Image | HeifPicture) -> Sight:
    """In bands: no second full-size copy is ever held."""
    if picture.mode.startswith(("I", "F")):
        return Sight.SOMETHING
    width, height = picture.size
    rows = max(1, BAND_PIXELS // width)
    ranges: list[tuple[int, int]] = []
    for top in range(0, height, rows):
        seen = _ranges(picture.crop((0, top, width, min(height, top + rows))).convert("RGBA"))
        ranges = [(min(a, c), max(b, d)) for (a, b), (c, d) in zip(ranges or seen, seen, strict=True)]
        *colours, (least, most) = ranges
        if most >= _LEAST_ALPHA and (least < _LEAST_ALPHA or any(b - a >= _LEAST_CONTRAST for a, b in colours)):
            return Sight.SOMETHING
    return Sight.ONE_COLOUR if ranges[3][1] >= _LEAST_ALPHA else Sight.NOTHING


def _ranges(picture: Image.Image) -> list[tuple[int, int]]:
    """The lowest and the highest value of each band."""
    found: Any = picture.getextrema()
    return list(found) if isinstance(found[0], tuple) else [found]


def _rows_there(picture: ImageFile.ImageFile) -> int:
    """How many rows there are of a picture whose file may break off; the rest is of one colour."""
    if isinstance(picture, JpegImageFile):
        assert isinstance(picture.fp, io.BytesIO)
        small = JpegImageFile(io.BytesIO(picture.fp.getvalue()))
        small.draft(None, (picture.width // 8, picture.height // 8))
        small.load()
        plain = _first_plain_row(small)
        whole = plain == small.height
        return picture.height if whole else plain * picture.height // small.height - _JPEG_BLOCK
    interlaced: Any = picture.tile[0].args if picture.tile else None
    is_in_order = isinstance(picture, GifImageFile) and interlaced and not interlaced[1]
    try:
        picture.load()
    except OSError:
        if not is_in_order:
            raise
        picture.tile = []  # what could be decoded is there
        return _first_plain_row(picture) - 1
    return picture.height


def _first_plain_row(picture: Image.Image) -> int:
    """From where on all rows are of one colour."""
    low, high = 0, picture.height
    while low < high:
        middle = (low + high) // 2
        if all(least == most for least, most in _ranges(picture.crop((0, middle, *picture.size)))):
            high = middle
        else:
            low = middle + 1
    return low
