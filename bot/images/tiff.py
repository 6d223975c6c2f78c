"""The directories of a TIFF: which of its pictures is the one that viewers show.

A TIFF is a chain of pages. A camera's RAW file is a TIFF as well: its first directory often is a thumbnail, the
sensor's values stand in a sub-directory, and somewhere there is a large JPEG, which is what viewers show.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from bot.errors import PictureRefused
from bot.images import containers, precheck

MAX_VALUES = 100_000
MAX_DIRECTORIES = 50
LEAST_PREVIEW = 1000
"""Longer side of a camera's preview that is taken for the picture, where what the sensor saw cannot be read."""

_SUBFILE, _WIDTH, _HEIGHT, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 259, 262
_STRIP, _STRIP_BYTES, _ORIENTATION, _SUB_DIRECTORIES = 273, 279, 274, 330
_JPEG, _JPEG_BYTES, _DNG_VERSION = 513, 514, 50706
_LAID_OUT = frozenset({273, 279, 324, 325})  # a strip or tile for each value
_BYTES = frozenset({1, 2, 6, 7})  # one value of many bytes: tables, XMP, ICC
_SIZES = {1: 1, 3: 2, 4: 4, 13: 4}
_READABLE_LIGHT = frozenset({0, 1, 2, 3, 5, 6, 8})  # not the sensor's own values, nor those still to be worked out
_JPEGS = (6, 7, 99)


@dataclass(frozen=True, slots=True)
class Directory:
    """One picture in the file."""

    at: int
    tags: dict[int, tuple[int, ...]]
    next_at: int
    next_from: int
    jpeg: bytes = b""
    size: tuple[int, int] = (0, 0)

    def number(self, tag: int, default: int = 0) -> int:
        return next(iter(self.tags.get(tag, ())), default)

    @property
    def is_readable(self) -> bool:
        return bool(self.jpeg) or self.number(_PHOTOMETRIC) in _READABLE_LIGHT

    @property
    def is_small_copy(self) -> bool:
        return bool(self.number(_SUBFILE) & 1)


@dataclass(slots=True)
class Shown:
    """The picture to open: the file as one that begins with it, or a JPEG in it and how that one is turned."""

    tiff: bytes = b""
    jpeg: bytes = b""
    orientation: int = 1


def shown(data: bytes) -> Shown:
    """Raises PictureRefused, struct.error, IndexError."""
    reader = _Reader(data)
    pages = list(reader.chain())
    first = pages[0]
    others = [sub for page in pages for sub in reader.below(page)]
    is_raw = _DNG_VERSION in first.tags or data[8:10] == b"CR" or any(not one.is_readable for one in (*pages, *others))
    if not is_raw and not first.is_small_copy and not any(_pixels(sub) > _pixels(first) for sub in others):
        return Shown(_alone(data, first, reader.order))
    best = max((one for one in (*pages, *others) if one.is_readable), key=_pixels, default=None)
    largest = max((*pages, *others), key=_pixels)
    if best is None or (max(best.size) < LEAST_PREVIEW and 2 * max(best.size) < max(largest.size)):
        raise PictureRefused(precheck.CAMERA_RAW)
    if best.jpeg:
        return Shown(jpeg=best.jpeg, orientation=best.number(_ORIENTATION, first.number(_ORIENTATION)))
    turned = 1 if _ORIENTATION in best.tags else first.number(_ORIENTATION)  # of its own tag Pillow takes care
    return Shown(_alone(data, best, reader.order), orientation=turned)


def _alone(data: bytes, one: Directory, order: str) -> bytes:
    """A TIFF of this picture and no page behind it: Pillow would walk through them all."""
    made = bytearray(data)
    struct.pack_into(order + "I", made, 4, one.at)
    if one.next_at:
        struct.pack_into(order + "I", made, one.next_from, 0)
    return bytes(made)


def _pixels(one: Directory) -> int:
    return one.size[0] * one.size[1]


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.order = "<" if data.startswith(b"II") else ">"
        self._data = data
        self._left = MAX_DIRECTORIES

    def chain(self) -> Iterator[Directory]:
        """The pages; at least one, or struct.error."""
        (at,) = struct.unpack_from(self.order + "I", self._data, 4)
        yield (one := self._directory(at))
        while one.next_at and self._left:
            try:
                yield (one := self._directory(one.next_at))
            except struct.error:  # viewers show the first page all the same
                return

    def below(self, page: Directory) -> Iterator[Directory]:
        for at in page.tags.get(_SUB_DIRECTORIES, ()):
            if not self._left:
                return
            try:
                yield self._directory(at)
            except struct.error:
                continue

    def _directory(self, at: int) -> Directory:
        self._left -= 1
        (count,) = struct.unpack_from(self.order + "H", self._data, at)
        tags: dict[int, tuple[int, ...]] = {}
        for entry in range(at + 2, at + 2 + 12 * count, 12):
            tag, kind, values = struct.unpack_from(self.order + "HHI", self._data, entry)
            if values > MAX_VALUES and (kind not in _BYTES or tag in _LAID_OUT):
                raise PictureRefused(precheck.DAMAGED)
            if kind in _SIZES and values <= MAX_DIRECTORIES:
                tags[tag] = self._values(kind, values, entry + 8)
        next_from = at + 2 + 12 * count
        next_at = int.from_bytes(self._data[next_from : next_from + 4], "little" if self.order == "<" else "big")
        one = Directory(at, tags, next_at if next_from + 4 <= len(self._data) else 0, next_from)
        jpeg = self._jpeg(one)
        size = containers.read_jpeg(jpeg).size if jpeg else (one.number(_WIDTH), one.number(_HEIGHT))
        return dataclasses.replace(one, jpeg=jpeg, size=size)

    def _values(self, kind: int, count: int, at: int) -> tuple[int, ...]:
        if _SIZES[kind] * count > 4:
            (at,) = struct.unpack_from(self.order + "I", self._data, at)
        return struct.unpack_from(self.order + {1: "B", 2: "H", 4: "I"}[_SIZES[kind]] * count, self._data, at)

    def _jpeg(self, one: Directory) -> bytes:
        """A whole JPEG that a directory names; a lossless one is the sensor's values."""
        at, size = one.number(_JPEG), one.number(_JPEG_BYTES)
        if one.number(_COMPRESSION) in _JPEGS and not at and len(one.tags.get(_STRIP, ())) == 1:
            at, size = one.number(_STRIP), one.number(_STRIP_BYTES)
        jpeg = self._data[at : at + size] if at else b""
        if not jpeg.startswith(b"\xff\xd8\xff"):
            return b""
        try:
            containers.read_jpeg(jpeg)
        except (PictureRefused, struct.error, IndexError):
            return b""
        return jpeg
