"""Answers of the store that are held in memory: asked once, and never told after they have changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.errors import StoreUnavailable
from bot.jobs import store_cache
from bot.jobs.store_cache import StoreCache
from bot.models import ChangeContext, GuildId, Limit, Limits, Period, Scope, Source, UserId
from bot.server_rules import RuleTarget
from bot.store import erasure, memberships, pseudonyms, server_rules, users
from bot.store.database import Store, Tx, Unit

MIA, SERVER, NOW = UserId(7), Scope(5), datetime(2026, 5, 1, tzinfo=UTC)
BY = ChangeContext(SERVER, MIA, NOW)
DAILY = Limit(10, Period.DAY, Source.SERVER)
LIMITS = Limits(default=DAILY, budget=DAILY, direct=DAILY, jobs_per_user=2)


@pytest.fixture(name="store")
async def _store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(tmp_path / "animate.db")
    yield store
    await store.close()


class Choices:
    """What members last chose, held; counts the questions."""

    def __init__(self, store: Store) -> None:
        self.asked, self.now_s, self.trouble = 0, 0.0, False
        self.cache = StoreCache(store, self._unit, self._changed, lambda: self.now_s)

    def _unit(self, member: UserId) -> Unit[str | None]:
        def unit(tx: Tx) -> str | None:
            self.asked += 1
            if self.trouble:
                raise StoreUnavailable("no")
            return users.last_choices(member)(tx)

        return unit

    @staticmethod
    def _changed(event: object) -> UserId | None:
        return event.member if isinstance(event, users.ChoicesChanged) else None


async def test_those_who_ask_at_once_and_later_share_one_question(store: Store) -> None:
    choices = Choices(store)
    await asyncio.gather(*(choices.cache.of(MIA) for _ in range(200)))
    await choices.cache.of(MIA)
    assert choices.asked == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda: users.set_choices_off(MIA, NOW),
        lambda: erasure.request(MIA, now=NOW),
        lambda: pseudonyms.forget_name(MIA, LIMITS, now=NOW),
    ],
)
async def test_choices_that_are_deleted_are_told_to_nobody_any_more(
    store: Store, change: Callable[[], Unit[object]]
) -> None:
    choices = Choices(store)
    assert await choices.cache.of(MIA) is None
    await store.write(users.remember_choices(MIA, '{"seconds": 8}'))
    assert await choices.cache.of(MIA) == '{"seconds": 8}'
    await store.write(lambda tx: tx.changed("UPDATE users SET erasure_requested_at = 1 WHERE member = 7"))
    await store.write(change())
    assert await choices.cache.of(MIA) is None


async def test_a_question_that_was_asked_before_a_change_is_not_the_answer_after_it(store: Store) -> None:
    choices = Choices(store)
    early = choices.cache.ask(MIA)
    choices.cache._drop(users.ChoicesChanged(MIA))
    assert choices.cache.ask(MIA) is not early
    await early


async def test_what_failed_is_asked_anew(store: Store) -> None:
    choices = Choices(store)
    choices.trouble = True
    with pytest.raises(StoreUnavailable):
        await choices.cache.of(MIA)
    choices.trouble = False
    assert await choices.cache.of(MIA) is None


async def test_answers_are_not_believed_for_ever_and_there_are_only_so_many(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_cache, "MOST", 2)
    choices = Choices(store)
    for member in (1, 2, 3, 2, 3):
        await choices.cache.of(UserId(member))
    assert choices.asked == 3
    choices.now_s = store_cache.ALONE_S
    await choices.cache.of(UserId(3))
    assert choices.asked == 4
    assert len(choices.cache._held) == 1


async def test_rules_that_change_or_go_with_their_server_are_asked_for_anew(store: Store) -> None:
    cache = StoreCache(
        store, server_rules.of, lambda event: event.scope if isinstance(event, server_rules.Changed) else None
    )
    assert not (await cache.of(SERVER)).barred_words
    await store.write(server_rules.set_server(BY, age_restricted_only=None, barred_words=["no"]))
    assert (await cache.of(SERVER)).barred_words == ("no",)
    await store.write(server_rules.set_models(BY, RuleTarget.ROLE, 3, ["a"]))
    assert (await cache.of(SERVER)).roles == {3: ["a"]}
    await store.write(memberships.purge(GuildId(SERVER)))
    assert (await cache.of(SERVER)) == await store.read(server_rules.of(Scope(6)))
