"""Which adapter speaks which wire. Each is loaded when the first provider needs it: most bots have one."""

from __future__ import annotations

from bot.providers.protocols import Provider
from bot.wire_config import ProviderConfig


def connect(config: ProviderConfig) -> Provider:
    """An adapter for this provider; it connects when it is first used. Raises ValueError for what cannot be used."""
    match config.wire, config.dialect:
        case "openai", _:
            from bot.providers.openai import OpenAIProvider

            return OpenAIProvider(config)
        case "openrouter", _:
            from bot.providers.openrouter import OpenRouterProvider

            return OpenRouterProvider(config)
        case "queue", _:
            from bot.providers.queue_wire import QueueProvider

            return QueueProvider(config)
        case "comfyui", "api-v2":
            from bot.providers.comfy_api import ComfyAPIProvider

            return ComfyAPIProvider(config)
        case "comfyui", _:
            from bot.providers.comfyui import ComfyUIProvider

            return ComfyUIProvider(config)
        case _:
            raise ValueError(f"the provider {config.name} has an unknown wire, {config.wire}")
