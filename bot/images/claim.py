"""What can be said of a picture before its bytes are here; bounds and sentences of the whole door. Pure."""

from __future__ import annotations

from bot.errors import PictureRefused

MAX_BYTES = 25 * 1024 * 1024
MAX_PIXELS = 200_000_000  # a JPEG, decoded at a fraction; others are bound by memory, in `bot.images.door`
MIN_SIDE = 16
MAX_SHAPE = 20  # the longer side against the shorter

READABLE = "Send a JPEG, PNG, WebP or GIF."
EMPTY = "That file is empty. Attach the picture again."
NOT_A_PICTURE = f"That file is not a picture I can read. {READABLE}"
HEIC = "HEIC pictures cannot be read here. Send it as a JPEG, for example a screenshot of it."
SVG = "SVG drawings cannot be animated. Send it as a PNG or JPEG."
DAMAGED = "That picture is damaged or cut short. Send it again, or save it anew as a JPEG or PNG."

_READABLE_ENDINGS = frozenset(
    {"jpg", "jpeg", "jpe", "jfif", "png", "apng", "webp", "gif", "bmp", "dib", "tif", "tiff", "avif"}
)
_HEIC_ENDINGS = frozenset({"heic", "heif", "hif"})
_SILENT_TYPES = frozenset({"", "application/octet-stream", "binary/octet-stream"})


def check_claim(
    size_bytes: int | None, width: int | None, height: int | None, content_type: str | None, filename: str
) -> None:
    """Refuses what Discord's own description already rules out. Raises PictureRefused.

    Types are claims too: only what is certainly no picture is refused here, the bytes decide the rest.
    """
    kind = (content_type or "").partition(";")[0].strip().lower()
    ending = filename.rpartition(".")[2].lower() if "." in filename else ""
    if size_bytes is not None and size_bytes <= 0:
        raise PictureRefused(EMPTY)
    if kind in ("image/heic", "image/heif") or (kind in _SILENT_TYPES and ending in _HEIC_ENDINGS):
        raise PictureRefused(HEIC)
    if kind.startswith("image/svg") or (kind in _SILENT_TYPES and ending in ("svg", "svgz")):
        raise PictureRefused(SVG)
    if not kind.startswith("image/") and (kind not in _SILENT_TYPES or ending not in _READABLE_ENDINGS):
        raise PictureRefused(NOT_A_PICTURE)
    if size_bytes is not None:
        check_bytes(size_bytes)
    if width is not None and height is not None:
        check_shape(width, height)
        check_pixels(width, height, MAX_PIXELS)


def check_bytes(size_bytes: int) -> None:
    """Raises PictureRefused for none, or more than are read."""
    if size_bytes <= 0:
        raise PictureRefused(EMPTY)
    if size_bytes > MAX_BYTES:
        raise PictureRefused(
            f"That picture is {size_bytes / 1024**2:.1f} MB; at most {MAX_BYTES // 1024**2} MB can be read. "
            "Send a smaller copy."
        )


def check_shape(width: int, height: int) -> None:
    """Raises PictureRefused for sides that make no picture."""
    if min(width, height) < MIN_SIDE:
        raise PictureRefused(
            f"That picture is {width}×{height} pixels; each side needs {MIN_SIDE} or more. Send a larger one."
        )
    if max(width, height) > MAX_SHAPE * min(width, height):
        raise PictureRefused(f"That picture is {width}×{height} pixels, too long and thin to animate. Crop it first.")


def check_pixels(width: int, height: int, at_most: int) -> None:
    """Raises PictureRefused for more pixels than are decoded."""
    if width * height > at_most:
        cure = "Send a smaller copy." if at_most == MAX_PIXELS else "Send a smaller copy, or a JPEG."
        raise PictureRefused(
            f"That picture has {width}×{height} pixels; this kind may have {at_most / 1e6:.0f} million. {cure}"
        )
