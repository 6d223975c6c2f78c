"""A real Prometheus (Debian: `apt-get install prometheus`) that scrapes a bot and evaluates deploy/alerts.yaml."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import re
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from tests.e2e.conftest import leave
from tests.e2e.stage import Stage
from tests.e2e.test_health import free_port
from tests.promtool import tool

PROJECT = Path(__file__).parents[2]
RULES = PROJECT / "deploy" / "alerts.yaml"
DASHBOARD = PROJECT / "deploy" / "grafana.json"
SCRAPE_S = 3
"""The bot gives the database 2 s for a scrape, and Prometheus waits no longer than until the next one."""
WITHIN_S = 60.0

_CONFIGURATION = """
global: {{scrape_interval: {scrape_s}s, scrape_timeout: {scrape_s}s, evaluation_interval: 1s}}
rule_files: [alerts.yaml]
scrape_configs:
  - job_name: animate-bot
    static_configs: [{{targets: ["{target}"]}}]
"""
_DURATION = re.compile(r"(?<=\[)\d+[smhd](?=\])|(?<=for: )\d+[smhd]$", re.MULTILINE)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def sped_up(rules: str, times: int) -> str:
    """The rules with every window and every `for:` divided by `times`; nothing else is changed."""

    def shorter(found: re.Match[str]) -> str:
        milliseconds = int(found[0][:-1]) * _SECONDS[found[0][-1]] * 1000 / times
        assert milliseconds.is_integer(), f"{found[0]} cannot be divided by {times}"
        return f"{int(milliseconds)}ms"

    return _DURATION.sub(shorter, rules)


class Prometheus:
    """A running one, asked over its API. `address` is its root."""

    def __init__(self, address: str, session: aiohttp.ClientSession) -> None:
        self.address = address
        self.began_s = time.time()
        self._session = session

    async def firing(self) -> set[str]:
        """The alerts that fire at the last evaluation."""
        told = await self._get("alerts")
        return {alert["labels"]["alertname"] for alert in told["alerts"] if alert["state"] == "firing"}

    async def have_fired(self) -> set[str]:
        """Those that have fired since the beginning."""
        query = 'count by (alertname) (count_over_time(ALERTS{alertstate="firing"}[1h]))'
        return {found["metric"]["alertname"] for found in (await self._get("query", query=query))["result"]}

    async def value(self, query: str) -> float | None:
        """Of the first series there is now; None where there is none."""
        found = (await self._get("query", query=query))["result"]
        return float(found[0]["value"][1]) if found else None

    async def values(self, query: str, step_s: float) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
        """Each series from the beginning until now: its labels, and its numbers by Unix time."""
        span = {"start": f"{self.began_s}", "end": f"{time.time()}", "step": f"{step_s}"}
        found = (await self._get("query_range", query=query, **span))["result"]
        series = [(one["metric"], [(at_s, float(value)) for at_s, value in one["values"]]) for one in found]
        return [
            (labels, numbers) for labels, points in series if (numbers := [p for p in points if math.isfinite(p[1])])
        ]

    async def until(self, *alerts: str, within_s: float = WITHIN_S) -> None:
        """Waits until all of these fire at once."""
        firing: set[str] = set()
        try:
            async with asyncio.timeout(within_s):
                while not set(alerts) <= (firing := await self.firing()):  # noqa: ASYNC110 - it tells nobody
                    await asyncio.sleep(0.25)
        except TimeoutError:
            raise AssertionError(f"{set(alerts) - firing} did not fire; {firing} did") from None

    async def until_over(self, alert: str, within_s: float = WITHIN_S) -> None:
        """Waits until this one does not fire any more."""
        async with asyncio.timeout(within_s):
            while alert in await self.firing():  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.25)

    async def until_value(self, query: str, expected: float, within_s: float = WITHIN_S) -> None:
        """Waits until the query gives this number."""
        value: float | None = math.nan
        try:
            async with asyncio.timeout(within_s):
                while (value := await self.value(query)) != expected:  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.25)
        except TimeoutError:
            raise AssertionError(f"{query} is {value}, not {expected}") from None

    async def until_rules(self, within_s: float = WITHIN_S) -> None:
        """Waits until it has read them."""
        async with asyncio.timeout(within_s):
            while not (await self._get("rules"))["groups"]:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.1)

    async def _get(self, what: str, **asked: str) -> Any:
        async with self._session.get(f"{self.address}/api/v1/{what}", params=asked) as answer:
            told = await answer.json()
            assert answer.ok, told
            return told["data"]


@contextlib.asynccontextmanager
async def watched(stage: Stage) -> AsyncIterator[str]:
    """Runs the bot; where its metrics are."""
    try:
        await stage.start(bot=False)
        port = free_port()
        stage.use({"HTTP_PORT": str(port)})
        await stage.start_bot()
        yield f"http://127.0.0.1:{port}/metrics"
    finally:
        faults = await leave(stage)
    assert faults == []


@contextlib.asynccontextmanager
async def running(folder: Path, metrics: str, rules: str) -> AsyncIterator[Prometheus]:
    """Scrapes the metrics at this address until the context ends.

    A Prometheus looks for its targets for five seconds first, which would be minutes of these rules: they come after.
    """
    folder.mkdir(exist_ok=True)  # noqa: ASYNC240 - small and local, as the files below
    target = metrics.removeprefix("http://").removesuffix("/metrics")
    (folder / "alerts.yaml").write_text("groups: []\n", "utf-8")
    (folder / "prometheus.yml").write_text(_CONFIGURATION.format(target=target, scrape_s=SCRAPE_S), "utf-8")
    port = free_port()
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            tool("prometheus"),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            stdout=log,
            stderr=log,
        )
    try:
        async with aiohttp.ClientSession() as session:
            prometheus = Prometheus(f"http://127.0.0.1:{port}", session)
            async with asyncio.timeout(WITHIN_S):
                await _answers(prometheus, process, folder / "log")
            await prometheus.until_value("count(animate_build_info)", 1)
            (folder / "alerts.yaml").write_text(rules, "utf-8")
            process.send_signal(signal.SIGHUP)
            await prometheus.until_rules()
            yield prometheus
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def _answers(prometheus: Prometheus, process: asyncio.subprocess.Process, log: Path) -> None:
    while True:
        assert process.returncode is None, log.read_text()  # noqa: ASYNC240 - as above
        with contextlib.suppress(aiohttp.ClientConnectionError, aiohttp.ContentTypeError):
            await prometheus.firing()
            return
        await asyncio.sleep(0.1)


def panels() -> list[dict[str, Any]]:
    """Those of the dashboard that show something."""
    return [panel for panel in json.loads(DASHBOARD.read_text("utf-8"))["panels"] if panel["type"] != "row"]


def asked(expression: str, window: str) -> str:
    """A query of the dashboard as Grafana sends it: for all jobs, with a window that fits the pace of the scrapes."""
    return expression.replace("$job", ".*").replace("$__rate_interval", window)
