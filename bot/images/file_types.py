"""What bytes are that cannot be read as a picture, so that the refusal can say it; what containers say they are."""

from __future__ import annotations

import struct

from bot.errors import PictureRefused
from bot.images import precheck

VIDEO_BRANDS = frozenset({b"isom", b"mp41", b"mp42", b"avc1", b"qt  ", b"M4V ", b"M4A ", b"3gp4", b"3gp5", b"dash"})
_RAW_STARTS = (b"IIU\0", b"IIRO", b"IIRS", b"MMOR", b"FUJIFILMCCD-RAW", b"FOVb", b"\0MRM")
_SOUND_STARTS = (b"ID3", b"OggS", b"fLaC", b"RIFF", b"\xff\xfb", b"\xff\xf3", b"\xff\xf1")
_JPEG_XL_STARTS = (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")
_MAX_ICONS = 100


def brands(data: bytes) -> set[bytes]:
    """What an ISO media file says that it is; none for other bytes."""
    if data[4:8] != b"ftyp":
        return set()
    end = min(int.from_bytes(data[:4], "big"), 256, len(data))
    return {data[8:12], *(data[at : at + 4] for at in range(16, end - 3, 4))}


def what_it_is(data: bytes) -> str:
    """The refusal for bytes that are no picture of ours."""
    start = data[:4096].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"crx " in brands(data) or data.startswith(_RAW_STARTS):
        return precheck.CAMERA_RAW
    if data[4:8] == b"ftyp":
        return precheck.A_VIDEO
    if data.startswith(_JPEG_XL_STARTS):
        return precheck.JPEG_XL
    if start.startswith(b"<") and b"<svg" in start:
        return precheck.SVG
    if start.startswith(b"%pdf"):
        return precheck.A_PDF
    if data.startswith((b"\x1aE\xdf\xa3", b"RIFF")) and data[8:12] != b"WAVE":
        return precheck.A_VIDEO
    return precheck.A_SOUND if data.startswith(_SOUND_STARTS) else precheck.NOT_A_PICTURE


def largest_of_icon(data: bytes) -> tuple[bytes, bytes]:
    """The largest picture of an ICO, and an ICO of it alone. Raises PictureRefused, struct.error."""
    (count,) = struct.unpack_from("<H", data, 4)
    entries = [struct.unpack_from("<BBBBHHII", data, 6 + 16 * number) for number in range(min(count, _MAX_ICONS))]
    if not entries:
        raise PictureRefused(precheck.DAMAGED)
    *shape, size, at = max(entries, key=lambda entry: ((entry[0] or 256) * (entry[1] or 256), entry[5]))
    picture = data[at : at + size]
    return picture, struct.pack("<HHHBBBBHHII", 0, 1, 1, *shape, len(picture), 22) + picture
