"""The adapter for a `/v1/videos` API: what is sent, and with what care. Reading answers lives in `wire`."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from yarl import URL

from bot.errors import VideoRejected, VideoUnavailable
from bot.models import FailureKind
from bot.providers import error_mapping, error_text, responses
from bot.providers.auth import Auth, Question
from bot.providers.download import MAX_VIDEO_BYTES, Downloads
from bot.providers.http import HttpClient, Timeouts, path_segment
from bot.providers.protocols import ClipRequest, Phase, VideoStatus
from bot.providers.responses import Answer

log = logging.getLogger(__name__)

_UNKNOWN_ID = "video_0000000000"  # asked for to learn about the key alone
_ONE_ORDER = {"x-litellm-num-retries": "0"}
"""LiteLLM as installed repeats a create twice, and each may be paid. Others know nothing of this header."""
_MAX_NEW_WORDS = 100


class OpenAIVideos:
    """`bot.providers.protocols.VideoApi` over an OpenAI-style Videos API; used and closed on one loop."""

    def __init__(
        self,
        *,
        url: str,
        key: str,
        auth: Literal["auto", "raw", "bearer"],
        download_hosts: frozenset[str] = frozenset(),
        max_video_bytes: int = MAX_VIDEO_BYTES,
        timeouts: Timeouts | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        root = URL(url.strip())
        if root.scheme not in ("http", "https") or not root.host:
            raise ValueError("the video API's address must begin with http:// or https://")
        if not key.strip() or not key.strip().isprintable():
            raise ValueError("the video API's key is empty or holds line breaks")
        self._endpoint = url.strip().rstrip("/")
        self._key = key.strip()
        timeouts = timeouts or Timeouts()
        self._http = HttpClient(timeouts)
        self._now = now
        self._auth = Auth(self._key, auth, self._ask, home=self._endpoint, now=monotonic)
        self._downloads = Downloads(
            key=self._key,
            hosts=frozenset(host.strip().lower() for host in download_hosts),
            max_bytes=max_video_bytes,
            timeouts=timeouts,
        )
        self._new_words: set[str] = set()

    @property
    def endpoint(self) -> str:
        return self._endpoint

    async def settle_auth(self) -> None:
        """Asks the API about our key now, also when the form is already settled."""
        await self._auth.settle(self._endpoint)

    def faults(self) -> list[str]:
        if not self._auth.is_long_unsettled:
            return []
        return ["the bot cannot find out how the provider takes VIDEO_API_KEY, and sends nothing"]

    async def create(self, request: ClipRequest) -> str:
        try:
            body, content_type = multipart(request)
        except UnicodeEncodeError as exc:
            raise VideoRejected(FailureKind.BAD_REQUEST, "the prompt is not valid Unicode") from exc
        headers = {**_with(await self._auth.header(self._endpoint)), "Content-Type": content_type, **_ONE_ORDER}
        answer = await self._http.create(f"{self._endpoint}/videos", headers, body, job_in=_job_in)
        outcome = error_mapping.of_create(answer, self._now(), key=self._key)
        if answer.status == 401:
            self._auth.refused(self._endpoint)
        if isinstance(outcome, Exception):
            raise outcome
        self._auth.worked(self._endpoint)
        return outcome

    async def status(self, endpoint: str, provider_id: str) -> VideoStatus:
        try:
            authorization = await self._auth.header(endpoint)
        except VideoRejected as exc:
            raise VideoUnavailable(exc.provider_text, http_status=exc.http_status) from exc
        answer = await self._http.ask(video_path(endpoint, provider_id), _with(authorization))
        report = responses.job_report(answer, provider_id)
        wait_s = responses.poll_after_s(answer.headers, self._now(), at_most=responses.MAX_POLL_AFTER_S)
        if report is None:
            raise error_mapping.of_no_report(answer, self._now(), key=self._key)
        self._auth.worked(endpoint)
        self._note(report)
        is_failed = report.phase is Phase.FAILED
        return VideoStatus(
            phase=report.phase,
            percent=report.percent,
            url=report.url,
            expires_at=report.expires_at and min(report.expires_at, self._now() + responses.LONGEST_EXPIRY),
            failure=error_mapping.of_failed_render(report.error) if is_failed else None,
            provider_text=error_text.for_the_log(report.error.text or report.word, self._key) if is_failed else "",
            poll_after_s=wait_s,
        )

    async def download(self, endpoint: str, provider_id: str, url: str | None, target: Path) -> None:
        try:
            authorization = await self._auth.header(endpoint)
        except (VideoRejected, VideoUnavailable):
            authorization = self._auth.guess(endpoint)
        content = f"{video_path(endpoint, provider_id)}/content"
        await self._downloads.fetch(endpoint, url, content, _with(authorization), target)

    def stop_creating(self) -> None:
        self._http.stop_creating()

    async def close(self) -> None:
        await self._http.close()

    async def _ask(self, endpoint: str, question: Question, authorization: str | None) -> Answer:
        address = f"{endpoint.rstrip('/')}/models" if question == "models" else video_path(endpoint, _UNKNOWN_ID)
        return await self._http.ask(address, _with(authorization))

    def _note(self, report: responses.JobReport) -> None:
        is_new = not report.is_known_word and report.word not in self._new_words
        if is_new and len(self._new_words) < _MAX_NEW_WORDS:
            self._new_words.add(report.word)
            log.warning("unknown status word=%r; read as still running", report.word[:40])


def multipart(request: ClipRequest) -> tuple[bytes, str]:
    """The whole body of a create and its content type. Raises UnicodeEncodeError on lone surrogates."""
    boundary = secrets.token_hex(16)
    fields = {
        "model": request.model,
        "prompt": request.prompt,
        "seconds": str(request.seconds),
        "size": request.size,
    }
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    picture = (
        f"--{boundary}\r\n"
        'Content-Disposition: form-data; name="input_reference"; filename="picture.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    body = b"".join([*parts, picture.encode(), request.picture, f"\r\n--{boundary}--\r\n".encode()])
    return body, f"multipart/form-data; boundary={boundary}"


def video_path(endpoint: str, provider_id: str) -> str:
    """The job's address."""
    return f"{endpoint.rstrip('/')}/videos/{path_segment(provider_id)}"


def _with(authorization: str | None) -> dict[str, str]:
    return {} if authorization is None else {"Authorization": authorization}


def _job_in(answer: Answer) -> str | None:
    return responses.created_id(answer) if answer.is_success else responses.id_beside_an_error(answer)
