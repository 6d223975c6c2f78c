"""Bots for tests are forked from a process that has everything imported: importing is most of a bot's start.

One such process to a worker of pytest, started with the first bot. It has read no setting, opened no file and runs no
thread and no event loop; what it forks takes on its own arguments, environment, folder, umask, stdout and stderr, runs
as `__main__`, and ends as an interpreter ends. `tests/integration/test_forkserver.py` holds it against a real start.
Only the seed of str's hash is the same for all bots of a worker. Tests of the start itself ask for a real one.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import re
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from babel import localedata

from bot.i18n import translations
from sandbox.process import PROJECT, Running

IMPORTS = (
    "bot.app", "bot.check", "bot.make_catalog",
    *(f"bot.providers.{wire}" for wire in ("comfy_api", "comfyui", "openai", "openrouter", "queue_wire")),
)  # fmt: skip
LOCALES = ("en_GB", "de", "es", "fr", "ja", "pt_BR")
"""What babel knows of the bot's languages; it is read from babel's own files, once, as modules are."""
IMPORTED_WITH = {"PYTHONPATH": str(PROJECT), "PYTHONUNBUFFERED": "1", "SSL_CERT_FILE": os.devnull}
READ_AT_START = ("PYTHON", "SSL_", "OPENSSL_", "LD_", "LC_", "LANG", "MALLOC_", "AIOHTTP_")
"""What an interpreter or a library reads when it is loaded. One that is told something else is really started."""
LONGEST = 1 << 17


class Forked:
    """A child of the fork server, to be used like one of our own."""

    def __init__(self, pid: int, line: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._line = line
        self._over = asyncio.Event()
        asyncio.get_running_loop().add_reader(line, self._end)

    def send_signal(self, signum: int) -> None:
        """Raises ProcessLookupError where it has ended."""
        if self.returncode is not None:
            raise ProcessLookupError
        os.kill(self.pid, signum)

    def kill(self) -> None:
        """As `send_signal`."""
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        """Its exit code; negative for the signal that ended it."""
        await self._over.wait()
        assert self.returncode is not None
        return self.returncode

    def _end(self) -> None:
        told = self._line.recv(16)
        self.returncode = int(told) if told else -signal.SIGKILL  # with the fork server its children end
        asyncio.get_running_loop().remove_reader(self._line)
        self._line.close()
        self._over.set()


async def spawn(
    program: str, *arguments: str, cwd: Path, env: Mapping[str, str], stdout: IO[bytes], stderr: IO[bytes]
) -> Running:
    """As `asyncio.create_subprocess_exec`; forked where the fork server has loaded what a start would load."""
    if sys.platform != "linux" or program != sys.executable or arguments[0] == "-c" or not _is_loaded_alike(env):
        return await asyncio.create_subprocess_exec(program, *arguments, cwd=cwd, env=env, stdout=stdout, stderr=stderr)
    order = {"arguments": arguments, "env": dict(env), "cwd": str(cwd), "umask": _umask()}
    line, far_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        with far_end:
            fds = [0, stdout.fileno(), stderr.fileno(), far_end.fileno()]
            socket.send_fds(_server(), [json.dumps(order).encode()], fds)
        line.setblocking(False)
        told = await asyncio.get_running_loop().sock_recv(line, 16)
    except BaseException:
        line.close()  # the fork server ends a child that nobody listens to
        raise
    if not told:
        line.close()
        raise OSError("the fork server has ended; why, stands above")
    return Forked(int(told), line)


def _is_loaded_alike(env: Mapping[str, str]) -> bool:
    return {name: value for name, value in env.items() if name.startswith(READ_AT_START)} == IMPORTED_WITH


def _umask() -> int:
    """Without setting it, as os.umask would, beneath another thread."""
    (octal,) = re.findall(r"^Umask:\s*(\d+)$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(octal, 8)


@functools.cache
def _server() -> socket.socket:
    """The way to this worker's fork server, which ends with the worker."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | IMPORTED_WITH
    with theirs:
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.forkserver", str(theirs.fileno())],
            cwd=PROJECT, env=environment, pass_fds=[theirs.fileno()],
        )  # fmt: skip

    @atexit.register
    def _end() -> None:
        ours.close()
        server.wait()

    return ours


# From here on in the fork server.


