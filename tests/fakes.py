"""What stands around the jobs in tests with standing time: a provider, a chat, a fitter and a shrinker with state."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from bot.errors import (
    ChatUnavailable,
    PictureRefused,
    TicketUnreadable,
    VideoOutcomeUnknown,
    VideoRejected,
    VideoUnavailable,
)
from bot.images.fitter import Fitted
from bot.jobs.chat_protocol import Delivery, DeliveryOutcome, FoundCard
from bot.jobs.providers import Providers
from bot.models import FailureKind, Job, JobId, JobState, MessageId, Ticket, UserId
from bot.providers.protocols import CreateRequest, Phase, VideoStatus
from bot.wire_config import ModelWire, ProviderConfig
from sandbox.providers.mp4 import tiny_mp4

IN_PLACE, PASSING, GONE = "in place", "passing", "gone"
VIDEO = tiny_mp4()


class Provider:
    """Makes videos, or what its mood says. `made` has every job it began, by the prompt that asked for it.

    With `knows_keys` it can be asked what became of a create; `keys` has the ticket of each that it has received.
    """

    def __init__(self, name: str = "default") -> None:
        self.name = name
        self.key: str | None = None
        self.knows_keys = False
        self.can_cancel = False
        self.keys: dict[str, Ticket] = {}
        self.settling = "answers"  # or silent, or forgets
        self.cancelled: set[Ticket] = set()
        self.cancels = "works"  # or too late, or unsure
        self.positions: dict[str, int] = {}
        self.cost_usd: float | None = None
        self.endpoint = "https://videos.example/v1"  # where creates go
        self.moods: dict[str, str] = {}  # by model; others are taken
        self.key_works = True
        self.made: Counter[str] = Counter()
        self.creates = 0
        self.phases: dict[Ticket, Phase] = {}
        self.denies = False  # every poll is a 404
        self.flags = False  # every video as unsafe
        self.silent = False  # no poll is answered
        self.breaks = False  # every question ends in a mistake of the adapter's own
        self.unreadable = False  # no ticket is read
        self.asked = 0  # of tickets that were not
        self.questions = 0
        self.gate = asyncio.Event()  # creates wait here for their answer
        self.gate.set()
        self.waiting = 0

    def is_well(self) -> None:
        self.moods.clear()
        self.key_works, self.denies, self.silent = True, False, False
        self.gate.set()

    def finishes(self, phase: Phase = Phase.DONE) -> None:
        """All that it is making."""
        self.phases = dict.fromkeys(self.phases, phase)

    def faults(self) -> list[str]:
        return []

    def stop_creating(self) -> None:
        pass

    async def settle_auth(self) -> None:
        self.questions += 1
        if not self.key_works:
            raise VideoRejected(FailureKind.KEY, http_status=401)

    async def check(self, _models: Sequence[ModelWire]) -> list[str]:
        return []

    async def create(self, request: CreateRequest) -> Ticket:
        self.creates += 1
        mood = self.moods.get(request.model.name, "takes")
        if not self.key_works:
            raise VideoRejected(FailureKind.KEY, http_status=401)
        self.waiting += 1
        try:
            await self.gate.wait()
        finally:
            self.waiting -= 1
        match mood:
            case "nobody there":
                raise VideoUnavailable("refused")
            case "busy":
                raise VideoUnavailable("busy", rate_limited=True, retry_after_s=20.0, http_status=429)
            case "moderated":
                raise VideoRejected(FailureKind.MODERATED, http_status=400)
            case "unpaid":
                raise VideoRejected(FailureKind.BALANCE, http_status=402)
            case "gone":
                raise VideoRejected(FailureKind.MODEL, http_status=404)
            case "forbidden":
                raise VideoRejected(FailureKind.BALANCE, http_status=403)
            case "lost":
                self._make(request)
                raise VideoOutcomeUnknown("cut", http_status=500)
            case "lost on its way":
                raise VideoOutcomeUnknown("cut")
            case "lost but named":
                raise VideoOutcomeUnknown("cut", http_status=500, ticket=self._make(request))
            case "unsettled":
                raise VideoUnavailable("no word about the key", kind=FailureKind.KEY, http_status=500)
        return self._make(request)

    def _make(self, request: CreateRequest) -> Ticket:
        return self.receives(request.key, request.prompt)

    def receives(self, key: str, prompt: str) -> Ticket:
        """A create under this key arrives, whether or not anybody hears the answer; the same key makes nothing anew."""
        if self.knows_keys and key in self.keys:
            return self.keys[key]
        self.made[prompt] += 1
        ticket = Ticket(f"video_{len(self.phases) + 1}_of_{self.name}")
        self.phases[ticket] = Phase.RUNNING
        self.keys[key] = ticket
        return ticket

    async def settle(self, request: CreateRequest) -> Ticket | None:
        self.questions += 1
        if self.breaks:
            raise ValueError("a mistake")
        if self.settling == "silent":
            raise VideoUnavailable("no answer")
        if self.settling == "forgets":
            raise VideoOutcomeUnknown("who knows")
        return self.keys.get(request.key)

    async def cancel(self, ticket: Ticket) -> bool:
        if ticket in self.cancelled:
            return False
        if self.cancels == "slow":
            self.phases[ticket] = Phase.FAILED
            self.cancelled.add(ticket)
            await self.gate.wait()
            return True
        if self.cancels == "unsure":
            raise VideoUnavailable("no answer")
        if self.cancels == "too late":
            return False
        self.phases[ticket] = Phase.FAILED
        self.cancelled.add(ticket)
        return True

    async def status(self, ticket: Ticket) -> VideoStatus:
        if self.breaks:
            raise ValueError("a mistake")
        if self.unreadable:
            self.asked += 1
            raise TicketUnreadable("not as this wire writes it")
        if self.silent:
            raise VideoUnavailable("no answer")
        if self.denies:
            raise VideoUnavailable("no such job", http_status=404)
        phase = self.phases[ticket]
        return VideoStatus(
            phase,
            failure=FailureKind.PROVIDER if phase is Phase.FAILED else None,
            queue_position=self.positions.get(ticket),
            cost_usd=self.cost_usd if phase is Phase.DONE else None,
            is_unsafe=self.flags,
        )

    async def download(self, *there: Any) -> None:
        there[-1].write_bytes(VIDEO)

    async def close(self) -> None:
        pass


def providers_of(*fakes: Any) -> Providers:
    """What the fakes are connected by; they outlive every process."""
    by_name = {getattr(fake, "name", "default"): fake for fake in fakes}
    configs = [
        ProviderConfig(name, "openai", getattr(fake, "endpoint", "http://127.0.0.1/v1"), getattr(fake, "key", None))
        for name, fake in by_name.items()
    ]
    return Providers(configs, lambda config: cast("Any", by_name[config.name]), ProviderConfig)


class Messages:
    """The chat. `pictures` says how those can be had; `cards` are the answers that stand there."""

    def __init__(self) -> None:
        self.cards: set[JobId] = set()
        self.unwell = False
        self.pictures: dict[UserId, str] = {}
        self.fetched = 0
        self.delivered: Counter[JobId] = Counter()
        self.closed: set[JobId] = set()
        self.together: list[list[JobId]] = []  # the videos of each edit of a card that takes share
        self.takes_it = DeliveryOutcome.UPLOADED
        self.uploads = asyncio.Event()  # those of such a card go through once it is set
        self.uploads.set()
        self.told: list[dict[JobId, JobState]] = []  # what such a card says in the end, without a video

    async def find_card(self, job: Job) -> FoundCard | None:
        if self.unwell:
            raise ChatUnavailable("unwell")
        return FoundCard(MessageId(job.id), ephemeral=False, is_ours=True) if job.id in self.cards else None

    async def fetch_picture(self, job: Job, *, last: bool = False) -> bytes:
        self.fetched += 1
        match self.pictures.get(job.member, IN_PLACE):
            case "passing":
                raise ChatUnavailable("the picture could not be fetched")
            case "gone":
                raise PictureRefused("The picture is gone.")
        return b"picture"

    async def finish(self, job: Job, _refused: PictureRefused | None = None) -> None:
        self.closed.add(job.id)

    def upload_limit(self, _job: Job) -> int:
        return 10 * 1024 * 1024

    async def deliver(self, job: Job, _video: Path, *, reencoded: bool) -> Delivery:
        self.delivered[job.id] += 1
        if job.card.request is not None:
            return Delivery(DeliveryOutcome.UPLOADED, job.card.channel, MessageId(job.id + 1))
        return Delivery(DeliveryOutcome.UPLOADED)

    def show_takes(self, _takes: Sequence[Job]) -> None:
        pass

    async def deliver_takes(self, _takes: Sequence[Job], videos: Mapping[JobId, Path]) -> DeliveryOutcome:
        self.together.append(list(videos))
        await self.uploads.wait()
        return self.takes_it

    async def finish_takes(self, takes: Sequence[Job], _refused: PictureRefused | None = None) -> bool:
        self.told.append({take.id: take.state for take in takes})
        return True

    async def mention(self, _job: Job, _count: int = 1) -> None:
        return None

    async def delete_message(self, *_place: int) -> bool:
        return True

    def show(self, *_said: object) -> None:
        pass

    def log_job(self, *_said: object) -> None:
        pass

    def introduce(self, _job: Job) -> None:
        pass

    def forget(self, _job: Job) -> None:
        pass


class Fitter:
    """Every picture is upright, and fitted at once; `sizes` are those it was fitted to."""

    def __init__(self) -> None:
        self.sizes: list[str] = []

    async def fit(self, _data: bytes, size_of: Callable[[tuple[int, int]], str], **_bounds: object) -> Fitted:
        self.sizes.append(size_of((720, 1280)))
        return Fitted(self.sizes[-1], b"fitted", b"copy")


class Transcoder:
    """Every video here plays everywhere and fits."""

    async def prepare(self, video: Path, *_there: object) -> Path:
        return video
