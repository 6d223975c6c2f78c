"""A member's own videos: the store decides before a file or a message goes, whoever comes first."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from bot.errors import UserError
from bot.jobs.chat_protocol import Delivery, DeliveryOutcome
from bot.jobs.context import Clock, JobContext, Timing
from bot.jobs.files import Files
from bot.jobs.interaction_priority import InteractionPriority
from bot.jobs.library import ARRIVED, GONE, NOT_YOURS, PICTURE_GONE, Library
from bot.jobs.provider_breakers import CircuitBreakers
from bot.jobs.queue import JobQueue
from bot.jobs.retention import Retention
from bot.jobs.worker import Worker
from bot.models import ChannelId, GuildId, Job, JobId, JobState, Keeping, MessageId, Press, UserId
from bot.store import cards, erasure, jobs, memberships, videos
from bot.store.database import Store, Unit
from bot.store.reservations import reserve
from tests.builders import GUILD, MEMBER, NOON, a_card, a_job, a_press, limits
from tests.databases import Database
from tests.fakes import Provider, Transcoder, providers_of
from tests.in_memory_store import WAYS, Ledgers
from tests.integration.conftest import MakeLedgers
from tests.thorough import mostly_thorough

S = JobState
AUTHOR = UserId(910_000_000_000_000_003)
MODERATOR = UserId(910_000_000_000_000_004)
HERE = (GuildId(GUILD), ChannelId(2))
PRESS = a_press()
VIDEO = b"the video"


@dataclass
class Room:
    """Discord as jobs see it: it takes no video, and remembers what it was asked to show."""

    offers: int = 0
    finished: list[JobState] = field(default_factory=list)

    def show(self, _job: Job, _progress: object = None) -> None: ...

    def forget(self, _job: Job) -> None: ...

    def upload_limit(self, _job: Job) -> int:
        return 1_000

    async def deliver(self, _job: Job, _video: Path, *, reencoded: bool) -> Delivery:
        assert not reencoded
        self.offers += 1
        return Delivery(DeliveryOutcome.NOWHERE)

    async def finish(self, job: Job, _refused: object = None) -> None:
        self.finished.append(job.state)


class SleepingClock(Clock):
    """Noon for ever; who sleeps sleeps until the test wakes all, and is counted."""

    def __init__(self) -> None:
        super().__init__()
        self.woken = asyncio.Event()
        self.sleepers = 0
        self.changed = asyncio.Event()

    def now(self) -> datetime:
        return NOON

    async def sleep(self, seconds: float) -> None:
        del seconds
        self.sleepers += 1
        self.changed.set()
        try:
            await self.woken.wait()
        finally:
            self.sleepers -= 1


@dataclass
class Setup:
    """A real store, real files and the real worker around one job."""

    store: Store
    files: Files
    clock: SleepingClock
    room: Room
    worker: Worker
    library: Library

    async def job(self, state: JobState, number: int = 1, **changes: Any) -> Job:
        job = a_job(number, **({"card": a_card()} | changes))
        await self.store.write(reserve(job, [], limits(1_000)))
        for step in WAYS[state]:
            along: dict[S, dict[str, Any]] = {
                S.RENDERING: {"ticket": "video_1"},
                S.UNDELIVERED: {"fetched_at": NOON},
            }
            moved = await self.store.write(jobs.move(job.id, job.state, step, now=NOON, **along.get(step, {})))
            assert moved is not None
            job = moved
        return job

    async def found(self) -> Job:
        found = await self.store.read(jobs.find(JobId(1)))
        assert found is not None
        return found

    def keep(self, job: Job) -> None:
        self.files.video(job).write_bytes(VIDEO)


@pytest.fixture(name="setup")
async def _setup(tmp_path: Path, database: Database) -> AsyncIterator[Setup]:
    store = await Store.open(database.where)
    files, clock, room = Files(tmp_path / "data"), SleepingClock(), Room()
    files.prepare()
    loop = asyncio.get_running_loop()
    circuit_breakers = CircuitBreakers(loop.time, loop.call_later)
    parts: dict[str, Any] = dict.fromkeys(("fitter", "catalog"), cast("Any", None))
    context = JobContext(
        store=store, chat=cast("Any", room), files=files, queue=JobQueue(1, circuit_breakers),
        circuit_breakers=circuit_breakers,
        timing=Timing(1, timedelta(minutes=30)), interaction_priority=InteractionPriority(), clock=clock,
        providers=providers_of(Provider()), transcoder=cast("Any", Transcoder()), **parts,
    )  # fmt: skip
    worker = Worker(context)
    retention = Retention(context, worker, keeping=Keeping(None, timedelta(0)), limits=limits())
    library = Library(store=store, worker=worker, files=files, clock=clock, retention=retention)
    yield Setup(store, files, clock, room, worker, library)
    await worker.stop()
    await store.close()


async def test_what_was_shown_again_is_shown_as_often_as_wanted_and_never_sent_later(setup: Setup) -> None:
    job = await setup.job(S.UNDELIVERED)
    setup.keep(job)
    os.utime(setup.files.video(job), (1, 1))
    setup.worker.add(job)
    async with asyncio.timeout(10):
        await setup.clock.changed.wait()
    assert (setup.room.offers, setup.clock.sleepers) == (1, 1)

    for _ in range(3):
        assert setup.library.kept_file(await setup.found()).read_bytes() == VIDEO
        await setup.library.shown(await setup.found())
    setup.clock.woken.set()
    await setup.worker.stop()

    shown = await setup.found()
    assert (shown.state, shown.card.finished) == (S.DELIVERED, True)
    assert (setup.room.offers, setup.clock.sleepers, setup.room.finished) == (
        1,
        0,
        [S.DELIVERED],
    )  # the card says so, once
    assert await setup.library.kept([shown]) == {job.id}
    assert setup.files.video(job).stat().st_mtime > 1_000  # its seven days begin anew


async def test_what_is_gone_is_not_called_kept(setup: Setup) -> None:
    job = await setup.job(S.UNDELIVERED)

    assert await setup.library.kept([job]) == set()
    with pytest.raises(UserError, match=GONE):
        setup.library.kept_file(job)


async def test_join_is_offered_while_every_part_is_here_or_where_the_bot_itself_can_read_it(setup: Setup) -> None:
    private = a_card(ephemeral=True)
    first = await setup.job(S.DELIVERED, card=private)
    second = await setup.job(S.DELIVERED, 2, continues=first.id)
    third = await setup.job(S.DELIVERED, 3, continues=second.id)
    setup.keep(first)

    async def offered() -> set[JobId]:
        return await setup.library.joinable(MEMBER, [first, second, third])

    assert await offered() == {2, 3}
    setup.files.video(first).unlink()
    assert await offered() == set()  # its message, which only its member saw, cannot be read again
    setup.keep(first)
    await setup.library.delete(second)
    assert await offered() == set()


async def test_a_press_on_a_card_whose_video_has_come_changes_nothing_of_it(setup: Setup) -> None:
    job = await setup.job(S.DELIVERED)

    assert not await setup.library.renew(job, PRESS)

    assert (await setup.found()).card.finished
    assert setup.room.finished == []


async def test_hiding_a_card_whose_video_has_come_in_the_meantime_is_refused(setup: Setup) -> None:
    seen = await setup.job(S.DELIVERING)
    await setup.store.write(jobs.move(seen.id, S.DELIVERING, S.DELIVERED, now=NOON))

    for viewer in (MEMBER, MODERATOR, AUTHOR):
        with pytest.raises(UserError, match=ARRIVED):
            await setup.library.hide(seen, viewer, PRESS)
    assert not (await setup.found()).card.removed


@pytest.mark.parametrize("place", [(GuildId(77), ChannelId(2)), (GuildId(GUILD), ChannelId(77)), None])
async def test_a_moderator_of_another_place_has_no_power_over_a_card(
    setup: Setup, place: tuple[GuildId, ChannelId] | None
) -> None:
    job = await setup.job(S.RENDERING)

    assert await setup.library.hideable(MODERATOR, job.id, moderated=HERE) is not None
    for ask in (setup.library.visible, setup.library.hideable):
        with pytest.raises(UserError, match=NOT_YOURS):
            await ask(MODERATOR, job.id, moderated=place)


async def test_again_is_refused_where_neither_a_copy_nor_an_address_of_the_picture_is_left(setup: Setup) -> None:
    job = await setup.job(S.DELIVERED, picture_author=AUTHOR)
    assert (await setup.library.repeatable(MEMBER, job.id)).id == job.id

    await setup.store.write(erasure.erase_picture(job.id))

    with pytest.raises(UserError, match=PICTURE_GONE):
        await setup.library.repeatable(MEMBER, job.id)


async def test_again_is_refused_from_the_moment_that_the_pictures_author_wants_to_be_forgotten(setup: Setup) -> None:
    job = await setup.job(S.RENDERING, picture_author=AUTHOR)
    await setup.store.write(erasure.request(AUTHOR, now=NOON))
    await setup.store.write(jobs.move(job.id, S.RENDERING, S.DELIVERING, now=NOON))
    setup.files.copy(job.id).write_bytes(b"picture")

    with pytest.raises(UserError, match=PICTURE_GONE):
        await setup.library.repeatable(MEMBER, job.id)


@pytest.mark.parametrize(("seen", "before"), [(S.DELIVERING, S.DELIVERING), (S.TIMED_OUT, S.DELIVERING)])
async def test_a_video_that_comes_while_its_member_deletes_what_had_none_is_not_deleted_unasked(
    setup: Setup, seen: JobState, before: JobState
) -> None:
    as_seen = await setup.job(seen)
    if seen is not before:
        await setup.store.write(jobs.move(as_seen.id, seen, before, now=NOON))
    await setup.store.write(jobs.move(as_seen.id, before, S.DELIVERED, now=NOON))

    with pytest.raises(UserError):
        await setup.library.delete(as_seen)
    assert not (await setup.found()).deleted

    await setup.library.delete(await setup.found())
    assert (await setup.found()).deleted


async def test_videos_that_come_while_their_member_deletes_a_card_without_any_are_not_deleted_unasked(
    setup: Setup,
) -> None:
    first = await setup.job(S.DELIVERING)
    second = await setup.job(S.DELIVERING, 2)
    for take in (first, second):
        await setup.store.write(jobs.move(take.id, S.DELIVERING, S.DELIVERED, now=NOON))

    with pytest.raises(UserError):
        await setup.library.delete_all([first, second])

    assert not any([(await setup.library.own(MEMBER, take.id)).deleted for take in (first, second)])


async def test_a_copy_fetched_for_a_job_that_its_member_deletes_meanwhile_is_not_left_behind(setup: Setup) -> None:
    job = await setup.job(S.DELIVERED)

    async def chunks() -> AsyncIterator[bytes]:
        yield VIDEO[:3]
        await setup.library.delete(job)
        yield VIDEO[3:]

    await setup.library.keep(job, chunks())
    with pytest.raises(UserError):
        await setup.library.clear(job, MODERATOR, PRESS)

    assert list(setup.files.video(job).parent.iterdir()) == []


async def test_a_copy_that_breaks_off_leaves_nothing_and_the_message_stays(setup: Setup) -> None:
    job = await setup.job(S.DELIVERED)

    async def chunks() -> AsyncIterator[bytes]:
        yield VIDEO[:3]
        raise OSError("the network is gone")

    with pytest.raises(OSError, match="network"):
        await setup.library.keep(job, chunks())

    assert list(setup.files.video(job).parent.iterdir()) == []
    assert not (await setup.found()).card.removed


async def test_a_late_delivery_deletes_its_own_file_and_not_the_copy_that_was_fetched(setup: Setup) -> None:
    job = await setup.job(S.DELIVERED)

    async def chunks() -> AsyncIterator[bytes]:
        yield VIDEO

    await setup.library.keep(job, chunks())
    assert (await setup.library.clear(job, MODERATOR, PRESS)).card.removed
    setup.files.forget(job)

    assert setup.library.kept_file(await setup.found()).read_bytes() == VIDEO


@pytest.fixture(name="books")
def _books(make_ledgers: MakeLedgers) -> Iterator[Ledgers]:
    books = make_ledgers()
    yield books
    books.close()


ACTS: dict[str, Callable[[], Unit[Any]]] = {
    "hide": lambda: cards.hide(JobId(1), PRESS, now=NOON, hidden=True),
    "hide by others": lambda: cards.hide(JobId(1), PRESS, now=NOON, hidden=False),
    "deliver": lambda: jobs.move(JobId(1), S.DELIVERING, S.DELIVERED, now=NOON),
    "give up": lambda: jobs.move(JobId(1), S.DELIVERING, S.UNDELIVERED, now=NOON),
    "deliver late": lambda: jobs.move(JobId(1), S.UNDELIVERED, S.DELIVERED, now=NOON),
    "renew": lambda: cards.renew(JobId(1), PRESS),
    "erase": lambda: videos.erase(JobId(1), now=NOON),
}


@pytest.mark.parametrize("count", mostly_thorough([2, 3, 4], by_default=[2, 3]))
def test_in_every_order_a_card_taken_down_delivers_nothing_and_one_with_the_video_is_not_taken_down(count: int) -> None:
    for order in itertools.permutations(ACTS, count):
        books = Ledgers()
        books.add_job(1, S.DELIVERING)
        for act in order:
            books.do(ACTS[act]())
            ((state, removed, finished, deleted),) = books.rows(
                "SELECT state, removed_at, finished_at, deleted_at FROM jobs JOIN cards ON job = id"
            )
            assert state != "delivered" or removed is None or deleted, order
            assert state != "delivered" or finished is not None, order
        books.close()


def test_a_token_that_a_press_has_brought_is_not_taken_for_the_dead_one(books: Ledgers) -> None:
    books.add_job(1, S.DELIVERING)
    later = NOON + timedelta(minutes=16)
    assert books.do(erasure.dead_tokens(now=later)) == [1]
    books.do(cards.renew(JobId(1), Press(MessageId(3), "fresh", later + timedelta(minutes=15), 1)))

    books.do(cards.drop_dead_token(JobId(1), now=later))

    assert books.rows("SELECT token FROM cards") == [("fresh",)]


class TestForgetting:
    def test_a_video_under_way_at_the_request_that_cannot_be_shown_waits_its_seven_days(self, books: Ledgers) -> None:
        asked, later, over = (NOON + timedelta(minutes=n) for n in (1, 2, 8 * 24 * 60))
        books.add_job(1, S.DELIVERING)
        books.add_job(2, S.UNDELIVERED)
        assert books.do(erasure.request(MEMBER, now=asked)).jobs == [2]
        books.do(jobs.move(JobId(1), S.DELIVERING, S.UNDELIVERED, now=later))

        assert books.do(erasure.carry_out(MEMBER, now=later)).jobs == []
        assert [job.id for job in books.do(videos.of_member(MEMBER, 9))] == [1]
        assert books.do(erasure.open_erasures()) == [MEMBER]
        assert books.do(erasure.carry_out(MEMBER, now=over)).jobs == [1]

    def test_it_goes_once_it_was_shown_or_wished_away_again(self, books: Ledgers) -> None:
        later = NOON + timedelta(minutes=1)
        for number in (1, 2):
            books.add_job(number, S.DELIVERING)
        books.do(erasure.request(MEMBER, now=NOON))
        for number in (1, 2):
            books.do(jobs.move(JobId(number), S.DELIVERING, S.UNDELIVERED, now=later))
        books.do(jobs.show_privately(JobId(1), now=later))

        assert books.do(erasure.carry_out(MEMBER, now=later)).jobs == [1]
        assert books.do(erasure.request(MEMBER, now=later + timedelta(minutes=1))).jobs == [2]

    def test_a_server_that_was_left_is_not_forgotten_while_a_video_of_it_still_waits(self, books: Ledgers) -> None:
        month = timedelta(days=30)
        books.add_job(1, S.DELIVERING)
        books.do(memberships.left(GuildId(GUILD), now=NOON))
        books.do(jobs.move(JobId(1), S.DELIVERING, S.UNDELIVERED, now=NOON + month))

        assert books.do(memberships.to_purge(left_before=NOON + timedelta(days=1))) == []
        assert books.do(memberships.to_purge(left_before=NOON + month + timedelta(days=1))) == [GuildId(GUILD)]
