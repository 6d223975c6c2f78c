"""The bytes of a download: unpacked where they came packed, counted as they came, known by how they begin."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import aiohttp

MIN_VIDEO_BYTES = 128  # an `ftyp` and an empty `moov` alone are more
HEAD_BYTES = 512  # enough for two packets of a transport stream
CHUNK_BYTES = 256 * 1024
MAX_MEMBERS = 20_000  # of one gzip: those who pack in blocks of 64 KiB need 8,000 for the longest video

_PACKED = (b"\x1f", b"\x78")  # gzip, zlib; no video begins so
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_TOP_BOXES = frozenset(
    b"ftyp styp moov mdat moof mfra sidx ssix free skip wide uuid meta udta pnot prft emsg pdin bloc junk".split()
)
_FIRST_BOXES = frozenset((b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"))  # QuickTime older than `ftyp`


class NotFetchedError(Exception):
    """An answer without a whole video; its words say why. `refused`: the API itself said an error in JSON."""

    def __init__(self, text: str, *, refused: bool = False) -> None:
        super().__init__(text)
        self.refused = refused


class Body:
    """One answer's body, read once; whether it is packed is told by the bytes: the header may be wrong."""

    def __init__(self, response: aiohttp.ClientResponse, max_wire_bytes: int) -> None:
        self._response = response
        self._max_wire_bytes = max_wire_bytes
        self._wire_bytes = 0
        self._plain_bytes = 0
        self._unpacker: Unpacker | None = None

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The plain bytes in bounded chunks, none empty. Raises NotFetchedError for broken or endless ones."""
        async for chunk in self._response.content.iter_chunked(CHUNK_BYTES):
            if not self._wire_bytes and chunk.startswith(_PACKED):
                self._unpacker = Unpacker()
            self._wire_bytes += len(chunk)
            if self._wire_bytes > self._max_wire_bytes:
                raise NotFetchedError(f"longer than {self._max_wire_bytes} bytes")
            if self._unpacker is None:
                self._plain_bytes += len(chunk)
                yield chunk
                continue
            rest, is_full = chunk, False
            while rest or is_full:  # zlib may hold more than it was let give
                plain, rest = await asyncio.to_thread(self._unpacker.step, rest)
                self._plain_bytes += len(plain)
                is_full = len(plain) == CHUNK_BYTES
                if plain:
                    yield plain
            if self._unpacker.is_behind:
                return  # whatever else comes is not read
        if self._unpacker is not None:
            self._unpacker.finish()

    def hold_against_the_header(self) -> bool:
        """Raises NotFetchedError where bytes are missing; False where nothing shows that none are."""
        if self._unpacker is not None and self._unpacker.is_behind:
            return False
        headers = self._response.headers
        span = _RANGE.match(headers.get("Content-Range", ""))
        expected = self._response.content_length
        if span and span[1] != "0":
            raise NotFetchedError(f"begins at byte {span[1]}")
        if span or self._response.status == 206:
            if span is None or span[2] == "*":
                return False
            expected = int(span[2])
        if expected is None:
            return "chunked" in headers.get("Transfer-Encoding", "").lower() or self._unpacker is not None
        # A range may count the bytes before they were packed in transit.
        if expected != self._wire_bytes and not (span and expected == self._plain_bytes):
            raise NotFetchedError(f"cut at {self._wire_bytes} of {expected} bytes")
        return True


class Unpacker:
    """gzip of any number of members, or zlib. Each step takes and gives a bounded amount; for a thread of its own."""

    def __init__(self) -> None:
        self._inflate: zlib._Decompress | None = None
        self._members = 0
        self.is_behind = False
        """What came last is no part of it: the packed bytes had ended before."""

    def step(self, packed: bytes) -> tuple[bytes, bytes]:
        """At most CHUNK_BYTES of plain bytes, and what is left of the packed ones. Raises NotFetchedError."""
        while True:
            if self._inflate is None:
                packed = packed.lstrip(b"\0") if self._members else packed  # padding between and behind members
                if not packed:
                    return b"", b""
                if not packed.startswith(_PACKED):
                    self.is_behind = True
                    return b"", b""
                self._members += 1
                if self._members > MAX_MEMBERS:
                    raise NotFetchedError("gzip of too many members")
                self._inflate = zlib.decompressobj(wbits=47)
            try:
                plain = self._inflate.decompress(packed, CHUNK_BYTES)
            except zlib.error as exc:
                raise NotFetchedError("broken gzip") from exc
            packed = self._inflate.unconsumed_tail
            if self._inflate.eof:
                packed, self._inflate = self._inflate.unused_data, None
            if plain or not packed:
                return plain, packed

    def finish(self) -> None:
        """Raises NotFetchedError where the last member has no end."""
        if self._inflate is not None:
            raise NotFetchedError("cut gzip")


async def at_least(size: int, chunks: AsyncIterator[bytes]) -> bytes:
    """The next bytes, at least this many unless they end."""
    head = bytearray()
    while len(head) < size and (chunk := await anext(chunks, b"")):
        head += chunk
    return bytes(head)


def is_video(head: bytes) -> bool:
    """By its first bytes, in any wrapping that a service may send; whether it plays is for others to find out."""
    if len(head) < MIN_VIDEO_BYTES:
        return False
    return (
        head[4:8] == b"ftyp"
        or (head[4:8] in _FIRST_BOXES and head[0] < 0x20)  # a length, not the letters of a page
        or head.startswith((b"\x1aE\xdf\xa3", b"GIF87a", b"GIF89a", b"OggS\0", b"FLV\x01", b"\0\0\x01\xba"))
        or (head[:4] == b"RIFF" and head[8:12] in (b"AVI ", b"WEBP"))
        or any(_is_transport_stream(head, at, packet) for at, packet in ((0, 188), (4, 192)))
    )


def _is_transport_stream(head: bytes, at: int, packet: int) -> bool:
    marks = head[at::packet]
    return len(marks) > 1 and not marks.strip(b"\x47")


def is_cut_short(video: Path) -> bool:
    """Whether the last known part of an MP4 is longer than the file: told only where it is certain."""
    size = video.stat().st_size
    with video.open("rb") as file:
        at = 0
        while at + 8 <= size:
            file.seek(at)
            header = file.read(16)
            length = int.from_bytes(header[:4], "big")
            if header[4:8] not in _TOP_BOXES or length == 0:
                return False
            if length == 1:
                length = int.from_bytes(header[8:16], "big")
            if length < 8 or at + length > size:
                return length >= 8
            at += length
    return False
