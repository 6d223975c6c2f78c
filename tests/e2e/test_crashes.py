"""kill -9 after every commit, and before, inside and after every request of the path; then a new start.

Whatever the moment: each job ends once, none is paid twice, the card in the channel is finished, the books are right.
"""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from sandbox.discord.exchange import CUT as DISCORD_CUT
from sandbox.providers.exchange import CUT as VIDEOS_CUT
from tests.e2e.conftest import Build
from tests.e2e.killing import killer
from tests.e2e.stage import CRASHING_BOT, OVER, Stage
from tests.thorough import mostly_thorough

COMMITS = {
    1: "commands synced",
    2: "reserved",
    3: "card known",
    4: "size known",
    5: "submitting",
    6: "rendering",
    7: "newcomer told",
    8: "delivering",
    9: "looked at before the upload",
    10: "delivered",
}
PHASES = ("before", "inside", "after")
DISCORD_REQUESTS = {
    "callback": ("POST", "/interactions/{interaction_id}/{interaction_token}/callback"),
    "picture": ("GET", "cdn"),
    "edit": ("PATCH", "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}"),
    "delivering-edit": ("PATCH", "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}"),
}
VIDEO_REQUESTS = ("settle", "create", "poll", "last-poll", "file")
BY_DEFAULT = [
    *(("create", phase) for phase in PHASES),
    ("settle", "inside"), ("poll", "after"), ("last-poll", "before"), ("file", "inside"),
]  # fmt: skip
"""Around the paid request every moment, around each other one."""


async def _killed(stage: Stage) -> None:
    assert stage.bot is not None
    assert await stage.bot.wait() == -9


async def _restart_and_settle(stage: Stage, expected: set[str]) -> None:
    """The second start; every promise is checked here."""
    await stage.start_bot()
    await stage.settled()
    assert len(stage.provider.jobs) <= 1
    states = stage.states()
    assert len(states) <= 1
    assert set(states) <= expected
    public = stage.public()
    assert len(public) == sum(state != "cancelled" for state in states)
    for message in public:
        assert any(word in message.text() for word in OVER), message.text()
    refunds = stage.rows("SELECT COUNT(*) FROM ledger WHERE kind = 'refund'")
    assert refunds == [(sum(state in {"cancelled", "unknown"} for state in states),)]
    if "delivered" in states:
        (job,) = stage.provider.jobs.values()
        assert [file.data for file in public[0].media] == [job.video]


@pytest.mark.parametrize("commit", COMMITS, ids=[name.replace(" ", "-") for name in COMMITS.values()])
async def test_killed_after_a_commit(build: Build, commit: int) -> None:
    stage = await build({"CRASH_AFTER_COMMIT": str(commit)}, arguments=CRASHING_BOT, start=False)
    await stage.start_bot(wait=commit > 1)
    if commit > 1:
        await stage.animate()
    await _killed(stage)

    stage.use({"CRASH_AFTER_COMMIT": "0"})
    expected = {2: {"cancelled"}, 5: {"unknown"}}.get(commit, {"delivered"})
    await _restart_and_settle(stage, expected)


async def test_the_path_has_no_other_commits(build: Build) -> None:
    stage = await build({"CRASH_AFTER_COMMIT": str(len(COMMITS) + 1)}, arguments=CRASHING_BOT)

    await stage.over(await stage.animate())
    await stage.settled()

    assert stage.bot is not None
    assert stage.bot.is_running
    stage.bot.kill()  # a stop has one of its own: the session at the gateway that is left to the next process
    await stage.bot.wait()


@pytest.mark.parametrize("phase", mostly_thorough(PHASES, by_default=[PHASES[-1]]))
@pytest.mark.parametrize("name", DISCORD_REQUESTS)
async def test_killed_at_a_request_to_discord(build: Build, name: str, phase: str) -> None:
    stage = await build()

    def is_it(exchange: Any) -> bool:
        method, route = DISCORD_REQUESTS[name]
        if name == "picture":
            return exchange.part == "cdn" and "ephemeral" in exchange.path
        uploads = bool(exchange.files)
        return (exchange.method, exchange.route) == (method, route) and uploads == (name == "delivering-edit")

    stage.discord.on_exchange(killer(stage, is_it, phase, DISCORD_CUT))
    await stage.animate()
    await _killed(stage)

    expected = {"cancelled"} if (name, phase) == ("callback", "before") else {"delivered"}
    if name == "edit":  # the first edit says that the picture is being handed over
        expected |= {"unknown"}
    await _restart_and_settle(stage, expected)


@pytest.mark.parametrize(
    "moment", mostly_thorough([*itertools.product(VIDEO_REQUESTS, PHASES)], BY_DEFAULT), ids="-".join
)
async def test_killed_at_a_request_to_the_provider(build: Build, moment: tuple[str, str]) -> None:
    name, phase = moment
    stage = await build()

    def is_it(exchange: Any) -> bool:
        match name:
            case "settle":
                return exchange.route == "poll" and not stage.provider.jobs
            case "create":
                return bool(exchange.route == "create")
            case "poll":
                return exchange.route == "poll" and bool(stage.provider.jobs)
            case "last-poll":
                return exchange.route == "poll" and any(job.is_over for job in stage.provider.jobs.values())
            case _:
                return exchange.route in {"file", "content"}

    stage.provider.on_exchange(killer(stage, is_it, phase, VIDEOS_CUT))
    await stage.animate()
    await _killed(stage)

    sent = name in {"create", "settle"}
    await _restart_and_settle(stage, {"unknown", "delivered"} if sent else {"delivered"})
    if name == "create" and phase != "after":
        assert stage.states() == ["unknown"]
