"""How far ComfyUI's samplers are, heard on its WebSocket. Only for show: polling alone carries every job to its end.

One socket to a provider, and only while somebody asks: it is opened by the first question, closed a minute after the
last one or with the provider, and opened again after ever longer pauses where it breaks.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp

log = logging.getLogger(__name__)

IDLE_S = 60.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 60.0
MAX_JOBS, MAX_NODES = 1000, 1000  # what is kept, whatever a server tells; nodes of one job
MAX_MESSAGE_BYTES = 8 * 1024 * 1024  # previews come along as pictures, and are not looked at
SAMPLED_PERCENT = 95  # what comes behind the samplers, decoding and saving, shows no progress

Connect = Callable[[], AbstractAsyncContextManager[aiohttp.ClientWebSocketResponse]]


class Progress:
    """What is known of the jobs that are asked for. `connect` opens the socket, with a deadline of its own."""

    def __init__(self, connect: Connect, *, idle_s: float = IDLE_S, first_pause_s: float = FIRST_PAUSE_S) -> None:
        self._connect = connect
        self._idle_s, self._first_pause_s = idle_s, first_pause_s
        self._done: dict[str, dict[str, float]] = {}  # by job and node, 0 to 1
        self._asked_at: dict[str, float] = {}
        self._listener: asyncio.Task[None] | None = None
        self._is_closed = False

    def percent(self, job_id: str, samplers: Sequence[str]) -> int | None:
        """How far a running job is, where it has been heard; from now on it is listened for. Waits for nothing."""
        self._asked_at[job_id] = asyncio.get_running_loop().time()
        if not self._is_closed and (self._listener is None or self._listener.done()):
            self._listener = asyncio.create_task(self._listen(), name="comfyui progress")
        done = self._done.get(job_id)
        if not done:
            return None
        shares = [done.get(node, 0.0) for node in samplers] or [max(done.values())]
        return int(SAMPLED_PERCENT * sum(shares) / len(shares))

    def forget(self, job_id: str) -> None:
        """It has ended."""
        self._done.pop(job_id, None)
        self._asked_at.pop(job_id, None)

    async def close(self) -> None:
        """Closes the socket."""
        self._is_closed = True
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)

    async def _listen(self) -> None:
        pause_s = self._first_pause_s
        while self._is_asked():
            try:
                async with contextlib.aclosing(self._messages()) as messages:
                    async for message in messages:
                        self._hear(message)
                        pause_s = self._first_pause_s
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as exc:
                log.debug("comfyui progress is not heard: %s", type(exc).__name__)
            if self._is_asked():
                await asyncio.sleep(pause_s)
                pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)

    async def _messages(self) -> AsyncGenerator[str, None]:
        """What comes on one socket, until it ends or nobody has asked for long."""
        async with self._connect() as socket:
            while self._is_asked():
                with contextlib.suppress(TimeoutError):  # nothing said: time to see whether anybody still asks
                    message = await socket.receive(timeout=self._idle_s)
                    if message.type is aiohttp.WSMsgType.TEXT:
                        yield message.data
                    elif message.type is not aiohttp.WSMsgType.BINARY:
                        return

    def _is_asked(self) -> bool:
        """Whether anybody still asks; what nobody asks for any more is forgotten."""
        since = asyncio.get_running_loop().time() - self._idle_s
        for job_id in [job_id for job_id, at in self._asked_at.items() if at <= since]:
            self.forget(job_id)
        return bool(self._asked_at)

    def _hear(self, text: str) -> None:
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            return
        data = message.get("data") if isinstance(message, dict) else None
        job_id = data.get("prompt_id") if isinstance(data, dict) else None
        if not isinstance(data, dict) or not isinstance(job_id, str):
            return
        if job_id not in self._asked_at:  # one of ours that will be asked for soon
            if len(self._asked_at) >= MAX_JOBS:
                return
            self._asked_at[job_id] = asyncio.get_running_loop().time()
        done = self._done.setdefault(job_id, {})
        match message.get("type"):
            case "progress":
                _note(done, data.get("node"), data)
            case "progress_state" if isinstance(data.get("nodes"), dict):
                for node, state in data["nodes"].items():
                    _note(done, node, state)


def _note(done: dict[str, float], node: Any, state: Any) -> None:
    value, most = (state.get("value"), state.get("max")) if isinstance(state, dict) else (None, None)
    if not isinstance(node, str) or not isinstance(value, int | float) or not isinstance(most, int | float):
        return
    if 0 < most < math.inf and (node in done or len(done) < MAX_NODES):
        done[node] = min(most, max(0, value)) / most
