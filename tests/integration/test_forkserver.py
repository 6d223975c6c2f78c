"""A bot of the fork server is held against one that was really started."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import signal
import socket
import sys
from io import FileIO
from pathlib import Path
from typing import Any

import psutil
import pytest

from sandbox.process import BotProcess, Spawn
from tests import forkserver

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every bot is really started")

REALLY: Spawn = asyncio.create_subprocess_exec
SETTINGS = {"SSL_CERT_FILE": os.devnull, "TZ": "Asia/Tokyo", "ONE": "1"}
FACTS = """
import json, os, random, resource, signal, sys, threading, time
from pathlib import Path
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(json.dumps({
    "environment": dict(os.environ),
    "folder": os.getcwd(),
    "arguments": sys.argv,
    "path": sys.path,
    "name": __name__,
    "flags": repr(sys.flags),
    "signals": {name: status[name] for name in ("SigBlk", "SigIgn", "SigCgt")},
    "interrupt": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
    "mode": [status["Umask"], os.nice(0), os.getpgid(0), os.getsid(0)],
    "limits": [resource.getrlimit(kind) for kind in (resource.RLIMIT_NOFILE, resource.RLIMIT_CORE)],
    "open": [name for name in os.listdir("/proc/self/fd") if Path("/proc/self/fd", name).exists()],
    "stdin": os.readlink("/proc/self/fd/0"),
    "threads": [status["Threads"], [thread.name for thread in threading.enumerate()]],
    "zone": time.tzname,
    "buffered": [sys.stdout.write_through, sys.stderr.line_buffering, sys.stdout.encoding],
    "random": random.random(),
    "loaded": "bot.app" in sys.modules,
    "settings": "bot.__main__" in sys.modules,
}))
"""
CONFINED = """
import asyncio, json, os, time
from pathlib import Path
from bot import confined_process

def limit(pid, what):
    return [line for line in Path(f"/proc/{pid}/limits").read_text().splitlines() if line.startswith(what)]

async def main():
    async with confined_process.process("bot.images") as process:
        place = Path(f"/proc/{process.pid}")
        while place.joinpath("oom_score_adj").read_text() != "1000\\n":  # the last that it does to itself
            await asyncio.sleep(0.01)
        status = dict(line.split(":", 1) for line in place.joinpath("status").read_text().splitlines())
        facts = {
            "mode": [status["Umask"], os.getpriority(os.PRIO_PROCESS, process.pid), os.readlink(place / "cwd")],
            "alone": [os.getsid(process.pid) == os.getpgid(process.pid) == process.pid != os.getsid(0)],
            # Of the caught ones, 32 and 33 are the C library's own.
            "signals": {name: int(status[name], 16) & ~(3 << 31) for name in ("SigIgn", "SigCgt")},
            "limits": [limit(process.pid, what) for what in ("Max data size", "Max core", "Max open")],
            "open": sorted(os.listdir(place / "fd")),
            "kinds": [os.readlink(place / "fd" / number).split(":")[0] for number in "12"],
        }
        process.kill()
        facts["killed"] = [await process.wait(), process.returncode, (await process.stdout.read()).decode()]
    async with confined_process.process("bot.images") as process:
        process.stdin.close()
        facts["left"] = [(await process.stderr.read()).decode(), await process.wait()]
    async with confined_process.process("bot.images") as process:
        process.stdin.write((3).to_bytes(8, "big") + b"abc")
        facts["refused"] = [(await process.stdout.read()).decode(), await process.wait()]
    async with confined_process.process("bot.transcode", "fit", "no", "such") as process:
        said = (await process.stderr.read()).decode().splitlines()
        facts["fails"] = [said[0], said[-1], await process.wait()]
    print(json.dumps(facts))

asyncio.run(main())
"""
LEFT_ALONE = """
import asyncio, os, signal
from bot import confined_process

