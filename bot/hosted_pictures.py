"""Serves fitted pictures to providers that take a picture as an address only, at the bot's own HTTP port.

An address is signed, so that nobody can guess one, and expires after a day; it works as long as the job needs its
picture. The same job has the same address after a restart, so that a request can be sent again as it was.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiohttp import web

from bot.models import Job, JobId

LASTS = timedelta(days=1)
"""From the command on. Longer than a job waits and renders, and than its request may be sent again."""

_NAME = re.compile(r"([0-9]{1,20})-([0-9]{1,12})-([A-Za-z0-9_-]{43})\.jpg", re.ASCII)
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Robots-Tag": "noindex"}
_PURPOSE = b"animate-bot: addresses of pictures"


class HostedPictures:
    """`path_of` is where the fitted picture of a job lies; `secret` is one that outlives a restart."""

    def __init__(
        self,
        public_url: str,
        *,
        secret: str,
        path_of: Callable[[JobId], Path],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._public_url = public_url.rstrip("/")
        self._key = hmac.digest(secret.encode(), _PURPOSE, "sha256")
        self._path_of = path_of
        self._now = now

    def address(self, job: Job) -> str:
        """Where a job's picture is served: whoever knows it can fetch the picture until it expires."""
        told = f"{job.id}-{int((job.created_at + LASTS).timestamp())}"
        return f"{self._public_url}/pictures/{told}-{self._signature(told)}.jpg"

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/pictures/{name}", self._serve)]

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        job = self._job_of(request.match_info["name"])
        if job is None:
            raise web.HTTPNotFound(headers=_HEADERS)
        return web.FileResponse(self._path_of(job), headers={"Content-Type": "image/jpeg", **_HEADERS})

    def _job_of(self, name: str) -> JobId | None:
        """The job whose address this is; None for any other name, and once it has expired."""
        found = _NAME.fullmatch(name)
        if found is None or not hmac.compare_digest(found[3], self._signature(f"{found[1]}-{found[2]}")):
            return None
        return JobId(int(found[1])) if self._now().timestamp() < int(found[2]) else None

    def _signature(self, told: str) -> str:
        digest = hashlib.blake2b(told.encode(), key=self._key, digest_size=32).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")
