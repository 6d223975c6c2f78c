"""Ends that are meant: SIGTERM and Ctrl-C in every state of a job, and starts on what cannot be started on.

The process ends with 0 and in time, leaves nothing behind it, and the next one goes on where it stood: no video is paid
twice, none is lost, and none becomes `unknown`.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from bot.store.migrations import migrate
from sandbox.discord.messages import Interaction
from sandbox.process import PROJECT, BotProcess
from tests.e2e.conftest import Build
from tests.e2e.stage import DONE, Stage
from tests.thorough import mostly_thorough

ENDS_WITHIN_S = 10.0
NOWHERE = {
    "DISCORD_TOKEN": "token",
    "VIDEO_API_KEY": "key",
    "DISCORD_API_URL": "http://127.0.0.1:9/api/v10",
    "LOG_LEVEL": "ERROR",
}

Exchanges = Callable[[Any], bool]


class Hold:
    """Keeps the first request that `is_it` from going on, until it is let go."""

    def __init__(self, is_it: Exchanges, *, at: str = "inside") -> None:
        self._is_it = is_it
        self._at = at
        self.came = asyncio.Event()
        self._go = asyncio.Event()

    async def __call__(self, phase: str, exchange: Any) -> None:
        if phase == self._at and not self.came.is_set() and self._is_it(exchange):
            self.came.set()
            await self._go.wait()

    async def reached(self) -> None:
        async with asyncio.timeout(20):
            await self.came.wait()

    def resume(self) -> None:
        self._go.set()


async def ended(stage: Stage, *, by: int = signal.SIGTERM, within_s: float = ENDS_WITHIN_S) -> None:
    """The bot gets the signal, ends well and in time, and none of its processes is left."""
    assert stage.bot is not None
    family = [psutil.Process(stage.bot.pid), *psutil.Process(stage.bot.pid).children(recursive=True)]
    os.kill(stage.bot.pid, by)
    assert await stage.bot.wait(within_s) == 0, stage.bot.log()
    _, alive = await asyncio.to_thread(psutil.wait_procs, family, timeout=2)
    assert alive == []
    assert "Traceback" not in stage.bot.log()


async def delivered(stage: Stage, *asked: Interaction) -> None:
    """Each of them has its one video, on its own card, and each was paid once."""
    for interaction in asked:
        card = await stage.over(interaction)
        await stage.until(card, DONE)
    await stage.settled()
    assert stage.states() == ["delivered"] * len(asked)
    assert len(stage.provider.jobs) == len(asked)
    public = stage.public()
    assert [len(message.media) for message in public] == [1] * len(asked)


@pytest.mark.parametrize("by", mostly_thorough([signal.SIGTERM, signal.SIGINT], by_default=[signal.SIGTERM]))
async def test_with_nothing_to_do_it_ends_at_once(stage: Stage, by: int) -> None:
    started = time.monotonic()

    await ended(stage, by=by)

    assert time.monotonic() - started < ENDS_WITHIN_S / 2
    await stage.start_bot()
    await delivered(stage, await stage.animate())


async def test_in_the_queue_and_while_rendering(build: Build) -> None:
    stage = await build({"MAX_CONCURRENT_JOBS": "1"}, render_s=None)
    first = await stage.animate()
    await stage.booked(lambda: stage.states() == ["rendering"])
    second = await stage.animate()
    await stage.discord.wait_for(lambda: second.message is not None, 10, "a card")

    await ended(stage)

    assert stage.states() == ["rendering", "waiting"]
    for job in stage.provider.jobs.values():
        stage.provider.finish(job.id)
    stage.provider.settings.render_seconds = 0.1
    await stage.start_bot()
    await delivered(stage, first, second)


async def test_with_a_create_in_flight_its_answer_is_waited_for(build: Build) -> None:
    stage = await build()
    create = Hold(lambda exchange: exchange.route == "create")
    stage.provider.on_exchange(create)
    asked = await stage.animate()
    await create.reached()
    assert stage.bot is not None

    stage.bot.terminate()
    await stage.booked(lambda: "waiting for the answers to 1 create requests" in (stage.bot.log() if stage.bot else ""))
    os.kill(stage.bot.pid, signal.SIGINT)  # the operator is impatient
    assert stage.bot.is_running
    create.resume()
    await ended(stage)

    assert stage.states() == ["rendering"]
    await stage.start_bot()
    await delivered(stage, asked)
    assert stage.provider.creates == 1


@pytest.mark.parametrize("at", mostly_thorough(["download", "upload"], by_default=["upload"]))
async def test_while_delivering(build: Build, at: str) -> None:
    stage = await build()
    hold = Hold(lambda exchange: exchange.route in {"file", "content"} if at == "download" else bool(exchange.files))
    (stage.provider if at == "download" else stage.discord).on_exchange(hold)
    asked = await stage.animate()
    await hold.reached()

    await ended(stage)
    hold.resume()

    assert stage.states() == ["delivering"]
    await stage.start_bot()
    await delivered(stage, asked)


@pytest.mark.parametrize("method", mostly_thorough(["GET", "PUT"], by_default=["GET"]))
async def test_during_login_before_discord_has_answered(build: Build, method: str) -> None:
    """GET: who am I, the first request of all. PUT: the commands, right before work is taken up."""
    stage = await build(start=False)
    hold = Hold(lambda exchange: exchange.part == "api" and exchange.method == method)
    stage.discord.on_exchange(hold)
    await stage.start_bot(wait=False)
    await hold.reached()

    await ended(stage)
    hold.resume()

    await stage.start_bot()
    await delivered(stage, await stage.animate())


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="nobody tells which signals a process hears")
async def test_while_the_program_is_still_loading(build: Build) -> None:
    stage = await build(start=False, spawn=asyncio.create_subprocess_exec)
    for pause_s in (0.0, 0.2, 0.5):
        bot = await stage.start_bot(wait=False)
        await until(lambda bot=bot: hears_sigterm(bot.pid))  # type: ignore[misc]  # a default binds it
        await asyncio.sleep(pause_s)  # wherever that is

        await ended(stage)


def hears_sigterm(pid: int) -> bool:
    """Whether it has a handler: process 1 of a container is not even ended by a signal without one."""
    (caught,) = re.findall(r"^SigCgt:\s*(\w+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


async def until(predicate: Callable[[], bool]) -> None:
    """Waits for what tells nobody when it happens."""
    deadline = time.monotonic() + 20
    while not predicate():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


@pytest.mark.thorough
async def test_five_deploys_in_a_row_under_load(build: Build) -> None:
    stage = await build({"MAX_JOBS_PER_USER": "100", "QUOTA_DEFAULT_CREDITS": "1000"}, render_s=0.5)
    asked: list[Interaction] = []
    for _ in range(5):
        asked += [await stage.animate() for _ in range(3)]
        before = stage.provider.creates
        await stage.provider.wait_for(lambda before=before: stage.provider.creates > before, 10, "a create")  # type: ignore[misc]  # a default binds it
        await ended(stage)
        await stage.start_bot()

    await stage.settled(30)

    states = stage.states()
    assert set(states) <= {"delivered", "cancelled"}  # a command that came while it stopped has no card
    assert states.count("delivered") == len(stage.provider.jobs) == stage.provider.creates > len(asked) / 2


STUCK = """
import socket, sys, threading

