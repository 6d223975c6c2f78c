"""/healthz, /readyz and /metrics for whoever watches the process. Off unless HTTP_PORT is set."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from bot.errors import SettingsError, StoreError
from bot.models import JobState

log = logging.getLogger(__name__)

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
"""https://prometheus.io/docs/instrumenting/exposition_formats/"""


class Health:
    """A small server. `faults` tells in words what keeps the bot from its work; `jobs` counts jobs by state."""

    def __init__(
        self,
        *,
        faults: Callable[[], list[str]],
        jobs: Callable[[], Awaitable[Mapping[JobState, int]]],
        gauges: Callable[[], Mapping[str, float]],
    ) -> None:
        self._faults = faults
        self._jobs = jobs
        self._gauges = gauges
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> None:
        """Listens. Raises SettingsError when it cannot."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._metrics),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            raise SettingsError(
                [f"HTTP_HOST and HTTP_PORT are wrong: {host}:{port} cannot be used ({error})."]
            ) from error
        log.info("health at http://%s:%s/healthz", host, port)

    async def close(self) -> None:
        """Stops listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _request: web.Request) -> web.Response:
        faults = self._faults()
        try:
            await self._jobs()
        except StoreError as error:
            faults.append(str(error))
        return web.Response(status=503 if faults else 200, text="".join(f"{line}\n" for line in faults or ["ready"]))

    async def _metrics(self, _request: web.Request) -> web.Response:
        lines = [f"animate_{name} {value:g}" for name, value in self._gauges().items()]
        try:
            counts = await self._jobs()
        except StoreError as error:
            log.warning("metrics without the store: %s", error)
        else:
            lines += [f'animate_jobs{{state="{state}"}} {counts.get(state, 0)}' for state in JobState]
        return web.Response(body="".join(f"{line}\n" for line in lines).encode(), headers={"Content-Type": PROMETHEUS})