async def main():
    async with confined_process.process("bot.images") as process:
        process.stdin.write((3).to_bytes(8, "big"))
        print(process.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""
INTERRUPT = """
import os, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # where pytest itself is deaf to it, as in the background
os.kill(os.getpid(), signal.SIGINT)
signal.pause()
"""
ENDS = {
    "by falling off the end": ("", 0),
    "by its own code": ("import sys; sys.exit(3)", 3),
    "by a word": ("import sys; sys.exit('no')", 1),
    "by an error": ("import atexit; atexit.register(print, 'at exit'); raise RuntimeError('a fault')", 1),
    "by Ctrl-C": (INTERRUPT, -signal.SIGINT),
    "by SIGTERM": ("import os, signal; os.kill(os.getpid(), signal.SIGTERM); signal.pause()", -signal.SIGTERM),
    "by kill -9": ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
    "at once": ("import os; print('said', flush=True); os._exit(4)", 4),
    "after its threads": (
        "import threading; threading.Thread(target=lambda: (threading.Event().wait(0.1), print('last'))).start()",
        0,
    ),
}


def program(folder: Path, code: str) -> tuple[str, ...]:
    path = folder / "program.py"
    path.write_text(code, "utf-8")
    return (str(path), "one", "two")


async def ran(folder: Path, code: str, spawn: Spawn) -> tuple[int, str]:
    """How it ended, and what it wrote."""
    bot = BotProcess(folder, SETTINGS, program(folder, code), spawn=spawn)
    bot.log_path.unlink(missing_ok=True)
    await bot.start()
    return await bot.wait(), bot.log()


async def facts(folder: Path, spawn: Spawn, of: str = FACTS) -> dict[str, Any]:
    code, said = await ran(folder, of, spawn)
    assert code == 0, said
    found: dict[str, Any] = json.loads(said)
    return found


async def test_it_finds_what_a_started_one_finds_but_everything_is_loaded(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        started, forked = await facts(tmp_path, REALLY), await facts(tmp_path, forkserver.spawn)
    finally:
        os.umask(before)

    assert (started.pop("loaded"), forked.pop("loaded")) == (False, True)
    assert started.pop("random") != forked.pop("random")
    assert forked == started
    assert started["mode"][0].strip() == "0027"


async def test_nothing_of_one_is_left_in_the_next(tmp_path: Path) -> None:
    first = await facts(tmp_path, forkserver.spawn)
    change = (
        "import os, random, sys; os.environ['TWO'] = '2'; sys.path.append('x'); os.nice(1); os.umask(0); import wave"
    )
    assert (await ran(tmp_path, change, forkserver.spawn))[0] == 0
    second = await facts(tmp_path, forkserver.spawn)

    assert first.pop("random") != second.pop("random")
    assert second == first


async def test_the_process_that_it_starts_for_a_picture_is_as_a_started_one(tmp_path: Path) -> None:
    started, forked = await facts(tmp_path, REALLY, CONFINED), await facts(tmp_path, forkserver.spawn, CONFINED)

    assert forked == started
    assert started["killed"] == [-signal.SIGKILL, -signal.SIGKILL, ""]
    assert started["left"] == ["", 1]


async def test_the_process_of_a_picture_ends_by_itself_when_the_bot_is_gone(tmp_path: Path) -> None:
    code, said = await ran(tmp_path, LEFT_ALONE, forkserver.spawn)

    assert code == -signal.SIGKILL
    with contextlib.suppress(psutil.NoSuchProcess):
        await asyncio.to_thread(psutil.Process(int(said)).wait, 10)


@pytest.mark.parametrize("is_told", [False, True])
async def test_a_bot_that_is_killed_while_it_starts_a_process_takes_nothing_along(
    tmp_path: Path, *, is_told: bool
) -> None:
    order = forkserver._order(("-P", "-m", "bot.transcode", "fit", "no", "such"), {}, tmp_path, is_confined=True)
    written, stderr = os.pipe()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line:
        line.connect(forkserver._server())
        socket.send_fds(line, [json.dumps(order).encode()], [stderr, stderr, stderr])
        os.close(stderr)
        if is_told:
            await asyncio.to_thread(select.select, [line], [], [], 10)  # which is not read

    with FileIO(written) as said:
        assert b"Error" in await asyncio.to_thread(said.read)  # until the process has ended
    assert [(await ran(tmp_path, "", forkserver.spawn))[0] for _ in range(2)] == [0, 0]


@pytest.mark.parametrize("how", ENDS)
async def test_it_ends_as_a_started_one_ends(tmp_path: Path, how: str) -> None:
    code, wanted = ENDS[how]

    started, forked = await ran(tmp_path, code, REALLY), await ran(tmp_path, code, forkserver.spawn)

    assert started[0] == forked[0] == wanted
    # A traceback goes through the fork server as well.
    assert [line for line in forked[1].splitlines() if not line.startswith(" ")] == [
        line for line in started[1].splitlines() if not line.startswith(" ")
    ]


async def test_stopped_it_has_not_ended_and_killed_it_has(tmp_path: Path) -> None:
    bot = BotProcess(tmp_path, SETTINGS, program(tmp_path, "import signal; signal.pause()"), spawn=forkserver.spawn)
    await bot.start()
    os.kill(bot.pid, signal.SIGSTOP)
    with pytest.raises(TimeoutError):
        await bot.wait(0.1)
    assert (psutil.Process(bot.pid).status(), bot.is_running) == (psutil.STATUS_STOPPED, True)

    bot.kill()

    assert await bot.wait() == -signal.SIGKILL
    assert not bot.is_running
    bot.kill()  # does nothing


async def test_several_at_once_each_get_their_own_end(tmp_path: Path) -> None:
    async def one(number: int) -> int:
        folder = tmp_path / str(number)
        folder.mkdir()
        return (await ran(folder, f"import sys; sys.exit({number})", forkserver.spawn))[0]

    assert await asyncio.gather(*(one(number) for number in range(10))) == list(range(10))


@pytest.mark.parametrize(
    ("settings", "arguments"),
    [
        ({"PYTHONHASHSEED": "1"}, None),
        ({"SSL_CERT_FILE": "other.pem"}, None),
        ({}, ("-c", "import sys; print('bot.app' in sys.modules)")),
    ],
)
async def test_what_the_fork_server_has_not_loaded_alike_is_really_started(
    tmp_path: Path, settings: dict[str, str], arguments: tuple[str, ...] | None
) -> None:
    code = "import sys; print('bot.app' in sys.modules)"
    bot = BotProcess(tmp_path, {**SETTINGS, **settings}, arguments or program(tmp_path, code), spawn=forkserver.spawn)
    await bot.start()

    assert (await bot.wait(), bot.log()) == (0, "False\n")
