"""Providers whose calls are counted and timed. Nothing else about them changes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bot.errors import (
    LocalTrouble,
    VideoNotReady,
    VideoOutcomeUnknown,
    VideoProtocolError,
    VideoRejected,
    VideoUnavailable,
)
from bot.metrics.instruments import Instruments
from bot.models import Ticket
from bot.providers.protocols import CreateRequest, Provider, VideoStatus
from bot.wire_config import ModelWire, ProviderConfig

RESULTS: dict[type[BaseException], str] = {
    VideoUnavailable: "unavailable",
    VideoRejected: "rejected",
    VideoOutcomeUnknown: "unknown",
    VideoNotReady: "not_ready",
    VideoProtocolError: "protocol",
    LocalTrouble: "local",
    asyncio.CancelledError: "cancelled",
}


def measured(connect: Callable[[ProviderConfig], Provider], to: Instruments) -> Callable[[ProviderConfig], Provider]:
    """As `connect`, and what it makes is measured."""
    return lambda config: MeasuredProvider(connect(config), to)


class MeasuredProvider:
    """Keeps the contract in `bot.providers.protocols` by passing all on."""

    def __init__(self, provider: Provider, to: Instruments) -> None:
        self._provider = provider
        self._to = to

    @property
    def name(self) -> str:
        """Of the provider itself, as all below."""
        return self._provider.name

    @property
    def endpoint(self) -> str:
        """Passed on."""
        return self._provider.endpoint

    @property
    def knows_keys(self) -> bool:
        """Passed on."""
        return self._provider.knows_keys

    @property
    def can_cancel(self) -> bool:
        """Passed on."""
        return self._provider.can_cancel

    def faults(self) -> list[str]:
        """Passed on."""
        return self._provider.faults()

    async def settle_auth(self) -> None:
        """Measured."""
        with self._measured("settle_auth"):
            await self._provider.settle_auth()

    async def check(self, models: Sequence[ModelWire]) -> list[str]:
        """Measured."""
        with self._measured("check"):
            return await self._provider.check(models)

    async def create(self, request: CreateRequest) -> Ticket:
        """Measured."""
        with self._measured("create"):
            return await self._provider.create(request)

    async def settle(self, request: CreateRequest) -> Ticket | None:
        """Measured."""
        with self._measured("settle"):
            return await self._provider.settle(request)

    async def status(self, ticket: Ticket) -> VideoStatus:
        """Measured: one poll."""
        with self._measured("status"):
            return await self._provider.status(ticket)

    async def download(self, ticket: Ticket, url: str | None, target: Path) -> None:
        """Measured, with its bytes."""
        with self._measured("download"):
            await self._provider.download(ticket, url, target)
        with contextlib.suppress(OSError):  # deleted in this moment
            self._to.downloaded.labels(self._label).inc((await asyncio.to_thread(target.stat)).st_size)

    async def cancel(self, ticket: Ticket) -> bool:
        """Measured."""
        with self._measured("cancel"):
            return await self._provider.cancel(ticket)

    def stop_creating(self) -> None:
        """Passed on."""
        self._provider.stop_creating()

    async def close(self) -> None:
        """Passed on."""
        await self._provider.close()

    @property
    def _label(self) -> str:
        return self._to.provider_label(self._provider.name)

    @contextlib.contextmanager
    def _measured(self, call: str) -> Iterator[None]:
        began_s, result = time.perf_counter(), "ok"
        try:
            yield
        except BaseException as error:
            result = RESULTS.get(type(error), "error")
            raise
        finally:
            label = self._label
            self._to.provider_calls.labels(label, call, result).inc()
            self._to.provider_call.labels(label, call).observe(time.perf_counter() - began_s)
