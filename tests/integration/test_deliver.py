"""From a finished render to a video at Discord: whose fault a failure is decides what becomes of the job."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from bot.errors import LocalTrouble, VideoNotReady, VideoUnavailable
from bot.jobs.chat_protocol import Delivery, DeliveryOutcome
from bot.jobs.context import Clock, JobContext, Timing
from bot.jobs.files import Files
from bot.jobs.steps.deliver import deliver, retry
from bot.jobs.steps.finish import close
from bot.models import KEPT_FOR, ChannelId, FailureKind, Job, JobState, MessageId
from bot.store import cards, jobs, videos
from bot.store.database import Store
from bot.store.reservations import reserve
from tests.builders import NOON, a_card, a_job, limits
from tests.databases import Database
from tests.fakes import providers_of
from tests.in_memory_store import WAYS

S = JobState
VIDEO = b"a video"
FULL = LocalTrouble("No space left on device")
SILENT = VideoUnavailable("no answer")
NOT_THERE = VideoNotReady("404: not found")
REFUSED = VideoNotReady("500: the prompt was refused", refused=True)
UPLOADED = Delivery(DeliveryOutcome.UPLOADED)
FAR = datetime(9999, 1, 1, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


class PassingClock(Clock):
    """Whoever sleeps lets the time pass; `at_wake` is called after each sleep."""

    def __init__(self) -> None:
        super().__init__()
        self.at = NOON
        self.set_by = timedelta()
        self.at_wake: Callable[[], Awaitable[None]] | None = None

    def now(self) -> datetime:
        return self.at + self.set_by

    def since(self, moment: datetime) -> timedelta:
        return self.at - moment

    async def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        await asyncio.sleep(0)
        if self.at_wake is not None:
            await self.at_wake()


def _read(path: Path) -> bytes:
    return path.read_bytes()


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


class Service:
    """The video service as far as it hands over files: what `answer` says at each moment."""

    def __init__(self, clock: PassingClock) -> None:
        self._clock = clock
        self.answer: Callable[[timedelta], Exception | None] = lambda _: None
        self.asked: list[timedelta] = []

    async def download(self, _ticket: str, _url: str | None, target: Path) -> None:
        passed = self._clock.at - NOON
        self.asked.append(passed)
        error = self.answer(passed)
        if error is not None:
            raise error
        _write(target, VIDEO)


@dataclass
class Room:
    """Discord as jobs see it: each delivery is answered by the next of `outcomes`, the last of them for ever."""

    outcomes: list[Delivery] = field(default_factory=lambda: [UPLOADED])
    limit: int = 1_000
    during: Callable[[], Awaitable[None]] | None = None
    delivered: list[bytes] = field(default_factory=list)
    finished: list[JobState] = field(default_factory=list)
    addresses: int = 0
    mentions: int = 0

    def show(self, _job: Job, _progress: object = None) -> None:
        """Progress is of no interest here."""

    def upload_limit(self, _job: Job) -> int:
        return self.limit

    async def deliver(self, _job: Job, video: Path, *, reencoded: bool) -> Delivery:
        assert reencoded is ("small" in video.name)
        self.delivered.append(_read(video))
        if self.during is not None:
            await self.during()
        found = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if found.outcome is DeliveryOutcome.TOO_LARGE:
            self.limit = len(self.delivered[-1]) - 1
        return found

    async def show_address(self, _job: Job) -> bool:
        self.addresses += 1
        return True

    async def mention(self, _job: Job, _count: int = 1) -> MessageId | None:
        self.mentions += 1
        return MessageId(9)

    async def finish(self, job: Job, _refused: object = None) -> None:
        self.finished.append(job.state)


class Halving:
    """A re-encoder that keeps the first bytes."""

    async def prepare(self, source: Path, target: Path, limit_bytes: int) -> Path:
        content = _read(source)
        if len(content) <= limit_bytes:
            return source
        _write(target, content[:limit_bytes])
        return target


class FillingFiles(Files):
    """On a disk that is found full so many times."""

    looks_full = 0

    def has_disk_space(self) -> bool:
        self.looks_full -= 1
        return self.looks_full < 0


class Setup:
    """A real store and real files, a job that is done at the service, and what is to become of it."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.clock = PassingClock()
        self.service = Service(self.clock)
        self.room = Room()
        self.files = FillingFiles(folder / "data")
        self.files.prepare()
        parts: dict[str, Any] = dict.fromkeys(("fitter", "catalog", "queue", "circuit_breakers"), cast("Any", None))
        self.context = JobContext(
            store=store,
            providers=providers_of(self.service),
            chat=cast("Any", self.room),
            files=self.files,
            transcoder=cast("Any", Halving()),
            clock=self.clock,
            timing=Timing(5.0, timedelta(minutes=30)),
            **parts,
        )

    async def done(self, *, expires_at: datetime | None = None, to: JobState = S.DELIVERING, **card: Any) -> Job:
        """Asked for long ago enough for a mention."""
        asked_at = NOON - 2 * MINUTE
        job = a_job(at=asked_at, card=a_card(at=asked_at, **card))
        await self.store.write(reserve(job, [], limits(1_000)))
        for step in WAYS[to]:
            along: dict[str, object] = {"ticket": "video_1"} if step is S.RENDERING else {}
            if step is S.DELIVERING:
                along = {"result_url": "https://v.example/1", "result_expires_at": expires_at}
            moved = await self.store.write(jobs.move(job.id, job.state, step, now=NOON, **along))
            assert moved is not None
            job = moved
        if card.get("ephemeral"):
            placed = await self.store.write(cards.place(job.id, MessageId(3), ephemeral_at=NOON))
            assert placed is not None
            job = placed
        return job

    async def drive(self, job: Job) -> Job:
        """As the worker does, until a step has nothing more to do; the job as the store then has it."""
        steps = {S.DELIVERING: deliver, S.UNDELIVERED: retry}
        current: Job | None = job
        while current is not None:
            step = steps.get(current.state)
            if step is None:
                await close(self.context, current)
                break
            before = current
            current = await step(self.context, current)
            if current is None:
                found = await self.store.read(jobs.find(job.id))
                if found is not None and found.state is not before.state:
                    current = found
        found = await self.store.read(jobs.find(job.id))
        assert found is not None
        return found

    async def refunds(self) -> int:
        row = await self.store.read(lambda tx: tx.one("SELECT COUNT(*) AS n FROM ledger WHERE kind = 'refund'"))
        assert row is not None
        count: int = row["n"]
        return count

    def kept(self, job: Job) -> bytes | None:
        path = self.files.video(job)
        return path.read_bytes() if path.exists() else None


