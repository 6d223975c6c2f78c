"""The local Discord: one server on loopback for REST, gateway and CDN."""

import asyncio
import base64
import email.utils
import secrets
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self, TypeVar

from aiohttp import web

from sandbox.changes import Changes
from sandbox.discord.cdn import Cdn, Upload
from sandbox.discord.commands import ENTRY_POINT, CommandBook, OptionValue
from sandbox.discord.exchange import (
    CUT,
    Cut,
    Exchange,
    Hook,
    Phase,
    Reply,
    read_request,
    response_of,
    visible_headers,
)
from sandbox.discord.gateway import Gateway
from sandbox.discord.messages import Interaction, Message
from sandbox.discord.modals import Typed
from sandbox.discord.people import People
from sandbox.discord.permissions import Permission
from sandbox.discord.posts import Posts
from sandbox.discord.rest import Rest
from sandbox.discord.rules import Code, refusal
from sandbox.discord.tokens import TokenRoutes
from sandbox.discord.wire import Clock, Wire
from sandbox.discord.world import Channel, Person, World, permissions_in

T = TypeVar("T")
API_PREFIX = "/api/v10"
GATEWAY_PATH = "/gateway/"
REQUEST_LIMIT = 600 * 1024 * 1024
FILLED_IN_S = 0.1


