"""What goes by itself: day by day and on a request, whatever breaks on the way."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from bot.errors import UserError
from bot.jobs.context import Clock, JobContext
from bot.jobs.files import Files
from bot.jobs.personal_data import TOO_MUCH, PersonalData
from bot.jobs.retention import Retention
from bot.jobs.worker import Worker
from bot.models import GuildId, JobId, JobState, Keeping, MessageId, PendingDeletion, Scope
from bot.store import cards, erasure, jobs, memberships
from bot.store.database import Store, Tx, Unit
from bot.store.reservations import reserve
from tests.builders import MEMBER, NOON, a_card, a_job, a_press, limits
from tests.in_memory_store import WAYS

S = JobState
DEADLINE_S = 10.0
DAY = timedelta(days=1)


class StandingClock(Clock):
    """Time passes where a test says so; nobody sleeps."""

    def __init__(self) -> None:
        self.at = NOON
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)


class Messages:
    """Discord as far as messages are deleted there: each in `trouble` is tried in vain so often."""

    def __init__(self) -> None:
        self.trouble: dict[int, int] = {}
        self.gone: list[tuple[int, int]] = []
        self.tokens: list[str | None] = []

    async def delete_message(self, message: PendingDeletion) -> bool:
        await asyncio.sleep(0)
        if self.trouble.get(message.message, 0) > 0:
            self.trouble[message.message] -= 1
            return False
        self.gone.append((message.channel, message.message))
        self.tokens.append(message.token)
        return True


class Tasks:
    """The worker as far as it is told of jobs that changed."""

    def __init__(self) -> None:
        self.rechecked: list[JobId] = []
        self.last_act: Callable[[JobId], object] = lambda _job: None
        self.let_go_of: list[Scope] = []

    async def recheck(self, job: JobId) -> None:
        self.rechecked.append(job)
        self.last_act(job)

    def resume(self, scope: Scope) -> None:
        self.let_go_of.append(scope)


class Setup:
    """A real store and real files, and what is to be kept how long."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.clock = StandingClock()
        self.files = Files(folder, now=lambda: self.clock.now().timestamp())
        self.files.prepare()
        self.folder = folder
        self.messages = Messages()
        self.tasks = Tasks()
        self.keeping = Keeping(timedelta(days=90), timedelta(days=7))
        self.owners: list[Retention] = []

    def begin(self, *, is_shared: bool = False) -> Retention:
        parts: dict[str, Any] = dict.fromkeys(
            ("providers", "fitter", "transcoder", "catalog", "queue", "timing", "circuit_breakers"), cast("Any", None)
        )
        context = JobContext(
            store=self.store,
            chat=cast("Any", self.messages),
            files=self.files,
            clock=self.clock,
            dispatch=cast("Any", is_shared or None),
            **parts,
        )
        worker = cast("Worker", self.tasks)
        owner = Retention(context, worker, keeping=self.keeping, limits=limits(), shared_look_s=0.01)
        self.owners.append(owner)
        owner.start()
        return owner

    async def add_job(
        self, number: int, state: JobState, *, at: datetime = NOON, files: tuple[str, ...] = (), **card: Any
    ) -> None:
        job = a_job(number, at=at, card=a_card(at=at, message=number, **card))
        await self.store.write(reserve(job, [], limits(1_000)))
        for step in WAYS[state]:
            moved = await self.store.write(jobs.move(job.id, job.state, step, now=at))
            assert moved is not None
            job = moved
        if not state.needs_work:
            await self.store.write(cards.finish(job.id, now=at))
        for name in files:
            path = self.folder / name
            path.write_bytes(b"x")
            os.utime(path, (at.timestamp(), at.timestamp()))

    async def until(self, holds: Callable[[Tx], bool], what: str) -> None:
        """Looks into the store, which tells nobody when it changes."""
        deadline = time.monotonic() + DEADLINE_S
        while not await self.store.read(holds):
            assert time.monotonic() < deadline, f"not within {DEADLINE_S} s: {what}"
            await asyncio.sleep(0.005)

    def kept(self) -> set[str]:
        return {str(path.relative_to(self.folder)) for path in self.folder.glob("*/*")}


