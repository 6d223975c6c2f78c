"""Progress edits of cards: only on change, the newest state, one at a time, none after the last; crowds move seldom."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import discord
import pytest
from discord import ui

from bot.chat.cards import Shown
from bot.chat.discord_errors import Transport
from bot.chat.edit_rate_limit import PROGRESS_EDITS, EditRateLimit
from bot.chat.edits import SLOWED_AT_MOST_S, Edits, _Card
from bot.chat.take_cards import TakeCards
from bot.chat.transports import Transports
from bot.i18n.translations import TranslationCatalog
from bot.jobs.chat_protocol import Due, Progress
from bot.models import Job, JobId, JobState
from tests.builders import NOON, a_card, a_job, seed_catalog
from tests.unit.test_discord_errors import PAGE, http_error

DEADLINE_S = 5.0


class Nobody:
    """Forgets what it is told of the ways to cards."""

    async def token_died(self, job: int) -> None: ...

    async def bot_lost_access(self, job: int) -> None: ...

    async def card_removed(self, job: int) -> None: ...


class Wall(Transports):
    """Cards hang here: every edit is kept, and lasts until the test lets it through."""

    def __init__(self) -> None:
        super().__init__(discord.Client(intents=discord.Intents.none()), Nobody(), now=lambda: NOON)
        self.shown: dict[int, list[str]] = {}
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.changed = asyncio.Event()
        self.at_once = self.most_at_once = 0
        self.errors: list[Exception] = []
        self.tries: list[tuple[Transport, str]] = []

    async def edit(
        self, job: Job, transport: Transport, view: ui.LayoutView, videos: Sequence[tuple[Job, Path]] = ()
    ) -> None:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self.may_answer.wait()
        self.at_once -= 1
        self.tries.append((transport, words(view)))
        self.changed.set()
        if self.errors:
            raise self.errors.pop(0)
        self.shown.setdefault(int(job.id), []).append(words(view))
        self.changed.set()

    async def until_tried(self, count: int) -> list[tuple[Transport, str]]:
        async with asyncio.timeout(DEADLINE_S):
            while len(self.tries) < count:
                await self.changed.wait()
                self.changed.clear()
        return self.tries

    async def until(self, job: int, count: int) -> list[str]:
        async with asyncio.timeout(DEADLINE_S):
            while len(self.shown.get(job, [])) < count:
                await self.changed.wait()
                self.changed.clear()
        return self.shown[job]


def words(view: ui.LayoutView) -> str:
    return "\n".join(item.content for item in view.walk_children() if isinstance(item, ui.TextDisplay))


def rendering(number: int = 1, **changes: object) -> Job:
    return a_job(number, state=JobState.RENDERING, last_sent_at=NOON, **changes)  # type: ignore[arg-type]  # as the builder says


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
    rate_limit = EditRateLimit(time.monotonic, asyncio.sleep)
    made = Edits(wall, TakeCards(seed_catalog(), TranslationCatalog()), rate_limit, every_s=0.01, now=lambda: NOON)
    yield made
    await made.close()


async def test_what_looks_the_same_is_not_sent_again(edits: Edits, wall: Wall) -> None:
    edits.show(rendering(), at(10))
    await wall.until(1, 1)
    edits.show(rendering(not_before=NOON), at(10))  # another job object, nothing new to see
    await settle()
    edits.show(rendering(), at(20))

    first, second = await wall.until(1, 2)
    assert " 10% " in first
    assert " 20% " in second


async def test_of_all_that_happens_during_an_edit_the_newest_is_sent(edits: Edits, wall: Wall) -> None:
    wall.may_answer.clear()
    for percent in (10, 20, 30, 40):
        edits.show(rendering(), at(percent))
        await settle()
    wall.may_answer.set()

    shown = await wall.until(1, 2)
    assert [" 10%" in shown[0], " 40%" in shown[1]] == [True, True]
    assert wall.most_at_once == 1


async def test_what_may_not_be_shown_while_another_process_may_have_the_job_is_shown_once_that_is_known(
    edits: Edits, wall: Wall
) -> None:
    answers = [True, False, False]
    edits.is_current = lambda: answers.pop() if answers else True
    edits.show(rendering(), at(10))

    assert " 10% " in (await wall.until(1, 1))[0]
    assert answers == []


async def test_takes_have_one_stream_of_edits_by_whoever_carries_the_first(edits: Edits, wall: Wall) -> None:
    first, second = [rendering(number, card=a_card(request=JobId(2))) for number in (2, 1)]
    edits.show(second, at(10))  # kept until somebody draws the card
    await settle()
    assert wall.tries == []

    edits.show_takes([first, second])
    (drawn,) = await wall.until(2, 1)
    assert drawn.count("rendering") == 1
    assert " 10% " in drawn
    edits.show(first, at(30))
    edits.show(second, at(40))
    await wall.until_tried(2)
    while " 40% " not in wall.shown[2][-1]:
        await wall.until(2, len(wall.shown[2]) + 1)
    assert " 30% " in wall.shown[2][-1]
    assert wall.most_at_once == 1

    await edits.last(first)
    count = len(wall.tries)
    edits.show(second, at(50))
    await settle()
    assert len(wall.tries) == count
    for job in (first, second):
        edits.forget(job)


async def test_after_the_last_word_nothing_is_sent(edits: Edits, wall: Wall) -> None:
    wall.may_answer.clear()
    edits.show(rendering(), at(10))
    await settle()
    edits.show(rendering(), at(20))
    last = asyncio.create_task(edits.last(rendering()))
    await settle()
    assert not last.done()

    wall.may_answer.set()
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
    assert "Almost ready" in shown[1]


async def test_cards_that_wait_for_their_turn_have_no_task_each(edits: Edits, wall: Wall) -> None:
    wall.may_answer.clear()
    before = len(asyncio.all_tasks())
    for number in range(1, 1_001):
        edits.show(rendering(number), at(10))
    await settle()

    assert len(edits._turns) > 900
    assert len(asyncio.all_tasks()) - before <= 2 * PROGRESS_EDITS + 1


async def test_cards_have_their_turns_as_they_came_and_a_new_state_keeps_its_turn(edits: Edits, wall: Wall) -> None:
    for number in range(1, 101):
        edits.show(rendering(number), at(10))
    await wall.until_tried(PROGRESS_EDITS)
    edits.show(rendering(60).evolve(state=JobState.DELIVERING), None)

    await wall.until_tried(100)
    assert list(wall.shown) == list(range(1, 101))
    assert "Almost ready" in wall.shown[60][0]


async def test_a_finished_video_neither_waits_for_its_cards_turn_nor_keeps_it(edits: Edits, wall: Wall) -> None:
    wall.may_answer.clear()
    for number in range(1, 101):
        edits.show(rendering(number), at(10))
    await settle()

    async with asyncio.timeout(DEADLINE_S):
        await edits.last(rendering(100))
        edits.forget(rendering(100))
    wall.may_answer.set()
    edits.show(rendering(101), at(10))
    await wall.until(101, 1)

    assert 100 not in wall.shown
    assert wall.shown.keys() == {*range(1, 100), 101}


async def test_nothing_is_edited_after_the_close_and_no_task_is_left(edits: Edits, wall: Wall) -> None:
    before = len(asyncio.all_tasks())
    for number in range(1, 101):
        edits.show(rendering(number), at(10))
    await wall.until_tried(1)
    await edits.close()
    tried = len(wall.tries)
    await settle()

    assert len(wall.tries) == tried < 100
    assert len(asyncio.all_tasks()) == before


async def test_a_card_taken_up_again_while_it_is_edited_is_still_edited_one_at_a_time(edits: Edits, wall: Wall) -> None:
    wall.may_answer.clear()
    edits.show(rendering(), at(10))
    await settle()
    edits.forget(rendering())
    edits.show(rendering(), at(20))
    await settle()
    wall.may_answer.set()

    shown = await wall.until(1, 2)
    assert " 20%" in shown[1]
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


LEAVING_SOON = a_card(bot_reaches=False, token_ends_at=NOON + timedelta(seconds=30))
BUTTON = "Press the button to check on your video."


async def test_the_edit_that_leaves_a_button_is_made_again_until_it_is_there(edits: Edits, wall: Wall) -> None:
    wall.errors = [http_error(503), http_error(403, content_type=PAGE)]

    edits.show(rendering(card=LEAVING_SOON), at(10))

    assert BUTTON in (await wall.until(1, 1))[-1]
    assert len(wall.tries) == 3


async def test_a_button_that_discord_refuses_with_the_prompt_is_left_without_it(edits: Edits, wall: Wall) -> None:
    wall.errors = [http_error(400, 200000)]

    edits.show(rendering(card=LEAVING_SOON), at(10))

    (shown,) = await wall.until(1, 1)
    assert BUTTON in shown
    assert "puts on a hat" in wall.tries[0][1]
    assert "puts on a hat" not in shown


async def test_a_finished_video_does_not_wait_for_a_button_that_cannot_be_left(edits: Edits, wall: Wall) -> None:
    wall.errors = [http_error(503)] * 100
    edits.show(rendering(card=LEAVING_SOON), at(10))
    await wall.until_tried(2)

    async with asyncio.timeout(DEADLINE_S):
        await edits.last(rendering(card=LEAVING_SOON))
    tried = len(wall.tries)
    await settle()

    assert len(wall.tries) == tried


async def test_a_button_is_not_tried_once_the_token_has_ended(edits: Edits, wall: Wall) -> None:
    wall.errors = [http_error(401, 50027)]

    edits.show(rendering(card=LEAVING_SOON), at(10))
    await wall.until_tried(1)
    await settle()

    assert len(wall.tries) == 1


async def test_a_card_whose_edit_passingly_failed_is_shown_though_nothing_new_happens(edits: Edits, wall: Wall) -> None:
    wall.errors = [http_error(403, content_type=PAGE), http_error(401), http_error(404)]

    edits.show(rendering(), at(10))

    assert " 10%" in (await wall.until(1, 1))[0]
    assert [transport for transport, _ in wall.tries] == [Transport.TOKEN] * 4


async def test_a_card_whose_edits_fail_is_tried_ever_more_seldom_but_not_never(edits: Edits) -> None:
    shown = Shown(rendering(), at(10))
    gaps = [edits._gap_s(_Card(shown, misses=misses), shown) for misses in (0, 1, 2, 3, 10, 100)]

    assert gaps[:4] == [0.01, 0.02, 0.04, 0.08]
    assert gaps[4] == gaps[5] <= SLOWED_AT_MOST_S


async def test_a_card_refused_with_its_prompt_stays_without_it(edits: Edits, wall: Wall) -> None:
    wall.errors = [http_error(400, 200000)]
    edits.show(rendering(), at(10))
    await wall.until(1, 1)
    edits.show(rendering(), at(20))
    await wall.until(1, 2)

    assert ["puts on a hat" in shown for _, shown in wall.tries] == [True, False, False]


async def test_a_dead_token_leaves_the_card_to_the_bots_own(edits: Edits, wall: Wall) -> None:
    wall.errors = [http_error(401, 50027)]

    edits.show(rendering(), at(10))
    await wall.until(1, 1)

    assert [transport for transport, _ in wall.tries] == [Transport.TOKEN, Transport.BOT]
