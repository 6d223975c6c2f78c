"""Bots for tests are forked from a process that has everything imported: importing is most of a bot's start.

One such process to a worker of pytest, started with the first bot. It has read no setting, opened no file and runs no
thread and no event loop; what it forks takes on its own arguments, environment, folder, umask, stdin, stdout and
stderr, runs as `__main__`, and ends as an interpreter ends. `tests/integration/test_forkserver.py` holds it against a
real start. Only the seed of str's hash is the same for all bots of a worker. Tests of the start itself ask for a real
one.

The process that such a bot starts for each picture and video is forked from there as well. It outlives the bot until
it notices, as a started one does, but it is no child of the bot.
"""

from __future__ import annotations

import asyncio
import asyncio.streams
import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import re
import runpy
import secrets
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from asyncio.subprocess import PIPE
from collections.abc import Mapping, Sequence
from io import BufferedWriter, FileIO, TextIOWrapper
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from babel import localedata

from bot.i18n import translations
from sandbox.process import PROJECT, Running

CONFINED = ("bot.images", "bot.transcode")
IMPORTS = (
    "bot.app", "bot.check", "bot.make_catalog", "bot.images.resize", "bot.transcode.frame", "bot.transcode.join",
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

    async def connect(self, stdin: FileIO, stdout: FileIO, stderr: FileIO) -> None:
        """Makes of our ends of its pipes what an `asyncio.subprocess.Process` has."""
        loop = asyncio.get_running_loop()
        self.stdout, self.stderr = asyncio.StreamReader(), asyncio.StreamReader()
        for reader, pipe in ((self.stdout, stdout), (self.stderr, stderr)):
            await loop.connect_read_pipe(functools.partial(asyncio.StreamReaderProtocol, reader), pipe)
        writing = await loop.connect_write_pipe(functools.partial(asyncio.streams.FlowControlMixin, loop), stdin)
        self.stdin = asyncio.StreamWriter(*writing, None, loop)

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
    order = _order(arguments, env, cwd, is_confined=False)
    return await _ordered(_server(), order, 0, stdout.fileno(), stderr.fileno())


async def typed(*arguments: str, **settings: str) -> tuple[int, str, str]:
    """`python` with these arguments, in the project's folder, with these settings: exit code, stdout, stderr.

    Raises TimeoutError where it does not end in 20 s.
    """
    with TemporaryFile() as stdout, TemporaryFile() as stderr:
        process = await spawn(
            sys.executable, *arguments, cwd=PROJECT, env={"PATH": os.environ["PATH"], **IMPORTED_WITH, **settings},
            stdout=stdout, stderr=stderr,
        )  # fmt: skip
        async with asyncio.timeout(20):
            code = await process.wait()
        said, complained = ((file.seek(0), file.read().decode().strip())[1] for file in (stdout, stderr))
    return code, said, complained


def _order(arguments: Sequence[str], env: Mapping[str, str], cwd: Path, *, is_confined: bool) -> dict[str, Any]:
    told = {"arguments": arguments, "env": dict(env), "cwd": str(cwd), "umask": _umask()}
    return {**told, "is_confined": is_confined}


async def _ordered(server: str, order: Mapping[str, Any], *standard: int) -> Forked:
    line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        line.connect(server)
        socket.send_fds(line, [json.dumps(order).encode()], standard)
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
def _server() -> str:
    """The address of this worker's fork server, which ends with the worker."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(f"\0animate-bot-{os.getpid()}-{secrets.token_hex(8)}")
    listener.listen(128)
    ours, theirs = socket.socketpair()
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | IMPORTED_WITH
    with listener, theirs:
        fds = [listener.fileno(), theirs.fileno()]
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.forkserver", *map(str, fds)], cwd=PROJECT, env=environment, pass_fds=fds
        )
        address: bytes = listener.getsockname()

    @atexit.register
    def _end() -> None:
        ours.close()
        server.wait()

    return address.decode()


# From here on in the fork server.


class _Server:
    """Forks what is ordered; tells on each child's line its pid, and later its exit code.

    One that has ended stays a zombie until its line is closed, so that nobody signals another's pid. One whose line is
    closed before is killed, unless its stdin tells it that nobody waits any more.
    """

    def __init__(self, listener: socket.socket, worker: socket.socket) -> None:
        self._listener = listener
        self._worker = worker
        self._is_wanted = True
        self._poll = select.poll()
        self._poll.register(listener, select.POLLIN)
        self._poll.register(worker, select.POLLIN)
        self._asking: set[int] = set()  # lines on which the order has still to come
        self._lines: dict[int, int] = {}  # of all that are not reaped: line, pid
        self._living: dict[int, int] = {}  # pidfd, line
        self._confined: set[int] = set()  # lines of those that end by themselves when theirs is closed
        self._left: set[int] = set()  # of them, those whose line was closed

    def serve(self) -> dict[str, Any] | None:
        """Returns its order in each child, and None in the server, once its worker and all children have ended."""
        while self._is_wanted or self._living or self._lines:
            # What closes comes before what opens: else an event could be taken for that of a later one's number.
            for fd in sorted((fd for fd, _ in self._poll.poll()), key=self._opens):
                if fd in self._living:
                    self._tell_end(fd)
                elif fd in self._lines:
                    self._leave(fd)
                elif fd == self._worker.fileno():
                    self._poll.unregister(fd)
                    self._is_wanted = False
                elif fd == self._listener.fileno():
                    self._asking.add(line := self._listener.accept()[0].detach())
                    self._poll.register(line, select.POLLIN)
                elif (order := self._take_order(fd)) is not None:
                    return order
        return None

    def _opens(self, fd: int) -> bool:
        return fd in self._asking or fd == self._listener.fileno()

    def _take_order(self, line: int) -> dict[str, Any] | None:
        self._asking.remove(line)
        with socket.socket(fileno=os.dup(line)) as asked:
            message, standard, _, _ = socket.recv_fds(asked, LONGEST, 3)
        if not message:
            self._poll.unregister(line)
            os.close(line)
            return None
        if len(list(Path("/proc/self/task").iterdir())) > 1:
            sys.exit("a thread runs in the fork server: what it forks could be locked for ever")
        order: dict[str, Any] = json.loads(message)
        pid = os.fork()
        if pid == 0:
            for fd in (
                self._listener.detach(),
                self._worker.detach(),
                line,
                *self._asking,
                *self._lines,
                *self._living,
            ):
                os.close(fd)
            for number, fd in enumerate(standard):
                os.dup2(fd, number)
                os.close(fd)
            return order
        for fd in standard:
            os.close(fd)
        pidfd = os.pidfd_open(pid)
        self._lines[line], self._living[pidfd] = pid, line
        if order["is_confined"]:
            self._confined.add(line)
        self._poll.modify(line, 0)  # that it was closed is told unasked
        self._poll.register(pidfd, select.POLLIN)
        self._tell(line, pid)
        return None

    @staticmethod
    def _tell(line: int, number: int) -> None:
        with contextlib.suppress(ConnectionError):  # nobody listens any more: whoever asked may have been killed
            os.write(line, str(number).encode())

    def _tell_end(self, pidfd: int) -> None:
        line = self._living.pop(pidfd)
        ended = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOWAIT)
        assert ended is not None
        self._poll.unregister(pidfd)
        os.close(pidfd)
        code = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
        self._tell(line, code)
        if line in self._left:
            self._left.remove(line)
            self._reap(line)

    def _leave(self, line: int) -> None:
        """Nobody waits for it any more."""
        self._poll.unregister(line)
        if line in self._confined and line in self._living.values():
            self._left.add(line)
        else:
            self._reap(line)

    def _reap(self, line: int) -> None:
        pid = self._lines.pop(line)
        self._confined.discard(line)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        for pidfd in [pidfd for pidfd, other in self._living.items() if other == line]:
            self._poll.unregister(pidfd)
            del self._living[pidfd]
            os.close(pidfd)
        os.close(line)


async def _start_confined(
    server: str, program: str, *arguments: str, env: Mapping[str, str], **asked: object
) -> Forked:
    """What a forked bot has for `asyncio.create_subprocess_exec`, which is used by `bot.confined_process` alone."""
    is_known = (program, *arguments[:2]) == (sys.executable, "-P", "-m") and arguments[2] in CONFINED
    assert is_known, arguments
    assert asked == {"stdin": PIPE, "stdout": PIPE, "stderr": PIPE, "start_new_session": True}, asked
    (stdin, into), (out, stdout), (said, stderr) = (os.pipe() for _ in range(3))
    ours = FileIO(into, "w"), FileIO(out), FileIO(said)
    order = _order(arguments, env, Path.cwd(), is_confined=True)
    try:
        forked = await _ordered(server, order, stdin, stdout, stderr)
    finally:
        for fd in (stdin, stdout, stderr):
            os.close(fd)
    try:
        await forked.connect(*ours)
    except BaseException:
        forked.kill()
        raise
    return forked


def _run(order: dict[str, Any], on_interrupt: Any, address: str) -> int:
    """The exit code. What ends otherwise, the interpreter tells."""
    asyncio.create_subprocess_exec = functools.partial(_start_confined, address)  # type: ignore[assignment]  # as it is
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
    if order["is_confined"]:
        os.setsid()
    if "PYTHONUNBUFFERED" not in order["env"]:
        sys.stdout = TextIOWrapper(BufferedWriter(FileIO(1, "w", closefd=False)), "utf-8")
    first, *rest = order["arguments"]
    if first == "-P":
        del sys.path[0]
        sys.argv[:] = rest[1:]
        runpy.run_module(rest[1], run_name="__main__", alter_sys=True)
    elif first == "-m":
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
    listening, wanted = (socket.socket(fileno=int(fd)) for fd in sys.argv[1:])
    fork_server, at = _Server(listening, wanted), listening.getsockname().decode()
    if (task := fork_server.serve()) is not None:
        ended = _run(task, interrupted, at)
        threading._shutdown()  # type: ignore[attr-defined] # as the interpreter does, and as `multiprocessing` ends
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ended)  # the rest would write to all memory, and so copy it, only to give it back