@pytest.fixture(name="setup")
async def _setup(tmp_path: Path, database: Database) -> AsyncIterator[Setup]:
    store = await Store.open(database.where)
    setup = Setup(store, tmp_path)
    yield setup
    await store.close()
    assert database.differences() == []


class TestFetching:
    @pytest.mark.parametrize("trouble", [FULL, SILENT], ids=["our disk is full", "our network is silent"])
    async def test_what_is_our_own_fault_for_hours_ends_no_job(self, setup: Setup, trouble: Exception) -> None:
        setup.service.answer = lambda passed: trouble if passed < 6 * HOUR else None

        ended = await setup.drive(await setup.done())

        assert (ended.state, ended.failure) == (S.DELIVERED, None)
        assert setup.room.delivered == [VIDEO]
        assert await setup.refunds() == 0

    async def test_meanwhile_the_card_shows_the_link_once_its_member_is_pinged_and_may_ask_for_more(
        self, setup: Setup
    ) -> None:
        states: list[JobState] = []
        job = await setup.done()

        async def look() -> None:
            found = await setup.store.read(jobs.find(job.id))
            assert found is not None
            states.append(found.state)

        setup.clock.at_wake = look
        setup.service.answer = lambda passed: FULL if passed < HOUR else None
        await setup.drive(job)

        assert states.count(S.DELIVERING) <= 5
        assert S.UNDELIVERED in states  # which does not count for MAX_JOBS_PER_USER
        assert setup.service.asked[4] <= 11 * MINUTE
        assert (setup.room.addresses, setup.room.mentions) == (1, 1)

    async def test_a_told_expiry_that_passed_while_our_disk_was_full_ends_nothing(self, setup: Setup) -> None:
        setup.service.answer = lambda passed: FULL if passed < 2 * HOUR else None

        ended = await setup.drive(await setup.done(expires_at=NOON + HOUR))

        assert ended.state is S.DELIVERED

    async def test_too_little_room_is_a_full_disk_before_a_byte_is_fetched(self, setup: Setup) -> None:
        setup.files.looks_full = 3

        ended = await setup.drive(await setup.done())

        assert ended.state is S.DELIVERED
        assert len(setup.service.asked) == 1

    async def test_what_has_expired_and_is_not_there_is_refunded_after_ten_minutes(self, setup: Setup) -> None:
        setup.service.answer = lambda _: NOT_THERE

        ended = await setup.drive(await setup.done(expires_at=NOON + MINUTE))

        assert (ended.state, ended.failure) == (S.FAILED, FailureKind.RESULT_GONE)
        assert len(setup.service.asked) == 5
        assert ended.state_at - NOON == timedelta(minutes=10)
        assert await setup.refunds() == 1

    @pytest.mark.parametrize("expires_at", [None, NOON + timedelta(days=6), FAR], ids=["untold", "6 days", "9999"])
    async def test_what_is_not_there_and_not_expired_is_looked_for_seven_days_and_then_refunded(
        self, setup: Setup, expires_at: datetime | None
    ) -> None:
        setup.service.answer = lambda _: NOT_THERE
        job = await setup.done(expires_at=expires_at)

        step = await deliver(setup.context, job)
        assert step is not None
        assert step.state is S.UNDELIVERED
        assert step.state_at - NOON <= timedelta(minutes=11)
        ended = await setup.drive(step)

        assert (ended.state, ended.failure) == (S.FAILED, FailureKind.RESULT_GONE)
        assert timedelta(days=5) < ended.state_at - NOON < KEPT_FOR + timedelta(hours=2)
        assert len(setup.service.asked) < 300
        assert await setup.refunds() == 1
        assert setup.room.finished == [S.FAILED]

    async def test_what_the_api_itself_refuses_five_times_without_an_expiry_is_refunded_after_ten_minutes(
        self, setup: Setup
    ) -> None:
        setup.service.answer = lambda _: REFUSED

        ended = await setup.drive(await setup.done())

        assert (ended.state, ended.failure) == (S.FAILED, FailureKind.RESULT_GONE)
        assert ended.state_at - NOON == timedelta(minutes=10)
        assert await setup.refunds() == 1

    async def test_a_refusal_among_silences_is_no_five_refusals(self, setup: Setup) -> None:
        answers = iter([REFUSED, SILENT, REFUSED, FULL, REFUSED, REFUSED])
        setup.service.answer = lambda _: next(answers, None)

        assert (await setup.drive(await setup.done())).state is S.DELIVERED


