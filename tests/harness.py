"""The real service, worker, queue and store, between a provider and a chat that are small classes with state.

Time stands still until a test moves it; only the store and the disk take real time, and `settle` waits for them.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any, Self, TypeVar, cast

from bot.catalog import Catalog, Model
from bot.errors import (
    BotError,
    ChatUnavailable,
    PictureRefused,
    VideoOutcomeUnknown,
    VideoRejected,
    VideoUnavailable,
)
from bot.images import Fitted
from bot.jobs.breaker import Breaker
from bot.jobs.desk import Clock, Desk, Timing
from bot.jobs.files import Files
from bot.jobs.line import Line
from bot.jobs.port import Delivery, FoundCard, Outcome
from bot.jobs.service import Ask, Service
from bot.jobs.worker import Worker
from bot.models import FailureKind, Job, JobId, JobState, MessageId, Picture, UserId
from bot.store import jobs
from bot.store.database import Store, Unit
from bot.video.port import ClipRequest, Phase, VideoStatus
from sandbox.videos.render import tiny_mp4
from tests.builders import GUILD, NOON, a_card, a_picture, by, limits

T = TypeVar("T")

MODELS = ("sora-2", "sora-2-pro")
IN_PLACE, PASSING, GONE = "in place", "passing", "gone"
MOST_ROUNDS = 10_000


class SteppedLoop(asyncio.SelectorEventLoop):
    """Its time stands still. A timer that a test has made due runs at the next turn."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 1_000.0

    def time(self) -> float:
        return self.now_s


class CountedStore(Store):
    """Knows how many calls are under way and how many there were. `slow` writes tell of their commit when let go."""

    under_way = 0
    calls = 0
    slow = 0
    let_go: asyncio.Event

    async def write(self, unit: Unit[T], *, start_within_s: float | None = None) -> T:
        is_slow, self.slow = self.slow > 0, max(0, self.slow - 1)
        written = await self._counted(super().write(unit))
        if is_slow:
            await self.let_go.wait()
        return written

    async def read(self, unit: Unit[T]) -> T:
        return await self._counted(super().read(unit))

    async def _counted(self, call: Awaitable[T]) -> T:
        self.under_way += 1
        self.calls += 1
        try:
            return await call
        finally:
            self.under_way -= 1


class Provider:
    """Makes videos, or what its mood says. `made` has every job it began, by the prompt that asked for it."""

    endpoint = "https://videos.example/v1"

    def __init__(self) -> None:
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
        return provider_id

    async def status(self, _endpoint: str, provider_id: str) -> VideoStatus:
        if self.silent:
            raise VideoUnavailable("no answer")
        if self.denies:
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

    async def ping(self, _job: Job) -> None:
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


class Shrinker:
    """Every video fits and plays as it is."""

    async def prepare(self, source: Path, *_limits: object) -> Path:
        return source


