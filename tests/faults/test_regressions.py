"""What the harness has found, each as the smallest run that shows it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from random import Random

import pytest

from sandbox.discord.exchange import Cut, Exchange, Phase, Reply
from tests.faults.collect import collect
from tests.faults.ending import is_settled
from tests.faults.place import Place, until
from tests.faults.reckoning import reckon
from tests.faults.scene import opened


@pytest.mark.thorough
async def test_a_first_answer_whose_token_is_dead_is_looked_for_twice_at_most() -> None:
    """Seed 2, run 71: a 401 on GET @original was asked for again and again, in every life of the bot."""
    async with opened(Place({}, render_s=0.1), Random(1)) as scene:
        world = scene.place.discord.world

        async def die(phase: Phase, exchange: Exchange) -> Reply | Cut | None:
            if phase == "before" and exchange.route.endswith("/callback"):
                scene.place.discord.kill_all_tokens()
            return None

        scene.on_discord(die)
        await scene.ask(world.people["mia"], world.general, "a hat")
        await until(lambda: scene.place.states() == ["cancelled"], 20)
        await scene.keeper.close()
        verdict = reckon(collect(scene))

    assert verdict.broken == []
    assert 1 <= verdict.most_invalid <= 2


async def test_a_command_that_is_not_answered_yet_is_waited_for() -> None:
    """Seed 77, run 51: a reservation was still in the store's queue, behind a locked database."""
    async with opened(Place({}, render_s=0.1), Random(1)) as scene:
        world = scene.place.discord.world
        other = sqlite3.connect(scene.place.database, isolation_level=None)
        with closing(other):
            other.execute("BEGIN IMMEDIATE")
            asked = await scene.ask(world.people["mia"], world.general, "a hat")
            assert asked is not None
            while_it_waits = is_settled(scene)
            other.execute("ROLLBACK")
        await until(lambda: is_settled(scene), 20)

    assert not while_it_waits
    assert asked.interaction.answered.is_set()
