"""A bot that is told to stop, and the next one: what members say meanwhile is answered."""

from __future__ import annotations

from sandbox.discord.exchange import Exchange, Phase
from tests.e2e.stage import DONE, Stage


async def test_a_command_that_comes_while_nobody_listens_is_answered_by_the_next_process(stage: Stage) -> None:
    assert stage.bot is not None
    assert await stage.bot.stop() == 0
    asked = await stage.animate()
    told = await stage.discord.invoke(stage.mia, "quota")

    await stage.start_bot()

    assert await told.answer() is not None
    assert DONE in (await stage.over(asked)).text()
    assert stage.provider.creates == 1
    assert "resumed the session of shard 0" in stage.bot.log()


async def test_a_server_that_the_bot_was_added_to_while_nobody_listens_is_known_to_the_next_process(
    stage: Stage,
) -> None:
    """By the session that was left, also while the process has none of its own."""
    assert stage.bot is not None
    await stage.bot.stop()
    stage.discord.gateway.identify_pause_s = 60.0
    new = stage.discord.world.add_guild("New", owner=stage.admin, members=(stage.mia,))

    for _ in range(2):  # the second one is left what the first one was left
        asked = await stage.animate(channel=new.general)
        bot = await stage.start_bot(wait=False)
        assert DONE in (await stage.over(asked)).text()
        assert await bot.stop() == 0

    assert stage.rows("SELECT bot_reaches_at IS NOT NULL FROM cards") == [(1,), (1,)]


async def test_the_session_that_was_left_ends_once_the_bot_has_its_own(stage: Stage) -> None:
    assert stage.bot is not None
    await stage.bot.stop()
    await stage.start_bot()
    gateway = stage.discord.gateway

    await stage.discord.wait_for(lambda: gateway.resumes == 1 and gateway.identifies == 2, 10, "both sessions")
    answers = [await (await stage.discord.invoke(stage.mia, "quota")).answer() for _ in range(5)]
    await stage.discord.wait_for(lambda: len(gateway.sessions) == 1, 10, "one session")

    assert all(answers)
    callbacks = [x.status for x in stage.discord.requests if x.route.endswith("/callback")]
    assert callbacks == [200] * 5  # none was answered by both


async def test_what_was_heard_before_the_end_is_answered_before_it(stage: Stage) -> None:
    """A command whose answer is slow to leave when the bot is told to stop."""
    assert stage.bot is not None
    bot = stage.bot

    async def stop(phase: Phase, exchange: Exchange) -> None:
        if phase == "before" and exchange.route.endswith("/callback"):
            bot.terminate()
            await stage.discord.wait_for(lambda: not stage.discord.gateway.live, 5, "the end of the connection")

    stage.discord.on_exchange(stop)
    asked = await stage.discord.invoke(stage.mia, "quota")

    assert await asked.answer() is not None
    assert await bot.wait() == 0
    assert stage.discord.requests[-1].status == 200


async def test_a_session_that_discord_does_not_have_any_more_is_no_harm(stage: Stage) -> None:
    assert stage.bot is not None
    await stage.bot.stop()
    stage.discord.gateway.sessions.clear()

    await stage.start_bot()

    assert DONE in (await stage.over(await stage.animate())).text()
    assert "does not have the session of shard 0 any more" in stage.bot.log()
    assert " ERROR " not in stage.bot.log()
