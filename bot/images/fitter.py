"""Runs `python -m bot.images`, a process for each picture: started, bounded in time, ended. Loads no decoder itself."""

from __future__ import annotations

import asyncio
import json
import logging
from asyncio.subprocess import Process
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bot import confined
from bot.errors import PictureRefused
from bot.images import claim

log = logging.getLogger(__name__)

WITHIN_S = 60.0
"""The largest pictures that pass the door take a second or two; a decoder that takes longer is killed."""
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
        self._places = asyncio.Semaphore(AT_ONCE)

    async def fit(
        self, data: bytes, choose: Callable[[tuple[int, int]], str], *, max_enlargement: float = claim.ANY_ENLARGEMENT
    ) -> Fitted:
        """`choose` says the size, as "720x1280", for width and height of the picture as it is meant to be seen.

        Raises PictureRefused, also where it takes over a minute or ends the process; and what `choose` raises.
        """
        claim.check_bytes(len(data))
        async with self._places:
            try:
                async with asyncio.timeout(self._within_s), confined.process("bot.images") as process:
                    return await _talk(process, data, choose, max_enlargement)
            except TimeoutError as error:
                log.warning("a picture of %s bytes took over %g s", len(data), self._within_s)
                raise PictureRefused(claim.TOO_SLOW) from error
            except OSError as error:  # no process to be had, or it was gone: nothing of this is the picture's fault
                log.warning("no process for a picture: %s", error)
                raise PictureRefused(claim.NOT_NOW) from error


async def _talk(
    process: Process, data: bytes, choose: Callable[[tuple[int, int]], str], max_enlargement: float
) -> Fitted:
    """One question and one answer after the other, as `bot.images.__main__` expects them."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(len(data).to_bytes(8, "big"))
        for start in range(0, len(data), _CHUNK_BYTES):  # the loop runs on in between
            process.stdin.write(data[start : start + _CHUNK_BYTES])
            await process.stdin.drain()
        width, height = (await _answer(process))["upright"]
        size = choose((width, height))
        process.stdin.write(json.dumps([size, max_enlargement]).encode() + b"\n")
        await process.stdin.drain()
        answer = await _answer(process)
        jpeg = await process.stdout.readexactly(answer["jpeg"])
        copy = await process.stdout.readexactly(answer["copy"])
    except (ConnectionError, EOFError) as error:
        raise await _crashed(process) from error
    return Fitted(size, jpeg, copy)


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
    return PictureRefused(claim.UNREADABLE)
