"""A real Prometheus scrapes two real bots: of one everything is well, the other has every fault that an alert is for.

An hour of the alerts takes two minutes: `sped_up` divides each of their windows and each `for:` by 30. Thresholds stay
as they are.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import html
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from sandbox.discord.exchange import Cut, Exchange, Phase, Reply, rate_limited
from sandbox.discord.server import LocalDiscord
from sandbox.discord.world import Person
from tests.e2e.stage import Stage
from tests.faults.place import can_mount
from tests.interop.dashboard import page
from tests.interop.prometheus import RULES, SCRAPE_S, Prometheus, asked, panels, running, sped_up, watched
from tests.promtool import tool

TIMES = 30
ROOM_BYTES = 10**9
LITTLE_BYTES = 100 * 10**6
"""Less than what a backup leaves free, and than what a video needs."""
OF_A_DISK = {"AnimateDiskFull", "AnimateBackupOld"}
GENEROUS = {"QUOTA_DEFAULT_CREDITS": "1000", "MAX_JOBS_PER_USER": "9", "BACKUP_EVERY": "1m"}

pytestmark = pytest.mark.timeout(400)


def alerts(rules: str) -> dict[str, dict[str, object]]:
    (group,) = yaml.safe_load(rules)["groups"]
    return {rule["alert"]: rule for rule in group["rules"]}


def test_nothing_but_windows_and_waits_is_sped_up() -> None:
    rules = "expr: rate(x[10m]) > 1800 and time() - y < 3600\nfor: 30m\n# every 5m\nsummary: 15 minutes, 2m"

    assert sped_up(rules, 30) == (
        "expr: rate(x[20000ms]) > 1800 and time() - y < 3600\nfor: 60000ms\n# every 5m\nsummary: 15 minutes, 2m"
    )


def test_every_wait_of_an_alert_is_sped_up() -> None:
    plain, fast = alerts(RULES.read_text("utf-8")), alerts(sped_up(RULES.read_text("utf-8"), TIMES))

    assert plain.keys() == fast.keys()
    for name, rule in plain.items():
        assert rule.keys() == fast[name].keys()
        if "for" in rule:
            minutes = int(str(rule["for"]).removesuffix("m"))
            assert fast[name]["for"] == f"{minutes * 60_000 // TIMES}ms"


@contextlib.contextmanager
def disk(folder: Path) -> Iterator[Callable[[int], None]]:
    """Mounts one in memory at the folder, with plenty of room; what is given sets how much it has. Wants root."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM_BYTES}", "disk", str(folder)], check=True)

    def resize(size_bytes: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size_bytes}", str(folder)], check=True)

    try:
        yield resize
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


class Clock:
    """Discord's, ahead of this machine's."""

    ahead_s = 0.0