@pytest.fixture(name="setup")
async def _setup(tmp_path: Path) -> AsyncIterator[Setup]:
    store = await Store.open(tmp_path / "animate.db")
    setup = Setup(store, tmp_path / "data")
    yield setup
    for owner in setup.owners:
        await owner.stop()
    await store.close()


def nothing(sql: str) -> Unit[bool]:
    return lambda tx: not tx.all(sql)


async def test_at_a_start_old_words_and_files_go_and_what_is_needed_stays(setup: Setup) -> None:
    real = NOON
    await setup.add_job(1, S.DELIVERED, at=real - 91 * DAY, files=("pictures/1.jpg", "pictures/1.copy.jpg"))
    await setup.add_job(2, S.DELIVERED, at=real - 6 * DAY, files=("pictures/2.copy.jpg",))
    await setup.add_job(3, S.RENDERING, at=real - 92 * DAY, files=("pictures/3.jpg", "videos/3.mp4"))
    await setup.add_job(4, S.UNDELIVERED, at=real - 8 * DAY, files=("videos/4.mp4", "videos/4.small.mp4"))
    await setup.add_job(5, S.UNDELIVERED, at=real - 6 * DAY, files=("videos/5.mp4",))
    (setup.folder / "pictures" / "a-file-of-somebody-else").write_bytes(b"x")

    setup.begin()
    await setup.until(nothing("SELECT 1 FROM jobs WHERE id = 1 AND prompt <> ''"), "the old words")
    await _settled(lambda: "videos/4.mp4" not in setup.kept())

    assert setup.kept() == {
        "pictures/2.copy.jpg", "pictures/3.jpg", "videos/3.mp4", "videos/5.mp4", "pictures/a-file-of-somebody-else",
    }  # fmt: skip
    left = await setup.store.read(lambda tx: {row["id"] for row in tx.all("SELECT id FROM jobs WHERE prompt <> ''")})
    assert left == {2, 3, 4, 5}


@pytest.mark.parametrize(("days", "stays"), [(6, True), (8, False)])
async def test_a_kept_video_ages_by_the_time_of_jobs_whatever_the_hosts_clock_says(
    setup: Setup,
    days: int,
    stays: bool,  # noqa: FBT001
) -> None:
    async def video() -> AsyncIterator[bytes]:
        yield b"a video"

    await setup.add_job(1, S.DELIVERED, files=("videos/9.mp4",))
    await setup.files.keep_video(a_job(1), video())
    await setup.files.keep_copy(a_job(1), b"a copy")
    os.utime(setup.folder / "videos" / "9.mp4", (1, 1))
    setup.clock.at += days * DAY

    setup.begin()
    await _settled(lambda: "videos/9.mp4" not in setup.kept())

    assert setup.kept() == ({"videos/1.kept.mp4", "pictures/1.copy.jpg"} if stays else set())


async def test_words_stay_for_ever_where_the_operator_says_so(setup: Setup) -> None:
    setup.keeping = Keeping(None, timedelta(0))
    await setup.add_job(1, S.DELIVERED, at=NOON - 900 * DAY, files=("pictures/1.jpg",))
    await setup.add_job(2, S.RENDERING, at=NOON - 900 * DAY)

    setup.begin()
    await setup.until(nothing("SELECT 1 FROM cards WHERE token IS NOT NULL"), "the dead token")
    await _settled(lambda: not setup.kept())

    assert not await setup.store.read(nothing("SELECT 1 FROM jobs WHERE id = 1 AND prompt <> ''"))


async def test_messages_are_deleted_one_by_one_and_trouble_that_passes_is_waited_out(setup: Setup) -> None:
    for number in (1, 2, 3):
        await setup.add_job(number, S.DELIVERED)
    setup.messages.trouble = {1: 3}
    owner = setup.begin()

    assert await owner.forget(MEMBER) == 0
    await setup.until(nothing("SELECT 1 FROM pending_deletions"), "the messages")

    assert setup.messages.gone == [(2, 2), (2, 3), (2, 1)]
    assert sum(pause == 1.0 for pause in setup.clock.slept) >= 2  # after each that went
    assert setup.messages.trouble == {1: 0}


