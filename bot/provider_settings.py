"""The catalog and the settings put together: who can be asked for a video here, at which address, with which key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from urllib.parse import urlsplit

from bot.catalog import Catalog, Model, ProviderEntry, Retired, load_catalog
from bot.catalog.read import packaged
from bot.errors import SettingsError
from bot.settings import Settings
from bot.wire_config import PictureForm, ProviderConfig


@dataclass(frozen=True, slots=True)
class Offer:
    """What is on offer, and who makes it; `notes` are for the operator's log."""

    catalog: Catalog
    providers: tuple[ProviderConfig, ...]
    notes: tuple[str, ...]


def offer(settings: Settings) -> Offer:
    """VIDEO_API_URL, VIDEO_API_KEY and VIDEO_API_AUTH are the first provider's; one without its key is left out.

    Raises SettingsError where nothing is left.
    """
    catalog = settings.catalog
    configs = [_config(entry, settings) for entry in catalog.providers.values()]
    usable = [config for config in configs if config is not None]
    offered = catalog.offered_by({config.name: config.url for config in usable})
    if not offered.models:
        raise SettingsError([f"VIDEO_CATALOG: no model of {settings.video_catalog} is on offer any more."])
    if settings.public_url is None or not settings.http_port:
        _refuse_hosted(offered.models)
    return Offer(offered, tuple(usable), tuple(_notes(offered, {config.name for config in usable})))


def former(settings: Settings, name: str, wire: str, url: str) -> ProviderConfig:
    """A provider that jobs are under way at and that the catalog has no more.

    Its key is found where a catalog that comes with the bot has a provider of this name at this origin.
    """
    wire, _, dialect = wire.partition("/")
    config = ProviderConfig(name, wire, url, None, "none", dialect or None, settings.video_download_hosts)
    for catalog in map(load_catalog, packaged()):
        entry = catalog.providers.get(name)
        if entry is not None and entry.key is not None and _origin(entry.url) == _origin(url):
            key = settings.variable(entry.key)
            return config if key is None else replace(config, key=key, auth=entry.auth)
    return config


def _config(entry: ProviderEntry, settings: Settings) -> ProviderConfig | None:
    """None where its key is not set."""
    first = next(iter(settings.catalog.providers.values()))
    first_url = settings.video_api_url or first.url
    url, auth, key = entry.url, entry.auth, settings.provider_keys.get(entry.key or "")
    if entry is first:
        url, auth, key = first_url, settings.video_api_auth or entry.auth, settings.video_api_key
    elif key is None and entry.key in (first.key, "VIDEO_API_KEY") and _origin(entry.url) == _origin(first_url):
        key = settings.video_api_key
    if key is None and entry.key is not None:
        return None
    return ProviderConfig(
        name=entry.name,
        wire=entry.wire,
        url=url,
        key=None if key is None else key.get_secret_value(),
        auth=auth,
        dialect=entry.dialect,
        download_hosts=settings.video_download_hosts,
    )


def _refuse_hosted(models: Sequence[Model]) -> None:
    """Raises SettingsError where one of these takes its picture as an address only, since there will be none."""
    hosted = [model.id for model in models if model.wire.picture is PictureForm.URL]
    if hosted:
        sentence = (
            f"PUBLIC_URL and HTTP_PORT are needed for {', '.join(hosted)}: the provider accepts a picture only as an "
            "address. Set both, or remove these models from the catalog."
        )
        raise SettingsError([sentence])


def _notes(offered: Catalog, usable: set[str]) -> Iterator[str]:
    for entry in offered.providers.values():
        if entry.name not in usable:
            yield f"{entry.key} is not set: the models of {entry.name} are not on offer"
    if unproven := [model.id for model in offered.models if model.unproven]:
        yield f"nobody has tried these models with this bot yet: {', '.join(unproven)}"
    for model in offered.models:
        if model.retired is not None:
            yield _end_of(model.id, model.retired, offered.today())


def _end_of(model: str, end: Retired, today: date) -> str:
    """Of a model that is on offer."""
    where = "" if end.at is None else f" at {end.at}"
    if end.on <= today:
        return f"the model {model} ended on {end.on}{where}; it is on offer because you use another address"
    return f"the model {model} ends on {end.on}{where}; until then it is on offer"


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port