class Faults:
    """What befalls one bot, over five of its lives. Most wait until the alert for them fires."""

    def __init__(
        self, stage: Stage, prometheus: Prometheus, clock: Clock, resize: Callable[[int], None] | None
    ) -> None:
        self.stage = stage
        self.prometheus = prometheus
        self.clock = clock
        self.resize = resize

    @property
    def pid(self) -> int:
        assert self.stage.bot is not None
        return self.stage.bot.pid

    @property
    def ana(self) -> Person:
        return self.stage.discord.world.people["ana"]

    async def start_again(self, settings: dict[str, str] | None = None) -> None:
        """Another life, which has been scraped when this returns."""
        before = await self.prometheus.value("max_over_time(process_start_time_seconds[1h])")
        self.stage.use(settings or {})
        await self.stage.start_bot()
        await self.prometheus.until_value(f"process_start_time_seconds > bool {before}", 1)

    async def stop(self) -> None:
        assert self.stage.bot is not None
        await self.stage.bot.stop()

    async def a_video_stays_here(self) -> None:
        """Its card was deleted, and its member takes no direct messages. What follows from it takes half an hour."""
        stage = self.stage
        stage.mia.dms_open = False
        stage.provider.settings.render_seconds = None
        _, card = await stage.rendering()
        await stage.discord.delete_message(card)
        (job,) = stage.provider.jobs.values()
        stage.provider.finish(job.id)
        await stage.booked(lambda: stage.states() == ["undelivered"])
        stage.provider.settings.render_seconds = 0.1

    async def an_answer_is_lost(self) -> None:
        await self.stage.over(await self.stage.animate(prompt="[lost]"))
        await self.prometheus.until("AnimateOutcomeUnknown")

    async def videos_fail(self) -> None:
        for person in [self.stage.admin, self.ana] * 2:
            await self.stage.over(await self.stage.animate(person, prompt="[fail]"))
        await self.prometheus.until("AnimateVideosFail")

    async def the_balance_is_empty(self) -> None:
        """One member's words may be the reason, two members' are not."""
        for person in (self.stage.admin, self.ana):
            await self.stage.over(await self.stage.animate(person, prompt="[balance]", model="sora-2-pro"))
        await self.prometheus.until("AnimateProviderStopped")

    async def discord_is_slow_and_refuses(self) -> None:
        """First answers take 2.4 s on their way, and every other edit is one too many."""
        edits = 0

        async def hook(phase: Phase, exchange: Exchange) -> Reply | Cut | None:
            nonlocal edits
            if phase == "before" and exchange.path.endswith("/callback"):
                await asyncio.sleep(2.4)
            if phase == "before" and exchange.method == "PATCH":
                edits += 1
                return rate_limited(0.05) if edits % 2 else None
            return None

        self.stage.discord.on_exchange(hook)
        for _ in range(4):
            await self.stage.over(await self.stage.animate())
        await self.prometheus.until("AnimateAnswersSlow", "AnimateRateLimited")
        self.stage.discord.remove(hook)

    async def the_machine_stands_still(self) -> None:
        for _ in range(2):
            os.kill(self.pid, signal.SIGSTOP)
            await asyncio.sleep(1.5)
            os.kill(self.pid, signal.SIGCONT)
            await asyncio.sleep(1.0)
        await self.prometheus.until("AnimateLoopSlow")

    async def the_database_is_slow(self) -> None:
        """Another process writes into it again and again."""
        async with self._asked_for_videos():
            waiting = asyncio.create_task(self.prometheus.until("AnimateDatabaseSlow"))
            while not waiting.done():
                async with self._write_lock():
                    await asyncio.sleep(0.7)
                await asyncio.sleep(0.3)
            await waiting

    async def the_database_cannot_be_written(self) -> None:
        """Another process writes, and does not end."""
        async with self._write_lock(), self._asked_for_videos():
            await self.prometheus.until("AnimateDatabaseDown")

    @contextlib.asynccontextmanager
    async def _write_lock(self) -> AsyncIterator[None]:
        with contextlib.closing(sqlite3.connect(self.stage.database, timeout=5, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield

    @contextlib.asynccontextmanager
    async def _asked_for_videos(self) -> AsyncIterator[None]:
        """Somebody asks again and again, whatever comes of it."""

        async def ask() -> None:
            while True:
                await self.stage.animate(self.stage.admin)
                await asyncio.sleep(2.0)

        asking = asyncio.create_task(ask())
        try:
            yield
        finally:
            asking.cancel()
            await asyncio.wait({asking})

    async def the_key_is_refused(self) -> None:
        provider = self.stage.provider
        key, provider.key = provider.key, "sk-another"
        await self.stage.animate(self.stage.admin)
        await self.prometheus.until("AnimateProviderStopped")
        provider.key = key

    async def a_video_waits(self) -> None:
        """Behind one that does not end. While the bot is down, 45 minutes pass."""
        stage = self.stage
        stage.provider.settings.render_seconds = None
        await stage.rendering(person=stage.admin)
        await stage.animate(stage.admin)
        await stage.booked(lambda: stage.states()[-1] == "waiting")
        await self.stop()
        with contextlib.closing(sqlite3.connect(stage.database)) as books, books:
            books.execute("UPDATE jobs SET created_at = created_at - 2700000 WHERE state = 'waiting'")
        await self.start_again()
        await self.prometheus.until("AnimateQueueSlow")

    def the_disk_fills_up(self) -> None:
        """While the newest backup is three hours old."""
        folder = self.stage.folder / "backups"
        newest, *others = folder.iterdir()
        newest.rename(folder / f"animate-{datetime.now(UTC) - timedelta(hours=3):%Y-%m-%dT%H-%M-%SZ}.db")
        for other in others:
            other.unlink()
        assert self.resize is not None
        self.resize(shutil.disk_usage(self.stage.folder).used + LITTLE_BYTES)

    async def the_database_is_silent(self) -> None:
        """Another process holds its locks."""
        path = self.stage.database.with_name(f"{self.stage.database.name}-shm")
        with path.open("r+b") as locks:
            async with asyncio.timeout(10):
                while not _locked(locks.fileno()):  # noqa: ASYNC110 - a file tells nobody
                    await asyncio.sleep(0.01)
            await self.prometheus.until("AnimateDatabaseDown")

    async def the_gateway_is_gone(self) -> None:
        self.stage.discord.gateway.is_up = False
        await self.stage.discord.gateway_drop()
        await self.prometheus.until("AnimateNotConnected")

    async def the_bot_is_killed(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        await self.prometheus.until("AnimateDown")


def _locked(descriptor: int) -> bool:
    """SQLite's eight locks of a database with a write-ahead log, of which each transaction takes one."""
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 8, 120)
    except BlockingIOError:
        return False
    return True


async def with_every_fault(faults: Faults) -> None:
    """Every fault, one after the other; what takes long to be noticed first."""
    prometheus = faults.prometheus
    await faults.a_video_stays_here()
    await faults.an_answer_is_lost()
    await faults.videos_fail()
    await faults.the_balance_is_empty()
    await faults.discord_is_slow_and_refuses()
    await faults.the_machine_stands_still()
    await faults.the_database_is_slow()
    assert "AnimateDatabaseDown" not in await prometheus.have_fired()
    await faults.the_database_cannot_be_written()
    await prometheus.until("AnimateUndelivered", within_s=90)
    assert await prometheus.have_fired() == {
        "AnimateAnswersSlow", "AnimateDatabaseDown", "AnimateDatabaseSlow", "AnimateLoopSlow", "AnimateOutcomeUnknown",
        "AnimateProviderStopped", "AnimateRateLimited", "AnimateUndelivered", "AnimateVideosFail",
    }  # fmt: skip

    await faults.stop()
    await faults.start_again()
    await prometheus.until_over("AnimateProviderStopped")
    await faults.the_key_is_refused()
    await faults.stop()
    await faults.start_again({"MAX_CONCURRENT_JOBS": "1"})
    await faults.a_video_waits()
    await faults.stop()
    faults.clock.ahead_s = 90.0
    if faults.resize is not None:
        faults.the_disk_fills_up()
    await faults.start_again({"BUDGET_CREDITS": "20"})
    await prometheus.until("AnimateRestarting", "AnimateBudgetNearlySpent")
    await prometheus.until("AnimateClockWrong", *(OF_A_DISK if faults.resize else ()))
    await faults.the_database_is_silent()
    await faults.the_gateway_is_gone()
    await faults.the_bot_is_killed()


async def without_faults(stage: Stage, until: asyncio.Event) -> int:
    """Members ask for videos, of which one fails and one is refused; how many arrived."""
    prompts = ["puts on a hat", "[fail]", "blinks", "[moderated]"]
    arrived = 0
    while not until.is_set():
        card = await stage.over(await stage.animate(stage.admin, prompt=prompts.pop(0) if prompts else "runs"))
        arrived += bool(card.media)
        await stage.reply(stage.mia, "quota")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(4):
                await until.wait()
    return arrived


async def without_data(prometheus: Prometheus) -> list[str]:
    """The queries of the dashboard that gave nothing in the whole run."""
    queries = [target["expr"] for panel in panels() for target in panel["targets"]]
    assert len(queries) > 40
    return [query for query in queries if not await prometheus.values(asked(query, "30s"), SCRAPE_S)]


async def good_run(folder: Path, rules: str, until: asyncio.Event) -> tuple[int, set[str]]:
    """How many videos arrived, and the alerts that fired."""
    stage = Stage(GENEROUS)
    async with watched(stage) as metrics, running(folder, metrics, rules) as prometheus:
        return await without_faults(stage, until), await prometheus.have_fired()


async def bad_run(folder: Path, rules: str) -> tuple[set[str], list[str]]:
    """The alerts that fired, and the queries of the dashboard that showed nothing."""
    clock = Clock()
    stage = Stage(GENEROUS, discord=LocalDiscord(clock=lambda: time.time() + clock.ahead_s))
    with contextlib.ExitStack() as stack:
        resize = None
        if can_mount():
            shutil.rmtree(stage.folder)
            stage.folder = folder / "disk"
            resize = stack.enter_context(disk(stage.folder))
        async with watched(stage) as metrics, running(folder / "prometheus", metrics, rules) as prometheus:
            await with_every_fault(Faults(stage, prometheus, clock, resize))
            drawn = await page(prometheus)
            assert [panel["title"] for panel in panels() if html.escape(panel["title"]) not in drawn] == []
            return await prometheus.have_fired(), await without_data(prometheus)


async def test_each_alert_fires_at_its_fault_and_none_without_faults(tmp_path: Path) -> None:
    tool("prometheus")  # or this is skipped
    rules = sped_up(RULES.read_text("utf-8"), TIMES)
    is_over = asyncio.Event()
    async with asyncio.TaskGroup() as runs:
        good = runs.create_task(good_run(tmp_path / "good", rules, is_over))
        bad = runs.create_task(bad_run(tmp_path, rules))
        bad.add_done_callback(lambda _: is_over.set())

    arrived, fired_for_nothing = good.result()
    fired, empty = bad.result()
    assert fired_for_nothing == set()
    assert arrived > 10
    assert fired | OF_A_DISK == set(alerts(rules))
    assert empty == []
    if not fired >= OF_A_DISK:
        pytest.skip(f"all fired but {OF_A_DISK}: only root can make a disk that is full")
