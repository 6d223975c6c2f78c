"""What is said while nobody listens: a process that stops leaves its sessions at the gateway to the next one.

Discord keeps a session for a few minutes after its connection was closed with a code other than 1000 and 1001, and
tells whoever resumes it what was said meanwhile. The next process identifies anew, since discord.py needs READY for
what it knows of servers. Beside that it resumes the sessions it was left and takes commands from them, until its own
are there; RESUME waits for no turn, as IDENTIFY does. Until then it knows from the process before which servers there
are. A command that comes by both sessions is taken once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

import aiohttp
import discord
import yarl
from discord.ext import commands
from discord.gateway import DiscordWebSocket
from discord.http import INTERNAL_API_VERSION

from bot.chat.drain_interactions import drain_interactions
from bot.models import GatewaySession

log = logging.getLogger(__name__)

COMMAND, READY, SERVER = "INTERACTION_CREATE", "READY", "GUILD_CREATE"
RESUMABLE = 4000
TAKEN_OVER = 1000
CLOSES_WITHIN_S = 1.0
ANSWERS_WITHIN_S = 3.0
"""Discord waits no longer for a first answer."""
ANSWERED_WITHIN_S = 2.0
OVERLAPS_S = 1.0
"""So long both sessions are heard: what was said before the own one began may still be on its way."""
CONNECTS_WITHIN_S = 10.0
LASTS_AT_MOST_S = 600.0
"""A hundred shards that identify one after the other are connected by then."""


class SessionMemory(Protocol):
    """Keeps what is left, over the end of the process; `now` is Discord's time. Raises nothing."""

    now: Callable[[], datetime]

    async def leave(self, sessions: Sequence[GatewaySession]) -> None:
        """For the next process."""

    async def claim(self, is_mine: Callable[[int], bool], shards: int) -> list[GatewaySession]:
        """What the process before has left."""


