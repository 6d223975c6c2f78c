"""Serves fitted pictures to providers that take a picture as an address only, at the bot's own HTTP port.

An address is signed, so that nobody can guess one, and expires after a day; it works as long as the job needs its
picture. The same job has the same address after a restart, so that a request can be sent again as it was.
"""

from __future__ import annotations

import base64
import contextlib
import hmac
import logging
import os
import re
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from aiohttp import web

from bot.errors import StoreError
from bot.models import Job, JobId, JobState

log = logging.getLogger(__name__)

LASTS = timedelta(days=1)
"""From the command on. Longer than a job waits, and than its request may be sent again."""
SERVED = frozenset({JobState.WAITING, JobState.SUBMITTING, JobState.RENDERING})
KEY_FILE = "hosted_pictures.key"
KEY_BYTES = 32

_NAME = re.compile(r"([0-9]{1,20})(l?)-([0-9]{1,12})-([A-Za-z0-9_-]{43})\.jpg", re.ASCII)
_HEADERS = {"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff", "X-Robots-Tag": "noindex"}


class Read(Protocol):
    """Reads a job's first fitted picture, or its last."""

    def __call__(self, job: Job, *, last: bool = False) -> Awaitable[bytes | None]: ...


class HostedPictures:
    """`find` tells of a job as it is now, `read` has its fitted picture; `key` is one that outlives a restart."""

    def __init__(
        self,
        public_url: str,
        *,
        key: bytes,
        find: Callable[[JobId], Awaitable[Job | None]],
        read: Read,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._public_url = public_url.rstrip("/")
        self._key = key
        self._find = find
        self._read = read
        self._now = now

    def address(self, job: Job, /, *, last: bool = False) -> str:
        """Where a job's first or last picture is served: whoever knows it can fetch the picture until it expires."""
        signed = f"{job.id}{'l' if last else ''}-{int((job.created_at + LASTS).timestamp())}"
        return f"{self._public_url}/pictures/{signed}-{self._signature(signed)}.jpg"

    def routes(self) -> list[web.RouteDef]:
        """For the bot's HTTP server; GET and HEAD."""
        return [web.get("/pictures/{name}", self._serve)]

    async def _serve(self, request: web.Request) -> web.Response:
        job, last = self._job_of(request.match_info["name"])
        if job is None:
            return web.Response(status=404, headers=_HEADERS)
        try:
            found = await self._find(job)
            picture = None if found is None or found.state not in SERVED else await self._read(found, last=last)
        except (StoreError, OSError) as error:
            log.warning("job=%s its picture cannot be served now: %s", job, error)
            return web.Response(status=503, headers=_HEADERS)
        if picture is None:
            return web.Response(status=404, headers=_HEADERS)
        return web.Response(body=picture, content_type="image/jpeg", headers=_HEADERS)

    def _job_of(self, name: str) -> tuple[JobId | None, bool]:
        """The job whose address this is, and whether of its last picture; None for any other, and once expired."""
        found = _NAME.fullmatch(name)
        if found is None or not hmac.compare_digest(found[4], self._signature(f"{found[1]}{found[2]}-{found[3]}")):
            return None, False
        return JobId(int(found[1])) if self._now().timestamp() < int(found[3]) else None, bool(found[2])

    def _signature(self, signed: str) -> str:
        digest = hmac.digest(self._key, signed.encode(), "sha256")
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def key_in(folder: Path) -> bytes:
    """The key that signs addresses: made at the first call, and kept in the folder for this user alone.

    Raises OSError.
    """
    path = folder / KEY_FILE
    with contextlib.suppress(FileNotFoundError):
        path.chmod(0o600)
        if len(found := path.read_bytes()) == KEY_BYTES:
            return found
    made, part = secrets.token_bytes(KEY_BYTES), path.with_suffix(".part")
    part.unlink(missing_ok=True)
    part.touch(0o600, exist_ok=False)
    with part.open("wb") as file:
        file.write(made)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    return made
