"""`python -m bot check`: whether everything is there that the bot needs, by questions that cost nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import chain

from bot.check import application, providers, storage
from bot.check.findings import Finding, problem
from bot.errors import SettingsError
from bot.provider_settings import offer
from bot.providers.protocols import Provider
from bot.providers.wires import connect
from bot.settings import Settings, misspelt_in_environment
from bot.wire_config import ProviderConfig

EACH_WITHIN_S = 10.0
"""So long each part may ask; they ask at the same time."""

Part = Callable[[], Awaitable[list[Finding]]]


async def check(settings: Settings, *, within_s: float = EACH_WITHIN_S) -> list[Finding]:
    """Everything that was found, in a fixed order. Raises SettingsError where the bot would not start with these."""
    on_offer = offer(settings)
    asked = [(config, _connected(config)) for config in on_offer.providers]
    first = next(iter(settings.catalog.providers))
    parts: dict[str, Part] = {
        "Discord": lambda: application.check(settings),
        **{
            f"provider {config.name}": partial(
                providers.check, config, provider, on_offer.catalog, is_first=config.name == first
            )
            for config, provider in asked
        },
        "database": lambda: asyncio.to_thread(storage.database, settings.database),
        "disk": lambda: asyncio.to_thread(storage.disk, settings.data_dir, settings.database_path),
    }
    if settings.public_url is not None:
        parts["PUBLIC_URL"] = partial(application.public_url, settings.public_url, settings.http_port)
    found = await asyncio.gather(*(_bounded(name, part, within_s) for name, part in parts.items()))
    return [
        *providers.of_the_settings(misspelt_in_environment(settings.key_names)),
        *(application.credits_port(settings.http_port) if settings.credits_secret is not None else ()),
        *chain.from_iterable(found),
        *providers.of_the_catalog(on_offer),
    ]


async def _bounded(name: str, part: Part, within_s: float) -> list[Finding]:
    try:
        async with asyncio.timeout(within_s):
            return await part()
    except TimeoutError:
        return [problem(name, f"no answer within {within_s:g} seconds. Check the network, then try again.")]


def _connected(config: ProviderConfig) -> Provider:
    """As at the start of the bot. Raises SettingsError."""
    try:
        return connect(config)
    except ValueError as error:
        raise SettingsError([f"VIDEO_CATALOG: {error}."]) from error
