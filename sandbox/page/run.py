"""`python -m sandbox --page`: the environment with its page, until Ctrl-C."""

import asyncio
import os
import webbrowser
from collections.abc import Callable, Mapping
from pathlib import Path

from sandbox.environment import Environment
from sandbox.page.actions import Refused
from sandbox.page.server import Page
from sandbox.process import PROJECT
from sandbox.providers.base import LocalProvider
from sandbox.providers.chat_model import LocalChatModel
from sandbox.signals import run_in

REAL = ("VIDEO_API_URL", "VIDEO_API_KEY", "VIDEO_API_AUTH", "VIDEO_CATALOG", "VIDEO_DOWNLOAD_HOSTS", "BUDGET_CREDITS")
"""What the bot is told of a real provider, out of the environment."""
PAID = PROJECT / "data" / "sandbox"
"""What was paid for is not thrown away at the end, nor the ledger with the budget."""

NO_MORE: Mapping[str, str] = {}


class Unfit(Exception):
    """The page cannot be shown with what was asked for; the sentence says why."""


def real_provider(environment: Mapping[str, str]) -> dict[str, str]:
    """The settings of a provider that costs money. Raises `Unfit`."""
    found = {name: environment[name] for name in REAL if environment.get(name)}
    if "VIDEO_API_KEY" not in found or "VIDEO_API_URL" not in found:
        raise Unfit("Set VIDEO_API_URL and VIDEO_API_KEY in the environment to use a real provider.")
    if "VIDEO_CATALOG" in found:
        found["VIDEO_CATALOG"] = str(Path(found["VIDEO_CATALOG"]).resolve())  # the bot runs in a folder of its own
    return found | {"POLL_SECONDS": "5", "PROGRESS_SECONDS": "2"}  # the sandbox's own pace is no pace for others


async def show(
    say: Callable[[str], None],
    provider: LocalProvider,
    *,
    port: int,
    opens: bool,
    bot: bool,
    real: bool,
    more: Mapping[str, str] = NO_MORE,
) -> int:
    """The exit code. `bot`: False leaves the place to one of yours; `real`: videos cost money; `more` settings."""
    try:
        settings = real_provider(os.environ) if real else {}
    except Unfit as unfit:
        say(str(unfit))
        return 2
    chat_model = None if real else LocalChatModel()
    environment = Environment(
        provider=provider, settings={**settings, **more}, chat_model=chat_model, folder=PAID if real else None
    )
    return await run_in(environment, _until_told(say, environment, port=port, opens=opens, bot=bot, real=real), ended=0)


async def _until_told(
    say: Callable[[str], None], environment: Environment, *, port: int, opens: bool, bot: bool, real: bool
) -> int:
    page = Page(environment, real_provider=real)
    try:
        await environment.start(bot=False)
        await _open(page, port)
        _greet(say, environment, page, bot=bot, real=real)
        if opens:
            await asyncio.to_thread(webbrowser.open, page.url)
        if bot:
            await _start_bot(page, say)
        await asyncio.Event().wait()
    except Unfit as unfit:
        say(str(unfit))
    finally:
        await page.stop()
    return 1


async def _open(page: Page, port: int) -> None:
    try:
        await page.start(port)
    except OSError as error:
        raise Unfit(f"Port {port} is in use. Choose another one with --port.") from error


def _greet(say: Callable[[str], None], environment: Environment, page: Page, *, bot: bool, real: bool) -> None:
    say(f"The sandbox is at {page.url}")
    if real:
        url = environment.settings()["VIDEO_API_URL"]
        say(f"Videos are made by {url} and cost real money. They are kept in {environment.folder}.")
    if not bot:
        say("Start your bot with these settings:\n")
        for name, value in environment.settings_of_yours(provider=not real).items():
            say(f"{name}={value}")
    say("Press Ctrl-C to stop.")


async def _start_bot(page: Page, say: Callable[[str], None]) -> None:
    try:
        await page.faults.start_bot()
    except Refused as refused:
        say(str(refused))
