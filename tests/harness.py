"""The real service, worker, queue and store, between a provider and a chat that are small classes with state.

Time stands still until a test moves it; only the store and the disk take real time, and `settle` waits for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any, Self, TypeVar, cast

from bot.catalog import Catalog, Model
from bot.errors import (
    BotError,
)
from bot.jobs.context import Clock, JobContext, Timing
from bot.jobs.files import Files
from bot.jobs.provider_breakers import CircuitBreakers
from bot.jobs.queue import JobQueue
from bot.jobs.service import Ask, Service
from bot.jobs.worker import Worker
from bot.models import Job, JobId, JobState, MessageId, Picture, UserId, VideoSpec
from bot.store import jobs
from bot.store.database import Store, Unit
from tests.builders import GUILD, NOON, a_card, a_picture, a_press, by, limits
from tests.fakes import Fitter, Messages, Provider, Transcoder, providers_of

T = TypeVar("T")

MODELS = ("sora-2", "sora-2-pro")
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
    resume: asyncio.Event

    def begin_write(
        self,
        unit: Unit[T],
        *,
        start_within_s: float | None = None,
        meanwhile: Callable[[T], None] | None = None,
    ) -> asyncio.Future[T]:
        return asyncio.ensure_future(self._write(unit, meanwhile))

    async def write(self, unit: Unit[T], *, start_within_s: float | None = None) -> T:
        return await self._write(unit, None)

    async def _write(self, unit: Unit[T], meanwhile: Callable[[T], None] | None) -> T:
        is_slow, self.slow = self.slow > 0, max(0, self.slow - 1)
        written = await self._counted(super().begin_write(unit, meanwhile=meanwhile))
        if is_slow:
            await self.resume.wait()
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


class Harness:
    """One bot's jobs. `begin` and `stop` are a process; the folder, the provider and the chat outlive it."""

    def __init__(self, folder: Path, *, slots: int = 2) -> None:
        self.loop = SteppedLoop()
        self.loop.set_default_executor(ThreadPoolExecutor(max_workers=1))  # first in, first out: see `_settle`
        self.folder = folder
        self.slots = slots
        self.ahead = timedelta()  # by so much the host's clock was set
        self.intent_for: timedelta | None = None  # of several processes
        self.provider, self.chat, self.fitter = Provider(), Messages(), Fitter()
        self.catalog = Catalog(
            [Model(m, m, (4,), {"720x1280": 1, "1280x720": 1}, {}, provider=self.provider.name) for m in MODELS],
            MODELS[0],
        )
        self.others: list[Provider] = []  # for catalogs with more than one
        self.limits: Mapping[str, int] = {}  # of providers
        self.asked = 100
        self.asked_at_s: dict[int, float] = {}  # of this process's jobs, in the time that stands still
        self.is_running = False
        self._of_the_store: set[asyncio.Task[Any]] = set()
        self.store: CountedStore
        self.context: JobContext
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
        self.asked_at_s.clear()
        self.provider.waiting, self.provider.gate = 0, asyncio.Event()
        self.provider.gate.set()
        self.is_running = False

    async def _begin(self) -> None:
        self.store = await CountedStore.open(self.folder / "animate.db")
        self.store.resume = asyncio.Event()
        self._of_the_store = asyncio.all_tasks() - {asyncio.current_task()}
        files = Files(self.folder)
        files.prepare()
        clock = Clock(lambda: NOON + timedelta(seconds=self.loop.time() - 1_000.0) + self.ahead, self.loop.time)
        circuit_breakers = CircuitBreakers(self.loop.time, self.loop.call_later)
        providers = providers_of(self.provider, *self.others)
        self.context = JobContext(
            store=self.store,
            providers=providers,
            chat=cast("Any", self.chat),
            files=files,
            fitter=cast("Any", self.fitter),
            transcoder=cast("Any", Transcoder()),
            catalog=self.catalog,
            queue=JobQueue(self.slots, circuit_breakers, self.limits),
            timing=Timing(poll_s=60.0, job_timeout=timedelta(minutes=30), intent_for=self.intent_for),
            circuit_breakers=circuit_breakers,
            clock=clock,
            rng=random.Random(1),
        )
        self.worker = Worker(self.context)
        self.service = Service(
            store=self.store,
            worker=self.worker,
            files=files,
            catalog=self.catalog,
            limits=limits(default=1_000_000),
            providers=providers,
            clock=clock,
            interaction_priority=self.context.interaction_priority,
            circuit_breakers=circuit_breakers,
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
            await Store.begin_write(self.store, lambda _tx: None)
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
        takes: int | None = None,
    ) -> JobId:
        """Asks for a video; the card is `shown`, is not (False), or nobody knows (None). Raises BotError."""
        return self.run(self.asking(member, model, shown=shown, picture=picture, again_of=again_of, takes=takes))

    async def asking(
        self,
        member: int,
        model: str = MODELS[0],
        *,
        shown: bool | None = True,
        picture: Picture | None = None,
        again_of: JobId | None = None,
        takes: int | None = None,
    ) -> JobId:
        """As `ask`, to be awaited."""
        self.asked += 1
        interaction = JobId(self.asked)
        self.asked_at_s[interaction] = self.loop.now_s
        ask = Ask(
            interaction=interaction,
            scope=GUILD,
            member=UserId(member),
            roles=(),
            spec=self.catalog.complete(VideoSpec(model or "", f"number {interaction}", takes=takes)),
            picture=picture or a_picture(),
            card=a_card(at=self.context.clock.now(), message=None),
            again_of=again_of,
        )
        made = await self.service.animate(ask)
        if shown is not False:
            self.chat.cards.add(interaction)
        for job in made:
            if shown:
                self.service.card_shown(job, MessageId(interaction), ephemeral=False)
            else:
                self.service.card_unsure(job)
        return interaction

    @contextlib.contextmanager
    def somebody_waits(self) -> Iterator[None]:
        """A member waits for a first answer meanwhile."""

        async def does(act: Callable[[], object]) -> None:
            act()

        waiting = self.service.interaction_priority.answering()
        self.run(does(waiting.__enter__))
        try:
            yield
        finally:
            self.run(does(lambda: waiting.__exit__(None, None, None)))

    def refused(self, member: int = 1, model: str = MODELS[0]) -> BotError | None:
        """Why a request is refused now; None where it is taken."""
        try:
            self.ask(member, model)
        except BotError as error:
            return error
        return None

    def cancel(self, job: JobId) -> None:
        self.run(self.service.library.cancel(self.job(job).member, job))

    def hide(self, job: JobId) -> None:
        found = self.job(job)
        self.run(self.service.library.hide(found, found.member, a_press(found.card)))

    def block(self, member: int) -> None:
        self.run(self.service.admin.block(by(now=self.context.clock.now()), UserId(member), None))

    def unblock(self, member: int) -> None:
        self.run(self.service.admin.unblock(by(now=self.context.clock.now()), UserId(member)))

    def pause(self) -> None:
        self.run(self.service.admin.pause(by(now=self.context.clock.now()), None))

    def resume(self) -> None:
        self.run(self.service.admin.resume(by(now=self.context.clock.now())))

    def lets_go(self) -> None:
        """The queue's own part of a resume, with nothing written."""

        async def resume() -> None:
            self.context.queue.resume(GUILD)

        self.run(resume())

    def sets_the_clock(self, by_s: float) -> None:
        self.ahead += timedelta(seconds=by_s)
        self.context.clock.now()

    # What is seen of it.

    def job(self, job: JobId) -> Job:
        found = self.run(self.store.read(jobs.find(job)))
        assert found is not None
        return found

    def state(self, job: JobId) -> JobState:
        return self.job(job).state

    def request_key(self, job: JobId) -> str:
        """The one that is stored, also while no process runs."""
        ((key,),) = self.rows(f"SELECT request_key FROM jobs WHERE id = {job}")
        return str(key)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.looked(lambda connection: connection.execute(sql).fetchall())

    def looked(self, look: Callable[[sqlite3.Connection], T]) -> T:
        with closing(sqlite3.connect(self.folder / "animate.db", timeout=5)) as connection:
            return look(connection)

    def holding(self) -> set[int]:
        """Who holds a slot."""

        async def look() -> set[int]:
            return {int(job.id) for job, _ in self.context.queue.holding()}

        return self.run(look())

    def states(self, among: Sequence[JobId]) -> list[JobState]:
        return [self.state(job) for job in among]
