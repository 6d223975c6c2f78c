"""What the wires have in common that speak JSON, with one header for the key: sending, asking, fetching, tickets."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypedDict

from yarl import URL

from bot.errors import TicketUnreadable, VideoRejected
from bot.models import FailureKind, Ticket
from bot.providers import error_mapping, error_text, responses
from bot.providers.auth import refuses_key
from bot.providers.download import MAX_VIDEO_BYTES, Downloads
from bot.providers.http import MAX_ANSWER_BYTES, HttpClient, Timeouts, endpoint_and_key
from bot.providers.responses import Answer
from bot.providers.ssrf_guard import same_origin
from bot.wire_config import ModelWire, ProviderConfig

log = logging.getLogger(__name__)

MAX_JOB_ID = 512
_MAX_ADDRESS = 400

_FORMS: Mapping[str, Callable[[str], dict[str, str]]] = {
    "raw": lambda key: {"Authorization": key},
    "bearer": lambda key: {"Authorization": f"Bearer {key}"},
    "key": lambda key: {"Authorization": f"Key {key}"},
    "x-api-key": lambda key: {"X-API-Key": key},
}


class ApiOptions(TypedDict, total=False):
    """What an adapter may be made with beside its configuration."""

    max_video_bytes: int
    timeouts: Timeouts | None
    now: Callable[[], datetime]


class JsonApi:
    """The part of `bot.providers.protocols.Provider` that these wires share; used and closed on one loop.

    Every request goes through here, and gets the key where its address has the origin of the configured URL, else not.
    """

    knows_keys = False
    can_cancel = False

    def __init__(
        self,
        config: ProviderConfig,
        *,
        auth: str = "bearer",
        max_video_bytes: int = MAX_VIDEO_BYTES,
        timeouts: Timeouts | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`auth` is the form of the key where the catalog leaves it to the wire. Raises ValueError."""
        self._endpoint, self._key = endpoint_and_key(config)
        form = _FORMS.get(auth if config.auth == "auto" else config.auth)
        self._keyed = form(self._key) if form and self._key else {}
        self._name = config.name
        self._origin = URL(self._endpoint).origin()
        self._now = now
        timeouts = timeouts or Timeouts()
        self._http = HttpClient(timeouts)
        self._downloads = Downloads(
            key=self._key,
            hosts=frozenset(host.strip().lower() for host in config.download_hosts),
            max_bytes=max_video_bytes,
            timeouts=timeouts,
        )
        self._foreign: set[URL] = set()

    @property
    def name(self) -> str:
        return self._name

    @property
    def endpoint(self) -> str:
        return self._endpoint

    def faults(self) -> list[str]:
        return []

    async def check(self, models: Sequence[ModelWire]) -> list[str]:  # noqa: ARG002 - a wire may know more
        return []

    def stop_creating(self) -> None:
        self._http.stop_creating()

    async def close(self) -> None:
        await self._http.close()

    async def _settle_by(self, address: str) -> None:
        """Learns from one free question whether the key is taken. Raises as `Provider.settle_auth` does."""
        answer = await self._ask(address)
        if refuses_key(answer):
            raise VideoRejected(FailureKind.KEY, self._told(answer), http_status=answer.status)
        if answer.status in (407, 408, 429) or answer.status >= 500:
            raise error_mapping.of_no_report(answer, self._now(), key=self._key)

    async def _create(
        self,
        address: str,
        body: bytes,
        *,
        job_in: Callable[[Answer], str | None],
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        return await self._http.create(address, self._headers(address, headers), body, job_in=job_in)

    async def _ask(
        self,
        address: str,
        *,
        method: str = "GET",
        body: bytes | None = None,
        content_type: str = "application/json",
        at_most: int = MAX_ANSWER_BYTES,
    ) -> Answer:
        headers = self._key_for(address) if body is None else self._headers(address, {"Content-Type": content_type})
        return await self._http.ask(address, headers, method=method, body=body, at_most=at_most)

    async def _fetch(self, url: str | None, content: str, target: Path, url_in: Callable[[Any], str | None]) -> None:
        """Downloads from `url` without the key, then from what the answer of `content` names, with it."""
        origin = str(URL(content).origin())
        await self._downloads.fetch(
            origin, url, content, self._key_for(content), target, url_needs_key=False, url_in=url_in
        )

    def _key_for(self, address: str) -> dict[str, str]:
        """The header with the key, where the address is of the key's own origin; a job of other settings gets none."""
        url = URL(address)
        if same_origin(url, self._origin):
            return dict(self._keyed)
        if url.origin() not in self._foreign:
            self._foreign.add(url.origin())
            log.warning(
                "videos in progress at %s belong to another address of the provider %s: the bot asks for them "
                "without a key, because the key is for %s",
                url.origin(),
                self._name,
                self._origin,
            )
        return {}

    def _headers(self, address: str, more: Mapping[str, str] | None = None) -> dict[str, str]:
        return {**self._key_for(address), "Content-Type": "application/json", **(more or {})}

    def _own(self, given: Any, otherwise: str) -> str:
        """An address out of an answer where it stays at the provider, else the one that is known from its documents.

        So no answer can send us, or the key, elsewhere; and a provider behind a proxy may name itself as it likes.
        """
        if isinstance(given, str) and 0 < len(given) <= _MAX_ADDRESS and given.isascii() and given.isprintable():
            try:
                url = URL(f"{self._endpoint}/").join(URL(given, encoded=True)).with_fragment(None)
            except ValueError:
                return otherwise
            if same_origin(url, self._origin) and not url.user:
                return str(url)
        return otherwise

    def _told(self, answer: Answer) -> str:
        return error_text.for_the_log(error_text.error_text(answer.body), self._key)


def encoded(body: Mapping[str, Any]) -> bytes:
    """A body as JSON, the same for the same request. Raises VideoRejected where it is no valid Unicode."""
    try:
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError as exc:
        raise VideoRejected(FailureKind.BAD_REQUEST, "the prompt is not valid Unicode") from exc


def ticket_of(parts: Mapping[str, Any]) -> Ticket:
    """What is to be kept of a job, without members that have no value."""
    kept = {name: value for name, value in parts.items() if value is not None}
    return Ticket(json.dumps(kept, separators=(",", ":")))


def parts_of(ticket: Ticket, *addresses: str, has: tuple[str, ...] = ()) -> dict[str, Any]:
    """What `ticket_of` kept, with these absolute URLs and whatever else it has to have. Raises TicketUnreadable."""
    try:
        parts: dict[str, Any] = json.loads(ticket)
        for name in addresses:
            URL(parts[name]).origin()
        for name in has:
            parts[name]
    except (ValueError, LookupError, TypeError, RecursionError) as exc:
        raise TicketUnreadable(f"what was stored of this job cannot be read ({type(exc).__name__})") from exc
    return parts


def job_id(value: Any) -> str | None:
    """An id that can be kept and asked for, out of an answer."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return text if isinstance(text, str) and 0 < len(text) <= MAX_JOB_ID and text.isprintable() else None


def usd(value: Any) -> float | None:
    """An amount out of an answer, as a number or a decimal string."""
    amount = responses.as_number(value)
    return amount if amount is not None and amount >= 0 else None
