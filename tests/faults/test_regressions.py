"""What the harness has found, each as the smallest run that shows it."""

from __future__ import annotations

from random import Random

from sandbox.discord.record import Cut, Exchange, Phase, Reply
from tests.faults.collect import collect
from tests.faults.place import Place, until
from tests.faults.reckoning import reckon
from tests.faults.scene import opened


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
