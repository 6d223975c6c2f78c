"""/healthz, /readyz and /metrics for whoever watches the process. Off unless HTTP_PORT is set."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from bot.errors import StoreError

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Health:
    """`faults` tells in words what keeps the bot from its work; `ask_store` raises StoreError where that is the store.

    `exposition` is the answer to /metrics, in Prometheus's text format. `notes` tells what the operator
    should see to although the bot works.
    """

    def __init__(
        self,
        *,
        faults: Callable[[], list[str]],
        notes: Callable[[], list[str]],
        ask_store: Callable[[], Awaitable[object]],
        exposition: Callable[[], Awaitable[bytes]],
    ) -> None:
        self._faults = faults
        self._notes = notes
        self._ask_store = ask_store
        self._exposition = exposition

    def routes(self) -> list[web.RouteDef]:
        """For the bot's HTTP server."""
        return [
            web.get("/healthz", self._healthz),
            web.get("/readyz", self._readyz),
            web.get("/metrics", self._metrics),
        ]

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _request: web.Request) -> web.Response:
        faults = self._faults()
        try:
            await self._ask_store()
        except StoreError as error:
            faults.append(str(error))
        lines = [*(faults or ["ready"]), *self._notes()]
        return web.Response(status=503 if faults else 200, text="".join(f"{line}\n" for line in lines))

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=await self._exposition(), headers={"Content-Type": METRICS_TYPE})