class Harness:
    """One bot's jobs. `begin` and `stop` are a process; the folder, the provider and the chat outlive it."""

    def __init__(self, folder: Path, *, slots: int = 2) -> None:
        self.loop = SteppedLoop()
        self.loop.set_default_executor(ThreadPoolExecutor(max_workers=1))  # first in, first out: see `_settle`
        self.folder = folder
        self.slots = slots
        self.ahead = timedelta()  # by so much the host's clock was set
        self.provider, self.chat, self.fitter = Provider(), Messages(), Fitter()
        self.catalog = Catalog([Model(m, m, (4,), {"720x1280": 1, "1280x720": 1}, {}) for m in MODELS], MODELS[0])
        self.asked = 100
        self.is_running = False
        self._of_the_store: set[asyncio.Task[Any]] = set()
        self.store: CountedStore
        self.desk: Desk
        self.worker: Worker
        self.service: Service

    def __enter__(self) -> Self:
        self.begin()
        return self

    def close(self) -> None:
        """As at the end of a `with`."""
        self.__exit__()

    def __exit__(self, *_raised: object) -> None:
        if self.is_running:
            self.kill()
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()

    def run(self, work: Awaitable[T]) -> T:
        """Does it, and waits until nothing moves any more."""

        async def whole() -> T:
            done = asyncio.ensure_future(work)
            await self._settle()
            assert done.done(), "it waits for time to pass"
            return await done

        return self.loop.run_until_complete(whole())

    def start(self, work: Awaitable[T]) -> asyncio.Future[T]:
        """Begins it, and goes on when nothing moves any more, whether it is done or not."""

        async def begun() -> asyncio.Future[T]:
            return asyncio.ensure_future(work)

        begun_work = self.loop.run_until_complete(begun())
        self.settle()
        return begun_work

    def settle(self) -> None:
        self.loop.run_until_complete(self._settle())

    def passes(self, seconds: float, steps: int = 6) -> None:
        """Time goes on, in some steps."""
        for _ in range(steps):
            self.loop.now_s += seconds / steps
            self.settle()

    def begin(self) -> None:
        self.loop.run_until_complete(self._begin())
        self.is_running = True
        self.settle()

    def stop(self) -> None:
        """As SIGTERM does."""
        stopping = self.loop.create_task(self.worker.stop())
        while not stopping.done():
            self.passes(10.0, steps=1)
        self._end()

    def kill(self) -> None:
        """As SIGKILL does: nothing more is written."""
        self._end()

    def _end(self) -> None:
        async def end() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()} - self._of_the_store
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await self.store.close()

        self.loop.run_until_complete(end())
        self.provider.waiting, self.provider.gate = 0, asyncio.Event()
        self.provider.gate.set()
        self.is_running = False

    async def _begin(self) -> None:
        self.store = await CountedStore.open(self.folder / "animate.db")
        self.store.let_go = asyncio.Event()
        self._of_the_store = asyncio.all_tasks() - {asyncio.current_task()}
        files = Files(self.folder)
        files.prepare()
        clock = Clock(lambda: NOON + timedelta(seconds=self.loop.time() - 1_000.0) + self.ahead, self.loop.time)
        breaker = Breaker(self.loop.time, self.loop.call_later)
        self.desk = Desk(
            store=self.store,
            videos=cast("Any", self.provider),
            chat=cast("Any", self.chat),
            files=files,
            fitter=cast("Any", self.fitter),
            shrinker=cast("Any", Shrinker()),
            catalog=self.catalog,
            line=Line(self.slots, breaker),
            timing=Timing(poll_s=60.0, job_timeout=timedelta(minutes=30)),
            breaker=breaker,
            clock=clock,
            rng=random.Random(1),
        )
        self.worker = Worker(self.desk)
        self.service = Service(
            store=self.store,
            worker=self.worker,
            files=files,
            catalog=self.catalog,
            limits=limits(default=1_000_000),
            endpoint=self.provider.endpoint,
            clock=clock,
            answering=self.desk.answering,
            breaker=breaker,
            retention=cast("Any", None),
        )
        await self.worker.start()

    async def _settle(self) -> None:
        """Until nothing moves: the store and the disk have done what was asked, and nothing new was asked of them."""
        quiet = 0
        for _ in range(MOST_ROUNDS):
            calls = self.store.calls
            await asyncio.to_thread(int)
            for _ in range(12):
                await asyncio.sleep(0)
            await Store.read(self.store, lambda _tx: None)
            await Store.write(self.store, lambda _tx: None)
            is_quiet = self.store.calls == calls and not self.store.under_way
            quiet = quiet + 1 if is_quiet else 0
            if quiet == 3:
                return
        raise AssertionError("it never comes to rest")

    # What members, admins and operators do.

    def ask(
        self,
        member: int = 1,
        model: str = MODELS[0],
        *,
        shown: bool | None = True,
        picture: Picture | None = None,
        again_of: JobId | None = None,
    ) -> JobId:
        """Asks for a video; the card is `shown`, or not (False), or its fate is not known (None). Raises BotError."""
        return self.run(self.asking(member, model, shown=shown, picture=picture, again_of=again_of))

    async def asking(
        self,
        member: int,
        model: str = MODELS[0],
        *,
        shown: bool | None = True,
        picture: Picture | None = None,
        again_of: JobId | None = None,
    ) -> JobId:
        """As `ask`, to be awaited."""
        self.asked += 1
        interaction = JobId(self.asked)
        ask = Ask(
            interaction=interaction,
            scope=GUILD,
            member=UserId(member),
            roles=(),
            prompt=f"number {interaction}",
            choice=self.catalog.choose(model, None, None),
            picture=picture or a_picture(),
            card=a_card(at=self.desk.clock.now(), message=None),
            again_of=again_of,
        )
        job = await self.service.animate(ask)
        if shown is not False:
            self.chat.cards.add(interaction)
        if shown:
            self.service.card_shown(job, MessageId(interaction), ephemeral=False)
        else:
            self.service.card_unsure(job)
        return interaction

    def refused(self, member: int = 1, model: str = MODELS[0]) -> BotError | None:
        """Why a request is refused now; None where it is taken."""
        try:
            self.ask(member, model)
        except BotError as error:
            return error
        return None

    def cancel(self, job: JobId) -> None:
        self.run(self.service.shelf.cancel(self.job(job).member, job))

    def hide(self, job: JobId) -> None:
        found = self.job(job)
        self.run(self.service.shelf.hide(found, found.member))

    def block(self, member: int) -> None:
        self.run(self.service.admin.block(by(now=self.desk.clock.now()), UserId(member), None))

    def unblock(self, member: int) -> None:
        self.run(self.service.admin.unblock(by(now=self.desk.clock.now()), UserId(member)))

    def pause(self) -> None:
        self.run(self.service.admin.pause(by(now=self.desk.clock.now()), None))

    def resume(self) -> None:
        self.run(self.service.admin.resume(by(now=self.desk.clock.now())))

    def lets_go(self) -> None:
        """The queue's own part of a resume, with nothing written."""

        async def let_go() -> None:
            self.desk.line.resume(GUILD)

        self.run(let_go())

    def sets_the_clock(self, by_s: float) -> None:
        self.ahead += timedelta(seconds=by_s)
        self.desk.clock.now()

    # What is seen of it.

    def job(self, job: JobId) -> Job:
        found = self.run(self.store.read(jobs.find(job)))
        assert found is not None
        return found

    def state(self, job: JobId) -> JobState:
        return self.job(job).state

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.looked(lambda connection: connection.execute(sql).fetchall())

    def looked(self, look: Callable[[sqlite3.Connection], T]) -> T:
        with closing(sqlite3.connect(self.folder / "animate.db", timeout=5)) as connection:
            return look(connection)

    def holding(self) -> set[int]:
        """Who holds a slot."""

        async def look() -> set[int]:
            return {int(job.id) for job, _ in self.desk.line.holding()}

        return self.run(look())

    def states(self, among: Sequence[JobId]) -> list[JobState]:
        return [self.state(job) for job in among]


VIDEO = tiny_mp4()
