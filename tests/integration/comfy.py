"""Requests for ComfyUI's wires, and adapters in front of their local providers."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bot.providers.comfy_api import ComfyAPIProvider
from bot.providers.comfyui import ComfyUIProvider
from bot.providers.http import Timeouts
from bot.providers.protocols import CreateRequest
from bot.wire_config import ModelWire, ProviderConfig
from sandbox.providers.base import LocalProvider
from sandbox.providers.comfy_api import LocalComfyAPI
from sandbox.providers.comfyui import LocalComfyUI
from sandbox.providers.exchange import Answer, Exchange
from sandbox.providers.exchange import Phase as When
from tests.unit.images_samples import drawing, encoded

WAN = ModelWire("wan-2.2", workflow=json.loads(Path("bot/catalogs/workflows/wan-2.2.json").read_text()), fps=24)
PICTURE = encoded(drawing((64, 96)), "JPEG")
QUICK = Timeouts(connect_s=5, create_s=2, poll_s=2, download_idle_s=5, download_s=20)


def request(prompt: str = "a hat", **changes: Any) -> CreateRequest:
    given: dict[str, Any] = {"key": str(uuid.uuid4()), "model": WAN, "seconds": 1, "size": "64x96", "picture": PICTURE}
    return CreateRequest(prompt=prompt, **{**given, "sent_at": datetime.now(UTC), **changes})


def comfyui(local: LocalComfyUI, *, url: str | None = None, key: str | None = None, **given: Any) -> ComfyUIProvider:
    config = ProviderConfig("own-gpu", "comfyui", url or local.url, key)
    return ComfyUIProvider(config, timeouts=QUICK, **{"settle_s": 0.05, "cancel_s": 5.0, **given})


def comfy_api(local: LocalComfyAPI, *, url: str | None = None, **given: Any) -> ComfyAPIProvider:
    config = ProviderConfig("cloud", "comfyui", url or local.url, local.key, dialect="api-v2")
    return ComfyAPIProvider(config, timeouts=QUICK, **{"cancel_s": 5.0, **given})


def answering(local: LocalProvider, route: str, answer: Answer, *, method: str = "") -> None:
    """This answer to every request of a route, and nothing done."""

    async def hook(when: When, exchange: Exchange) -> Answer | None:
        if when != "before" or exchange.route != route or method not in ("", exchange.method):
            return None
        exchange.fault = "of the test"
        return answer

    local.on_exchange(hook)


def sent(local: LocalProvider, route: str) -> list[Exchange]:
    """The requests that came in on a route."""
    return [exchange for exchange in local.requests if exchange.route == route]
