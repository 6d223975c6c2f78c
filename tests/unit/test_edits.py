"""Progress edits of cards: only on change, the newest state, one at a time, none after the last; crowds move seldom."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import discord
import pytest
from discord import ui

from bot.catalog import load_catalog
from bot.chat.budget import Budget
from bot.chat.cards import Cards
from bot.chat.edits import Edits
from bot.chat.routes import Route
from bot.chat.ways import Ways
from bot.jobs.port import Due, Progress
from bot.models import Job, JobState
from tests.builders import NOON, a_job

DEADLINE_S = 5.0


class Nobody:
    """Forgets what it is told of the ways to cards."""

    async def token_died(self, job: int) -> None: ...

    async def bot_barred(self, job: int) -> None: ...

    async def card_removed(self, job: int) -> None: ...


class Wall(Ways):
    """Cards hang here: every edit is kept, and lasts until the test lets it through."""

    def __init__(self) -> None:
        super().__init__(discord.Client(intents=discord.Intents.none()), Nobody(), now=lambda: NOON)
        self.shown: dict[int, list[str]] = {}
        self.open_door = asyncio.Event()
        self.open_door.set()
        self.changed = asyncio.Event()
        self.at_once = self.most_at_once = 0

    async def edit(self, job: Job, route: Route, view: ui.LayoutView, video: Path | None = None) -> None:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self.open_door.wait()
        self.at_once -= 1
        self.shown.setdefault(int(job.id), []).append(words(view))
        self.changed.set()

    async def until(self, job: int, count: int) -> list[str]:
        async with asyncio.timeout(DEADLINE_S):
            while len(self.shown.get(job, [])) < count:
                await self.changed.wait()
                self.changed.clear()
        return self.shown[job]


def words(view: ui.LayoutView) -> str:
    return "\n".join(item.content for item in view.walk_children() if isinstance(item, ui.TextDisplay))


def rendering(number: int = 1, **changes: object) -> Job:
    return a_job(number, state=JobState.RENDERING, submitted_at=NOON, **changes)  # type: ignore[arg-type]  # as the builder says


def at(percent: int) -> Progress:
    return Progress(percent, Due.AHEAD, NOON)


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
async def edits(wall: Wall) -> AsyncIterator[Edits]:
    budget = Budget(time.monotonic, asyncio.sleep)
    made = Edits(wall, Cards(load_catalog(None)), budget, every_s=0.01, now=lambda: NOON)
    yield made
    await made.close()


async def test_what_looks_the_same_is_not_sent_again(edits: Edits, wall: Wall) -> None:
    edits.show(rendering(), at(10))
    await wall.until(1, 1)
    edits.show(rendering(not_before=NOON), at(10))  # another job object, nothing new to see
    await settle()
    edits.show(rendering(), at(20))

    first, second = await wall.until(1, 2)
    assert " 10 % " in first
    assert " 20 % " in second


async def test_of_all_that_happens_during_an_edit_the_newest_is_sent(edits: Edits, wall: Wall) -> None:
    wall.open_door.clear()
    for percent in (10, 20, 30, 40):
        edits.show(rendering(), at(percent))
        await settle()
    wall.open_door.set()

    shown = await wall.until(1, 2)
    assert [" 10 %" in shown[0], " 40 %" in shown[1]] == [True, True]
    assert wall.most_at_once == 1


async def test_after_the_last_word_nothing_is_sent(edits: Edits, wall: Wall) -> None:
    wall.open_door.clear()
    edits.show(rendering(), at(10))
    await settle()
    edits.show(rendering(), at(20))
    last = asyncio.create_task(edits.last(rendering()))
    await settle()
    assert not last.done()

    wall.open_door.set()
    await last
    edits.show(rendering(), at(30))
    await settle()

    assert len(wall.shown[1]) == 1


async def test_in_a_crowd_bars_wait_but_a_new_state_does_not(edits: Edits, wall: Wall) -> None:
    for number in range(1, 21):
        edits.show(rendering(number), at(10))
    await wall.until(20, 1)

    edits.show(rendering(1), at(20))
    await settle()
    edits.show(rendering(1).evolve(state=JobState.DELIVERING), None)

    shown = await wall.until(1, 2)
    assert "on its way" in shown[1]


async def test_a_card_taken_up_again_while_it_is_edited_is_still_edited_one_at_a_time(edits: Edits, wall: Wall) -> None:
    wall.open_door.clear()
    edits.show(rendering(), at(10))
    await settle()
    edits.forget(rendering())
    edits.show(rendering(), at(20))
    await settle()
    wall.open_door.set()

    shown = await wall.until(1, 2)
    assert " 20 %" in shown[1]
    assert wall.most_at_once == 1


async def test_a_card_that_is_over_is_forgotten(edits: Edits, wall: Wall) -> None:
    for number in range(1, 11):
        edits.show(rendering(number), at(10))
        await wall.until(number, 1)
        await edits.last(rendering(number))
        edits.forget(rendering(number))
    await settle()

    assert edits._cards == {}
    assert edits._crowd.total() == 0
    assert edits._closed == set()