def never(host, *_, **__):
    print("asks for", host, flush=True)
    threading.Event().wait(60)

socket.getaddrinfo = never
from bot.__main__ import main
sys.exit(main(["run"]))
"""


async def test_a_name_server_that_never_answers_keeps_no_process(tmp_path: Path) -> None:
    settings = {**NOWHERE, "DISCORD_API_URL": "http://discord.example/api/v10"}
    bot = BotProcess(tmp_path, settings, ("-c", STUCK))
    await bot.start()
    await until(lambda: "asks for discord.example" in bot.log())
    bot.terminate()

    assert await bot.wait(ENDS_WITHIN_S) == 0


def newer(path: Path) -> None:
    migrate(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO schema_versions VALUES (1000)")
        connection.commit()


def damaged(path: Path) -> None:
    """One page in the middle is another's: every table can be listed, and one of them cannot be read."""
    migrate(path)
    pages = bytearray(path.read_bytes())
    pages[20 * 4096 : 21 * 4096] = os.urandom(4096)
    path.write_bytes(pages)


UNUSABLE = {  # what else is refused, and in which words, is in tests/integration/test_store.py
    "newer": (newer, "was written by a newer version of this bot (schema 1000"),
    "damaged": (damaged, "is not a database this bot can read (Page 21: "),
}


@pytest.mark.parametrize("kind", mostly_thorough(UNUSABLE, by_default=[next(iter(UNUSABLE))]))
async def test_a_database_that_cannot_be_used_is_one_sentence_and_is_left_as_it_was(tmp_path: Path, kind: str) -> None:
    make, sentence = UNUSABLE[kind]
    database = tmp_path / "animate.db"
    make(database)
    before = content(database)

    code, said = await run_on(tmp_path, {"DATABASE_URL": f"sqlite:///{database}"})

    assert code == 1
    assert said.startswith(f"{database} {sentence}")
    assert said.count("\n") == 0
    assert content(database) == before


UNWRITABLE = {
    "the folder of the database": ("db", 1, "{db}/animate.db cannot be opened: this user may not write to {db}"),
    "the database": (
        "db/animate.db",
        1,
        "{db}/animate.db cannot be opened: this user may not write to {db}/a",
    ),
    "its lock": (
        "db/animate.db.lock",
        1,
        "{db}/animate.db cannot be opened: this user may not write to {db}/animate.db.l",
    ),
    "a folder in DATA_DIR": ("data/videos", 2, "DATA_DIR is wrong: {data}/videos cannot be written to by this user."),
}


@pytest.mark.parametrize("what", mostly_thorough(UNWRITABLE, by_default=[next(iter(UNWRITABLE))]))
async def test_what_this_user_may_not_write_to_is_one_sentence(tmp_path: Path, what: str) -> None:
    name, code, sentence = UNWRITABLE[what]
    folders = {"db": tmp_path / "db", "data": tmp_path / "data"}
    (tmp_path / "db").mkdir()
    (tmp_path / "data").mkdir()
    migrate(tmp_path / "db" / "animate.db")
    (tmp_path / "db" / "animate.db.lock").touch()
    (tmp_path / "data" / "videos").mkdir()
    (tmp_path / name).chmod(0o555 if (tmp_path / name).is_dir() else 0o444)

    ended_with, said = await run_on(
        tmp_path,
        {"DATABASE_URL": f"sqlite:///{tmp_path}/db/animate.db", "DATA_DIR": str(tmp_path / "data")},
        before=as_an_ordinary_user(),
    )

    assert (ended_with, said.count("\n")) == (code, 0), said
    assert said.startswith(sentence.format(**folders))


def as_an_ordinary_user() -> list[str]:
    """Root may write anywhere, unless its capabilities are removed."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root, and no setpriv")
    return ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]


async def run_on(folder: Path, settings: dict[str, str], *, before: list[str] | None = None) -> tuple[int, str]:
    """What a start with these settings says, and how it ends."""
    command = [*(before or []), sys.executable, "-m", "bot"]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), **NOWHERE, **settings}
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(20):
        said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode().strip()


def content(path: Path) -> bytes:
    return path.read_bytes()
