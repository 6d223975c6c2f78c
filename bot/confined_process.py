"""Processes that handle a stranger's bytes: started without the bot's secrets, bounded, ended when the bot ends."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio.subprocess

_PROJECT = str(Path(__file__).parents[1])
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LANG")  # none of the bot's secrets


@contextlib.asynccontextmanager
async def process(module: str, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """`python -m module` with pipes; killed and gone when the block is left, however it is left. Raises OSError.

    Its stdin stays open meanwhile: the end of it tells the process that the bot is gone.
    """
    import asyncio  # half of what such a process would load, and none of them needs it

    started = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", module, *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=_environment(),
        start_new_session=True,
    )  # fmt: skip
    try:
        yield started
    finally:
        if started.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                started.kill()
            await started.wait()


def confine(*, max_memory_bytes: int, niceness: int) -> None:
    """Called by such a process itself: gives way to the bot in time and memory, and is deaf to SIGTERM."""
    os.nice(niceness)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a service manager sends it to all: the bot decides when this ends
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (max_memory_bytes, max_memory_bytes))
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a dump would hold a member's picture or video
    with contextlib.suppress(OSError):  # Linux: should memory run out, then rather this process than the bot
        Path("/proc/self/oom_score_adj").write_text("1000")


def end_with_the_bot(clear_away: Callable[[], object]) -> None:
    """Ends this process when its stdin ends, after `clear_away`; whoever calls has read all it wants of stdin."""

    def watch() -> None:
        os.read(0, 1)  # nothing more is ever sent: it returns when the bot is gone
        clear_away()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, (_PROJECT, os.environ.get("PYTHONPATH"))))}
