"""A video that stands in an answer's own JSON, in base64, plain or as a data URI: decoded as it comes, never whole."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncGenerator, AsyncIterator

from bot.providers.body import MIN_VIDEO_BYTES, NotFetchedError, is_video

_LEAST = 4 * -(-MIN_VIDEO_BYTES // 3)
"""Characters from which the kind of a file is known."""
_BEGINNING = re.compile(rb'"(?:data:[\w.+/;= -]{0,100};base64,)?([A-Za-z0-9+/_-]{%d})' % _LEAST)
_LONGEST_BEGINNING = _LEAST + 200
_PICTURES = (b"GIF8", b"RIFF")
_PICTURE_BRANDS = frozenset((b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1"))
"""Beside an address there may be a small picture of the video, and while it is made a picture of how far it is."""
_ESCAPE = re.compile(rb"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_CUT_ESCAPE = re.compile(rb"\\(?:u[0-9a-fA-F]{0,3})?\Z")
_ESCAPES = {b"/": b"/", b"n": b"", b"r": b"", b"u002b": b"+", b"u002f": b"/", b"u003d": b"="}
"""What base64 may have of them; any other ends it."""
_FOREIGN = re.compile(rb"[^A-Za-z0-9+/=]")


def is_in(body: bytes) -> bool:
    """Whether a video begins in this answer, or in so much of it as was read."""
    return _begins_at(_unescaped(body)) is not None


class EmbeddedVideo:
    """The video in an answer that comes in `chunks`, of which `head` was read before."""

    def __init__(self, head: bytes, chunks: AsyncIterator[bytes], *, searched_bytes: int) -> None:
        """It is looked for in the first `searched_bytes`; what was read of them is in `text`."""
        self.text = bytearray()
        self._head = head
        self._chunks = chunks
        self._searched_bytes = searched_bytes

    async def decoded(self) -> AsyncGenerator[bytes, None]:
        """Its bytes; nothing where there is none. Raises NotFetchedError where it has no end, or breaks off."""
        rest, plain, in_video = b"", b"", False
        chunk = self._head
        while chunk:
            if not in_video:
                self.text += chunk[: self._searched_bytes - len(self.text)]
            rest, now = _split(rest + chunk)
            plain += now
            if not in_video:
                at = _begins_at(plain)
                in_video = at is not None
                plain = plain[-_LONGEST_BEGINNING:] if at is None else plain[at:]
            if in_video:
                whole, plain, is_over = _decoded(plain)
                if whole:
                    yield whole
                if is_over:
                    return
            elif len(self.text) >= self._searched_bytes:
                return
            chunk = await anext(self._chunks, b"")
        if in_video:
            raise NotFetchedError("cut: the video in the answer has no end")


def _split(text: bytes) -> tuple[bytes, bytes]:
    """What has to wait for the next chunk, and what is before it, unescaped."""
    cut = _CUT_ESCAPE.search(text, max(0, len(text) - 6))
    at = len(text) if cut is None else cut.start()
    return text[at:], _unescaped(text[:at])


def _unescaped(text: bytes) -> bytes:
    if b"\\" not in text:
        return text
    return _ESCAPE.sub(lambda escape: _ESCAPES.get(escape[1].lower(), b"\\"), text)


def _begins_at(text: bytes) -> int | None:
    for found in _BEGINNING.finditer(text):
        head = base64.b64decode(_standard(found[1]))
        if is_video(head) and not (head.startswith(_PICTURES) or head[8:12] in _PICTURE_BRANDS):
            return found.start(1)
    return None


def _decoded(text: bytes) -> tuple[bytes, bytes, bool]:
    """The bytes that are whole, the characters that wait for more, and whether it has ended."""
    encoded, end, _ = text.partition(b'"')
    encoded = _standard(encoded)
    if _FOREIGN.search(encoded):
        raise NotFetchedError("the video in the answer is no base64")
    if end:
        encoded = encoded.rstrip(b"=")
        encoded += b"=" * (-len(encoded) % 4)
    at = len(encoded) - len(encoded) % 4
    try:
        return base64.b64decode(encoded[:at]), encoded[at:], bool(end)
    except ValueError as error:
        raise NotFetchedError("the video in the answer is no base64") from error


def _standard(encoded: bytes) -> bytes:
    """Also from the alphabet for addresses."""
    return encoded.translate(bytes.maketrans(b"-_", b"+/"))
