"""Every provider that is on offer: its key, by a question that costs nothing, and its models; and what ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bot.catalog import Catalog
from bot.check.findings import Finding, Level, ok, problem, warning
from bot.errors import VideoRejected, VideoUnavailable
from bot.provider_settings import Offer
from bot.providers.protocols import Provider
from bot.wire_config import ProviderConfig


async def check(config: ProviderConfig, provider: Provider, catalog: Catalog, *, is_first: bool) -> list[Finding]:
    """Asks this one, and closes it."""
    try:
        key = await _key(config, catalog, provider, is_first=is_first)
        return [key, *(await _models(config, catalog, provider) if key.level is Level.OK else [])]
    finally:
        await provider.close()


async def _key(config: ProviderConfig, catalog: Catalog, provider: Provider, *, is_first: bool) -> Finding:
    subject = f"provider {config.name}"
    variable = catalog.providers[config.name].key
    if is_first and variable is not None:
        variable = f"VIDEO_API_KEY or {variable}"
    try:
        await provider.settle_auth()
    except VideoRejected as error:
        text = f" ({error.provider_text})" if error.provider_text else ""
        if variable is None:
            return problem(subject, f"it wants a key{text}, and the catalog names no variable for one. Add `key`.")
        return problem(subject, f"it refuses the key{text}. Put a valid one into {variable}.")
    except VideoUnavailable as error:
        why = error.provider_text or f"HTTP {error.http_status}"
        return problem(subject, f"no usable answer from {config.url}: {why}. Check its address, or try again later.")
    return ok(subject, "it accepts the key" if config.key is not None else f"it answers at {config.url}")


async def _models(config: ProviderConfig, catalog: Catalog, provider: Provider) -> list[Finding]:
    models = catalog.models_of(config.name)
    subject = f"models of {config.name}"
    try:
        faults = await provider.check([model.wire for model in models])
    except (VideoUnavailable, VideoRejected) as error:
        return [warning(subject, f"the provider did not say whether it has them: {error.provider_text}.")]
    if faults:
        return [problem(subject, f"{fault}. Remove the model from the catalog, or correct it.") for fault in faults]
    return [ok(subject, ", ".join(model.id for model in models) or "none on offer")]


def of_the_settings(misspelt: Sequence[str]) -> Iterator[Finding]:
    """They were read; what looks like one of them and is none is told."""
    yield ok("settings", "they can be used")
    for sentence in misspelt:
        yield warning("settings", sentence)


def of_the_catalog(on_offer: Offer) -> Iterator[Finding]:
    """What is on offer and not as it seems, and what is not on offer any more."""
    for note in on_offer.notes:
        yield warning("catalog", f"{note}.")
    for model in on_offer.catalog.ended:
        assert model.retired is not None
        instead = f" Use {' or '.join(model.retired.instead)} instead." if model.retired.instead else ""
        yield warning("catalog", f"the model {model.id} ended on {model.retired.on} and is not on offer.{instead}")
