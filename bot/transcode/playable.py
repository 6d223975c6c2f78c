"""Whether a video plays everywhere as it is: H.264 (8 bits, 4:2:0) with AAC or no sound, in an MP4.

Told by its boxes alone, in plain Python: nothing is decoded. What cannot be read does not play.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

MAX_INDEX_BYTES = 32 << 20
_PROFILES = frozenset({66, 77, 100})  # Baseline, Main, High: none of them has more than 8 bits or another format
_AAC = frozenset({0x40, 0x67})
_FULL_BOX, _STSD_HEAD, _VISUAL_ENTRY, _SOUND_ENTRY = 4, 8, 78, 28
_STREAM, _DECODER = 0x03, 0x04


def plays_everywhere(video: Path) -> bool:
    """Raises OSError."""
    with video.open("rb") as file:
        try:
            return _is_playable(_index(file))
        except (struct.error, IndexError, ValueError):
            return False


def _index(file: BinaryIO) -> bytes:
    """The `moov` of an MP4. Raises ValueError for any other file; a QuickTime film is another."""
    at, is_mp4, end = 0, False, file.seek(0, os.SEEK_END)
    while at < end:
        file.seek(at)
        head = file.read(16)
        size, kind = struct.unpack_from(">I4s", head)
        if size == 1:
            (size,) = struct.unpack_from(">Q", head, 8)
        if at == 0:
            is_mp4 = kind == b"ftyp" and head[8:12] != b"qt  "
        if not is_mp4 or size < 8 or (kind == b"moov" and size > MAX_INDEX_BYTES):
            raise ValueError("no MP4")
        if kind == b"moov":
            file.seek(at)
            return file.read(size)[8:]
        at += size
    raise ValueError("no index")


def _is_playable(index: bytes) -> bool:
    pictures = []
    for track in _inside(index, b"trak"):
        (media,) = _inside(track, b"mdia")
        (handler,) = _inside(media, b"hdlr")
        role = handler[_FULL_BOX + 4 : _FULL_BOX + 8]
        if role not in (b"vide", b"soun"):
            continue
        (description,) = _inside(next(_inside(next(_inside(media, b"minf")), b"stbl")), b"stsd")
        entries = list(_boxes(description[_STSD_HEAD:]))
        if role == b"vide":
            pictures.append(all(_is_h264(*entry) for entry in entries) and bool(entries))
        elif not all(_is_aac(*entry) for entry in entries):
            return False
    return len(pictures) == 1 and all(pictures)


def _is_h264(kind: bytes, entry: bytes) -> bool:
    if kind != b"avc1":
        return False
    (settings,) = _inside(entry[_VISUAL_ENTRY:], b"avcC")
    return settings[1] in _PROFILES


def _is_aac(kind: bytes, entry: bytes) -> bool:
    if kind != b"mp4a":
        return False
    (described,) = _inside(entry[_SOUND_ENTRY:], b"esds")
    at = _FULL_BOX
    while True:
        tag, at = described[at], at + 1
        while described[at] & 0x80:  # the length, which nobody needs
            at += 1
        at += 1
        if tag != _STREAM:
            return tag == _DECODER and described[at] in _AAC
        at += 3


def _inside(box: bytes, wanted: bytes) -> Iterator[bytes]:
    return (body for kind, body in _boxes(box) if kind == wanted)


def _boxes(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(body):
        size, kind = struct.unpack_from(">I4s", body, at)
        if size < 8:
            raise ValueError("a box without end")
        yield kind, body[at + 8 : at + size]
        at += size
