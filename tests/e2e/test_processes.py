"""Several processes of one bot on PostgreSQL: whoever takes the command, somebody makes the video, and pays once."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import psycopg
import pytest

from bot.chat.global_rate_limit import REQUESTS
from sandbox.discord.exchange import Exchange as DiscordExchange
from sandbox.discord.exchange import Reply, rate_limited
from sandbox.discord.world import Channel
from sandbox.providers.exchange import Exchange
from tests.cluster import TAKEOVER_S, Cluster
from tests.e2e import chatty_bot
from tests.e2e.asking import told
from tests.e2e.stage import DONE
from tests.e2e.webhook import open_webhook
from tests.faults.several import guilds_of_each_shard

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(120)]

LOOKED_AT_EVERY_S = TAKEOVER_S / 6
"""So often a process reads what all share, where nobody tells it."""
CHATTY_BOT = (chatty_bot.__file__,)
Build = Callable[..., Awaitable[Cluster]]
MANY = {"QUOTA_DEFAULT_CREDITS": "1000", "MAX_JOBS_PER_USER": "100"}


@pytest.fixture
async def build(postgres_address: str) -> AsyncIterator[Build]:
    clusters: list[Cluster] = []

    async def make(**given: object) -> Cluster:
        clusters.append(Cluster(postgres_address, **given))  # type: ignore[arg-type]  # its own words
        await clusters[-1].start()
        return clusters[-1]

    yield make
    for cluster in clusters:
        assert cluster.faults() == []
        await cluster.stop()


def carriers(cluster: Cluster, word: str = "state=submitting") -> list[int]:
    """The processes whose log has the word."""
    return [number for number, bot in cluster.bots.items() if word in bot.log()]


async def until(happened: Callable[[], object], within_s: float = 30) -> None:
    deadline = time.monotonic() + within_s
    while not happened():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def places(cluster: Cluster) -> list[Channel]:
    """A channel of each shard."""
    return [guild.general for guild in await guilds_of_each_shard(cluster)]


async def test_a_gateway_answers_and_a_worker_makes_the_video(build: Build) -> None:
    cluster = await build(processes=2, roles=["gateway", "worker"])

    card = await cluster.over(await cluster.animate())

    assert DONE in card.text()
    assert carriers(cluster) == [1]
    assert carriers(cluster, "reserved") == [0]
    await until(lambda: cluster.seen("SELECT COUNT(*) FROM procrastinate_jobs") == [(0,)])


async def test_what_a_killed_process_carried_is_delivered_by_another_and_paid_once(build: Build) -> None:
    cluster = await build(processes=2, render_s=TAKEOVER_S * 0.75)
    asked, _ = await cluster.rendering()
    (carrier,) = carriers(cluster)

    cluster.bots[carrier].kill()

    assert DONE in (await cluster.over(asked, within_s=40)).text()
    assert cluster.provider.creates == 1
    assert "took over 1 jobs" in cluster.bots[1 - carrier].log()


async def test_a_process_that_was_frozen_ends_and_shows_and_pays_nothing_twice(build: Build) -> None:
    cluster = await build(processes=2, render_s=TAKEOVER_S * 0.75)
    asked, card = await cluster.rendering()
    (carrier,) = carriers(cluster)

    os.kill(cluster.bots[carrier].pid, signal.SIGSTOP)
    assert DONE in (await cluster.over(asked, within_s=40)).text()
    os.kill(cluster.bots[carrier].pid, signal.SIGCONT)

    assert await cluster.bots[carrier].wait(30) == 1
    assert DONE in card.text()
    assert cluster.provider.creates == 1


async def test_takes_that_several_processes_carry_come_on_one_card_though_one_of_them_is_killed(build: Build) -> None:
    cluster = await build(processes=3, settings=MANY, render_s=TAKEOVER_S * 0.75)
    asked, card = await cluster.rendering(takes=3)
    await until(lambda: cluster.seen("SELECT state FROM jobs") == [("rendering",)] * 3)  # no answer can be lost then

    cluster.bots[carriers(cluster)[0]].kill()

    assert "Here are your videos" in (await cluster.over(asked, within_s=60)).text()
    await until(lambda: cluster.seen("SELECT DISTINCT state FROM jobs") == [("delivered",)])
    assert len(card.media) == 3
    assert cluster.provider.creates == 3


async def test_an_answer_that_comes_after_its_process_was_given_up_brings_the_video_all_the_same(build: Build) -> None:
    cluster = await build(processes=2, render_s=1.0)
    taken, woken = asyncio.Event(), asyncio.Event()

    async def hold(phase: str, exchange: Exchange) -> None:
        if phase == "inside" and exchange.route == "create" and not taken.is_set():
            taken.set()
            await woken.wait()

    cluster.provider.on_exchange(hold)
    asked = await cluster.animate()
    async with asyncio.timeout(20):
        await taken.wait()
    (carrier,) = carriers(cluster)
    os.kill(cluster.bots[carrier].pid, signal.SIGSTOP)
    await until(lambda: cluster.seen("SELECT state FROM jobs") == [("unknown",)])

    woken.set()
    os.kill(cluster.bots[carrier].pid, signal.SIGCONT)

    assert await cluster.bots[carrier].wait(30) == 1
    await until(lambda: cluster.seen("SELECT state FROM jobs") == [("delivered",)], within_s=60)
    assert DONE in (await cluster.over(asked)).text()
    assert cluster.provider.creates == 1


async def test_a_process_that_is_rolled_hands_its_jobs_over_at_once(build: Build) -> None:
    cluster = await build(processes=2, render_s=6.0)
    asked, _ = await cluster.rendering()
    (carrier,) = carriers(cluster)
    began = time.monotonic()

    assert await cluster.bots[carrier].stop() == 0
    await until(lambda: cluster.seen("SELECT COUNT(*) FROM procrastinate_jobs WHERE status = 'doing'") == [(1,)])

    assert time.monotonic() - began < TAKEOVER_S - 1  # so nobody waited for its silence
    assert DONE in (await cluster.over(asked, within_s=40)).text()
    assert cluster.provider.creates == 1


async def test_no_more_jobs_than_slots_are_at_the_provider_whichever_process_sends_them(build: Build) -> None:
    cluster = await build(processes=3, settings=MANY | {"MAX_CONCURRENT_JOBS": "2"}, render_s=0.5)
    most = 0

    async def count(phase: str, _exchange: object) -> None:
        nonlocal most
        if phase == "before":
            for job in cluster.provider.jobs.values():
                cluster.provider.settle(job)
            most = max(most, sum(not job.is_over for job in cluster.provider.jobs.values()))

    cluster.provider.on_exchange(count)
    there = await places(cluster)
    asked = [await cluster.animate(cluster.admin, channel=there[n % 3], prompt=f"video {n}") for n in range(9)]
    for used in asked:
        assert DONE in (await cluster.over(used, within_s=60)).text()

    assert most == 2
    assert cluster.provider.creates == 9


async def test_processes_with_the_same_shard_or_another_number_of_shards_say_so_in_their_logs(
    postgres_address: str,
) -> None:
    own = {1: {"SHARD_IDS": "0"}, 2: {"SHARD_COUNT": "4"}}
    cluster = Cluster(postgres_address, processes=3, own=own)
    await cluster.start(bot=False)
    try:
        for number in range(3):
            await cluster.start_one(number, wait=False)
        await until(lambda: carriers(cluster, "has shard 0 of this process") == [0, 1])
        await until(lambda: carriers(cluster, "SHARD_COUNT is") == [0, 1, 2])
    finally:
        await cluster.stop()


async def test_a_server_that_is_paused_through_one_process_is_held_by_all(build: Build) -> None:
    cluster = await build(processes=2, settings=MANY | {"MAX_CONCURRENT_JOBS": "1"}, render_s=None)
    home = cluster.discord.world.guild
    await cluster.rendering()
    held = await cluster.animate(cluster.admin)
    card = await held.answer()
    assert card is not None

    await cluster.reply(cluster.admin, "animate-admin pause", channel=home.general)

    await cluster.until(card, "paused", within_s=5)


async def test_the_queue_is_one_whichever_process_carries_a_video_and_each_tells_the_same_of_it(build: Build) -> None:
    cluster = await build(processes=2, settings=MANY | {"MAX_CONCURRENT_JOBS": "2"}, render_s=None)
    there = await places(cluster)
    for number in range(2):
        await cluster.rendering(person=cluster.admin, channel=there[number], prompt=f"held {number}")
    ana = cluster.discord.world.add_member("ana", guild=there[1].guild)
    cards = [await (await cluster.animate(ana, channel=there[1], prompt="ana's")).answer()]
    while len(cards) < 5 or waiting_in(cluster) < 2:
        assert len(cards) < 30
        asked = await cluster.animate(cluster.admin, channel=there[len(cards) % 2], prompt=f"admin's {len(cards)}")
        cards.append(await asked.answer())

    for place, card in enumerate(cards, start=1):
        assert card is not None
        await cluster.until(card, *(f"{place}{end} in the queue" for end in ("st", "nd", "rd", "th")))
    told_of = {await told_of_the_queue(cluster, channel) for channel in there}
    servers = sum(guild.has_bot for guild in cluster.discord.world.guilds.values())
    assert told_of == {f"{len(cards)} in the queue · 2 of at most 2 · {servers} servers"}
    cluster.provider.finish(next(iter(cluster.provider.jobs)))

    await cluster.provider.wait_for(lambda: len(cluster.provider.jobs) == 3, 20, "the next")
    assert [job.prompt for job in cluster.provider.jobs.values()][-1] == "ana's"


def waiting_in(cluster: Cluster) -> int:
    """How many processes carry a video that waits."""
    found = cluster.seen(
        "SELECT COUNT(DISTINCT worker_id) FROM procrastinate_jobs JOIN jobs ON lock = CAST(jobs.id AS TEXT)"
        " WHERE status = 'doing' AND state = 'waiting'"
    )
    return int(found[0][0])


async def told_of_the_queue(cluster: Cluster, channel: Channel) -> str:
    """What `/animate-admin status` says there, in short."""
    words = await cluster.reply(cluster.admin, "animate-admin status", channel=channel)
    pattern = r"(\d of at most \d) being made · (\d+ in the queue).*\*\*Discord\*\*.*(\d servers?)"
    found = re.search(pattern, words, re.DOTALL)
    assert found is not None, words
    return f"{found[2]} · {found[1]} · {found[3]}"


async def test_the_operator_is_told_once_of_each_trouble_and_by_whichever_process_is_there(build: Build) -> None:
    async with open_webhook() as webhook:
        cluster = await build(processes=2, settings=MANY | {"OPERATOR_WEBHOOK_URL": webhook.url})
        there = await places(cluster)
        for number in range(2):
            cluster.provider.faults.inject("create:lost")
            await cluster.over(await cluster.animate(cluster.admin, channel=there[1], prompt=f"lost {number}"))
            await until(partial(is_told, cluster, number + 1))
            cluster.bots[0].kill()  # the one with the first shard; it may have told of the first

        keys = [key for (key,) in cluster.seen("SELECT key FROM jobs ORDER BY created_at")]
        assert [[key for key in keys if key in str(post["content"])] for post in webhook.posts] == [
            [key] for key in keys
        ]


def is_told(cluster: Cluster, troubles: int) -> bool:
    """Whether the operator was told of so many, and nobody is about to tell of another."""
    told = cluster.seen("SELECT (SELECT COUNT(*) FROM operator_alerts), (SELECT COUNT(*) FROM duties)")
    return told == [(troubles, 0)]


async def test_a_key_that_is_refused_to_one_process_stops_all_of_them_within_seconds(build: Build) -> None:
    cluster = await build(processes=2, settings=MANY)
    there = await places(cluster)
    cluster.provider.key = "another one"

    await cluster.over(await cluster.animate(cluster.admin, channel=there[0], prompt="a"))

    deadline = time.monotonic() + 5
    refused = set[int]()
    while len(refused) < 2:
        assert time.monotonic() < deadline
        for number, channel in enumerate(there):
            answer = await (await cluster.animate(cluster.admin, channel=channel, prompt="b")).answer()
            if answer is not None and answer.is_ephemeral:
                refused.add(number)
        await asyncio.sleep(0.1)
    assert cluster.seen("SELECT kind, model FROM circuits") == [("key", "")]


async def test_over_all_processes_one_video_tries_a_provider_again_and_what_it_shows_holds_for_all(
    build: Build,
) -> None:
    cluster = await build(processes=2, settings=MANY | {"MAX_CONCURRENT_JOBS": "2"}, render_s=None)
    there, sent = await places(cluster), list[Exchange]()
    held = [
        await cluster.rendering(person=cluster.admin, channel=there[number], prompt=f"held {number}")
        for number in range(2)
    ]
    asked = [await cluster.animate(cluster.admin, channel=there[n % 2], prompt=f"video {n}") for n in range(8)]
    for waits in asked:
        card = await waits.answer()
        assert card is not None
        await cluster.until(card, "in the queue")
    cluster.provider.settings.render_seconds = 0.1
    cluster.provider.faults.inject("create:403", times=None)
    for (asking, _), job in zip(
        held, list(cluster.provider.jobs), strict=True
    ):  # one after the other, so that one refusal opens the circuit
        cluster.provider.finish(job)
        await until(lambda: cluster.seen("SELECT COUNT(*) FROM circuits") == [(1,)])
        assert DONE in (await cluster.over(asking)).text()

    async def watch(phase: str, exchange: Exchange) -> None:
        if phase == "before" and exchange.route == "create" and cluster.seen("SELECT pause_ms FROM circuits"):
            sent.append(exchange)  # what is sent after the circuit has closed is no probe
            await asyncio.sleep(2 * LOOKED_AT_EVERY_S)  # so each process has had the time to send one more

    cluster.provider.on_exchange(watch)
    ((pause_ms,),) = cluster.seen("SELECT pause_ms FROM circuits")
    await until(lambda: is_past(cluster, pause_ms))
    assert len(sent) == 1

    cluster.provider.faults.clear()
    await until(lambda: is_past(cluster, 2 * pause_ms))
    assert len(sent) == 2
    cluster.provider.remove(watch)
    ended = [(await cluster.over(waits)).text() for waits in asked]
    assert sum(DONE in text for text in ended) == cluster.provider.times_created() - 2


async def test_a_pause_that_discord_asks_the_whole_bot_for_is_kept_by_every_process(build: Build) -> None:
    cluster = await build(processes=3, settings=MANY)
    listing = cluster.discord.world.general
    await told(cluster, "log", channel=listing)
    refused = list[DiscordExchange]()

    async def refuse(phase: str, exchange: DiscordExchange) -> Reply | None:
        if phase != "before" or exchange.method != "POST" or str(listing.id) not in exchange.path or refused:
            return None
        refused.append(exchange)
        return rate_limited(0.5, everywhere=True)

    cluster.discord.on_exchange(refuse)
    await until(lambda: all("3 processes share" in bot.log() for bot in cluster.bots.values()))
    await cluster.over(await cluster.animate())

    await until(lambda: all("asks the whole bot to wait for 0.5 s" in bot.log() for bot in cluster.bots.values()))
    key = str(cluster.seen("SELECT key FROM jobs")[0][0])
    await until(lambda: any(f"video `{key}` · https" in each.text() for each in cluster.discord.messages(listing)))


async def test_three_processes_send_no_more_requests_a_second_by_the_bots_token_than_discord_allows(
    build: Build,
) -> None:
    cluster, came = await build(processes=3, arguments=CHATTY_BOT), list[float]()

    async def count(phase: str, exchange: DiscordExchange) -> None:
        if phase == "before" and exchange.authorized:
            came.append(time.monotonic())

    await until(lambda: all("3 processes share" in bot.log() for bot in cluster.bots.values()))
    cluster.discord.on_exchange(count)
    for bot in cluster.bots.values():
        os.kill(bot.pid, signal.SIGUSR1)
    await until(lambda: len(came) >= 3 * chatty_bot.REQUESTS)

    assert max(sum(start <= at < start + 1 for at in came) for start in came) <= REQUESTS


def is_past(cluster: Cluster, pause_ms: int) -> bool:
    """Ends a pause of that length of the only circuit, also one that a process has just written once more.

    Whether it had been replaced by another one, or the circuit had closed.
    """
    with psycopg.connect(cluster.address) as connection:
        return connection.execute("UPDATE circuits SET ends_at = 0 WHERE pause_ms = %s", (pause_ms,)).rowcount == 0


async def test_what_was_left_to_a_process_that_stops_before_its_turn_to_connect_goes_to_the_next(build: Build) -> None:
    """Fault harness, seed 41, run 1: a process was stopped twice within the pause between two IDENTIFY."""
    cluster = await build(processes=1)
    gateway = cluster.discord.gateway
    await cluster.bots[0].stop()
    between = await cluster.start_process(0)
    await cluster.discord.wait_for(lambda: gateway.resumes == 1, 10, "the session that was left")
    assert await (await cluster.discord.invoke(cluster.mia, "quota")).answer() is not None
    assert await between.stop() == 0
    assert gateway.identifies == 1
    told = await cluster.discord.invoke(cluster.mia, "quota")

    await cluster.start_process(0)

    assert await told.answer() is not None
    await cluster.discord.wait_for(lambda: gateway.identifies == 2, 15, "a session of its own")
