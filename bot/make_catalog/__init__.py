"""`python -m bot catalog`: a catalog from a provider's own list of models."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from bot.catalog import ProviderEntry, load_catalog
from bot.catalog.offer import utc_today
from bot.errors import BotError, SettingsError, VideoUnavailable
from bot.make_catalog.openrouter import entries_of
from bot.make_catalog.toml import text_of
from bot.providers.http import HttpClient, Timeouts
from bot.settings import read_secret

PROVIDERS = ("openrouter", "comfy-router")
USD_PER_CREDIT = 0.10
MOST_BYTES = 8 * 1024 * 1024
MOST_PAGES = 20
_HEADERS: dict[str, Callable[[str], dict[str, str]]] = {
    "bearer": lambda key: {"Authorization": f"Bearer {key}"},
    "x-api-key": lambda key: {"X-API-Key": key},
}


class NoCatalogError(BotError):
    """Why none could be written, and what to do."""


async def catalog_of(
    name: str,
    *,
    url: str | None = None,
    usd_per_credit: float = USD_PER_CREDIT,
    today: Callable[[], date] = utc_today,
) -> str:
    """The text of a catalog for one of `PROVIDERS`, from its list, which the loader can read. Raises NoCatalogError."""
    packaged = load_catalog(name).providers[name]
    provider = packaged if url is None else replace(packaged, url=url.rstrip("/"))
    # The key belongs to the packaged address alone.
    key = read_secret(packaged.key) if packaged.key and provider.url == packaged.url else None
    http = HttpClient(Timeouts())
    try:
        if name == "comfy-router":
            raise NoCatalogError(await _why_not(provider, http, key))
        source = f"{provider.url}/videos/models"
        found = entries_of(_listed(await _asked(source, provider, http, key), source))
    finally:
        await http.close()
    if not found.entries:
        reasons = "".join(f"\n{model}: {reason}" for model, reason in sorted(found.left_out.items()))
        raise NoCatalogError(f"{source} lists no model that makes a video from a picture and tells its price.{reasons}")
    text = text_of(found, provider, source=source, day=today(), usd_per_credit=usd_per_credit)
    _check(text)
    return text


async def _why_not(provider: ProviderEntry, http: HttpClient, key: str | None) -> str:
    """What this list leaves open, and what of the packaged catalog it does not have any more."""
    names: set[str] = set()
    cursor = ""
    for _ in range(MOST_PAGES):
        source = f"{provider.url}/v2/models?limit=100{cursor}"
        body = await _asked(source, provider, http, key)
        listed = (each.get("id") for each in _listed(body, source) if isinstance(each, dict))
        names |= {name for name in listed if isinstance(name, str)}
        if not body.get("has_more") or not isinstance(body.get("next_cursor"), str):
            break
        cursor = f"&cursor={body['next_cursor']}"
    packaged = load_catalog(provider.name)
    gone = [model.wire.name for model in packaged.models_of(provider.name) if model.wire.name not in names]
    missing = f" It does not list these models of that catalog any more: {', '.join(gone)}." if gone else ""
    return (
        f"{provider.name} lists {len(names)} models, but not their lengths, sizes, prices and what to send, so no "
        f"catalog can be written. Copy the one that comes with the bot, bot/catalogs/{provider.name}.toml.{missing}"
    )


async def _asked(address: str, provider: ProviderEntry, http: HttpClient, key: str | None) -> Any:
    headers = {} if key is None else _HEADERS[provider.auth](key)
    try:
        answer = await http.ask(address, headers, at_most=MOST_BYTES)
    except VideoUnavailable as error:
        raise NoCatalogError(f"{address} cannot be reached: {error.provider_text}.") from error
    if answer.status in (401, 403) and key is None:
        raise NoCatalogError(f"{address} wants a key (HTTP {answer.status}). Set {provider.key}.")
    if not answer.is_success or not isinstance(answer.json, dict):
        raise NoCatalogError(f"{address} does not answer with a list of models (HTTP {answer.status}).")
    return answer.json


def _listed(body: Any, source: str) -> list[Any]:
    listed = body.get("data")
    if not isinstance(listed, list):
        raise NoCatalogError(f"{source} does not answer with a list of models.")
    return listed


def _check(text: str) -> None:
    """By the loader itself: what is written can be used. Raises NoCatalogError."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "catalog.toml"
        path.write_text(text, "utf-8")
        try:
            load_catalog(path)
        except SettingsError as error:
            raise NoCatalogError(f"the list cannot be written as a catalog: {error.sentences[0]}") from error
