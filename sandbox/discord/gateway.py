"""The gateway: sessions, one for each IDENTIFY, their events and their resumption.

Frames are text, or one zlib stream over the whole connection for who asks for it (gateway.mdx#transport-compression).
"""

import asyncio
import enum
import json
import secrets
import zlib
from collections import deque
from dataclasses import dataclass, field

from aiohttp import WSMsgType, web

from sandbox.changes import Changes
from sandbox.discord.wire import Wire
from sandbox.discord.world import World

REPLAY_LIMIT = 10_000
SESSIONS_LIMIT = 64  # a bot killed over and over leaves its sessions behind
HEARTBEAT_MS = 41_250
ACKNOWLEDGED_AFTER_S = 0.1
"""discord.py notes the time of a heartbeat after it was sent; an answer before that counts from the one before."""
PRIVILEGED_INTENTS = 1 << 1 | 1 << 8 | 1 << 15
IDENTIFY_PAUSE_S = 5.0
"""Of each bucket one shard identifies in so long (events/gateway.mdx#sharding-max-concurrency)."""
ENDS_SESSION = (1000, 1001)
"""Closed by a client with one of these, its session cannot be resumed (events/gateway.mdx#initiating-a-disconnect)."""
_SHARD_SHIFT = 22  # events/gateway.mdx#sharding-sharding-formula


class Op(enum.IntEnum):
    DISPATCH = 0
    HEARTBEAT = 1
    IDENTIFY = 2
    RESUME = 6
    RECONNECT = 7
    INVALID_SESSION = 9
    HELLO = 10
    HEARTBEAT_ACK = 11


class Close(enum.IntEnum):
    """topics/opcodes-and-status-codes.mdx#gateway-gateway-close-event-codes."""

    UNKNOWN_ERROR = 4000
    NOT_AUTHENTICATED = 4003
    AUTHENTICATION_FAILED = 4004
    INVALID_SHARD = 4010
    DISALLOWED_INTENTS = 4014


@dataclass(eq=False, slots=True)
class Session:
    """What one IDENTIFY began. It outlives its connection, so that RESUME can replay what was missed."""

    id: str
    shard: tuple[int, int]
    seq: int = 0
    events: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=REPLAY_LIMIT))
    connection: "Connection | None" = None

    def dispatch(self, event: str, data: Wire) -> None:
        self.seq += 1
        frame = json.dumps({"op": Op.DISPATCH, "t": event, "s": self.seq, "d": data})
        self.events.append((self.seq, frame))
        if self.connection is not None:
            self.connection.outbox.put_nowait(frame)


@dataclass(eq=False, slots=True)
class Connection:
    """One socket and what is to go out over it; None in the outbox ends it with `close_code`."""

    socket: web.WebSocketResponse
    transport: asyncio.Transport | None
    outbox: asyncio.Queue[str | None] = field(default_factory=asyncio.Queue)
    close_code: int = 1000
    session: Session | None = None
    is_open: bool = True
    """This side has not ended it."""
    deflate: "zlib._Compress | None" = None

    def send(self, op: Op, data: object = None) -> None:
        self.outbox.put_nowait(json.dumps({"op": op, "d": data, "s": None, "t": None}))

    def close(self, code: int) -> None:
        self.close_code = code
        self.is_open = False
        self.outbox.put_nowait(None)

    async def write(self) -> None:
        while (frame := await self.outbox.get()) is not None:
            if self.deflate is None:
                await self.socket.send_str(frame)
            else:
                packed = self.deflate.compress(frame.encode())
                await self.socket.send_bytes(packed + self.deflate.flush(zlib.Z_SYNC_FLUSH))
        await self.socket.close(code=self.close_code)


