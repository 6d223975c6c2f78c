"""What the operator is told, once each, and told again only after it was well in between."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.errors import ChatUnavailable
from bot.jobs import operator_alerts
from bot.jobs.circuit_breaker import FIRST_PAUSE_S
from bot.jobs.operator_alerts import OperatorAlerts
from bot.models import Limit, Period
from tests.harness import Harness

DAY_S = 86_400.0


class Operator:
    """Reads what comes, or is out of reach. `begin` is a process."""

    def __init__(self, bot: Harness, budget: int = 1_000_000) -> None:
        self.bot = bot
        self.budget = Limit(budget, Period.DAY)
        self.told: list[str] = []
        self.is_away = False
        self.tries = 0
        self.alerts: OperatorAlerts
        self.begin()

    def begin(self) -> None:
        async def start() -> None:
            self.alerts = OperatorAlerts(
                self.bot.context, budget=self.budget, folders=[self.bot.folder], send=self._receive
            )
            self.alerts.start()

        self.bot.run(start())

    def restart(self) -> None:
        self.bot.run(self.alerts.stop())
        self.bot.stop()
        self.bot.begin()
        self.begin()

    def reads(self) -> list[str]:
        """What has come since it was last asked, some seconds later."""
        self.bot.passes(3 * operator_alerts.BETWEEN_S, steps=3)
        told, self.told = self.told, []
        return told

    async def _receive(self, words: str) -> None:
        self.tries += 1
        if self.is_away:
            raise ChatUnavailable("away")
        self.told.append(words)


@pytest.fixture(name="bot")
def _bot(tmp_path: Path) -> Iterator[Harness]:
    with Harness(tmp_path) as harness:
        yield harness


def test_a_refused_key_is_told_once_also_over_a_restart_and_again_after_it_worked(bot: Harness) -> None:
    operator = Operator(bot)
    bot.provider.key_works = False
    bot.ask(1)

    (told,) = operator.reads()
    operator.restart()
    bot.ask(2)
    after_restart = operator.reads()
    bot.provider.is_well()
    bot.passes(20 * FIRST_PAUSE_S, steps=2)
    bot.ask(3)
    well = operator.reads()
    bot.provider.key_works = False
    bot.ask(4)

    assert told == (
        "⚠️ The provider default does not accept the key, so nothing is sent to it. Correct the key and restart the bot."
    )
    assert (after_restart, well) == ([], [])
    assert operator.reads() == [told]


def test_the_budget_is_told_at_80_percent_and_when_no_video_fits_and_anew_the_next_day(bot: Harness) -> None:
    operator = Operator(bot, budget=10)
    told = [operator.reads()]
    for member in (1, 2):
        bot.ask(member)
        told.append(operator.reads())
    operator.restart()
    told.append(operator.reads())
    bot.passes(DAY_S, steps=2)
    operator.reads()
    for member in (3, 4):
        bot.ask(member)
        told.append(operator.reads())

    full = (
        "⚠️ 8 of the budget's 10 credits are used today, so nobody can make a video. To allow more, raise "
        "BUDGET_CREDITS and restart the bot."
    )
    assert told == [[], [], [full], [], [], [full]]


def test_at_80_percent_there_is_time_to_do_something(bot: Harness) -> None:
    operator = Operator(bot, budget=20)
    for member in (1, 2, 3, 4):
        bot.ask(member)

    assert operator.reads() == [
        (
            "⚠️ 16 of the budget's 20 credits are used today. `python -m bot usage` shows who used them; "
            "BUDGET_CREDITS is the limit."
        )
    ]


def test_lost_answers_and_videos_that_discord_did_not_take_are_told_once_each_with_what_to_do(bot: Harness) -> None:
    operator = Operator(bot)
    bot.provider.moods["sora-2"] = "lost"
    lost = bot.job(bot.ask(1))

    (told,) = operator.reads()
    operator.restart()

    assert told == (
        f"⚠️ No answer came to the request for video {lost.key} (server {lost.card.guild}), so the credits are "
        "back, and nothing was sent again. Check at default whether a video was made and charged: docs/operations.md, "
        "“A job is unknown: did I pay?”"
    )
    assert operator.reads() == []
    assert lost.spec.prompt not in told


def test_a_message_that_does_not_get_through_is_tried_ever_more_seldom_and_jobs_go_on(bot: Harness) -> None:
    operator = Operator(bot)
    operator.is_away = True
    bot.provider.moods["sora-2"] = "lost"
    bot.ask(1)
    bot.provider.is_well()
    bot.passes(DAY_S / 8, steps=40)
    tries = operator.tries
    assert bot.state(bot.ask(2)) == "rendering"
    operator.is_away = False
    bot.passes(DAY_S / 4, steps=3)

    assert 8 < tries < 20
    assert len(operator.told) == 1


def test_a_disk_that_wavers_around_the_mark_is_told_once(bot: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    free = [2_000_000_000]

    class Usage:
        @property
        def free(self) -> int:
            return free[0]

    monkeypatch.setattr(operator_alerts, "disk_usage", lambda _: Usage())
    operator = Operator(bot)
    told = []
    for free[0] in (999_000_000, 1_100_000_000, 990_000_000, 2_000_000_000, 998_000_000):
        bot.passes(2 * operator_alerts.EVERY_S, steps=4)
        told.append(operator.reads())

    assert [len(each) for each in told] == [1, 0, 0, 0, 1]
    assert told[0][0].startswith("⚠️ Only 999 MB are free on the disk. Below 200 MB no new video is started.")
