"""The page's own server on loopback: its files, a WebSocket to each tab, and what a tab asks to be done."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Hashable, Mapping
from pathlib import Path
from typing import Any, Self

from aiohttp import BodyPartReader, web

from sandbox.discord.cdn import Upload
from sandbox.discord.world import Person
from sandbox.environment import Environment
from sandbox.page.actions import Action, Actions, Refused
from sandbox.page.fault_injection import FaultInjection
from sandbox.page.inspector import Inspector
from sandbox.page.view import Piece, View, plain
from sandbox.picture import sample_picture
from sandbox.providers.registry import PROVIDERS, Choice

STATIC = Path(__file__).with_name("static")
REQUEST_LIMIT = 600 * 1024 * 1024
BREATH_S = 0.05
"""Between two looks at what has changed: a burst is told once."""
LOOK_S = 1.0
"""The ledger, the log and the process tell nobody when they change."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Page:
    """Serves an environment that somebody else starts and stops."""

    def __init__(
        self,
        environment: Environment,
        *,
        real_provider: bool = False,
        providers: Mapping[str, Choice] = PROVIDERS,
    ) -> None:
        self._environment = environment
        self.view = View(environment.discord)
        self._inspector = Inspector(environment)  # before the faults, which are answers in Discord's place
        self.faults = FaultInjection(environment, self._inspector.watch, providers, real_provider=real_provider)
        self._actions = Actions(environment.discord, self.view)
        self._runner: web.AppRunner | None = None
        self._picture: asyncio.Task[bytes] | None = None
        self._hosts: set[str] = set()
        self.url = ""

    async def start(self, port: int = 0) -> None:
        """Raises OSError where the port is taken."""
        app = web.Application(client_max_size=REQUEST_LIMIT, middlewares=[self._guard])
        app.router.add_get("/", self._index)
        app.router.add_get("/sample.jpg", self._sample)
        app.router.add_get("/live", self._live)
        app.router.add_post("/actions", self._perform)
        app.router.add_static("/static", STATIC)
        self._picture = asyncio.create_task(asyncio.to_thread(sample_picture))  # takes longer than one likes to wait
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        port = self._runner.addresses[0][1]
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self.url = f"http://127.0.0.1:{port}/"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._picture is not None:
            await self._picture

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.stop()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """No other page of this browser gets in, by whatever name it finds this server; this one goes nowhere else."""
        origin = request.headers.get("Origin")
        if request.host not in self._hosts or origin not in (None, f"http://{request.host}"):
            raise web.HTTPForbidden(text="Only this computer can open this page.")
        response = await handler(request)
        if not response.prepared:
            files = self._environment.discord.api_url.removesuffix("/api/v10")
            response.headers["Content-Security-Policy"] = (
                f"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' ws://{request.host}; "
                f"img-src 'self' blob: data: {files}; media-src {files}; base-uri 'none'; form-action 'none'; "
                "frame-ancestors 'none'"
            )
            response.headers["Cache-Control"] = "no-cache"
            response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    async def _index(self, _request: web.Request) -> web.StreamResponse:
        return web.FileResponse(STATIC / "index.html")

    async def _sample(self, _request: web.Request) -> web.Response:
        assert self._picture is not None
        return web.Response(body=await self._picture, content_type="image/jpeg")

    async def _perform(self, request: web.Request) -> web.Response:
        try:
            action = await self._action(request)
            if action.text("action") == "inject":
                await self.faults.apply(action.text("what"), action.text("to"))
                told: dict[str, Any] = {}
            else:
                told = await self._actions.perform(action)
        except Refused as refused:
            told = {"error": str(refused)}
        except ValueError as error:
            raise web.HTTPBadRequest(text=f"The sandbox cannot read this request: {error}") from error
        return web.json_response(told)

    async def _action(self, request: web.Request) -> Action:
        asked: Any = {}
        files: dict[str, list[Upload]] = {}
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader) or part.name is None:
                continue
            data = bytes(await part.read())
            if part.filename is None:
                asked = json.loads(data)
            else:
                kind = part.headers.get("Content-Type")
                files.setdefault(part.name, []).append(Upload(part.filename, data, kind))
        if not isinstance(asked, dict):
            raise ValueError("no object of what is to be done")  # noqa: TRY004 - a wrong body, not a wrong call
        return Action(self._person(asked.get("as")), asked, files)

    def _person(self, name: object) -> Person:
        person = self._environment.discord.world.people.get(str(name))
        if person is None:
            raise Refused("There is no member of that name.")
        return person

    async def _live(self, request: web.Request) -> web.StreamResponse:
        try:
            person = self._person(request.query.get("as"))
        except Refused as refused:
            raise web.HTTPNotFound(text=str(refused)) from refused
        socket = web.WebSocketResponse(heartbeat=20)
        await socket.prepare(request)
        closed = asyncio.create_task(socket.receive())  # a tab only listens here
        try:
            with contextlib.suppress(ConnectionError):
                await self._tell(socket, person, closed)
        finally:
            closed.cancel()
        return socket

    async def _tell(self, socket: web.WebSocketResponse, person: Person, closed: asyncio.Task[object]) -> None:
        """Sends what has changed, for as long as the tab is open."""
        known: dict[str, Hashable] = {}
        while not closed.done():
            change = self._next_change()
            pieces = self._pieces(person)
            changed = {key: piece for key, piece in pieces.items() if known.get(key) != piece.version}
            gone = known.keys() - pieces.keys()
            if changed or gone:
                told = {"set": {key: piece.told() for key, piece in changed.items()}, "gone": sorted(gone)}
                await socket.send_json(told)
            known = {key: piece.version for key, piece in pieces.items()}
            await asyncio.wait([closed, *change], timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
            for task in change:
                task.cancel()
            await asyncio.sleep(BREATH_S)

    def _pieces(self, person: Person) -> dict[str, Piece]:
        return {
            **dict(self.view.pieces(person)),
            "faults": plain(self.faults.told()),
            **dict(self._inspector.pieces()),
        }

    def _next_change(self) -> list[asyncio.Task[object]]:
        providers = (provider.changes.next() for provider in self._environment.providers)
        changes = (self._environment.discord.changes.next(), *providers)
        return [asyncio.create_task(change) for change in changes]
