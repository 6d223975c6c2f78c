"""One harness a wire: its adapter, its local provider, and what differs.

`test_wires.py` holds all of them to one contract.
"""

from __future__ import annotations

import contextlib
import io
import json
import traceback
import uuid
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image

from bot.models import Ticket
from bot.providers.comfy_api import ComfyAPIProvider
from bot.providers.comfyui import ComfyUIProvider
from bot.providers.http import Timeouts
from bot.providers.openai import OpenAIProvider
from bot.providers.openrouter import OpenRouterProvider
from bot.providers.protocols import CreateRequest, Phase, Provider, VideoStatus
from bot.providers.queue_wire import QueueProvider
from bot.wire_config import ModelWire, PictureForm, ProviderConfig
from sandbox.providers.base import LocalProvider
from sandbox.providers.comfy_api import ComfyAPISettings, LocalComfyAPI
from sandbox.providers.comfy_router import ComfyRouterSettings, LocalComfyRouter
from sandbox.providers.comfy_workflow import ComfySettings
from sandbox.providers.comfyui import LocalComfyUI
from sandbox.providers.exchange import Exchange
from sandbox.providers.mp4 import tiny_mp4
from sandbox.providers.openai import LocalOpenAI
from sandbox.providers.openai_request import OpenAISettings
from sandbox.providers.openrouter import LocalGPTProto, LocalOpenRouter, OpenRouterSettings
from sandbox.providers.queue_wire import LocalFal, QueueSettings

SECRET = "sk-live-0123456789abcdef"
TIMEOUTS = Timeouts(connect_s=5, create_s=20, poll_s=10, download_idle_s=5, download_s=20)
SIZE = "64x48"
WORKFLOW = Path("bot/catalogs/workflows/wan-2.2.json")


def picture(size: str = SIZE) -> bytes:
    """A small JPEG."""
    file = io.BytesIO()
    width, _, height = size.partition("x")
    Image.new("RGB", (int(width), int(height)), (200, 120, 40)).save(file, "JPEG")
    return file.getvalue()


@dataclass
class Bench:
    """An adapter and the local provider that it speaks to."""

    wire: Wire
    local: LocalProvider
    api: Provider

    def request(self, prompt: str = "Put a hat on the cat", **changes: Any) -> CreateRequest:
        """A new request, with a key of its own, sent just now."""
        whole = CreateRequest(
            key=str(uuid.uuid4()), model=self.wire.model, prompt=prompt, seconds=self.wire.seconds,
            size=self.wire.size, picture=picture(self.wire.size), sent_at=datetime.now(UTC),
        )  # fmt: skip
        return replace(whole, **changes)

    def sent(self, route: str) -> list[Exchange]:
        """The requests that came in on a route."""
        return [exchange for exchange in self.local.requests if exchange.route == route]

    async def ended(self, ticket: Ticket) -> VideoStatus:
        """The status once it is not running any more; the job is told to end now."""
        job = next(iter(self.local.jobs.values()))
        if not job.is_over:
            self.local.finish(job.id)
        status = await self.api.status(ticket)
        assert status.phase is not Phase.RUNNING
        return status


class Wire(ABC):
    """What the suite needs to know of a wire."""

    name: ClassVar[str]
    model: ModelWire
    seconds: ClassVar[int] = 5
    size: ClassVar[str] = SIZE
    knows_keys: ClassVar[bool] = False
    can_cancel: ClassVar[bool] = False
    may_be_cancelled: ClassVar[tuple[bool | None, bool | None]] = (None, None)
    """What a status says of that while the job waits and while it runs; None where it is always the same."""
    tells_position: ClassVar[bool] = False
    tells_cost: ClassVar[bool] = False
    tells_charge: ClassVar[bool] = True
    """Whether a failure says if it is charged for, as far as it or the catalog knows."""
    tells_address: ClassVar[bool] = True
    """Whether the address of a video is one that members can open."""
    follows_an_id_beside_an_error: ClassVar[bool] = True
    polls: ClassVar[tuple[str, ...]] = ("poll",)
    """The local routes that a status asks."""
    gone_model: ClassVar[str] = "acme/gone"
    names_gone_models: ClassVar[bool] = True
    """Whether a refusal says that it is for the model."""

    @property
    def gone(self) -> ModelWire:
        """A model that the provider has no more."""
        return replace(self.model, name=self.gone_model)

    @abstractmethod
    def local(self) -> LocalProvider:
        """A local provider whose jobs end only when they are told to, and which knows the models of the suite alone."""

    @abstractmethod
    def adapter(self, url: str, key: str, timeouts: Timeouts = TIMEOUTS) -> Provider:
        """The adapter, with downloads from loopback allowed."""

    @contextlib.asynccontextmanager
    async def bench(self, *, key: str = SECRET) -> AsyncIterator[Bench]:
        """Both, running; `key` is the one that the adapter has."""
        async with self.local() as local:
            api = self.adapter(local.url, key)
            try:
                yield Bench(self, local, api)
                found = [each for exchange in local.requests for each in local.violations(exchange)]
                assert not found
            finally:
                await api.close()


class OpenAI(Wire):
    """In the dialect of the seed."""

    name = "openai"
    dialect: ClassVar[str] = "gptproto"
    model = ModelWire("sora-2")
    seconds, size = 4, "720x1280"  # of those in the published description
    names_gone_models = False
    tells_charge = False

    def local(self) -> LocalProvider:
        settings = OpenAISettings(render_seconds=None)
        return LocalOpenAI(key=SECRET, render=tiny_mp4, settings=settings, dialect=self.dialect)

    def adapter(self, url: str, key: str, timeouts: Timeouts = TIMEOUTS) -> Provider:
        return OpenAIProvider(_config(self.name, "openai", url, key), timeouts=timeouts)