class TestTheLastCopy:
    async def test_a_card_hidden_while_its_video_was_sent_leaves_the_file(self, setup: Setup) -> None:
        job = await setup.done()

        async def hide() -> None:
            await setup.store.write(cards.mark_removed(job.id, now=NOON))
            await setup.store.write(lambda tx: tx.changed("UPDATE cards SET hidden_at = 1"))

        setup.room.during = hide
        ended = await setup.drive(job)

        assert ended.state is S.UNDELIVERED
        assert setup.kept(job) == VIDEO
        assert setup.room.mentions == 0

    async def test_a_card_taken_down_while_its_video_was_sent_sends_it_another_way(self, setup: Setup) -> None:
        job = await setup.done()
        setup.room.outcomes = [UPLOADED, Delivery(DeliveryOutcome.UPLOADED, ChannelId(77), MessageId(78))]

        async def remove() -> None:
            setup.room.during = None
            await setup.store.write(cards.mark_removed(job.id, now=NOON))

        setup.room.during = remove
        ended = await setup.drive(job)

        assert ended.state is S.DELIVERED
        assert ended.card.place == (77, 78)
        assert setup.room.delivered == [VIDEO, VIDEO]
        assert setup.kept(job) is None

    async def test_a_job_that_somebody_else_has_moved_keeps_its_file_and_is_told_to_nobody(self, setup: Setup) -> None:
        job = await setup.done(to=S.UNDELIVERED)
        setup.files.video(job).write_bytes(VIDEO)

        async def show_from_the_list() -> None:
            await setup.store.write(jobs.move(job.id, S.UNDELIVERED, S.DELIVERED, now=NOON + MINUTE))

        setup.room.during = show_from_the_list
        await setup.drive(job)

        assert setup.kept(job) == VIDEO
        assert setup.room.mentions == 0

    async def test_what_was_shown_or_deleted_while_it_waited_is_not_sent_again(self, setup: Setup) -> None:
        job = await setup.done(to=S.UNDELIVERED)
        setup.files.video(job).write_bytes(VIDEO)
        setup.room.outcomes = [Delivery(DeliveryOutcome.NOWHERE)]

        async def delete() -> None:
            await setup.store.write(videos.erase(job.id, now=setup.clock.at))
            setup.files.forget(job)

        setup.clock.at_wake = delete
        await setup.drive(job)

        assert setup.room.delivered == [VIDEO]
        assert setup.service.asked == []  # nor is it fetched again

    async def test_on_a_card_that_only_its_member_sees_the_file_stays(self, setup: Setup) -> None:
        job = await setup.done(ephemeral=True)

        ended = await setup.drive(job)

        assert ended.state is S.DELIVERED
        assert setup.kept(job) == VIDEO

    async def test_elsewhere_the_card_says_where_before_it_is_done_with(self, setup: Setup) -> None:
        setup.room.outcomes = [Delivery(DeliveryOutcome.UPLOADED, ChannelId(77), MessageId(78))]
        job = await setup.done()

        moved = await deliver(setup.context, job)
        assert moved is not None
        assert (moved.state, moved.card.finished) == (S.DELIVERED, False)
        assert [found.id for found in await setup.store.read(jobs.to_resume())] == [job.id]  # also after a crash
        ended = await setup.drive(moved)

        assert setup.room.finished == [S.DELIVERED]
        assert ended.card.finished

    async def test_shown_in_private_the_card_is_still_to_say_where_it_is(self, setup: Setup) -> None:
        job = await setup.done(to=S.UNDELIVERED)

        shown = await setup.store.write(jobs.show_privately(job.id, now=NOON))
        assert shown is not None
        assert not shown.card.finished
        ended = await setup.drive(shown)

        assert (ended.state, ended.card.finished) == (S.DELIVERED, True)
        assert setup.room.finished == [S.DELIVERED]


