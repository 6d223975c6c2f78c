"""Makes a PNG anew from the chunks that matter, as forgiving as browsers are, before Pillow sees it.

Pillow refuses a picture for what it never shows: a wrong checksum of a comment, a text or colour profile that unpacks
to more than a mebibyte. Here such chunks are left out unread. A picture whose end is missing or damaged is kept where
most of its rows are there.
"""

from __future__ import annotations

import contextlib
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from bot.errors import PictureRefused
from bot.images import precheck
from bot.images.containers import LEAST_THERE, MAX_BLOCKS

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_PROFILE_BYTES = 4 << 20
"""Of a colour profile, unpacked: those of calibrated displays have 1 to 3 MB. A larger one is ignored."""

_SHOWN = frozenset({b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"acTL", b"fcTL", b"fdAT", b"IDAT", b"IEND"})
_ORDER = {b"IHDR": 0, b"eXIf": 1}
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PIECE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Png:
    """A PNG without faults, and its colour profile."""

    data: bytes
    profile: bytes | None


@dataclass(frozen=True, slots=True)
class _Chunk:
    name: bytes
    body: memoryview | bytes
    is_sound: bool


def mended(data: bytes) -> Png:
    """Raises PictureRefused, or struct.error, for what no browser shows, or only little of."""
    kept: list[_Chunk] = []
    profile = None
    for chunk in _chunks(data):
        if chunk.name == b"iCCP" and chunk.is_sound:
            profile = profile or _profile(chunk.body)
        elif chunk.name in _SHOWN and (chunk.is_sound or chunk.name == b"IDAT"):
            kept.append(chunk)
        elif chunk.name in (b"IHDR", b"PLTE"):
            raise PictureRefused(precheck.DAMAGED)
    if not kept or kept[0].name != b"IHDR" or len(kept[0].body) != 13:
        raise PictureRefused(precheck.DAMAGED)
    if kept[-1].name != b"IEND" or not all(chunk.is_sound for chunk in kept):
        kept = _rescued(kept)
    kept.sort(key=lambda chunk: _ORDER.get(chunk.name, len(_ORDER)))  # EXIF may stand at the end
    return Png(b"".join((SIGNATURE, *(part for chunk in kept for part in _packed(chunk)))), profile)


def _chunks(data: bytes) -> Iterator[_Chunk]:
    """Up to the end, or where the file breaks off; what is there of a last chunk is a chunk that is not sound."""
    at, view = len(SIGNATURE), memoryview(data)  # a view: nothing is held twice
    for _ in range(MAX_BLOCKS):
        if at + 8 > len(data):
            return
        (length,) = struct.unpack_from(">I", data, at)
        name, body = data[at + 4 : at + 8], view[at + 8 : at + 8 + length]
        checksum = data[at + 8 + length : at + 12 + length]
        yield _Chunk(name, body, checksum == struct.pack(">I", zlib.crc32(body, zlib.crc32(name))))
        if name == b"IEND":
            return
        at += 12 + length
    raise PictureRefused(precheck.DAMAGED)


def _packed(chunk: _Chunk) -> tuple[bytes, memoryview | bytes, bytes]:
    checksum = zlib.crc32(chunk.body, zlib.crc32(chunk.name))
    return struct.pack(">I", len(chunk.body)) + chunk.name, chunk.body, struct.pack(">I", checksum)


def _profile(body: memoryview | bytes) -> bytes | None:
    _, _, packed = bytes(body).partition(b"\0")
    unpacker = zlib.decompressobj()
    with contextlib.suppress(zlib.error):
        profile = unpacker.decompress(packed[1:], MAX_PROFILE_BYTES)
        return None if unpacker.unconsumed_tail else profile
    return None


def _rescued(chunks: list[_Chunk]) -> list[_Chunk]:
    """The rows that are there, in a picture that is no higher. No animation: its frames are behind what is missing."""
    width, height, depth, colours, *others = struct.unpack(">IIBBBBB", chunks[0].body)
    precheck.check_pixels(width, height, precheck.MAX_PIXELS)
    precheck.check_shape(width, height)
    if others[2] or colours not in _CHANNELS:  # interlaced: what is missing is missing everywhere, and Pillow tells
        return [*(chunk for chunk in chunks if chunk.name != b"IEND"), _Chunk(b"IEND", b"", is_sound=True)]
    row_bytes = 1 + (width * depth * _CHANNELS[colours] + 7) // 8
    packed = b"".join(chunk.body for chunk in chunks if chunk.name == b"IDAT")
    rows, again = _repacked(packed, row_bytes, height)
    if rows < LEAST_THERE * height:
        raise PictureRefused(precheck.DAMAGED)
    header = struct.pack(">IIBBBBB", width, rows, depth, colours, *others)
    plain = [chunk for chunk in chunks[1:] if chunk.name in (b"PLTE", b"tRNS", b"eXIf") and chunk.is_sound]
    ends = (_Chunk(b"IDAT", again, is_sound=True), _Chunk(b"IEND", b"", is_sound=True))
    return [_Chunk(b"IHDR", header, is_sound=True), *plain, *ends]


def _repacked(packed: bytes, row_bytes: int, height: int) -> tuple[int, bytes]:
    """How many whole rows can be unpacked, and these packed again."""
    packer, out, left, rows = zlib.compressobj(1), [], b"", 0
    for piece in _unpacked(packed):
        left += piece
        whole = min(len(left) // row_bytes, height - rows)
        out.append(packer.compress(left[: whole * row_bytes]))
        left, rows = left[whole * row_bytes :], rows + whole
        if rows == height:
            break
    return rows, b"".join((*out, packer.flush()))


def _unpacked(packed: bytes) -> Iterator[bytes]:
    """As much as can be unpacked, to the byte, in small pieces."""
    unpacker = zlib.decompressobj()
    for start in range(0, len(packed), _PIECE_BYTES):
        before = unpacker.copy()
        piece = packed[start : start + _PIECE_BYTES]
        try:
            yield unpacker.decompress(piece)  # a thousand times as much at most
        except zlib.error:
            with contextlib.suppress(zlib.error):
                for byte in piece:
                    yield before.decompress(bytes((byte,)))
            return
