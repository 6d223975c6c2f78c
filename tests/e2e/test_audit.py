"""Undo below each confirmation, and who changed what: with Manage Server, once, and only while the change stands."""

from __future__ import annotations

import re

from sandbox.discord.messages import Message
from sandbox.discord.world import Person
from tests.e2e.asking import alone, plain, quota, told
from tests.e2e.stage import Stage


async def confirmed(stage: Stage, command: str, **options: object) -> Message:
    """The confirmation, with its button."""
    asked = await stage.discord.invoke_with(stage.admin, f"animate-admin {command}", options, forge=False)  # type: ignore[arg-type]
    return await alone(asked)


async def undo(stage: Stage, confirmation: Message, by: Person | None = None) -> str:
    """What is read after a press of Undo: the last line of the confirmation, or a private answer."""
    (button,) = [button for button in confirmation.buttons if button.label == "Undo"]
    pressed = await stage.discord.press(by or stage.admin, confirmation, button.custom_id or "")
    message = await pressed.answer()
    return plain((message or confirmation).text()).splitlines()[-1]


async def test_what_was_changed_is_undone_once_while_it_stands_also_after_a_restart_and_listed(stage: Stage) -> None:
    mia, ana = stage.mia, stage.discord.world.people["ana"]
    own = await confirmed(stage, "quota set", user=mia, credits=40)
    bonus = await confirmed(stage, "quota grant", user=mia, credits=9)
    pause = await confirmed(stage, "pause", reason="a feast")
    words = await confirmed(stage, "rules", barred_words="gore")
    overtaken = await confirmed(stage, "quota default", credits=1)
    await told(stage, "quota default", credits=30)
    assert await _forged_by_a_member(stage, own) == (
        "Only people with the permission Manage Server can undo this. Nothing was changed."
    )
    assert stage.rows("SELECT credits FROM members WHERE credits IS NOT NULL") == [(40,)]
    assert stage.bot is not None
    await stage.bot.stop()
    await stage.start_bot()

    answers = [await undo(stage, each) for each in (own, bonus, pause, words, overtaken)]

    assert answers == [
        f"Undone. <@{mia.id}> no longer has a quota of their own. Before: 40 credits per day.",
        f"Undone. 9 bonus credits of <@{mia.id}> were taken back. They now have 0 bonus credits.",
        "Undone. Videos can be made in this server again.",
        "Undone. All words are allowed. Before, these words were not allowed: gore.",
        (
            "This change can no longer be undone, because what it set has been changed or used since then. Nothing was "
            "undone."
        ),
    ]
    assert own.text().startswith(f"<@{mia.id}> now has a quota of their own: 40 credits per day.")
    assert [button.label for button in own.buttons] == []
    assert (await quota(stage, mia)).startswith("**30 credits left**")
    await stage.over(await stage.animate(prompt="gore"))

    block = await confirmed(stage, "block", user=ana, reason="spam")
    listed = (await told(stage, "audit")).splitlines()
    assert listed[0] == "**Changes by admins**"
    assert listed[1] == f"- <@{ana.id}>: not blocked → blocked (“spam”) · <@{stage.admin.id}> · <t>"
    assert listed[2] == f"- rules: words not allowed (gore) → all words allowed · <@{stage.admin.id}> · <t> · by Undo"
    assert "no quota set → 40 credits per day" in await _whole_audit(stage)
    assert await undo(stage, block) == (f"Undone. <@{ana.id}> can make videos in this server again.")


async def test_what_is_so_already_is_said_to_be_and_leaves_no_undo_and_no_line(stage: Stage) -> None:
    ana, artist = stage.discord.world.people["ana"], stage.discord.world.artist
    already = "This is already set. Nothing was changed."
    twice: list[tuple[str, dict[str, object], str]] = [
        ("quota set", {"user": ana, "credits": 50}, already),
        ("quota role", {"role": artist, "credits": 50}, already),
        ("quota default", {"credits": 50}, already),
        ("quota server", {"credits": 50}, already),
        ("log", {"channel": stage.discord.world.general}, already),
        ("others", {"allowed": True}, already),
        ("models", {"role_or_channel": f"role:{artist.id}", "models": "sora-2"}, already),
        ("rules", {"barred_words": "gore"}, already),
        ("block", {"user": ana, "reason": "spam"}, f"<@{ana.id}> is already blocked. Nothing was changed."),
        ("pause", {"reason": "a feast"}, "Videos are already paused in this server. Nothing was changed."),
    ]
    ends: list[tuple[str, dict[str, object], str]] = [
        ("unblock", {"user": ana}, f"<@{ana.id}> is not blocked. Nothing was changed."),
        ("resume", {}, "Videos are not paused in this server. Nothing was changed."),
    ]
    for command, options, words in [*twice, *ends]:
        first = await confirmed(stage, command, **options)
        known = stage.rows("SELECT id FROM ledger UNION ALL SELECT id FROM admin_acts")

        second = await confirmed(stage, command, **options)

        assert [button.label for button in first.buttons] == ["Undo"]
        assert (second.text(), second.buttons) == (words, [])
        assert stage.rows("SELECT id FROM ledger UNION ALL SELECT id FROM admin_acts") == known


async def _whole_audit(stage: Stage) -> str:
    message = await alone(await stage.discord.invoke(stage.admin, "animate-admin audit"))
    (onward,) = message.buttons
    await stage.discord.press(stage.admin, message, onward.custom_id or "")
    await stage.discord.wait_for(lambda: "Page 2 of 2" in message.text(), 10, "the second page")
    return re.sub(r"<t:\d+:R>", "<t>", message.text())


async def _forged_by_a_member(stage: Stage, confirmation: Message) -> str:
    """What somebody without Manage Server reads who presses a button that they are not shown."""
    (button,) = confirmation.buttons
    forged = await stage.discord.press(stage.mia, confirmation, button.custom_id or "", forge=True)
    answer = await forged.answer()
    assert answer is not None
    return answer.text()
