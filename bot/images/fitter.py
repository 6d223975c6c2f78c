"""Runs `python -m bot.images`, a process for each picture: started, bounded in time, ended. Loads no decoder itself."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from bot import confined_process
from bot.errors import PictureRefused
from bot.images import precheck

log = logging.getLogger(__name__)

WITHIN_S = 60.0
"""The largest pictures that are accepted take a second or two; a decoder that takes longer is killed."""
AT_ONCE = 2
_CHUNK_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Fitted:
    """What became of a picture: `jpeg` of exactly `size`, and a `copy` from which any size can be made once more."""

    size: str
    jpeg: bytes
    copy: bytes


class Fitter:
    """Fits pictures, two at a time, each in a process of its own that outlives neither the call nor the bot."""

    def __init__(self, *, within_s: float = WITHIN_S) -> None:
        self._within_s = within_s
        self._processes = asyncio.Semaphore(AT_ONCE)
        self._places, self._turn = asyncio.Semaphore(AT_ONCE), asyncio.Lock()

    async def fit(
        self,
        data: bytes,
        choose: Callable[[tuple[int, int]], str],
        *,
        max_enlargement: float = precheck.ANY_ENLARGEMENT,
    ) -> Fitted:
        """`choose` says the size, as "720x1280", for width and height of the picture as it is meant to be seen.

        Raises PictureRefused, also where it takes over a minute or ends the process; and what `choose` raises.
        """
        precheck.check_bytes(len(data))
        async with self._processes:
            try:
                async with asyncio.timeout(self._within_s) as end, confined_process.process("bot.images") as process:
                    told = await _tell(process, data)
                    size = choose((told["upright"][0], told["upright"][1]))
                    async with self._acquired(AT_ONCE if told["is_large"] else 1):
                        end.reschedule(asyncio.get_running_loop().time() + self._within_s)  # the other had its own
                        return await _fitted(process, size, max_enlargement)
            except TimeoutError as error:
                log.warning("a picture of %s bytes took over %g s", len(data), self._within_s)
                raise PictureRefused(precheck.TOO_SLOW) from error
            except OSError as error:  # no process to be had, or it was gone: nothing of this is the picture's fault
                log.warning("no process for a picture: %s", error)
                raise PictureRefused(precheck.NOT_NOW) from error

    @contextlib.asynccontextmanager
    async def _acquired(self, places: int) -> AsyncIterator[None]:
        """One by one: two that take two places each would wait for each other."""
        async with contextlib.AsyncExitStack() as taken:
            async with self._turn:
                for _ in range(places):
                    await taken.enter_async_context(self._places)
            yield


async def _tell(process: Process, data: bytes) -> dict[str, Any]:
    """What the header of the picture says. This and the next speak as `bot.images.__main__` does."""
    assert process.stdin is not None
    try:
        process.stdin.write(len(data).to_bytes(8, "big"))
        for start in range(0, len(data), _CHUNK_BYTES):  # the loop runs on in between
            process.stdin.write(data[start : start + _CHUNK_BYTES])
            await process.stdin.drain()
        return await _answer(process)
    except (ConnectionError, EOFError) as error:
        raise await _crashed(process) from error


async def _fitted(process: Process, size: str, max_enlargement: float) -> Fitted:
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps([size, max_enlargement]).encode() + b"\n")
        await process.stdin.drain()
        answer = await _answer(process)
        jpeg = await process.stdout.readexactly(answer["jpeg"])
        copy = await process.stdout.readexactly(answer["copy"])
        await process.wait()  # its memory is free before the next takes some
        return Fitted(size, jpeg, copy)
    except (ConnectionError, EOFError) as error:
        raise await _crashed(process) from error


async def _answer(process: Process) -> dict[str, Any]:
    """Raises PictureRefused where the process says so, EOFError where it says nothing."""
    assert process.stdout is not None
    line = await process.stdout.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    answer: dict[str, Any] = json.loads(line)
    if "refused" in answer:
        raise PictureRefused(answer["refused"], **answer["values"])
    return answer


async def _crashed(process: Process) -> PictureRefused:
    assert process.stderr is not None
    said = (await process.stderr.read()).decode(errors="replace").split()
    code = await process.wait()
    log.warning("a picture ended its process: exit code %s %s", code, " ".join(said)[-300:])
    return PictureRefused(precheck.UNREADABLE)
