"""What is read after a press of Undo: what is so again, as the command itself would say it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from bot.catalog import Catalog, Model
from bot.chat.undo_message import UndoMessage
from bot.i18n.translations import TranslationCatalog
from bot.models import Limit, Period, Scope, UserId
from bot.report_models import ActKind, AdminAct

MIA, ARTIST, CHANNEL, GUILD = 7, 8, 9, 6
CATALOG = Catalog([Model("a", "Able", (4,), {"720x1280": 1}, {}), Model("b", "Bold", (4,), {"720x1280": 1}, {})], "a")
DAILY, WEEKLY = [40, "day"], [5, "week"]
NOW_AGAIN = [
    (ActKind.MEMBER_QUOTA, DAILY, None, "<@7> no longer has a quota of their own. Before: 40 credits per day."),
    (ActKind.MEMBER_QUOTA, None, DAILY, "<@7> now has a quota of their own: 40 credits per day. Before: no quota set."),
    (ActKind.ROLE_QUOTA, DAILY, None, "<@&8> no longer has a quota of its own. Before: 40 credits per day."),
    (
        ActKind.ROLE_QUOTA,
        DAILY,
        WEEKLY,
        "Members with the role <@&8> now have this quota: 5 credits per week. Before: 40 credits per day.",
    ),
    (
        ActKind.DEFAULT_QUOTA,
        DAILY,
        None,
        "This server now has the bot's default quota: 20 credits per day. Before: 40 credits per day.",
    ),
    (
        ActKind.DEFAULT_QUOTA,
        None,
        DAILY,
        "New default quota for all members: 40 credits per day. Before: 20 credits per day, the bot's default.",
    ),
    (ActKind.SERVER_LIMIT, DAILY, None, "The server limit is removed. Before: 40 credits per day."),
    (ActKind.BONUS, 9, 2, "7 bonus credits of <@7> were taken back. They now have 2 bonus credits."),
    (ActKind.BONUS, 2, 9, "<@7> got 7 bonus credits. They now have 9 bonus credits."),
    (ActKind.RESET, 1, 0, "The earlier usage of <@7> counts toward their quota again."),
    (ActKind.PAUSE, [None], None, "Videos can be made in this server again."),
    (
        ActKind.PAUSE,
        None,
        ["a feast"],
        (
            "Videos are paused in this server (“a feast”). Videos that are being made will still be finished. Videos "
            "in the queue wait for up to two hours, then their credits are refunded. Use `/animate-admin resume` to "
            "start again."
        ),
    ),
    (ActKind.BLOCK, ["spam"], None, "<@7> can make videos in this server again."),
    (
        ActKind.BLOCK,
        None,
        ["spam"],
        "<@7> can no longer make videos in this server. 2 videos in the queue were canceled and refunded.",
    ),
    (ActKind.LOG_CHANNEL, 9, None, "Videos are no longer logged in a channel. Before: <#9>."),
    (
        ActKind.OTHERS,
        True,
        False,
        "With “Animate this”, members can now only animate pictures from their own messages.",
    ),
    (ActKind.ROLE_MODELS, ["a"], None, "<@&8> can use all models. Before: Able."),
    (
        ActKind.ROLE_GIFT,
        [9],
        None,
        "Members with the role <@&8> no longer get these bonus credits. Those not spent yet are taken back.",
    ),
    (ActKind.ROLE_GIFT, [None], None, "Usage is no longer reset for members with the role <@&8>."),
    (
        ActKind.RULES,
        [False, ["gore"]],
        [False, []],
        "All words are allowed. Before, these words were not allowed: gore.",
    ),
]


@pytest.mark.parametrize(("what", "old", "new", "words"), NOW_AGAIN)
def test_it_says_what_is_so_again_and_what_was_before(what: ActKind, old: Any, new: Any, words: str) -> None:
    said = UndoMessage(TranslationCatalog().english, CATALOG, Scope(GUILD), Limit(20, Period.DAY))
    act = AdminAct(2, datetime.now(UTC), UserId(1), what, UserId(MIA), ARTIST, old, new, is_undone=False, undoes=1)

    assert said.of(act, 2) == f"Undone. {words}"


def test_every_kind_of_change_is_tried() -> None:
    assert {what for what, *_ in NOW_AGAIN} == set(ActKind) - {ActKind.CHANNEL_MODELS}  # as models of a role
