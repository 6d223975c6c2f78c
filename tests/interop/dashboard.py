"""Draws deploy/grafana.json with what a Prometheus has, panel for panel: a page of HTML, and a picture of it.

    uv run python -m tests.interop.dashboard

This makes docs/dashboard.png anew, from a run of seven minutes in the sandbox. Not Grafana draws it, but this module:
same panels, places, queries, units and legends, other looks.
"""

from __future__ import annotations

import asyncio
import html
import json
import random
import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from playwright.async_api import async_playwright

from sandbox.providers.mp4 import tiny_mp4
from sandbox.providers.openai import LocalOpenAI
from sandbox.providers.openai_request import OpenAISettings
from tests.e2e.stage import Stage
from tests.interop.prometheus import DASHBOARD, PROJECT, RULES, SCRAPE_S, Prometheus, asked, panels, running, watched
from tests.page.conftest import FLAGS, chromium

PICTURE = PROJECT / "docs" / "dashboard.png"
RUNS_FOR_S = 420.0
COLUMN, ROW = 54, 27
"""Pixels of a unit of `gridPos`."""
COLORS = ("#3274d9", "#e0b400", "#56a64b", "#e02f44", "#8f3bb8", "#ff780a", "#37872d", "#1f60c4", "#a352cc", "#705da0")
SHOWN = 8
"""Series that a panel's legend names."""
STYLE = """
body { margin: 0; background: #f4f5f5; font: 11px "DejaVu Sans", sans-serif; color: #24292e; position: relative }
section { position: absolute; box-sizing: border-box; background: #fff; border: 1px solid #dce1e6; padding: 5px 8px;
  overflow: hidden }
h1 { position: absolute; margin: 0; padding: 8px; font-size: 13px }
h2 { margin: 0 0 2px; font-size: 11px }
p { margin: 0; white-space: nowrap }
.number { font-size: 19px; line-height: 30px; margin-right: 6px }
i { display: inline-block; width: 9px; height: 3px; margin: 0 4px 2px 0 }
polyline { fill: none; stroke-width: 1.3 }
div span { white-space: nowrap; margin-right: 8px }
svg text { font-size: 9px; fill: #6e7781 }
"""

Points = Sequence[tuple[float, float]]
Series = list[tuple[str, Points]]


def number(value: float, unit: str) -> str:
    """With a unit of the dashboard, in few characters."""
    match unit:
        case "percentunit":
            return f"{value * 100:.3g} %"
        case "s":
            return f"{value * 1000:.3g} ms" if abs(value) < 1 else f"{value:.3g} s"
    last = {"bytes": "B", "Bps": "B/s", "reqps": "/s"}.get(unit, "")
    for prefix, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= size:
            return f"{value / size:.3g} {prefix}{last}"
    return f"{value:.3g} {last}".rstrip()


def name(template: str, labels: Mapping[str, str]) -> str:
    """What the legend says of a series."""
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), template).strip()


async def page(prometheus: Prometheus) -> str:
    """The dashboard in HTML, with the whole time since the Prometheus began."""
    parts = [f"<style>{STYLE}</style>"]
    for panel in panels():
        shown: Series = []
        for target in panel["targets"]:
            found = await prometheus.values(asked(target["expr"], "30s"), SCRAPE_S)
            shown += [(name(target["legendFormat"], labels), points) for labels, points in found]
        draw = stat if panel["type"] == "stat" else chart
        inside = draw(shown, panel, prometheus.began_s)
        parts.append(f"<section style='{_place(panel)}'><h2>{html.escape(panel['title'])}</h2>{inside}</section>")
    rows = [panel for panel in json.loads(DASHBOARD.read_text("utf-8"))["panels"] if panel["type"] == "row"]
    parts += [f"<h1 style='{_place(row)}'>{html.escape(row['title'])}</h1>" for row in rows]
    return "".join(parts)


def _place(panel: Mapping[str, Any]) -> str:
    at = panel["gridPos"]
    left, top, width, height = at["x"] * COLUMN, at["y"] * ROW, at["w"] * COLUMN - 6, at["h"] * ROW - 6
    return f"left: {left}px; top: {top}px; width: {width}px; height: {height}px"


def stat(shown: Series, panel: Mapping[str, Any], _began_s: float) -> str:
    """The last number of each series, or only its name."""
    if panel["options"].get("textMode") == "name":
        return "".join(f"<p><span class=number>{html.escape(label)}</span></p>" for label, _ in shown)
    unit = panel["fieldConfig"]["defaults"]["unit"]
    return "".join(
        f"<p><span class=number>{number(points[-1][1], unit)}</span>{html.escape(label)}</p>" for label, points in shown
    )