class TestDiscord:
    async def test_a_clock_that_is_set_forward_by_weeks_does_not_end_the_offers(self, setup: Setup) -> None:
        setup.room.outcomes = [Delivery(DeliveryOutcome.NOWHERE)] * 3 + [UPLOADED]

        async def set_it() -> None:
            setup.clock.set_by = timedelta(days=30)

        setup.clock.at_wake = set_it
        ended = await setup.drive(await setup.done())

        assert (ended.state, len(setup.room.delivered)) == (S.DELIVERED, 4)

    async def test_a_smaller_limit_than_announced_is_learnt_and_the_video_made_smaller(self, setup: Setup) -> None:
        setup.room.outcomes = [Delivery(DeliveryOutcome.TOO_LARGE), Delivery(DeliveryOutcome.TOO_LARGE), UPLOADED]

        ended = await setup.drive(await setup.done())

        assert ended.state is S.DELIVERED
        assert setup.room.delivered == [VIDEO, VIDEO[:-1], VIDEO[:-2]]

    async def test_a_place_that_takes_nothing_is_not_asked_for_ever_in_one_go(self, setup: Setup) -> None:
        setup.room.outcomes = [Delivery(DeliveryOutcome.TOO_LARGE)]
        job = await setup.done()

        async def stop() -> None:
            raise TimeoutError

        setup.clock.at_wake = stop  # it would be tried again much later
        with pytest.raises(TimeoutError):
            await setup.drive(job)

        assert 1 <= len(setup.room.delivered) <= 10
        assert setup.kept(job) == VIDEO

    async def test_a_link_alone_pings_its_member_too(self, setup: Setup) -> None:
        setup.room.outcomes = [Delivery(DeliveryOutcome.LINK_ONLY, card_tells=True)]
        job = await setup.done()

        ended = await setup.drive(job)

        assert (ended.state, ended.card.finished) == (S.UNDELIVERED, True)
        assert setup.room.mentions == 1
        assert setup.kept(job) == VIDEO

    async def test_what_discord_does_not_take_for_days_is_offered_ever_more_seldom(self, setup: Setup) -> None:
        setup.room.outcomes = [Delivery(DeliveryOutcome.LATER)]
        job = await setup.done()

        ended = await setup.drive(job)

        assert (ended.state, ended.card.finished) == (S.UNDELIVERED, True)
        assert len(setup.room.delivered) <= 20
        assert setup.clock.at - NOON >= KEPT_FOR
        assert await setup.refunds() == 0  # it was there for its member


async def test_a_disk_that_lets_nothing_go_keeps_no_job_from_its_end(setup: Setup) -> None:
    job = await setup.done()
    setup.files.video(job).write_bytes(VIDEO)
    setup.files.picture(job).mkdir()  # no file can be deleted there

    ended = await setup.drive(job)

    assert (ended.state, ended.card.finished) == (S.DELIVERED, True)


async def test_a_video_that_our_disk_does_not_give_back_is_offered_later_and_the_card_shows_the_link(
    setup: Setup,
) -> None:
    job = await setup.done()

    async def broken() -> None:
        if setup.clock.at < NOON + HOUR:
            raise OSError(5, "Input/output error")

    setup.room.during = broken
    ended = await setup.drive(job)

    assert ended.state is S.DELIVERED
    assert setup.room.addresses >= 1
    assert len(setup.room.delivered) <= 6
