"""What can be said of a picture before its bytes are here; bounds and sentences of all checks. Pure."""

from __future__ import annotations

from bot.errors import PictureRefused
from bot.i18n.marking import N_
from bot.sizes import megabytes

MAX_BYTES = 25 * 1024 * 1024
MAX_PIXELS = 200_000_000  # a JPEG, decoded at a fraction; others are bound by memory, in `bot.images.decode`
MIN_SIDE = 16
MAX_SHAPE = 20  # the longer side against the shorter
ANY_ENLARGEMENT = 1e9

EMPTY = N_("This file is empty. Attach the picture again.")
NOT_A_PICTURE = N_("The bot cannot read this file as a picture. Send a JPEG, PNG, WebP, GIF or HEIC.")
A_VIDEO = N_("This is a video, not a picture. Send a JPEG, PNG, WebP, GIF or HEIC.")
A_PDF = N_("This is a PDF, not a picture. Send a JPEG, PNG, WebP, GIF or HEIC.")
A_SOUND = N_("This is a sound file, not a picture. Send a JPEG, PNG, WebP, GIF or HEIC.")
SVG = N_("SVG drawings cannot be animated. Send the drawing as a PNG or JPEG.")
JPEG_XL = N_("The bot cannot read JPEG XL. Send the picture as a JPEG or PNG.")
CAMERA_RAW = N_("This is a camera's RAW file. Send the picture as a JPEG.")
TRANSPARENT = N_("This picture is fully transparent, so there is nothing to animate. Send another one.")
DAMAGED = N_("This picture is damaged or incomplete. Send it again, or save it as a new JPEG or PNG first.")
UNREADABLE = N_("The bot could not read this picture. Save it as a new JPEG or PNG, then send that.")
TOO_SLOW = N_("This picture takes too long to read. Send a smaller copy, or save it as a JPEG first.")
NOT_NOW = N_("The bot could not read the picture right now. Try again later with the same picture.")
_TOO_MANY_PIXELS = N_(
    "This picture is too large: {size} pixels. The limit is {millions} megapixels. Send a smaller copy."
)
_TOO_MANY_FOR_ITS_KIND = N_(
    "This picture is too large: {size} pixels. The limit for this kind of file is {millions} megapixels. Send "
    "a smaller copy, or a JPEG."
)

_SVG_ENDINGS = (".svg", ".svgz")
_MEASURED_WHOLE = frozenset({"image/jpeg", "image/png", "image/webp", "image/gif", "image/*"})
_SILENT_TYPES = frozenset({"", "application/octet-stream", "binary/octet-stream"})
_REFUSED_TYPES = {"video": A_VIDEO, "audio": A_SOUND, "text": NOT_A_PICTURE, "application": NOT_A_PICTURE}


def check_claim(
    size_bytes: int | None, width: int | None, height: int | None, content_type: str | None, filename: str
) -> None:
    """Refuses what Discord's own description already rules out. Raises PictureRefused.

    Discord goes by the file's name, and names are wrong: only what is certainly no picture is refused here, the bytes
    decide the rest.
    """
    kind = (content_type or "").partition(";")[0].strip().lower()
    if size_bytes is not None and size_bytes <= 0:
        raise PictureRefused(EMPTY)
    is_measured = width is not None and height is not None  # then Discord has read it as a picture, whatever its name
    if kind.startswith("image/svg") or (kind in _SILENT_TYPES and filename.lower().endswith(_SVG_ENDINGS)):
        if not is_measured:
            raise PictureRefused(SVG)
    elif kind == "application/pdf":
        raise PictureRefused(A_PDF)
    elif kind not in _SILENT_TYPES and (sentence := _REFUSED_TYPES.get(kind.partition("/")[0])):
        raise PictureRefused(sentence)
    if size_bytes is not None:
        check_bytes(size_bytes)
    if width is not None and height is not None:
        check_shape(width, height)
        check_pixels(width, height, MAX_PIXELS)


def is_measured_whole(content_type: str | None) -> bool:
    """Whether sides told beforehand are those of the picture: of a TIFF or a camera's RAW they may be a thumbnail's."""
    return (content_type or "").partition(";")[0].strip().lower() in _MEASURED_WHOLE


def check_claimed_enlargement(width: int, height: int, target: tuple[int, int], at_most: float) -> None:
    """As below, before the bytes are here: the picture may lie on its side, and be shown whole."""
    scales = (min(target[0] / across, target[1] / down) for across, down in ((width, height), (height, width)))
    check_enlargement(width, height, min(scales), at_most)


def check_enlargement(width: int, height: int, scale: float, at_most: float) -> None:
    """Raises PictureRefused for a picture that would have to be enlarged more than so many times."""
    if scale > at_most + 0.005:
        raise PictureRefused(
            "This picture is too small: {size} pixels. It would have to be enlarged {times} times for the "
            "video. Send a larger one.",
            size=f"{width}×{height}",
            times=round(scale, 1),
        )


def check_bytes(size_bytes: int) -> None:
    """Raises PictureRefused for none, or more than are read."""
    if size_bytes <= 0:
        raise PictureRefused(EMPTY)
    if size_bytes > MAX_BYTES:
        raise PictureRefused(
            "This picture is too large: {size} MB. The limit is {most} MB. Send a smaller copy.",
            size=megabytes(size_bytes),
            most=megabytes(MAX_BYTES),
        )


def check_shape(width: int, height: int) -> None:
    """Raises PictureRefused for sides that make no picture."""
    if min(width, height) < MIN_SIDE:
        raise PictureRefused(
            "This picture is too small: {size} pixels. Each side needs at least {least} pixels. Send a larger one.",
            size=f"{width}×{height}",
            least=MIN_SIDE,
        )
    if max(width, height) > MAX_SHAPE * min(width, height):
        raise PictureRefused(
            "This picture is too long and narrow: {size} pixels. Crop it first.", size=f"{width}×{height}"
        )


def check_pixels(width: int, height: int, at_most: int) -> None:
    """Raises PictureRefused for more pixels than are decoded."""
    if width * height > at_most:
        sentence = _TOO_MANY_PIXELS if at_most == MAX_PIXELS else _TOO_MANY_FOR_ITS_KIND
        raise PictureRefused(sentence, size=f"{width}×{height}", millions=round(at_most / 1e6))