def chart(shown: Series, panel: Mapping[str, Any], began_s: float) -> str:
    """Lines over time, with a legend below that has each one's last number."""
    unit = panel["fieldConfig"]["defaults"]["unit"]
    width, height = panel["gridPos"]["w"] * COLUMN - 24, 106
    left, bottom = 52, height - 14
    span_s = max(1.0, time.time() - began_s)
    top = max((value for _, points in shown for _, value in points), default=0.0) or 1.0
    least = min(0.0, *(value for _, points in shown for _, value in points)) if shown else 0.0

    def at(point: tuple[float, float]) -> str:
        x = left + (point[0] - began_s) / span_s * (width - left)
        y = bottom - (point[1] - least) / (top - least) * (bottom - 6)
        return f"{x:.1f},{y:.1f}"

    drawn = [f"<svg width={width} height={height}>"]
    for part in (0.0, 0.5, 1.0):
        y = bottom - part * (bottom - 6)
        label = number(least + part * (top - least), unit)
        drawn.append(f"<path d='M{left} {y}H{width}' stroke='#e6e9ec'/><text x=0 y={y + 3}>{label}</text>")
        minute = f"{part * span_s / 60:.1f} min"
        anchor = ("start", "middle", "end")[int(part * 2)]
        drawn.append(f"<text x={left + part * (width - left)} y={height - 2} text-anchor={anchor}>{minute}</text>")
    lines = [(COLORS[n % len(COLORS)], label, points) for n, (label, points) in enumerate(shown)]
    for color, _, points in lines:
        drawn += [f"<polyline points='{' '.join(map(at, run))}' stroke='{color}' />" for run in _unbroken(points)]
    drawn.append("</svg><div>")
    for color, label, points in lines[:SHOWN]:
        last = number(points[-1][1], unit)
        drawn.append(f"<span><i style='background: {color}'></i>{html.escape(label)} {last}</span> ")
    if len(lines) > SHOWN:
        drawn.append(f"and {len(lines) - SHOWN} more")
    return "".join([*drawn, "</div>"])


def _unbroken(points: Points) -> list[Points]:
    """The pieces between the scrapes that failed; one point alone is a short line."""
    pieces: list[list[tuple[float, float]]] = []
    for point in points:
        if not pieces or point[0] - pieces[-1][-1][0] > SCRAPE_S * 1.5:
            pieces.append([])
        pieces[-1].append(point)
    return [piece if len(piece) > 1 else [piece[0], (piece[0][0] + 1, piece[0][1])] for piece in pieces]


async def members(stage: Stage) -> None:
    """Ask for videos for as long as the run lasts; now and then something goes wrong."""
    rng = random.Random(4)
    people = [stage.discord.world.people[each] for each in ("mia", "ana", "admin")]
    prompts = ["puts on a hat", "blinks", "runs", "dances", "[fail]", "[moderated]", "[slow]", "[flaky]", "[big]"]
    weights = [6, 6, 6, 6, 1, 1, 2, 1, 1]
    while True:
        (prompt,) = rng.choices(prompts, weights)
        await stage.animate(rng.choice(people), prompt=prompt, model=rng.choice(["sora-2", "sora-2", "sora-2-pro"]))
        if rng.random() < 0.3:
            await stage.discord.invoke(rng.choice(people), "quota")
        await asyncio.sleep(rng.expovariate(1 / 4))


async def troubles(stage: Stage) -> None:
    """A provider that is down for a while, a lost answer, a cut connection, an update of the bot."""
    whole_s = RUNS_FOR_S / 6
    await asyncio.sleep(whole_s)
    stage.provider.faults.inject("create:429", times=12)
    await asyncio.sleep(whole_s)
    await stage.animate(prompt="[lost]")
    await asyncio.sleep(whole_s)
    await stage.discord.gateway_drop()
    await asyncio.sleep(whole_s)
    assert stage.bot is not None
    await stage.bot.stop()
    await stage.start_bot()
    await asyncio.sleep(2 * whole_s)


async def photograph(folder: Path) -> None:
    """Runs the bot, and writes the picture."""
    settings = {
        "MAX_CONCURRENT_JOBS": "3", "MAX_JOBS_PER_USER": "9", "QUOTA_DEFAULT_CREDITS": "1000", "BACKUP_EVERY": "1m",
        "POLL_SECONDS": "1", "PROGRESS_SECONDS": "1",
    }  # fmt: skip
    provider = LocalOpenAI(render=tiny_mp4, settings=OpenAISettings(render_seconds=8))
    stage = Stage(settings, provider=provider)
    async with watched(stage) as metrics, running(folder, metrics, RULES.read_text("utf-8")) as prometheus:
        asking = asyncio.create_task(members(stage))
        await troubles(stage)
        text = await page(prometheus)
        asking.cancel()
        await asyncio.wait({asking})
        await stage.settled(60)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        sheet = await browser.new_page(viewport={"width": 24 * COLUMN, "height": 65 * ROW})
        await sheet.set_content(text)
        await sheet.screenshot(path=PICTURE)
        await browser.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="animate-dashboard-") as folder:
        asyncio.run(photograph(Path(folder)))
