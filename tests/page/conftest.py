"""One Chromium and one environment for all tests of the page in a worker. Each test looks through tabs of its own."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Locator, async_playwright, expect
from playwright.async_api import Page as Sheet

from sandbox.page.server import Page
from sandbox.providers.chat_model import LocalChatModel
from tests.e2e.conftest import leave
from tests.e2e.stage import Stage

NO_CHROMIUM = "there is no Chromium here (Debian: apt-get install chromium; elsewhere name yours in CHROMIUM)"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PATIENCE_MS = 30_000
GENEROUS = {"QUOTA_DEFAULT_CREDITS": "1000", "MAX_JOBS_PER_USER": "50", "MAX_CONCURRENT_JOBS": "50"}

expect.set_options(timeout=PATIENCE_MS)


@dataclass
class Tab:
    """Somebody's tab. What its browser complains of is told when it closes."""

    sheet: Sheet
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sheet.set_default_timeout(PATIENCE_MS)
        self.sheet.on("console", lambda m: self.complaints.append(m.text) if m.type in ("error", "warning") else None)
        self.sheet.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.sheet.on("request", lambda request: self._check(request.url))

    def _check(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("blob", "data") and parts.hostname != "127.0.0.1":
            self.complaints.append(f"a request off loopback: {url}")

    async def look(self, *, width: int = 1400, scheme: str = "dark") -> None:
        """On another screen, in another light."""
        await self.sheet.set_viewport_size({"width": width, "height": 850})
        await self.sheet.emulate_media(color_scheme="dark" if scheme == "dark" else "light")

    def find(self, selector: str, text: str | None = None) -> Locator:
        return self.sheet.locator(selector, has_text=text)

    def message(self, text: str) -> Locator:
        """The newest message with these words."""
        return self.find("#messages > li", text).last

    async def says(self, message: Locator, words: str) -> None:
        """Waits until a message, however often it is edited, says so."""
        says = "([message, words]) => message.innerText.includes(words)"
        await self.sheet.wait_for_function(says, arg=[await message.element_handle(), words])

    async def open(self, command: str) -> None:
        """Types a slash and the name, and takes the first that is offered."""
        await self.sheet.fill("#words", f"/{command}")
        await self.sheet.press("#words", "Enter")

    async def fill(self, name: str, value: str) -> None:
        await self.find(f'.field[data-name="{name}"]').locator("input, textarea").fill(value)

    async def choose(self, name: str, label: str) -> None:
        await self.find(f'.field[data-name="{name}"] select').select_option(label=label)

    async def send(self) -> None:
        await self.sheet.click("#send")

    async def animate(self, prompt: str) -> Locator:
        """Uses /animate with the sample picture; the card that answers."""
        await self.open("animate")
        await self.sheet.click(".drop button")
        await self.fill("prompt", prompt)
        await self.send()
        return self.message(prompt)

    async def inject(self, label: str) -> None:
        await self.find("#faults label", label).first.click()

    async def press(self, label: str, inside: Locator | None = None) -> None:
        await (inside or self.sheet).get_by_role("button", name=label, exact=True).click()

    async def menu(self, message: Locator, entry: str) -> None:
        """Chooses in the menu of a message."""
        await message.get_by_role("button", name="More for").click()
        await self.sheet.get_by_role("menuitem", name=entry).click()


@dataclass
class Site:
    """The environment, its page, and the browser that looks at it."""

    stage: Stage
    page: Page
    browser: BrowserContext


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--remake", action="store_true", help="make the screenshot in README anew")


OpenTab = Callable[..., Awaitable[Tab]]


def chromium() -> str:
    """Where it is. Skips where there is none; where one was asked for, the lack is a failure."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if path is None and os.environ.get("CHROMIUM_REQUIRED"):
        pytest.fail(NO_CHROMIUM)
    if path is None:
        pytest.skip(NO_CHROMIUM)
    return path


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def site() -> AsyncIterator[Site]:
    """Ends with the same questions as a whole-path test: contracts, books, secrets."""
    path = chromium()
    stage = Stage(GENEROUS)
    stage.chat_model = LocalChatModel()
    await stage.start(bot=False)
    faults: list[str] = []
    async with Page(stage) as page, async_playwright() as playwright:
        await page.faults.start_bot()
        await stage.discord.post(stage.admin, "Good morning")  # an empty place greets newcomers
        browser = await playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield Site(stage, page, await browser.new_context())
        await browser.close()
        faults = await leave(stage)
    assert faults == []


@pytest_asyncio.fixture(loop_scope="session")
async def tab(site: Site) -> AsyncIterator[OpenTab]:
    """Opens tabs, each as a person in a place. Afterwards no fault is injected any more."""
    tabs: list[Tab] = []

    async def make(person: str = "mia", *, place: str = "general", width: int = 1400, scheme: str = "dark") -> Tab:
        tabs.append(Tab(await site.browser.new_page()))
        await tabs[-1].look(width=width, scheme=scheme)
        await tabs[-1].sheet.goto(f"{site.page.url}?as={person}#{place}")
        await expect(tabs[-1].find("#place-list a[aria-current]")).to_be_attached()
        return tabs[-1]

    yield make
    complaints = [complaint for each in tabs for complaint in each.complaints]
    for each in tabs:
        await each.sheet.evaluate("localStorage.clear()")
        await each.sheet.close()
    await site.page.faults.apply("provider", "normal")
    await site.page.faults.apply("discord", "normal")
    assert complaints == []
