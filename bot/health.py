"""The status pages /healthz, /readyz and /metrics, and where their lines come from. Off unless HTTP_PORT is set."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from bot.chat.client import AnimateBot
from bot.errors import StoreError
from bot.jobs.backups import Backups
from bot.jobs.context import JobContext
from bot.store import metrics_queries

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def health_of(
    bot: AnimateBot, context: JobContext, backups: Backups | None, exposition: Callable[[], Awaitable[bytes]]
) -> Health:
    """The status of this bot: each line of /readyz is a fault or a note of one of these."""
    return Health(
        faults=lambda: context.circuit_breakers.faults() + context.providers.faults() + bot.faults(),
        notes=lambda: backups.notes() if backups else [],
        ask_store=lambda: context.store.read(metrics_queries.is_there()),
        exposition=exposition,
    )


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
