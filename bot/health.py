"""/healthz, /readyz and /metrics for whoever watches the process. Off unless HTTP_PORT is set."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from platform import python_version

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from bot.errors import StoreError
from bot.models import JobState
from bot.version import VERSION

log = logging.getLogger(__name__)

HELP = {
    "queue_waiting": "Jobs that wait for their turn at the provider.",
    "at_provider": "Jobs that are being submitted or rendered at the provider.",
}
BUILD = InfoMetricFamily("animate_build", "The version that runs.", {"version": VERSION, "python": python_version()})
JOBS_HELP = "Jobs in the database by their state."


class _Found(Collector):
    """Numbers that were read for this one answer."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> list[Metric]:
        return self._metrics


def exposition(gauges: Mapping[str, float], jobs: Mapping[JobState, int] | None) -> bytes:
    """The answer to /metrics, in Prometheus's text format. Without `jobs`, the database did not tell."""
    found: list[Metric] = [GaugeMetricFamily(f"animate_{name}", HELP[name], value) for name, value in gauges.items()]
    found.append(BUILD)
    if jobs is not None:
        by_state = GaugeMetricFamily("animate_jobs", JOBS_HELP, labels=["state"])
        for state in JobState:
            by_state.add_metric([state], jobs.get(state, 0))
        found.append(by_state)
    registry = CollectorRegistry()
    registry.register(_Found(found))
    return generate_latest(registry)


class Health:
    """`faults` tells in words what keeps the bot from its work; `jobs` counts jobs by state."""

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
            await self._jobs()
        except StoreError as error:
            faults.append(str(error))
        return web.Response(status=503 if faults else 200, text="".join(f"{line}\n" for line in faults or ["ready"]))

    async def _metrics(self, _request: web.Request) -> web.Response:
        try:
            counts = await self._jobs()
        except StoreError as error:
            log.warning("metrics without the database: %s", error)
            counts = None
        body = exposition(self._gauges(), counts)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})
