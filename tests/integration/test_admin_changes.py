"""What admins change leaves a line and an Undo; what is so already leaves neither. Both are read in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from bot.chat import confirmations
from bot.chat.audit import Audit
from bot.chat.balances import account
from bot.i18n.translations import TranslationCatalog
from bot.jobs.service import Account
from bot.models import Balance, Change, ChangeContext, ChannelId, JobState, Limit, Period, Source
from bot.report_models import ActKind
from bot.server_rules import RuleTarget
from bot.store import admin_acts, ledger, quotas, server_rules, server_settings
from bot.store.admin_acts import Subject, Undone, recorded
from bot.store.database import Unit
from tests.builders import GUILD, MEMBER, NOON, by, seed_catalog
from tests.in_memory_store import Ledgers

ROLE = 61
ENGLISH = TranslationCatalog().english
_Changing = Callable[[ChangeContext], Unit[Any]]
SETTINGS: list[tuple[Subject, _Changing]] = [
    (
        Subject(ActKind.MEMBER_QUOTA, MEMBER),
        lambda by: quotas.set_member(by, MEMBER, Limit(50, Period.DAY, Source.OWN)),
    ),
    (
        Subject(ActKind.ROLE_QUOTA, target=ROLE),
        lambda by: quotas.set_role(by, ROLE, Limit(50, Period.DAY, Source.ROLE, ROLE)),
    ),
    (Subject(ActKind.DEFAULT_QUOTA), lambda by: quotas.set_default(by, Limit(50, Period.DAY, Source.SERVER))),
    (Subject(ActKind.SERVER_LIMIT), lambda by: quotas.set_server_limit(by, Limit(50, Period.DAY, Source.SERVER))),
    (Subject(ActKind.PAUSE), lambda by: server_settings.pause(by, "a feast")),
    (Subject(ActKind.PAUSE), lambda by: server_settings.pause(by, None)),
    (Subject(ActKind.BLOCK, MEMBER), lambda by: server_settings.block(by, MEMBER, "spam")),
    (Subject(ActKind.LOG_CHANNEL), lambda by: server_settings.set_log_channel(by, ChannelId(9))),
    (Subject(ActKind.OTHERS), lambda by: server_settings.allow_others(by, allowed=True)),
    (
        Subject(ActKind.ROLE_MODELS, target=ROLE),
        lambda by: server_rules.set_models(by, RuleTarget.ROLE, ROLE, ["sora-2", "sora-2-pro"]),
    ),
    (
        Subject(ActKind.RULES),
        lambda by: server_rules.set_server(by, age_restricted_only=True, barred_words=["gore"]),
    ),
]


@pytest.fixture(name="kept")
def _kept() -> Iterator[Ledgers]:
    kept = Ledgers()
    yield kept
    kept.close()


def change(kept: Ledgers, subject: Subject, changing: _Changing, minute: int = 0) -> ChangeContext:
    """Does it so many minutes after noon; who did it, with the acts that were written down."""
    who = by(now=NOON + timedelta(minutes=minute))
    kept.do(recorded(who, subject, changing(who)))
    return who


def written(kept: Ledgers) -> tuple[list[tuple[Any, ...]], ...]:
    """Every line and every change, and since when the server pauses and the member is blocked."""
    queries = ("* FROM ledger", "* FROM admin_acts", "paused_at FROM servers", "blocked_at FROM members")
    return tuple(kept.rows(f"SELECT {query}") for query in queries)


@pytest.mark.parametrize(("subject", "changing"), SETTINGS, ids=lambda value: getattr(value, "what", ""))
def test_what_is_set_already_is_no_change_and_leaves_nothing(
    kept: Ledgers, subject: Subject, changing: _Changing
) -> None:
    first = change(kept, subject, changing)
    before = written(kept)

    again = change(kept, subject, changing, 1)

    assert again.acts == []
    assert written(kept) == before
    assert isinstance(kept.do(admin_acts.undo(by(), first.acts[0])), Undone)


@pytest.mark.parametrize(
    ("subject", "changing"),
    [
        (Subject(ActKind.PAUSE), server_settings.resume),
        (Subject(ActKind.BLOCK, MEMBER), lambda by: server_settings.unblock(by, MEMBER)),
        (Subject(ActKind.DEFAULT_QUOTA), lambda by: quotas.set_default(by, None)),
        (Subject(ActKind.SERVER_LIMIT), lambda by: quotas.set_server_limit(by, None)),
        (Subject(ActKind.MEMBER_QUOTA, MEMBER), lambda by: quotas.clear_member(by, MEMBER)),
        (Subject(ActKind.ROLE_QUOTA, target=ROLE), lambda by: quotas.clear_role(by, ROLE)),
    ],
    ids=lambda value: getattr(value, "what", ""),
)
def test_what_is_not_set_is_not_removed(kept: Ledgers, subject: Subject, changing: _Changing) -> None:
    assert change(kept, subject, changing).acts == []
    assert kept.rows("SELECT * FROM ledger") == kept.rows("SELECT * FROM admin_acts") == []


def test_a_reset_is_a_change_where_something_was_used_or_failed_since_the_last_one(kept: Ledgers) -> None:
    subject = Subject(ActKind.RESET, MEMBER)

    def reset() -> int:
        return len(change(kept, subject, lambda by: quotas.reset_used(by, MEMBER)).acts)

    assert reset() == 0
    kept.add_job(1)
    assert [reset(), reset()] == [1, 0]
    kept.add_job(2, JobState.FAILED)  # refunded; five of these keep a member out for today
    assert [reset(), reset()] == [1, 0]
    assert kept.rows("SELECT reset_count FROM members") == [(2,)]
    assert kept.wrong() == []


def test_another_reason_is_a_change(kept: Ledgers) -> None:
    pause, block = Subject(ActKind.PAUSE), Subject(ActKind.BLOCK, MEMBER)
    acts = [
        change(kept, subject, changing).acts
        for subject, changing in [
            (pause, lambda by: server_settings.pause(by, "a feast")),
            (pause, lambda by: server_settings.pause(by, "a long feast")),
            (block, lambda by: server_settings.block(by, MEMBER, "spam")),
            (block, lambda by: server_settings.block(by, MEMBER, None)),
        ]
    ]

    assert [len(each) for each in acts] == [1, 1, 1, 1]
    assert kept.rows("SELECT pause_reason FROM servers") == [("a long feast",)]
    assert kept.rows("SELECT reason FROM ledger ORDER BY id") == [
        ("paused: a feast",),
        ("paused: a long feast",),
        ("blocked: spam",),
        ("blocked",),
    ]


def test_the_same_models_in_another_order_are_no_change(kept: Ledgers) -> None:
    subject = Subject(ActKind.CHANNEL_MODELS, target=9)

    def chosen(*models: str) -> _Changing:
        return lambda by: server_rules.set_models(by, RuleTarget.CHANNEL, 9, models)

    assert len(change(kept, subject, chosen("sora-2", "sora-2-pro")).acts) == 1
    assert change(kept, subject, chosen("sora-2-pro", "sora-2")).acts == []
    assert len(change(kept, subject, chosen("sora-2")).acts) == 1


def test_an_answer_says_that_it_is_set_already_where_the_value_is_the_same() -> None:
    own, role = Limit(50, Period.DAY, Source.OWN), Limit(50, Period.DAY, Source.ROLE, ROLE)
    server, setting = Limit(50, Period.DAY, Source.SERVER), Limit(50, Period.DAY, Source.SETTING)
    already = "This is already set. Nothing was changed."

    assert confirmations.of_member(ENGLISH, "<@7>", Change(own, own)) == already
    assert confirmations.of_role(ENGLISH, "<@&61>", Change(role, role)) == already
    assert confirmations.of_default(ENGLISH, Change(setting, setting)) == already
    assert confirmations.of_server(ENGLISH, Change(server, server)) == already
    assert confirmations.of_log(ENGLISH, ChannelId(9), ChannelId(9)) == already
    assert confirmations.of_member(ENGLISH, "<@7>", Change(role, own)) == (
        "<@7> now has a quota of their own: 50 credits per day. Before: 50 credits per day, from the role <@&61>."
    )
    assert confirmations.of_default(ENGLISH, Change(setting, server)) == (
        "New default quota for all members: 50 credits per day. Before: 50 credits per day, the bot's default."
    )


def test_what_undo_gave_and_took_is_said_to_be_by_undo(kept: Ledgers) -> None:
    bonus, reset = Subject(ActKind.BONUS, MEMBER), Subject(ActKind.RESET, MEMBER)
    granted = change(kept, bonus, lambda by: quotas.grant(by, MEMBER, 5, None))
    kept.do(admin_acts.undo(by(), granted.acts[0]))
    change(kept, bonus, lambda by: quotas.grant(by, MEMBER, 5, "won the contest"))
    revoked = change(kept, bonus, lambda by: quotas.revoke(by, MEMBER, 1, "a mistake"))
    kept.do(admin_acts.undo(by(), revoked.acts[0]))
    begun = change(kept, reset, lambda by: quotas.reset(by, MEMBER))
    kept.do(admin_acts.undo(by(), begun.acts[0]))

    assert history(kept) == [
        "usage reset undone",
        "usage reset",
        "1 bonus credit given back by Undo",
        "1 bonus credit taken back (“a mistake”)",
        "+5 bonus credits given (“won the contest”)",
        "5 bonus credits taken back by Undo",
        "+5 bonus credits given",
    ]


def test_credits_of_a_video_have_their_unit(kept: Ledgers) -> None:
    kept.add_job(1)

    assert history(kept) == ["-4 credits"]


def history(kept: Ledgers) -> list[str]:
    """The first part of each line of the member's history."""
    has = Balance(Limit(20, Period.DAY, Source.SETTING), 0, 0, None, 0)
    lines = kept.do(ledger.newest(GUILD, MEMBER, 10))
    words = account(ENGLISH, MEMBER, Account(has, lines), None)
    return [line.removeprefix("- ").split(" · ")[0] for line in words.split("**History**\n")[1].split("\n")]


def test_the_audit_says_what_a_reset_did_and_that_it_was_undone(kept: Ledgers) -> None:
    begun = change(kept, Subject(ActKind.RESET, MEMBER), lambda by: quotas.reset(by, MEMBER))
    kept.do(admin_acts.undo(by(), begun.acts[0]))

    words, _ = Audit(ENGLISH, seed_catalog(), GUILD).page(kept.do(admin_acts.page(GUILD, 0, 9)), 0)

    undone, done = words.splitlines()[1:]
    assert done.startswith(f"- <@{MEMBER}>: usage reset · ")
    assert done.endswith(" · undone")
    assert undone.startswith(f"- <@{MEMBER}>: usage reset undone · ")
    assert undone.endswith(" · by Undo")