class Gateway:
    def __init__(self, world: World, token: str, changes: Changes) -> None:
        self._world = world
        self.token = token
        self._changes = changes
        self._connections: set[Connection] = set()
        self.sessions: dict[str, Session] = {}
        self.url = ""
        self.is_up = True
        self.identifies = 0
        self.resumes = 0
        self.heartbeats = 0
        self.heartbeat_ms = HEARTBEAT_MS
        self.max_concurrency = 1
        self.identify_pause_s = 0.0
        """`IDENTIFY_PAUSE_S` is Discord's; without a pause, a bot under test may start again at once."""
        self.refused_identifies = 0
        self.tells_guilds = True
        """False: after READY no server comes in, as in the first moments of every session."""
        self._identified_at: dict[int, float] = {}  # by bucket

    @property
    def live(self) -> list[Session]:
        return [session for session in self.sessions.values() if session.connection is not None]

    def publish(self, event: str, data: Wire, guild_id: int = 0) -> None:
        """To every session of the shard: two bots with one token both hear it. Private channels: shard 0."""
        for session in self.sessions.values():
            number, count = session.shard
            if (guild_id >> _SHARD_SHIFT) % count == number:
                session.dispatch(event, data)

    def drop(self, code: int | None) -> None:
        """Ends every connection; without a code the TCP connections just go, as in an outage."""
        for connection in self._connections:
            if code is not None:
                connection.close(code)
            elif connection.transport is not None:
                connection.transport.abort()

    def invalidate(self, *, resumable: bool) -> None:
        if not resumable:
            self.sessions.clear()
        for connection in self._connections:
            connection.send(Op.INVALID_SESSION, resumable)

    def ask_reconnect(self) -> None:
        for connection in self._connections:
            connection.send(Op.RECONNECT)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        if not self.is_up:
            return web.Response(status=503)
        socket = web.WebSocketResponse(compress=False, max_msg_size=0)
        try:
            await socket.prepare(request)
        except ConnectionError:  # the bot went away between its request and the answer
            return socket
        connection = Connection(socket, request.transport)
        if request.query.get("compress") == "zlib-stream":
            connection.deflate = zlib.compressobj()
        self._connections.add(connection)
        writer = asyncio.create_task(connection.write())
        connection.send(Op.HELLO, {"heartbeat_interval": self.heartbeat_ms})
        try:
            async for frame in socket:
                if frame.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    self._receive(connection, json.loads(frame.data))
        finally:
            self._connections.discard(connection)
            if connection.session is not None and connection.session.connection is connection:
                connection.session.connection = None
                if socket.close_code in ENDS_SESSION and connection.is_open:
                    self.sessions.pop(connection.session.id, None)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            self._changes.notify()
        return socket

    def _receive(self, connection: Connection, frame: Wire) -> None:
        data = frame.get("d")
        match frame.get("op"):
            case Op.HEARTBEAT:
                self.heartbeats += 1
                self._changes.notify()
                asyncio.get_running_loop().call_later(ACKNOWLEDGED_AFTER_S, connection.send, Op.HEARTBEAT_ACK)
            case Op.IDENTIFY if isinstance(data, dict):
                self._identify(connection, data)
            case Op.RESUME if isinstance(data, dict):
                self._resume(connection, data)
            case _ if connection.session is None:
                connection.close(Close.NOT_AUTHENTICATED)

    def _identify(self, connection: Connection, data: Wire) -> None:
        if data.get("token") != self.token:
            connection.close(Close.AUTHENTICATION_FAILED)
            return
        if data.get("intents", 0) & PRIVILEGED_INTENTS:
            connection.close(Close.DISALLOWED_INTENTS)
            return
        number, count = data.get("shard") or (0, 1)
        if not 0 <= number < count:
            connection.close(Close.INVALID_SHARD)
            return
        if not self._is_its_turn(number % self.max_concurrency):
            self.refused_identifies += 1
            connection.send(Op.INVALID_SESSION, False)
            self._changes.notify()
            return
        session = Session(secrets.token_hex(16), (number, count))
        for gone in [one for one in self.sessions.values() if one.connection is None][:-SESSIONS_LIMIT]:
            del self.sessions[gone.id]
        self.sessions[session.id] = session
        self._attach(connection, session)
        bot = self._world.bot
        guilds = [
            guild
            for guild in self._world.guilds.values()
            if guild.has_bot and (guild.id >> _SHARD_SHIFT) % count == number
        ]
        ready = {
            "v": 10, "user": bot.account(), "session_id": session.id, "resume_gateway_url": self.url,
            "shard": [number, count], "application": {"id": str(bot.id), "flags": 0},
            "guilds": [{"id": str(guild.id), "unavailable": True} for guild in guilds],
        }  # fmt: skip
        session.dispatch("READY", ready)
        for guild in guilds if self.tells_guilds else ():
            session.dispatch("GUILD_CREATE", guild.wire(bot))
        self.identifies += 1
        self._changes.notify()

    def _is_its_turn(self, bucket: int) -> bool:
        """One that is refused takes no turn."""
        now = asyncio.get_running_loop().time()
        last = self._identified_at.get(bucket)
        if self.identify_pause_s and last is not None and now - last < self.identify_pause_s:
            return False
        self._identified_at[bucket] = now
        return True

    def _resume(self, connection: Connection, data: Wire) -> None:
        if data.get("token") != self.token:
            connection.close(Close.AUTHENTICATION_FAILED)
            return
        session = self.sessions.get(data.get("session_id", ""))
        if session is None:
            connection.send(Op.INVALID_SESSION, False)
            return
        self._attach(connection, session)
        for seq, frame in session.events:
            if seq > data["seq"]:
                connection.outbox.put_nowait(frame)
        session.dispatch("RESUMED", {})
        self.resumes += 1
        self._changes.notify()

    def _attach(self, connection: Connection, session: Session) -> None:
        if session.connection is not None:
            session.connection.close(Close.UNKNOWN_ERROR)
        session.connection, connection.session = connection, session