async def test_messages_left_over_from_before_a_stop_are_deleted_after_the_next_start(setup: Setup) -> None:
    await setup.add_job(1, S.DELIVERED)
    await setup.store.write(erasure.request(MEMBER, now=NOON))

    setup.begin()

    await setup.until(nothing("SELECT 1 FROM pending_deletions"), "the message")
    assert setup.messages.gone == [(2, 1)]


@pytest.mark.parametrize(("minutes", "gone"), [(14, [(2, 1)]), (15, [])])
async def test_what_only_a_token_reaches_is_deleted_while_that_lives_and_then_given_up(
    setup: Setup, minutes: int, gone: list[tuple[int, int]]
) -> None:
    await setup.add_job(1, S.RENDERING, ephemeral=True)
    press = a_press(a_card(message=MessageId(1)))
    await setup.store.write(cards.hide(JobId(1), press, now=NOON, hidden=True))
    setup.clock.at = NOON + timedelta(minutes=minutes)

    setup.begin()

    await setup.until(nothing("SELECT 1 FROM pending_deletions"), "the message")
    assert setup.messages.gone == gone
    assert setup.messages.tokens == [press.token] * len(gone)


async def test_a_token_that_ends_while_discord_is_in_trouble_is_given_up(setup: Setup) -> None:
    await setup.add_job(1, S.RENDERING, ephemeral=True)
    press = a_press(a_card(message=MessageId(1)))
    await setup.store.write(cards.hide(JobId(1), press, now=NOON, hidden=True))
    setup.messages.trouble = {1: 1_000_000}

    setup.begin()
    await _settled(lambda: setup.messages.trouble[1] < 999_998)
    setup.clock.at = press.token_ends_at

    await setup.until(nothing("SELECT 1 FROM pending_deletions"), "the message")
    assert setup.messages.gone == []


async def test_a_message_that_another_process_was_to_delete_before_it_ended_is_found(setup: Setup) -> None:
    await setup.add_job(1, S.RENDERING, ephemeral=True)
    setup.begin(is_shared=True)
    await setup.until(nothing("SELECT 1 FROM pending_deletions"), "the first look")

    await setup.store.write(cards.hide(JobId(1), a_press(a_card(message=MessageId(1))), now=NOON, hidden=True))

    await _settled(lambda: setup.messages.gone == [(2, 1)])


async def test_a_request_takes_the_files_and_tells_the_tasks(setup: Setup) -> None:
    await setup.add_job(1, S.UNDELIVERED, files=("videos/1.mp4", "pictures/1.copy.jpg"))
    await setup.add_job(2, S.WAITING, files=("pictures/2.jpg",))
    await setup.add_job(3, S.RENDERING, files=("pictures/3.jpg",))
    owner = setup.begin()

    assert await owner.forget(MEMBER) == 1

    assert setup.kept() == {"pictures/3.jpg"}
    assert setup.tasks.rechecked == [2]


async def test_a_picture_that_a_task_was_just_writing_goes_too(setup: Setup) -> None:
    await setup.add_job(1, S.WAITING)
    setup.tasks.last_act = lambda job: (setup.folder / "pictures" / f"{job}.copy.jpg").write_bytes(b"x")
    owner = setup.begin()

    await owner.forget(MEMBER)

    assert setup.tasks.rechecked == [1]
    assert setup.kept() == set()


async def test_a_copy_that_is_more_than_can_be_sent_is_refused_in_a_sentence(setup: Setup) -> None:
    await setup.add_job(1, S.DELIVERED)
    people = PersonalData(store=setup.store, retention=setup.begin(), clock=setup.clock, files=setup.files)

    whole = await people.export(MEMBER, at_most_bytes=100_000)
    with pytest.raises(UserError) as caught:
        await people.export(MEMBER, at_most_bytes=len(whole) - 1)

    assert json.loads(whole)["videos"][0]["prompt"] == "puts on a hat"
    assert caught.value.sentence == TOO_MUCH


