"""What renders took, kept in the store: read back newest first come, bounded, and never for what was not seen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from bot.jobs.render_times import RenderTimes
from bot.models import JobState
from bot.store import jobs
from bot.store.database import Store
from bot.store.jobs import Render
from bot.store.reservations import reserve
from tests.builders import NOON, a_job, a_spec, limits
from tests.databases import Database

SPEC = a_spec(size="720x1280")


@pytest.fixture
async def store(database: Database) -> AsyncIterator[Store]:
    opened = await Store.open(database.where)
    yield opened
    await opened.close()


async def rendered(store: Store, number: int, render_ms: int | None, *, sent_s: float = 0.0) -> None:
    """A job that was sent then and is done."""
    job = a_job(number, spec=SPEC)
    sent_at = NOON + timedelta(seconds=sent_s)
    done = {} if render_ms is None else {"render_ms": render_ms}
    await store.write(reserve(job, (), limits(default=1_000_000)))
    for start, to, changes in (
        (JobState.WAITING, JobState.SUBMITTING, {"last_sent_at": sent_at}),
        (JobState.SUBMITTING, JobState.RENDERING, {"ticket": f"video_{number}"}),
        (JobState.RENDERING, JobState.DELIVERING, done),
    ):
        assert await store.write(jobs.move(job.id, start, to, now=NOON, **changes)) is not None


async def test_what_a_render_took_is_read_back_with_its_kind_and_end(store: Store) -> None:
    await rendered(store, 1, 61_234, sent_s=30)

    took = timedelta(milliseconds=61_234)
    ended_at = NOON + timedelta(seconds=30) + took
    assert await store.read(jobs.renders(10)) == [Render("sora-2", 4, "720x1280", ended_at, took)]


async def test_what_was_not_seen_is_not_there(store: Store) -> None:
    await rendered(store, 1, None)

    assert await store.read(jobs.renders(10)) == []


async def test_the_newest_jobs_are_read_and_who_ended_first_comes_first(store: Store) -> None:
    for number, render_ms in ((1, 1_000), (2, 90_000), (3, 10_000), (4, 50_000)):
        await rendered(store, number, render_ms)

    found = await store.read(jobs.renders(3))

    assert [render.took.total_seconds() for render in found] == [10.0, 50.0, 90.0]


async def test_a_new_process_foretells_what_the_old_one_did(store: Store) -> None:
    old, new = RenderTimes(), RenderTimes()
    for number, render_ms in enumerate((40_123, 61_000, 75_999, 62_500), start=1):
        await rendered(store, number, render_ms, sent_s=number)
        took = timedelta(milliseconds=render_ms)
        old.learn([Render("sora-2", 4, "720x1280", NOON + timedelta(seconds=number) + took, took)])

    new.learn(await store.read(jobs.renders(100)))

    later = NOON + timedelta(hours=1)
    assert new.estimate(SPEC, later) == old.estimate(SPEC, later)
    assert new.estimate(SPEC, later) is not None
