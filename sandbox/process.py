"""The real bot as a process of its own, started with settings an operator could use."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
PROJECT = Path(__file__).parents[1]
BOT = ("-m", "bot")


class Running(Protocol):
    """What is used of `asyncio.subprocess.Process`."""

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | None: ...
    def send_signal(self, signal: int) -> None: ...
    def kill(self) -> None: ...
    async def wait(self) -> int: ...


Spawn = Callable[..., Awaitable[Running]]
"""As `asyncio.create_subprocess_exec`."""


class BotEndedError(Exception):
    """The bot ended before it did what was waited for; `log` is all it has written."""

    def __init__(self, code: int, log: str) -> None:
        super().__init__(f"the bot ended with exit code {code}:\n{log}")
        self.log = log


class BotProcess:
    """One run of the bot. Its log goes to `log_path`, appended over several runs in one folder."""

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, str],
        arguments: Sequence[str] = BOT,
        *,
        spawn: Spawn = asyncio.create_subprocess_exec,
    ) -> None:
        self.log_path = folder / "bot.log"
        self._folder = folder
        self._settings = settings
        self._arguments = arguments
        self._spawn = spawn
        self._process: Running | None = None

    async def start(self) -> None:
        """Starts it; nothing of this process's own settings leaks in, and no `.env` of the project is read."""
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": os.environ.get("HOME", ""),
            "PYTHONPATH": str(PROJECT),
            "PYTHONUNBUFFERED": "1",
            **self._settings,
        }
        with self.log_path.open("ab") as log:
            self._process = await self._spawn(
                sys.executable, *self._arguments, cwd=self._folder, env=environment, stdout=log, stderr=log
            )

    @property
    def pid(self) -> int:
        return self._running.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def exit_code(self) -> int | None:
        """None while it runs, and before; negative for the signal that ended it."""
        return None if self._process is None else self._process.returncode

    def kill(self) -> None:
        """Ends it by kill -9, at once; does nothing where it has ended already."""
        if self.is_running:
            self._running.kill()

    def terminate(self) -> None:
        """SIGTERM, as a container's stop."""
        if self.is_running:
            self._running.send_signal(signal.SIGTERM)

    async def wait(self, within_s: float = 15) -> int:
        """Its exit code; raises TimeoutError where it does not end in time."""
        async with asyncio.timeout(within_s):
            return await self._running.wait()

    async def meanwhile(self, waiting: Coroutine[Any, Any, T]) -> T:
        """What is waited for while the bot runs. Raises BotEndedError where it ends before that comes."""
        found, ended = asyncio.create_task(waiting), asyncio.create_task(self._running.wait())
        try:
            await asyncio.wait({found, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not found.done():
                raise BotEndedError(ended.result(), self.log())
            return found.result()
        finally:
            found.cancel()
            ended.cancel()

    async def stop(self, within_s: float = 15) -> int:
        """SIGTERM, then kill -9 if need be; the exit code."""
        self.terminate()
        try:
            return await self.wait(within_s)
        except TimeoutError:
            self.kill()
            return await self.wait()

    def log(self) -> str:
        """All it has written so far."""
        return self.log_path.read_text("utf-8", "replace") if self.log_path.exists() else ""

    @property
    def _running(self) -> Running:
        if self._process is None:
            raise RuntimeError("the bot was not started")
        return self._process
