"""What the bot needs of a video API. Adapters live beside this file."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from bot.models import FailureKind


@dataclass(frozen=True, slots=True)
class ClipRequest:
    """One paid request. `picture` is a JPEG of exactly `size`."""

    model: str
    prompt: str
    seconds: int
    size: str
    picture: bytes


class Phase(enum.StrEnum):
    """What the provider says of a job."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class VideoStatus:
    """One answered poll.

    `percent` is 0 to 100 and only for show; `expires_at` is aware UTC; `failure` and `provider_text` are set when
    the phase is FAILED; `poll_after_s` is the pause in seconds the provider asks for.
    """

    phase: Phase
    percent: int | None = None
    url: str | None = None
    expires_at: datetime | None = None
    failure: FailureKind | None = None
    provider_text: str = ""
    poll_after_s: float | None = None


class VideoApi(Protocol):
    """A video API behind one contract. All calls have deadlines of their own; the caller owns what is returned."""

    @property
    def endpoint(self) -> str:
        """Root of the API that new jobs go to, without a trailing slash; stored with each job."""

    async def settle_auth(self) -> None:
        """Finds out which form of the key this API takes. Raises VideoRejected(KEY) if none, VideoUnavailable."""

    def faults(self) -> list[str]:
        """In words, for whoever watches the bot: what has long kept it from sending anything."""

    async def create(self, request: ClipRequest) -> str:
        """Pays for one video and returns its id at the provider.

        Sends at most one request. Raises VideoUnavailable when certainly nothing was made, VideoRejected on a final
        no, VideoOutcomeUnknown on all else, with an id that stood beside the error, if any.
        """

    async def status(self, endpoint: str, provider_id: str) -> VideoStatus:
        """Asks once. Raises VideoUnavailable for all that is no answer about the job; no error ends a job."""

    async def download(self, endpoint: str, provider_id: str, url: str | None, target: Path) -> None:
        """Streams the finished video to `target`, replacing it in one step; on failure nothing is left there.

        Tries `url`, then the API's content route. Raises LocalTrouble where our own disk or system failed,
        VideoUnavailable where no HTTP answer was had at all, VideoNotReady where one came but no whole video.
        """

    def stop_creating(self) -> None:
        """No create leaves any more: one that still has to find out about the key raises VideoUnavailable then."""

    async def close(self) -> None:
        """Closes every connection."""
