"""What the bot needs of a provider. Adapters live beside this file."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from bot.models import FailureKind, Ticket
from bot.wire_config import ModelWire


class Phase(enum.StrEnum):
    """What the provider says of a job."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class VideoStatus:
    """One answered poll.

    `percent` is 0 to 100 and only for show, and so is `queue_position`, where 1 is next; `expires_at` is aware UTC;
    `failure` and `provider_text` are set when the phase is FAILED, and `charged` where the provider tells whether it
    charges for that; `cost_usd` is what the video really cost; `poll_after_s` is the pause in seconds the provider
    asks for. `is_unsafe` is the provider's own flag, where the catalog wants such videos as spoilers.
    `can_cancel` is whether `Provider.cancel` can still end it, where that changes while it runs.
    """

    phase: Phase
    percent: int | None = None
    queue_position: int | None = None
    url: str | None = None
    expires_at: datetime | None = None
    failure: FailureKind | None = None
    provider_text: str = ""
    poll_after_s: float | None = None
    cost_usd: float | None = None
    charged: bool | None = None
    can_cancel: bool | None = None
    is_unsafe: bool = False


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """One paid request. `picture` is a JPEG of exactly `size`, and so is `last_image`, with which the video ends.

    `key` is made and stored before anything is sent; what a wire derives by chance (a seed, an id) it derives from the
    key, so that the same request can be sent again. `picture_url` and `last_image_url` are where the bot serves
    them, for PictureForm.URL. Where the catalog knows a model by aspect ratio and resolution, these are set and go out
    in place of `size`. `max_usd` is the most that may be paid, where known. `sent_at` is aware UTC: when one that is
    to be settled was first sent.
    """

    key: str
    model: ModelWire
    prompt: str
    seconds: int
    size: str
    picture: bytes
    picture_url: str | None = None
    aspect_ratio: str | None = None
    resolution: str | None = None
    last_image: bytes | None = None
    last_image_url: str | None = None
    sound: bool | None = None
    seed: int | None = None
    negative_prompt: str | None = None
    max_usd: float | None = None
    sent_at: datetime | None = None


class Provider(Protocol):
    """A provider behind its wire. All calls have deadlines of their own; the caller owns what is returned.

    Built from a `bot.wire_config.ProviderConfig`. A ticket is followed at the origin it names, which gets the key only
    where it is the configured one's.
    """

    @property
    def name(self) -> str:
        """As the catalog calls it."""

    @property
    def endpoint(self) -> str:
        """Root of the API that new jobs go to, without a trailing slash; stored with each job."""

    @property
    def knows_keys(self) -> bool:
        """Whether `settle` can tell what became of a create whose answer was lost."""

    @property
    def can_cancel(self) -> bool:
        """Whether `cancel` can end a render for which nothing is charged then."""

    async def settle_auth(self) -> None:
        """Asks, at no cost, whether the key is taken. Raises VideoRejected(KEY) if not, else VideoUnavailable."""

    async def check(self, models: Sequence[ModelWire]) -> list[str]:
        """Asks, at no cost, whether these models can be made; one sentence for the operator for each that cannot.

        A wire that is told nothing says nothing. Raises VideoUnavailable where nobody answers.
        """

    def faults(self) -> list[str]:
        """In words, for whoever watches the bot: what has long kept it from sending anything."""

    async def create(self, request: CreateRequest) -> Ticket:
        """Pays for one video.

        Sends at most one paid request. Raises VideoUnavailable when certainly nothing was made, VideoRejected on a
        final no, VideoOutcomeUnknown on all else, with a ticket where an id stood beside the error.
        """

    async def settle(self, request: CreateRequest) -> Ticket | None:
        """What became of a create of this very request whose answer was lost; only where `knows_keys`.

        None where certainly nothing was made and nothing will be: the request may be created again, under its key.
        Raises VideoRejected where it was surely refused, VideoUnavailable where it cannot be told now, and
        VideoOutcomeUnknown where it can never be told. The picture is empty where it was lost: a wire that would have
        to send it again cannot tell then, nor can one that forgets keys, once that may have happened since `sent_at`.
        """

    async def status(self, ticket: Ticket) -> VideoStatus:
        """Asks once. Raises VideoUnavailable for all that is no answer about the job; no error ends a job.

        TicketUnreadable, of this and of `download` and `cancel`, where the ticket is not as this wire writes it.
        """

    async def download(self, ticket: Ticket, url: str | None, target: Path) -> None:
        """Streams the finished video to `target`, replacing it in one step; on failure nothing is left there.

        Tries `url`, then the wire's own endpoint if there is one. Raises LocalTrouble where our own disk or system
        failed, VideoUnavailable where no HTTP answer was had at all, VideoNotReady where one came but no whole video.
        """

    async def cancel(self, ticket: Ticket) -> bool:
        """True: no video comes, and nothing is charged. False: too late for that, or a charge cannot be ruled out.

        Only where `can_cancel`. Raises VideoUnavailable where it is not known what came of it: `status` tells.
        """

    def stop_creating(self) -> None:
        """No create leaves any more: one that still has to find out about the key raises VideoUnavailable then."""

    async def close(self) -> None:
        """Closes every connection."""
