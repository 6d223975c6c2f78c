"""Bonus credits and a reset for everyone with a role: each member gets them when they next use the bot, once."""

from __future__ import annotations

from tests.e2e.asking import quota, told
from tests.e2e.stage import DONE, Stage
from tests.e2e.test_audit import confirmed, undo


async def test_everyone_with_a_role_gets_it_once_at_their_next_use_also_after_a_restart(stage: Stage) -> None:
    world, ana, mia = stage.discord.world, stage.discord.world.people["ana"], stage.mia
    await told(stage, "quota default", credits=4)
    await stage.over(await stage.animate(ana))
    await stage.settled()

    granted = await confirmed(stage, "quota grant", user=world.artist, credits=9, reason="thanks")
    reset = await confirmed(stage, "quota reset", user=world.artist)
    assert stage.bot is not None
    await stage.bot.stop()
    await stage.start_bot()
    card = await stage.over(await stage.animate(ana))  # by /animate itself, before anything has told the balance
    await stage.settled()

    assert granted.text() == (
        f"Everyone with the role <@&{world.artist.id}> gets 9 bonus credits the next time they use the bot, if that "
        "is within 30 days."
    )
    assert reset.text().startswith(f"For everyone with the role <@&{world.artist.id}>, the usage so far is reset")
    assert DONE in card.text()
    for _ in range(2):
        assert await quota(stage, ana) == (
            "**9 credits left** (quota: 0, bonus credits: 9) · 4 credits used today · renews <t>\n"
            "Quota: 4 credits per day. This is the server's default quota."
        )
    assert "onus" not in await quota(stage, mia)
    assert "- for everyone with" in await told(stage, "audit")

    assert await undo(stage, granted) == (
        f"Undone. Members with the role <@&{world.artist.id}> no longer get these bonus credits. Those not spent yet "
        "are taken back."
    )
    world.guild.members[mia.id].roles.append(world.artist)
    assert "onus" not in await quota(stage, mia)
    assert "Bonus" not in await quota(stage, ana)