async def test_a_job_that_ends_after_the_request_is_erased_without_another_word(setup: Setup) -> None:
    await setup.add_job(1, S.DELIVERING, files=("pictures/1.copy.jpg",))
    owner = setup.begin()
    await owner.forget(MEMBER)

    await setup.store.write(jobs.move(JobId(1), S.DELIVERING, S.DELIVERED, now=NOON + timedelta(seconds=1)))

    await setup.until(nothing("SELECT 1 FROM jobs WHERE prompt <> ''"), "the words")
    await setup.until(nothing("SELECT 1 FROM cards WHERE message IS NOT NULL"), "the place")
    await _settled(lambda: not setup.kept())
    assert setup.messages.gone == []


async def test_a_server_left_long_ago_goes_with_its_files_and_its_pause(setup: Setup) -> None:
    await setup.add_job(1, S.DELIVERED, files=("pictures/1.copy.jpg",))
    guild = GuildId(a_job().scope)
    setup.clock.at = NOON + 31 * DAY
    await setup.store.write(memberships.left(guild, now=NOON + timedelta(seconds=5)))

    owner = setup.begin()
    await owner.guilds_seen([])

    await setup.until(nothing("SELECT 1 FROM guilds"), "the server")
    await _settled(lambda: setup.tasks.let_go_of == [Scope(guild)])
    assert setup.kept() == set()
    assert await setup.store.read(nothing("SELECT 1 FROM ledger WHERE member > 0"))


async def test_a_server_that_added_the_bot_again_while_it_was_down_is_spared(setup: Setup) -> None:
    await setup.add_job(1, S.DELIVERED, at=NOON - 100 * DAY)
    await setup.add_job(2, S.DELIVERED, at=NOON - 40 * DAY)
    guild = GuildId(a_job().scope)
    await setup.store.write(memberships.left(guild, now=NOON - 39 * DAY))

    owner = setup.begin()
    await setup.until(nothing("SELECT 1 FROM jobs WHERE id = 1 AND prompt <> ''"), "the first look")
    await owner.guilds_seen([guild])
    setup.clock.at += 2 * DAY
    await owner.guilds_seen([guild])

    await setup.until(nothing("SELECT 1 FROM guilds WHERE left_at IS NOT NULL"), "the server to be known")
    assert not await setup.store.read(nothing("SELECT 1 FROM jobs WHERE id = 2 AND prompt <> ''"))
    assert setup.tasks.let_go_of == []


async def test_what_breaks_is_logged_and_tried_again(setup: Setup, caplog: pytest.LogCaptureFixture) -> None:
    await setup.add_job(1, S.DELIVERED, at=NOON - 91 * DAY)
    pictures = setup.folder / "pictures"
    pictures.rmdir()
    pictures.write_bytes(b"no folder")

    setup.begin()
    await _settled(lambda: "data could not be deleted" in caplog.text)
    pictures.unlink()
    pictures.mkdir()
    await setup.add_job(2, S.DELIVERED, at=NOON - 91 * DAY)

    await setup.until(nothing("SELECT 1 FROM jobs WHERE prompt <> ''"), "the second try")


async def test_a_stop_in_the_middle_leaves_the_rest_to_the_next_start(setup: Setup) -> None:
    for number in range(1, 6):
        await setup.add_job(number, S.DELIVERED)
    setup.messages.trouble = {3: 1_000_000}
    owner = setup.begin()
    await owner.forget(MEMBER)
    await _settled(lambda: len(setup.messages.gone) == 4 and setup.messages.trouble[3] < 1_000_000)

    await owner.stop()
    setup.messages.trouble = {}
    setup.begin()

    await setup.until(nothing("SELECT 1 FROM pending_deletions"), "the messages")
    assert setup.messages.gone == [(2, number) for number in (1, 2, 4, 5, 3)]


async def _settled(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)