class LocalDiscord:
    """A Discord of one's own: start it, point a bot at `api_url` with `token`, and act as its people."""

    def __init__(
        self, *, clock: Clock = time.time, token: str | None = None, application_id: int | None = None
    ) -> None:
        self.clock = clock
        self.world = World(clock, application_id)
        self.application_id = self.world.bot.id
        self.token = token or _made_up_token(self.application_id)
        self.requests: list[Exchange] = []
        self.changes = Changes()
        self.api_url = ""
        self._hooks: list[Hook] = []
        self._runner: web.AppRunner | None = None
        self.gateway = Gateway(self.world, self.token, self.changes)
        self.world.publish = self.gateway.publish
        self._cdn = Cdn(clock, self.world.new_id)
        self._posts = Posts(self.world, self._cdn, self.changes.notify)
        self._book = CommandBook(self.application_id, self.world.new_id)
        self._tokens = TokenRoutes(self.world, self._posts)
        self._rest = Rest(self.world, self._posts, self._book, self.gateway, self._tokens)
        self._people = People(self.world, self._cdn, self._posts, self._book, self._tokens)

    async def start(self, port: int = 0) -> None:
        app = web.Application(client_max_size=REQUEST_LIMIT)
        app.router.add_get(GATEWAY_PATH, self.gateway.serve)
        app.router.add_route("*", "/{tail:.*}", self._serve)
        # A hook may hold a request for a while; stopping must not wait for it.
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        host = f"127.0.0.1:{self._runner.addresses[0][1]}"
        self.api_url = f"http://{host}{API_PREFIX}"
        self.gateway.url = f"ws://{host}{GATEWAY_PATH}"
        self._cdn.base = f"http://{host}"

    async def stop(self) -> None:
        if self._runner is not None:
            self.gateway.drop(None)
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def commands(self) -> list[Wire]:
        """The global commands as synced. Emptied from outside with `commands.clear()`."""
        return self._book.by_scope[None]

    def offered(self, person: Person, channel: Channel) -> list[Wire]:
        """The commands that Discord's client shows this person in this place."""
        return self._people.offered(person, channel)

    @property
    def command_puts(self) -> int:
        return self._book.puts

    @property
    def operations(self) -> list[tuple[str, str]]:
        """Method and path of every request it answers."""
        return self._rest.operations

    @property
    def unknown_routes(self) -> list[Exchange]:
        return [x for x in self.requests if x.part == "api" and not x.route]

    @property
    def shards(self) -> int:
        return self._rest.shards

    @shards.setter
    def shards(self, count: int) -> None:
        self._rest.shards = count

    @property
    def interactions(self) -> list[Interaction]:
        return list(self._tokens.interactions.values())

    @property
    def history(self) -> list[Message]:
        """Every message there ever was, the deleted too, in order."""
        return list(self._posts.by_id.values())

    def on_exchange(self, hook: Hook) -> None:
        """Calls `hook(phase, exchange)` around every request; what it returns takes the answer's place."""
        self._hooks.append(hook)

    def refuse(self, operation: str, answer: Code | Reply, *, times: int | None = None) -> Hook:
        """Answers the next requests of an operation, such as "POST /users/@me/channels", without doing them.

        `times` None: until the hook that is returned is removed. An operation ends in the template of its path, so
        that "POST …/commands" is each of those.
        """
        refused = 0
        method, _, template = operation.partition(" ")
        given = answer if isinstance(answer, Reply) else _as_reply(answer)

        async def hook(phase: Phase, x: Exchange) -> Reply | None:
            nonlocal refused
            fits = x.method == method and x.route.endswith(template.removeprefix("…"))
            if phase != "before" or not fits or refused == times:
                return None
            refused += 1
            return given

        self.on_exchange(hook)
        return hook

    def reset_token(self) -> None:
        """Somebody resets the bot's token: the old one is refused from now on, by the gateway at its next start."""
        self.token = self.gateway.token = _made_up_token(self.application_id)

    def switch_activities_on(self) -> None:
        """Puts Discord's own Entry Point command beside the bot's, which no bulk update may leave out."""
        launch = {"name": "launch", "type": ENTRY_POINT, "handler": 2, "description": "", "contexts": [0, 1, 2]}
        self._book.upsert(None, launch | {"integration_types": [0, 1], "name_localizations": {"de": "starten"}})

    def remove(self, hook: Hook) -> None:
        self._hooks.remove(hook)

    async def wait_for(self, predicate: Callable[[], T], timeout: float = 5, what: str = "a change") -> T:  # noqa: ASYNC109 - a fixed name
        """Waits until the predicate holds, looking at every change; raises `TimeoutError` naming `what`."""
        return await self.changes.wait_for(predicate, timeout, what)

    async def wait_ready(self, timeout: float = 10, sessions: int = 1) -> None:  # noqa: ASYNC109 - a fixed name
        """Waits until so many sessions (one per shard and bot) are connected."""
        await self.wait_for(lambda: len(self.gateway.live) >= sessions, timeout, "a bot to identify")

    async def invoke(
        self,
        person: Person,
        command: str,
        *,
        channel: Channel | None = None,
        forge: bool = False,
        **options: OptionValue | None,
    ) -> Interaction:
        """A person uses a slash command. Raises `CannotInvoke` where Discord's client would not let them."""
        return await self.invoke_with(person, command, options, channel=channel, forge=forge)

    async def invoke_with(
        self,
        person: Person,
        command: str,
        options: Mapping[str, OptionValue | None],
        *,
        channel: Channel | None = None,
        forge: bool = False,
    ) -> Interaction:
        """As `invoke`, also for options that are called `channel` or `forge`."""
        return self._people.invoke(person, command, channel or self.world.general, options, forge=forge)

    async def complete(
        self,
        person: Person,
        command: str,
        focused: str,
        typed: Mapping[str, OptionValue | None],
        *,
        channel: Channel | None = None,
    ) -> list[Wire]:
        """The choices that come up while a person types into the option `focused`, beside what else they have typed.

        Raises `CannotInvoke` where no list comes up, and `NotAnswered`.
        """
        asked = self._people.complete(person, command, channel or self.world.general, typed, focused)
        await asked.answer()
        return [choice for choice in asked.response_data.get("choices") or [] if choice]

    async def menu(self, person: Person, name: str, message: Message, *, forge: bool = False) -> Interaction:
        """A person uses a message context-menu command."""
        return self._people.menu(person, name, message, forge=forge)

    async def press(
        self,
        person: Person,
        message: Message,
        custom_id: str,
        *,
        values: list[str] | None = None,
        forge: bool = False,
    ) -> Interaction:
        return self._people.press(person, message, custom_id, values, forge=forge)

    async def submit(
        self, person: Person, opened: Interaction, values: Mapping[str, Typed] | None = None, *, forge: bool = False
    ) -> Interaction:
        """A person submits the modal they were answered with; fields that are not named keep what they held.

        Nobody fills in a form in no time: a bot's library may know its form only once it has read that it was taken.
        """
        await asyncio.sleep(FILLED_IN_S)
        return self._people.submit(person, opened, values or {}, forge=forge)

    async def post(
        self,
        person: Person,
        content: str = "",
        *files: Upload,
        channel: Channel | None = None,
        unfurled: Wire | None = None,
    ) -> Message:
        """A person writes a message, with files; `unfurled` are embeds and stickers as they stand in it."""
        return self._people.post(person, channel or self.world.general, content, files, unfurled or {})

    async def forward(self, person: Person, message: Message, channel: Channel | None = None) -> Message:
        """A person sends a message on, to the general channel unless said otherwise."""
        return self._posts.forward(channel or self.world.general, person, message)

    async def delete_message(self, message: Message) -> None:
        self._posts.delete(message)

    async def delete_channel(self, channel: Channel) -> None:
        """A server's channel goes, with all that was said in it; no route leads there any more."""
        for message in self.messages(channel):
            self._posts.delete(message)
        self.world.remove_channel(channel)

    def messages(self, channel: Channel, as_seen_by: Person | None = None) -> list[Message]:
        """What stands in a channel now, oldest first; all of it, or what this person sees of it."""
        there = [message for message in self._posts.by_channel.get(channel.id, []) if not message.deleted]
        if as_seen_by is None:
            return there
        if not permissions_in(channel, as_seen_by) & Permission.VIEW_CHANNEL:
            return [message for message in there if message.ephemeral_for is as_seen_by]
        return [message for message in there if message.is_shown_to(as_seen_by)]

    def kill_token(self, interaction: Interaction) -> None:
        interaction.killed = True

    def kill_all_tokens(self) -> None:
        """Those that were ever given out; later interactions get living ones."""
        for interaction in self.interactions:
            interaction.killed = True

    async def gateway_drop(self, code: int | None = None) -> None:
        """Closes all connections with a close code, or without one just cuts them."""
        self.gateway.drop(code)

    async def invalid_session(self, *, resumable: bool = False) -> None:
        self.gateway.invalidate(resumable=resumable)

    async def reconnect(self) -> None:
        self.gateway.ask_reconnect()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        x = self._exchange(request)
        route = self._rest.find(x)
        reply: Reply | Cut | None
        try:
            await read_request(request, x)
        except ValueError:
            reply = Reply(400, {"message": "The request body contains invalid JSON.", "code": Code.INVALID_JSON})
        except (web.RequestPayloadError, ConnectionError):
            reply = CUT  # the bot went away in the middle of its request
        else:
            reply = await self._tap("before", x)
        if reply is None:
            reply = self._cdn.fetch(x) if x.part == "cdn" else self._rest.answer(x, route)
            x.settle(reply)
            self.changes.notify()
            reply = await self._tap("inside", x) or reply
        response = await self._send(request, x, reply)
        self.changes.notify()
        if not x.cut:
            await self._tap("after", x)
        return response

    async def _send(self, request: web.Request, x: Exchange, reply: Reply | Cut) -> web.Response:
        response = web.Response() if isinstance(reply, Cut) else response_of(reply)
        try:
            if isinstance(reply, Cut):
                if request.transport is not None:
                    request.transport.abort()
                raise ConnectionAbortedError
            x.settle(reply)
            response.headers["Date"] = email.utils.formatdate(self.clock(), usegmt=True)
            await response.prepare(request)
            await response.write_eof()
        except ConnectionError:
            x.cut, x.status = True, 0
        return response

    def _exchange(self, request: web.Request) -> Exchange:
        is_api = request.path.startswith("/api/")
        x = Exchange(
            part="api" if is_api else "cdn",
            method=request.method,
            path=request.path.removeprefix(API_PREFIX),
            query=dict(request.query),
            headers=visible_headers(request),
            at=self.clock(),
            authorized=request.headers.get("Authorization") == f"Bot {self.token}",
        )
        self.requests.append(x)
        return x

    async def _tap(self, phase: Phase, x: Exchange) -> Reply | Cut | None:
        for hook in tuple(self._hooks):
            if (reply := await hook(phase, x)) is not None:
                return reply
        return None


def _as_reply(code: Code) -> Reply:
    error = refusal(code)
    return Reply(error.status, error.body)


def _made_up_token(application_id: int) -> str:
    name = base64.urlsafe_b64encode(str(application_id).encode()).decode().rstrip("=")
    return f"{name}.local.{secrets.token_urlsafe(24)}"
