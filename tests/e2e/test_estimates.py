"""What a card says of its end: when it is due, its position in the queue; how seldom cards of a channel are edited."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from contextlib import closing

import pytest

from sandbox.discord.messages import Message
from tests.e2e.conftest import Build
from tests.e2e.stage import DONE, Stage

BOT_EDIT = "/channels/{channel_id}/messages/{message_id}"
CROWD = {"QUOTA_DEFAULT_CREDITS": "1000", "BUDGET_CREDITS": "1000"}


def remember(stage: Stage, took_s: float) -> None:
    """While the bot is down: what it saw took so long, and was over some time ago."""
    with closing(sqlite3.connect(stage.database, timeout=5)) as books, books:
        books.execute("UPDATE jobs SET render_ms = ?, last_sent_at = last_sent_at - 600000", (int(took_s * 1000),))


def percentages(card: Message) -> list[int]:
    """All that it has shown, in order."""
    texts = [card.text(revision) for revision in range(len(card.revisions))]
    return [int(found[1]) for text in texts if (found := re.search(r"(\d+)%", text))]


async def test_after_a_few_videos_a_card_estimates_its_end_and_its_bar_moves_by_itself(build: Build) -> None:
    stage = await build()
    for _ in range(3):
        await stage.over(await stage.animate())
    await stage.settled()
    assert len(stage.rows("SELECT 1 FROM jobs WHERE render_ms BETWEEN 1 AND 5000")) == 3
    assert stage.bot is not None
    await stage.bot.stop()
    remember(stage, took_s=5.0)
    stage.provider.settings.render_seconds = None
    await stage.start_bot()

    asked, card = await stage.rendering()
    ((sent_ms,),) = stage.rows("SELECT last_sent_at FROM jobs WHERE render_ms IS NULL")
    assert isinstance(sent_ms, int)
    await stage.until(card, f"expected <t:{sent_ms // 1000 + 5}:R>")
    await stage.until(card, *(f"{percent}%" for percent in range(15, 99, 5)))
    await stage.bot.stop()
    await stage.start_bot()
    await stage.until(card, "ready any moment now")
    await stage.until(card, "taking longer than usual · started <t:")
    (job,) = (job for job in stage.provider.jobs.values() if not job.is_over)
    stage.provider.finish(job.id)
    await stage.over(asked)

    shown = percentages(card)
    assert shown == sorted(shown)
    assert len(set(shown)) > 5
    assert max(shown) <= 99
    assert job.progress in (0, 100)


async def test_a_video_that_ended_while_the_bot_was_away_gives_no_estimate(build: Build) -> None:
    stage = await build(render_s=None)
    asked, _ = await stage.rendering()
    assert stage.bot is not None
    await stage.bot.stop()
    with closing(sqlite3.connect(stage.database, timeout=5)) as books, books:
        books.execute("UPDATE jobs SET last_sent_at = last_sent_at - 60000, state_at = state_at - 60000")
    stage.provider.finish(next(iter(stage.provider.jobs)))
    await stage.start_bot()
    await stage.over(asked)

    assert stage.rows("SELECT render_ms FROM jobs") == [(None,)]


async def test_a_card_in_the_queue_tells_its_place_moves_up_and_says_why_it_is_held(build: Build) -> None:
    stage = await build({**CROWD, "MAX_CONCURRENT_JOBS": "1"}, render_s=None)
    await stage.rendering()
    first, second = [
        await (await stage.animate(stage.discord.world.people[name])).answer() for name in ("ana", "admin")
    ]
    assert first is not None
    assert second is not None
    await stage.until(first, "1st in the queue.")
    await stage.until(second, "2nd in the queue.")

    stage.provider.finish(next(iter(stage.provider.jobs)))
    await stage.until(first, "Rendering")
    await stage.until(second, "1st in the queue.")
    await stage.reply(stage.admin, "animate-admin pause")
    await stage.until(second, "Videos are paused in this server.")
    await stage.reply(stage.admin, "animate-admin resume")
    await stage.until(second, "1st in the queue.")

    assert len(second.revisions) < 10


@pytest.mark.thorough
async def test_twenty_cards_of_a_channel_stay_within_the_budget_and_finished_ones_come_first(build: Build) -> None:
    stage = await build({**CROWD, "MAX_CONCURRENT_JOBS": "20"}, render_s=None)
    people = [stage.discord.world.add_member(f"member{n}") for n in range(20)]
    asked = await asyncio.gather(*(stage.animate(person) for person in people))
    await asyncio.gather(*(one.answer() for one in asked))
    stage.discord.kill_all_tokens()  # from here on, all edits are by the bot's own
    await stage.provider.wait_for(lambda: len(stage.provider.jobs) == 20, 20, "all at the provider")

    def edits() -> int:
        return sum(x.method == "PATCH" and x.route == BOT_EDIT for x in stage.discord.requests)

    def moved() -> bool:
        for job in stage.provider.jobs.values():
            stage.provider.advance(job.id, job.progress + 1)
        return edits() > 1

    await stage.booked(moved)
    running = edits()
    for job in list(stage.provider.jobs.values())[:15]:
        stage.provider.finish(job.id)
    await stage.booked(lambda: stage.states().count("delivered") == 15)

    done = [one for one in asked if one.message is not None and DONE in one.message.text()]
    assert len(done) == 15
    assert running <= 5
    assert edits() <= 20
