"""What stands around the jobs in tests with standing time: a provider, a chat, a fitter and a shrinker with state."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bot.errors import ChatUnavailable, PictureRefused, VideoOutcomeUnknown, VideoRejected, VideoUnavailable
from bot.images import Fitted
from bot.jobs.protocols import Delivery, FoundCard, Outcome
from bot.models import FailureKind, Job, JobId, MessageId, UserId
from bot.providers.protocols import ClipRequest, Phase, VideoStatus
from sandbox.providers.mp4 import tiny_mp4

IN_PLACE, PASSING, GONE = "in place", "passing", "gone"
VIDEO = tiny_mp4()


class Provider:
    """Makes videos, or what its mood says. `made` has every job it began, by the prompt that asked for it."""

    def __init__(self) -> None:
        self.endpoint = "https://videos.example/v1"  # where creates go
        self.endpoints: dict[str, str] = {}  # where each job was made
        self.moods: dict[str, str] = {}  # by model; others are taken
        self.key_works = True
        self.made: Counter[str] = Counter()
        self.creates = 0
        self.phases: dict[str, Phase] = {}
        self.denies = False  # every poll is a 404
        self.silent = False  # no poll is answered
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

    async def create(self, request: ClipRequest) -> str:
        self.creates += 1
        mood = self.moods.get(request.model, "takes")
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
            case "forbidden":
                raise VideoRejected(FailureKind.BALANCE, http_status=403)
            case "lost":
                self.made[request.prompt] += 1
                raise VideoOutcomeUnknown("cut", http_status=500)
            case "lost but named":
                self.made[request.prompt] += 1
                named = f"video_{self.creates}"
                self.phases[named] = Phase.RUNNING
                raise VideoOutcomeUnknown("cut", http_status=500, provider_id=named)
            case "unsettled":
                raise VideoUnavailable("no word about the key", kind=FailureKind.KEY, http_status=500)
        self.made[request.prompt] += 1
        provider_id = f"video_{self.creates}"
        self.phases[provider_id] = Phase.RUNNING
        self.endpoints[provider_id] = self.endpoint
        return provider_id

    async def status(self, endpoint: str, provider_id: str) -> VideoStatus:
        if self.silent:
            raise VideoUnavailable("no answer")
        if self.denies or self.endpoints.get(provider_id, endpoint) != endpoint:
            raise VideoUnavailable("no such job", http_status=404)
        phase = self.phases[provider_id]
        return VideoStatus(phase, failure=FailureKind.PROVIDER if phase is Phase.FAILED else None)

    async def download(self, *there: Any) -> None:
        there[-1].write_bytes(VIDEO)

    async def close(self) -> None:
        pass


class Messages:
    """The chat. `pictures` says how those can be had; `cards` are the answers that stand there."""

    def __init__(self) -> None:
        self.cards: set[JobId] = set()
        self.unwell = False
        self.pictures: dict[UserId, str] = {}
        self.fetched = 0
        self.delivered: Counter[JobId] = Counter()
        self.closed: set[JobId] = set()

    async def find_card(self, job: Job) -> FoundCard | None:
        if self.unwell:
            raise ChatUnavailable("unwell")
        return FoundCard(MessageId(job.id), ephemeral=False, is_ours=True) if job.id in self.cards else None

    async def fetch_picture(self, job: Job) -> bytes:
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
        return Delivery(Outcome.HELD)

    async def mention(self, _job: Job) -> None:
        return None

    async def take_away(self, *_place: int) -> bool:
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
    """Every picture is upright, and fitted at once."""

    async def fit(self, _data: bytes, size_of: Callable[[tuple[int, int]], str], **_bounds: object) -> Fitted:
        return Fitted(size_of((720, 1280)), b"fitted", b"copy")


class Transcoder:
    """Every video here plays everywhere and fits."""

    async def prepare(self, video: Path, *_there: object) -> Path:
        return video
