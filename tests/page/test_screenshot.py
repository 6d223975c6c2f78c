"""The picture that README opens with is there and small.

Made anew by `uv run pytest -n 0 tests/page -k screenshot --remake`.
"""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import async_playwright, expect

from sandbox.environment import Environment
from sandbox.page.server import Page
from sandbox.process import PROJECT
from tests.e2e.stage import DONE
from tests.page.conftest import FLAGS, Tab, chromium

pytestmark = pytest.mark.asyncio(loop_scope="session")

SCREENSHOT = Path("docs/sandbox.webp")
SIZE = (1280, 880)
SHARPNESS = 2
MOST_BYTES = 300_000


async def test_the_readme_opens_with_a_screenshot(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--remake", default=False):
        await _remake()

    readme = (PROJECT / "README.md").read_text("utf-8")
    assert f"]({SCREENSHOT})" in readme.partition("\n## ")[0]
    data = (PROJECT / SCREENSHOT).read_bytes()
    assert len(data) < MOST_BYTES
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (SIZE[0] * SHARPNESS, SIZE[1] * SHARPNESS)


async def _remake() -> None:
    """A video that really is rendered, half-way through it. Wants a font with emoji."""
    async with Environment() as environment, Page(environment) as page, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        context = await browser.new_context(
            viewport={"width": SIZE[0], "height": SIZE[1]}, device_scale_factor=SHARPNESS, color_scheme="dark"
        )
        tab = Tab(await context.new_page())
        await tab.sheet.goto(page.url)
        await expect(tab.find(".held")).to_contain_text("cat.jpg")
        await tab.send()
        card = tab.message("The cat blinks")
        await tab.says(card, DONE)
        await tab.press("Dismiss message")  # the note on privacy that comes with a first video
        await tab.sheet.click("#tab-requests")
        await tab.sheet.evaluate(
            """() => new Promise((then) => {
                const video = document.querySelector("video");
                video.pause();
                video.controls = false;
                video.onseeked = then;
                video.currentTime = 2;
            })"""
        )
        await tab.sheet.mouse.move(1, 1)
        shot = await tab.sheet.screenshot()
        await browser.close()
    with Image.open(io.BytesIO(shot)) as image:
        image.convert("RGB").save(PROJECT / SCREENSHOT, "WEBP", quality=82, method=6)
