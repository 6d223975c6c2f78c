"""The files Discord holds and their signed URLs (reference.mdx#signed-attachment-cdn-urls)."""

import hashlib
import io
import mimetypes
import re
import secrets
import warnings
from dataclasses import dataclass

from PIL import Image

from sandbox.discord.exchange import Exchange, Reply
from sandbox.discord.messages import SPOILER, StoredFile
from sandbox.discord.wire import Clock, Snowflakes

LIFE_S = 24 * 3600
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")  # as players ask; a browser cannot seek in a video without
_GONE = Reply(404, b"This content is no longer available.", {"Content-Type": "text/plain"})


@dataclass(frozen=True, slots=True)
class Upload:
    """A file a person attaches. What Discord would tell about it is found out, unless said here."""

    filename: str
    data: bytes
    content_type: str | None = None
    width: int | None = None
    height: int | None = None

    @property
    def guessed_type(self) -> str:
        return mimetypes.guess_type(self.filename)[0] or "application/octet-stream"


def sent(filename: str, data: bytes) -> Upload:
    """A file as a bot sends it: its name made safe, its type read off the name (the wire's is ignored)."""
    name = _UNSAFE.sub("_", filename)
    return Upload(name, data)


class Cdn:
    def __init__(self, clock: Clock, new_id: Snowflakes) -> None:
        self._clock = clock
        self._new_id = new_id
        self._key = secrets.token_bytes(16)
        self._files: dict[str, StoredFile] = {}
        self.base = ""

    def store(self, upload: Upload, folder: str, *, ephemeral: bool = False) -> StoredFile:
        key = self._new_id()
        name = _UNSAFE.sub("_", upload.filename)
        content_type = upload.content_type or upload.guessed_type
        width, height = upload.width, upload.height
        if width is None and content_type.startswith("image/"):
            width, height = _dimensions(upload.data)
        path = f"{folder}/{key}/{name}"
        file = StoredFile(key, name, content_type, upload.data, self._signed(path), width, height, ephemeral)
        file.spoiler = name.startswith(SPOILER)
        self._files[path] = file
        return file

    def fetch(self, exchange: Exchange) -> Reply:
        file = self._files.get(exchange.path)
        begin, end = exchange.query.get("is", ""), exchange.query.get("ex", "")
        signed = exchange.query.get("hm") == self._signature(exchange.path, begin, end)
        if file is None or file.gone or not signed or self._clock() > int(end, 16):
            return _GONE
        headers = {"Content-Type": file.content_type, "Accept-Ranges": "bytes"}
        if (wanted := _RANGE.fullmatch(exchange.headers.get("Range", ""))) is None:
            return Reply(200, file.data, headers)
        first, last = int(wanted[1]), min(int(wanted[2] or file.size), file.size - 1)
        if first > last:
            return Reply(416, b"", headers | {"Content-Range": f"bytes */{file.size}"})
        headers["Content-Range"] = f"bytes {first}-{last}/{file.size}"
        return Reply(206, file.data[first : last + 1], headers)

    def _signed(self, path: str) -> str:
        now = int(self._clock())
        begin, end = f"{now:x}", f"{now + LIFE_S:x}"
        return f"{self.base}{path}?ex={end}&is={begin}&hm={self._signature(path, begin, end)}"

    def _signature(self, path: str, begin: str, end: str) -> str:
        return hashlib.blake2s(f"{path}?{begin}&{end}".encode(), key=self._key).hexdigest()


def _dimensions(data: bytes) -> tuple[int | None, int | None]:
    """As the header says; none for what is no picture. Huge ones are not decoded, so not warned about."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data)) as image:
            return image.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None, None