class _Server:
    """Forks what is ordered; tells on each child's line its pid, and later its exit code.

    One that has ended stays a zombie until its line is closed, so that nobody signals another's pid; one whose line is
    closed before is killed.
    """

    def __init__(self, orders: socket.socket) -> None:
        self._orders: socket.socket | None = orders
        self._poll = select.poll()
        self._poll.register(orders, select.POLLIN)
        self._lines: dict[int, int] = {}  # of all that are not reaped: line, pid
        self._living: dict[int, int] = {}  # pidfd, line

    def serve(self) -> dict[str, Any] | None:
        """Returns its order in each child, and None in the server, once nobody is left to order."""
        while self._orders or self._lines:
            for fd, _ in self._poll.poll():
                if fd in self._living:
                    self._tell_end(fd)
                elif fd in self._lines:
                    self._reap(fd)
                elif (order := self._take_order()) is not None:
                    return order
        return None

    def _take_order(self) -> dict[str, Any] | None:
        assert self._orders is not None
        message, fds, _, _ = socket.recv_fds(self._orders, LONGEST, 4)
        if not message:
            self._poll.unregister(self._orders)
            self._orders.close()
            self._orders = None
            return None
        *standard, line = fds
        if len(list(Path("/proc/self/task").iterdir())) > 1:
            sys.exit("a thread runs in the fork server: what it forks could be locked for ever")
        pid = os.fork()
        if pid == 0:
            self._orders.close()
            for fd in (line, *self._lines, *self._living):
                os.close(fd)
            for number, fd in enumerate(standard):
                os.dup2(fd, number)
                os.close(fd)
            order: dict[str, Any] = json.loads(message)
            return order
        for fd in standard:
            os.close(fd)
        pidfd = os.pidfd_open(pid)
        self._lines[line], self._living[pidfd] = pid, line
        self._poll.register(line, 0)  # that it was closed is told unasked
        self._poll.register(pidfd, select.POLLIN)
        os.write(line, str(pid).encode())
        return None

    def _tell_end(self, pidfd: int) -> None:
        line = self._living.pop(pidfd)
        ended = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOWAIT)
        assert ended is not None
        self._poll.unregister(pidfd)
        os.close(pidfd)
        code = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
        with contextlib.suppress(BrokenPipeError):  # nobody listens any more
            os.write(line, str(code).encode())

    def _reap(self, line: int) -> None:
        pid = self._lines.pop(line)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        for pidfd in [pidfd for pidfd, other in self._living.items() if other == line]:
            self._poll.unregister(pidfd)
            del self._living[pidfd]
            os.close(pidfd)
        self._poll.unregister(line)
        os.close(line)


def _run(order: dict[str, Any], on_interrupt: Any) -> int:
    """The exit code. What ends otherwise, the interpreter tells."""
    try:
        _become(order, on_interrupt)
    except SystemExit as end:
        if not isinstance(end.code, int | None):
            raise
        return end.code or 0
    return 0


def _become(order: dict[str, Any], on_interrupt: Any) -> None:
    """What `python` does with its arguments, in a child that is as an interpreter at its start."""
    signal.signal(signal.SIGINT, on_interrupt)
    by_the_interpreter = {name: os.environ[name] for name in ("LC_CTYPE",) if name in os.environ}
    os.environ.clear()
    os.environ.update(order["env"] | by_the_interpreter)
    time.tzset()
    os.chdir(order["cwd"])
    os.umask(order["umask"])
    first, *rest = order["arguments"]
    if first == "-m":
        sys.path[0], sys.argv[:] = order["cwd"], rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        sys.path[0], sys.argv[:] = str(Path(first).parent), [first, *rest]
        runpy.run_path(first, run_name="__main__")


if __name__ == "__main__":
    # Of Ctrl-C in a terminal everybody hears: the children decide. Where pytest runs in the background, they are deaf.
    interrupted = signal.signal(signal.SIGINT, signal.SIG_IGN)
    for module in IMPORTS:
        importlib.import_module(module)
    for locale in LOCALES:
        localedata.load(locale)
    for code in {*translations.FILES.values()}:
        translations.read(code)
    gc.freeze()  # no collection in a child looks through all that was imported
    if (task := _Server(socket.socket(fileno=int(sys.argv[1]))).serve()) is not None:
        ended = _run(task, interrupted)
        threading._shutdown()  # type: ignore[attr-defined] # as the interpreter does, and as `multiprocessing` ends
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ended)  # the rest would write to all memory, and so copy it, only to give it back