class OpenRouter(Wire):
    name = "openrouter"
    model = ModelWire("acme/video", PictureForm.DATA_URI, charges_refusals=True)
    tells_cost = True

    def local(self) -> LocalProvider:
        settings = OpenRouterSettings(render_seconds=None, models=["acme/video"])
        return LocalOpenRouter(key=SECRET, render=tiny_mp4, settings=settings)

    def adapter(self, url: str, key: str, timeouts: Timeouts = TIMEOUTS) -> Provider:
        return OpenRouterProvider(_config(self.name, "openrouter", url, key), timeouts=timeouts)


class GPTProto(OpenRouter):
    name = "gptproto-v3"
    polls = ("result",)

    def local(self) -> LocalProvider:
        settings = OpenRouterSettings(render_seconds=None, models=["acme/video"])
        return LocalGPTProto(key=SECRET, render=tiny_mp4, settings=settings)


class Fal(Wire):
    name = "fal"
    model = ModelWire(
        "acme/video/v1/image-to-video",
        PictureForm.DATA_URI,
        body={"prompt": "{prompt}", "image_url": "{picture}", "duration": "{seconds!s}", "seed": "{seed}"},
        result="video.url",
        charges_refusals=True,
    )
    can_cancel = True
    may_be_cancelled = (True, False)
    tells_position = True
    polls = ("poll", "result")

    def local(self) -> LocalProvider:
        settings = QueueSettings(render_seconds=None, models=[self.model.name])
        return LocalFal(key=SECRET, render=tiny_mp4, settings=settings)

    def adapter(self, url: str, key: str, timeouts: Timeouts = TIMEOUTS) -> Provider:
        return QueueProvider(_config(self.name, "queue", url, key, dialect="fal"), timeouts=timeouts)


class ComfyRouter(Wire):
    name = "comfy-router"
    model = ModelWire(
        "byteplus/video",
        PictureForm.DATA_URI,
        body={
            "content": [
                {"type": "text", "text": "{prompt}"},
                {"type": "image_url", "role": "first_frame", "image_url": {"url": "{picture}"}},
                {"type": "image_url", "role": "last_frame", "image_url": {"url": "{last_image}"}},
            ],
            "duration": "{seconds}",
        },
        result="content.video_url",
        charges_refusals=True,
    )
    knows_keys = True
    can_cancel = True
    may_be_cancelled = (True, False)
    tells_position = True
    tells_cost = True
    polls = ("poll", "result")

    def local(self) -> LocalProvider:
        settings = ComfyRouterSettings(render_seconds=None, models=[self.model.name])
        return LocalComfyRouter(key=SECRET, render=tiny_mp4, settings=settings)

    def adapter(self, url: str, key: str, timeouts: Timeouts = TIMEOUTS) -> Provider:
        return QueueProvider(_config(self.name, "queue", url, key, dialect="comfy-router"), timeouts=timeouts)


class ComfyUI(Wire):
    name = "comfyui"
    model = ModelWire("wan-2.2", workflow=json.loads(WORKFLOW.read_text()), fps=24, charges_refusals=True)
    knows_keys = True
    can_cancel = True
    tells_position = True
    tells_address = False
    follows_an_id_beside_an_error = False
    polls = ("history",)

    @property
    def gone(self) -> ModelWire:
        """One whose workflow has a node that is not installed."""
        workflow = {**(self.model.workflow or {}), "more": {"class_type": "NotInstalled", "inputs": {}}}
        return replace(self.model, name=self.gone_model, workflow=workflow)

    def local(self) -> LocalProvider:
        return LocalComfyUI(key=SECRET, render=tiny_mp4, settings=ComfySettings(render_seconds=None, wants_key=True))

    def adapter(self, url: str, key: str, timeouts: Timeouts = TIMEOUTS) -> Provider:
        return ComfyUIProvider(_config(self.name, "comfyui", url, key), timeouts=timeouts, settle_s=0.01)


class ComfyAPI(ComfyUI):
    name = "comfy-api"
    polls = ("poll",)

    def local(self) -> LocalProvider:
        return LocalComfyAPI(key=SECRET, render=tiny_mp4, settings=ComfyAPISettings(render_seconds=None))

    def adapter(self, url: str, key: str, timeouts: Timeouts = TIMEOUTS) -> Provider:
        return ComfyAPIProvider(_config(self.name, "comfyui", url, key, dialect="api-v2"), timeouts=timeouts)


WIRES: list[Wire] = [OpenAI(), OpenRouter(), GPTProto(), Fal(), ComfyRouter(), ComfyUI(), ComfyAPI()]
"""Every wire there is; a new one is a class above and a line here."""


def is_clean(error: BaseException) -> bool:
    """No secret anywhere in an error, its causes included, however it is printed."""
    told = "".join(traceback.format_exception(error))
    link: BaseException | None = error
    while link is not None:
        told += repr(link) + str(link) + repr(link.args) + repr(vars(link))
        link = link.__cause__ or link.__context__
    return SECRET not in told and "0123456789" not in told


def carries_key(exchange: Exchange) -> bool:
    """Whether the key stands anywhere in a request."""
    return any(SECRET in value for value in exchange.headers.values()) or SECRET in str(exchange.query)


def _config(name: str, wire: str, url: str, key: str, *, dialect: str | None = None) -> ProviderConfig:
    hosts = frozenset({"127.0.0.1"})
    return ProviderConfig(name=name, wire=wire, url=url, key=key, dialect=dialect, download_hosts=hosts)