class FormerSessions:
    """Of one client. `begin` after its login, `leave` before it is closed, `close` at any time."""

    def __init__(self, client: commands.AutoShardedBot, memory: SessionMemory) -> None:
        self._client = client
        self._memory = memory
        self._own = defaultdict[int, asyncio.Event](asyncio.Event)
        self._left: dict[int, GatewaySession] = {}  # by shard, until it has one of its own
        self._is_leaving = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._seen: set[str] = set()
        self._state: Any = client._connection  # noqa: SLF001 - where discord.py keeps what the gateway tells
        self._parse, self._parse_ready = self._state.parsers[COMMAND], self._state.parsers[READY]
        self._state.parsers.update({COMMAND: self._once, READY: self._ready})

    async def begin(self, is_mine: Callable[[int], bool], shards: int) -> None:
        """Hears what the process before this one has left unheard."""
        self._client.add_listener(self._connected, "on_shard_connect")
        for session in await self._memory.claim(is_mine, shards):
            for server in session.servers:
                self._know(server)
            self._left[session.shard] = session
            task = asyncio.create_task(self._follow(session), name=f"former-session-{session.shard}")
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    async def leave(self, *, can_answer: bool = True) -> None:
        """Ends the connections and keeps their sessions. Waits up to 2 s for the answers to what came by them.

        A process that stood still sends no answers any more, so it waits for none.
        """
        shards = [info._parent for info in self._client.shards.values()]  # noqa: SLF001 - discord.py closes with 1000
        for shard in shards:
            shard._cancel_task()  # noqa: SLF001 - nothing more is read, so that what is unheard is told again
        self._is_leaving = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSES_WITHIN_S):
                closing = (shard.ws.close(RESUMABLE) for shard in shards)
                await asyncio.gather(self.close(), *closing, return_exceptions=True)
        count = self._client.shard_count or 1
        own = [
            GatewaySession(shard.id, count, ws.session_id, ws.sequence, str(ws.gateway), self._servers(shard.id))
            for shard in shards
            if (ws := shard.ws).session_id and ws.sequence is not None
        ]
        # What was left to this process, where it has no own session yet, with the servers it was told of since.
        former = [replace(session, servers=self._servers(session.shard)) for session in self._left.values()]
        if left := [*former, *own]:
            await self._memory.leave(left)
        await drain_interactions(within_s=ANSWERED_WITHIN_S if can_answer else 0.0)

    async def close(self) -> None:
        """Hears no more of them."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, shard: int) -> None:
        self._own[shard].set()
        self._left.pop(shard, None)

    def _ready(self, data: dict[str, Any]) -> None:
        """The own session: it tells which servers there are now."""
        for server in self._servers(data["shard"][0]):
            self._state._remove_guild(self._state._get_guild(server))  # noqa: SLF001 - as above
        self._parse_ready(data)

    def _know(self, server: int) -> None:
        if self._state._get_guild(server) is None:  # noqa: SLF001 - as above
            self._state._add_guild_from_data({"id": server, "unavailable": True})  # noqa: SLF001 - as READY tells

    def _servers(self, shard: int) -> tuple[int, ...]:
        return tuple(guild.id for guild in self._client.guilds if guild.shard_id == shard)

    def _once(self, data: dict[str, Any]) -> None:
        """What two sessions tell is one command."""
        if self._tasks:
            if data["id"] in self._seen:
                return
            self._seen.add(data["id"])
        self._parse(data)

    def age_s(self, interaction: int) -> float:
        """How long ago it was asked, by Discord's clock: a former session tells of some late."""
        return (self._memory.now() - discord.utils.snowflake_time(interaction)).total_seconds()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not self._tasks:
            self._seen.clear()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("what the process before this one left unheard is missed: %s", type(error).__name__)

    async def _follow(self, session: GatewaySession) -> None:
        """Resumes it; ends it for good once the own session of the shard is there."""
        shard, url = session.shard, yarl.URL(session.gateway).with_query(v=INTERNAL_API_VERSION, encoding="json")
        async with asyncio.timeout(CONNECTS_WITHIN_S):
            socket = await self._client.http.ws_connect(str(url))
        listening = asyncio.create_task(self._listen(socket, session))
        overlapping = asyncio.create_task(self._overlap(shard))
        try:
            await asyncio.wait({listening, overlapping}, return_when=asyncio.FIRST_COMPLETED, timeout=LASTS_AT_MOST_S)
            if listening.done():
                listening.result()
        finally:
            overlapping.cancel()
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            is_left = self._is_leaving and shard in self._left
            async with asyncio.timeout(CLOSES_WITHIN_S):
                await socket.close(code=RESUMABLE if is_left else TAKEN_OVER)

    async def _overlap(self, shard: int) -> None:
        await self._own[shard].wait()
        await asyncio.sleep(OVERLAPS_S)

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse, session: GatewaySession) -> None:
        """Returns where Discord does not have the session any more, or ends the connection."""
        hello = await socket.receive_json(timeout=CONNECTS_WITHIN_S)
        beats_s = hello["d"]["heartbeat_interval"] / 1000
        resume = {"token": self._client.http.token, "session_id": session.session, "seq": session.sequence}
        await socket.send_json({"op": DiscordWebSocket.RESUME, "d": resume})
        loop = asyncio.get_running_loop()
        beat_at = loop.time() + beats_s / 2
        while True:
            try:
                message = await socket.receive(timeout=max(0.0, beat_at - loop.time()))
            except TimeoutError:
                await socket.send_json({"op": DiscordWebSocket.HEARTBEAT, "d": session.sequence})
                beat_at = loop.time() + beats_s
                continue
            if message.type is not aiohttp.WSMsgType.TEXT:
                return
            frame = message.json()
            if frame["op"] in (DiscordWebSocket.RECONNECT, DiscordWebSocket.INVALIDATE_SESSION):
                log.info("Discord does not have the session of shard %s any more", session.shard)
                self._left.pop(session.shard, None)
                return
            session = replace(session, sequence=frame.get("s") or session.sequence)
            if session.shard in self._left:
                self._left[session.shard] = session
            if frame.get("t") == COMMAND and self.age_s(int(frame["d"]["id"])) < ANSWERS_WITHIN_S:
                self._once(frame["d"])
            elif frame.get("t") == SERVER:
                self._know(int(frame["d"]["id"]))
            elif frame.get("t") == "RESUMED":
                log.info("resumed the session of shard %s that the process before this one has left", session.shard)
