"""Models on offer, what their videos cost, and who makes them. Read from TOML; knows nothing of any API."""

from bot.catalog.offer import Catalog, Model, ProviderEntry, Retired, Style
from bot.catalog.read import load_catalog

__all__ = ["Catalog", "Model", "ProviderEntry", "Retired", "Style", "load_catalog"]
