"""What can be said of a picture before its bytes are here; bounds and sentences of all checks. Pure."""

from __future__ import annotations

from bot.errors import PictureRefused
from bot.i18n.marking import N_

MAX_BYTES = 25 * 1024 * 1024
MAX_PIXELS = 200_000_000  # a JPEG, decoded at a fraction; others are bound by memory, in `bot.images.decode`
MIN_SIDE = 16
MAX_SHAPE = 20  # the longer side against the shorter
ANY_ENLARGEMENT = 1e9

EMPTY = N_("That file is empty. Attach the picture again.")
NOT_A_PICTURE = N_("That file is not a picture the bot can read. Send a JPEG, PNG, WebP, GIF or HEIC.")
A_VIDEO = N_("That is a video, not a picture. Send a JPEG, PNG, WebP, GIF or HEIC.")
A_PDF = N_("That is a PDF, not a picture. Send a JPEG, PNG, WebP, GIF or HEIC.")
A_SOUND = N_("That is a sound file, not a picture. Send a JPEG, PNG, WebP, GIF or HEIC.")
SVG = N_("SVG drawings cannot be animated. Send it as a PNG or JPEG.")
JPEG_XL = N_("JPEG XL pictures cannot be read here. Send it as a JPEG or PNG.")
CAMERA_RAW = N_("That is a camera's RAW file. Send it as a JPEG.")
TRANSPARENT = N_("That picture is fully transparent: there is nothing in it to animate. Send another one.")
DAMAGED = N_("That picture is damaged or cut short. Send it again, or save it anew as a JPEG or PNG.")
UNREADABLE = N_("That picture could not be read. Save it again as a JPEG or PNG, and send that.")
TOO_SLOW = N_("That picture takes too long to read. Send a smaller copy, or save it again as a JPEG.")
NOT_NOW = N_("The bot could not read the picture right now. Please try again later with the same picture.")
_TOO_MANY_PIXELS = N_("That picture has {size} pixels; this kind may have {millions} million. Send a smaller copy.")
_TOO_MANY_FOR_ITS_KIND = N_(
    "That picture has {size} pixels; this kind may have {millions} million. Send a smaller copy, or a JPEG."
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
            "That picture is {size} pixels, too small: for the video it would have to be enlarged {times} times. "
            "Send a larger one.",
            size=f"{width}×{height}",
            times=round(scale, 1),
        )


def check_bytes(size_bytes: int) -> None:
    """Raises PictureRefused for none, or more than are read."""
    if size_bytes <= 0:
        raise PictureRefused(EMPTY)
    if size_bytes > MAX_BYTES:
        raise PictureRefused(
            "That picture is {size} MB; at most {most} MB can be read. Send a smaller copy.",
            size=size_bytes / 1024**2,
            most=MAX_BYTES // 1024**2,
        )


def check_shape(width: int, height: int) -> None:
    """Raises PictureRefused for sides that make no picture."""
    if min(width, height) < MIN_SIDE:
        raise PictureRefused(
            "That picture is {size} pixels; each side needs {least} or more. Send a larger one.",
            size=f"{width}×{height}",
            least=MIN_SIDE,
        )
    if max(width, height) > MAX_SHAPE * min(width, height):
        raise PictureRefused(
            "That picture is {size} pixels, too long and thin to animate. Crop it first.", size=f"{width}×{height}"
        )


def check_pixels(width: int, height: int, at_most: int) -> None:
    """Raises PictureRefused for more pixels than are decoded."""
    if width * height > at_most:
        sentence = _TOO_MANY_PIXELS if at_most == MAX_PIXELS else _TOO_MANY_FOR_ITS_KIND
        raise PictureRefused(sentence, size=f"{width}×{height}", millions=round(at_most / 1e6))
