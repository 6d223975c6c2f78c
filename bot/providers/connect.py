"""Which adapter speaks which wire."""

from __future__ import annotations

from bot.providers.comfy_api import ComfyAPIProvider
from bot.providers.comfyui import ComfyUIProvider
from bot.providers.openai import OpenAIProvider
from bot.providers.openrouter import OpenRouterProvider
from bot.providers.protocols import Provider
from bot.providers.queue import QueueProvider
from bot.wires import ProviderConfig


def connect(config: ProviderConfig) -> Provider:
    """An adapter for this provider; it connects when it is first used. Raises ValueError for what cannot be used."""
    match config.wire, config.dialect:
        case "openai", _:
            return OpenAIProvider(config)
        case "openrouter", _:
            return OpenRouterProvider(config)
        case "queue", _:
            return QueueProvider(config)
        case "comfyui", "api-v2":
            return ComfyAPIProvider(config)
        case "comfyui", _:
            return ComfyUIProvider(config)
        case _:
            raise ValueError(f"the provider {config.name} has an unknown wire, {config.wire}")
